package ledger

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

const (
	kindSeed = "seed"
	keySeed  = "seed"
	seedSize = 32
)

// seedName is the name of the Secret that holds the seed of an Environment.
func seedName(namespace, environment string) string {
	sum := sha256.Sum256([]byte(namespace + "\x00" + environment))
	return "seed-" + environment[:min(len(environment), 180)] + "-" + hex.EncodeToString(sum[:5])
}

// Seed returns what the generated values of an Environment are drawn from, and when it was made. The first who asks makes it: of several at once, all get the same.
func (l *Ledger) Seed(ctx context.Context, namespace, environment string) ([]byte, time.Time, error) {
	name := seedName(namespace, environment)
	s, err := l.secrets.Get(ctx, name, metav1.GetOptions{})
	if absent.Object(err) {
		s, err = l.sow(ctx, name)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("load the seed of %s/%s: %w", namespace, environment, unread(err))
	}
	if len(s.Data[keySeed]) < seedSize {
		return nil, time.Time{}, fault.Newf(fault.Invalid, "the Secret %s holds no seed: delete it to have another one made; what was generated will change", name)
	}
	return s.Data[keySeed], s.CreationTimestamp.UTC(), nil
}

// sow makes a seed.
func (l *Ledger) sow(ctx context.Context, name string) (*corev1.Secret, error) {
	seed := make([]byte, seedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, err
	}
	s, err := l.secrets.Create(ctx, l.secret(name, kindSeed, map[string][]byte{keySeed: seed}), metav1.CreateOptions{FieldManager: app.Manager})
	if apierrors.IsAlreadyExists(err) { // another replica was first
		return l.secrets.Get(ctx, name, metav1.GetOptions{})
	}
	return s, err
}
