package controller

import (
	"context"
	"fmt"
	"io"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

// keySecret holds, in Fairlead's own namespace, the key by which hashes of settings are made. All replicas use the same, and go on with it after a restart: with
// another key, every workload that has such a hash is rolled out anew.
const keySecret = "hash-key"

const keyBytes = 32

// hashKey is that key, which is made when it is needed first.
type hashKey struct {
	secrets typed.SecretInterface
	entropy io.Reader

	mu  sync.Mutex
	key []byte
}

// get returns the key. The error is one that passes by itself.
func (k *hashKey) get(ctx context.Context) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != nil {
		return k.key, nil
	}
	s, err := k.secrets.Get(ctx, keySecret, metav1.GetOptions{})
	if absent.Object(err) {
		s, err = k.make(ctx)
	}
	if err == nil && len(s.Data["key"]) != keyBytes {
		err = fmt.Errorf("it holds no key of %d bytes: delete it, and workloads that are restarted on change are once", keyBytes)
	}
	if err != nil {
		return nil, fault.New(fault.Transient, fmt.Errorf("read Secret %s of Fairlead's namespace: %w", keySecret, err))
	}
	k.key = s.Data["key"]
	return k.key, nil
}

// make makes the key, unless another replica is faster.
func (k *hashKey) make(ctx context.Context) (*corev1.Secret, error) {
	key := make([]byte, keyBytes)
	if _, err := io.ReadFull(k.entropy, key); err != nil {
		return nil, err
	}
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: keySecret, Labels: map[string]string{"app.kubernetes.io/name": "fairlead"}}, Data: map[string][]byte{"key": key}}
	made, err := k.secrets.Create(ctx, s, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return k.secrets.Get(ctx, keySecret, metav1.GetOptions{})
	}
	return made, err
}
