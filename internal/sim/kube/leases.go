package kube

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	typed "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// Leases returns the Leases of a namespace as the typed client that the roster wants. What the roster does not do, or has somebody else do, it has not: that is
// nil, and panics.
func Leases(c dynamic.Interface, namespace string) typed.LeaseInterface {
	return leases{at: c.Resource(schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}).Namespace(namespace)}
}

type leases struct {
	typed.LeaseInterface
	at dynamic.ResourceInterface
}

// Create implements typed.LeaseInterface.
func (l leases) Create(ctx context.Context, in *coordinationv1.Lease, o metav1.CreateOptions) (*coordinationv1.Lease, error) {
	u, err := looseLease(in)
	if err != nil {
		return nil, err
	}
	return lease(l.at.Create(ctx, u, o))
}

// Update implements typed.LeaseInterface.
func (l leases) Update(ctx context.Context, in *coordinationv1.Lease, o metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	u, err := looseLease(in)
	if err != nil {
		return nil, err
	}
	return lease(l.at.Update(ctx, u, o))
}

// Delete implements typed.LeaseInterface.
func (l leases) Delete(ctx context.Context, name string, o metav1.DeleteOptions) error {
	return l.at.Delete(ctx, name, o)
}

// Get implements typed.LeaseInterface.
func (l leases) Get(ctx context.Context, name string, o metav1.GetOptions) (*coordinationv1.Lease, error) {
	return lease(l.at.Get(ctx, name, o))
}

// List implements typed.LeaseInterface.
func (l leases) List(ctx context.Context, o metav1.ListOptions) (*coordinationv1.LeaseList, error) {
	in, err := l.at.List(ctx, o)
	if err != nil {
		return nil, err
	}
	out := &coordinationv1.LeaseList{ListMeta: metav1.ListMeta{ResourceVersion: in.GetResourceVersion(), Continue: in.GetContinue()}}
	for i := range in.Items {
		one, err := lease(&in.Items[i], nil)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, *one)
	}
	return out, nil
}

func looseLease(in *coordinationv1.Lease) (*unstructured.Unstructured, error) {
	m, err := contentOf(in)
	if err != nil {
		return nil, fmt.Errorf("encode Lease %s: %w", in.Name, err)
	}
	m["apiVersion"], m["kind"] = "coordination.k8s.io/v1", "Lease"
	return &unstructured.Unstructured{Object: m}, nil
}

func lease(u *unstructured.Unstructured, err error) (*coordinationv1.Lease, error) {
	if err != nil {
		return nil, err
	}
	out := &coordinationv1.Lease{}
	if err := Convert(u, out); err != nil {
		return nil, fmt.Errorf("decode Lease %s: %w", u.GetName(), err)
	}
	return out, nil
}
