package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
)

// Secrets returns the Secrets of a namespace as the typed client that the ledger wants. What the ledger does not do, watching and applying, it has not:
// that is nil, and panics. It leaves out managedFields.
func Secrets(c dynamic.Interface, namespace string) typed.SecretInterface {
	return secrets{at: c.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(namespace)}
}

type secrets struct {
	typed.SecretInterface
	at dynamic.ResourceInterface
}

// Create implements typed.SecretInterface.
func (s secrets) Create(ctx context.Context, in *corev1.Secret, o metav1.CreateOptions) (*corev1.Secret, error) {
	u, err := loose(in)
	if err != nil {
		return nil, err
	}
	return secret(s.at.Create(ctx, u, o))
}

// Update implements typed.SecretInterface.
func (s secrets) Update(ctx context.Context, in *corev1.Secret, o metav1.UpdateOptions) (*corev1.Secret, error) {
	u, err := loose(in)
	if err != nil {
		return nil, err
	}
	return secret(s.at.Update(ctx, u, o))
}

// Delete implements typed.SecretInterface.
func (s secrets) Delete(ctx context.Context, name string, o metav1.DeleteOptions) error {
	return s.at.Delete(ctx, name, o)
}

// Get implements typed.SecretInterface.
func (s secrets) Get(ctx context.Context, name string, o metav1.GetOptions) (*corev1.Secret, error) {
	return secret(s.at.Get(ctx, name, o))
}

// List implements typed.SecretInterface.
func (s secrets) List(ctx context.Context, o metav1.ListOptions) (*corev1.SecretList, error) {
	in, err := s.at.List(ctx, o)
	if err != nil {
		return nil, err
	}
	out := &corev1.SecretList{ListMeta: metav1.ListMeta{ResourceVersion: in.GetResourceVersion(), Continue: in.GetContinue()}}
	for i := range in.Items {
		one, err := secret(&in.Items[i], nil)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, *one)
	}
	return out, nil
}

// Patch implements typed.SecretInterface.
func (s secrets) Patch(ctx context.Context, name string, kind types.PatchType, data []byte, o metav1.PatchOptions, sub ...string) (*corev1.Secret, error) {
	return secret(s.at.Patch(ctx, name, kind, data, o, sub...))
}

func loose(in *corev1.Secret) (*unstructured.Unstructured, error) {
	m, err := contentOf(in)
	if err != nil {
		return nil, fmt.Errorf("encode Secret %s: %w", in.Name, err)
	}
	m["apiVersion"], m["kind"] = "v1", "Secret"
	return &unstructured.Unstructured{Object: m}, nil
}

func secret(u *unstructured.Unstructured, err error) (*corev1.Secret, error) {
	if err != nil {
		return nil, err
	}
	out := &corev1.Secret{}
	if err := Convert(u, out); err != nil {
		return nil, fmt.Errorf("decode Secret %s: %w", u.GetName(), err)
	}
	return out, nil
}
