package install

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// stop deletes what makes Fairlead act until all of that is gone and stays so, and no controller renews its Lease. It takes more than one look: a Fairlead that
// manages itself makes anew what somebody deletes, as long as it can.
func (r Removal) stop(ctx context.Context, waiting func(string)) error {
	watch := Replicas{Client: r.Client, Namespace: r.Namespace}
	for quiet := 0; ; {
		left := 0
		for _, p := range running {
			n, err := r.clear(ctx, p)
			if err != nil {
				return err
			}
			left += n
		}
		holder, err := watch.Alive(ctx)
		if err != nil {
			return err
		}
		what := "what makes Fairlead act to be gone"
		if left == 0 && holder != "" {
			what = "the controller " + holder + " to end"
		}
		if quiet++; left > 0 || holder != "" {
			quiet = 0
			waiting(what)
		}
		if quiet > 2 {
			return nil
		}
		if err := pause(ctx, what); err != nil {
			return err
		}
	}
}

// outside says that a controller runs that is none of the Pods here: it would not end with the Deployment. To tell takes as long as a Lease lasts, if there is one of
// a controller that is no Pod.
func (r Removal) outside(ctx context.Context, waiting func(string)) error {
	pods := r.Client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(r.Namespace)
	first := map[string]string{}
	watch := Replicas{Client: r.Client, Namespace: r.Namespace, counts: func(ctx context.Context, l *unstructured.Unstructured) (bool, error) {
		pod, _, _ := strings.Cut(holderOf(l), "_")
		_, err := pods.Get(ctx, pod, metav1.GetOptions{})
		if err == nil {
			return false, nil
		}
		if !apierrors.IsNotFound(err) && !apierrors.IsInvalid(err) {
			return false, fmt.Errorf("read Pod %s: %w", pod, err)
		}
		if was, ok := first[l.GetName()]; ok && was != l.GetResourceVersion() {
			return false, fmt.Errorf("controller %s runs outside of this cluster: nothing was deleted, stop it first", holderOf(l))
		}
		first[l.GetName()] = l.GetResourceVersion()
		return true, nil
	}}
	for {
		holder, err := watch.Alive(ctx)
		if err != nil || holder == "" {
			return err
		}
		what := "the Lease of controller " + holder + " to be renewed, or to expire"
		waiting(what)
		if err := pause(ctx, what); err != nil {
			return err
		}
	}
}

func holderOf(l *unstructured.Unstructured) string {
	holder, _, _ := unstructured.NestedString(l.Object, "spec", "holderIdentity")
	return holder
}

// Replicas tells whether a controller runs, by the Leases of its replicas. It remembers what it saw: a Lease counts until it has not been renewed for as long as
// it lasts, by this machine's clock alone.
type Replicas struct {
	Client    dynamic.Interface
	Namespace string

	// counts says whether a Lease is of interest; nil: all are.
	counts func(context.Context, *unstructured.Unstructured) (bool, error)
	seen   map[string]sight
}

// sight is a Lease as it was first seen with its version.
type sight struct {
	version string
	since   time.Time
}

// Alive returns who holds a Lease that lasts; empty if nobody does. A controller that takes no Lease cannot be told.
func (w *Replicas) Alive(ctx context.Context) (string, error) {
	list, err := w.leases(ctx)
	if err != nil {
		return "", err
	}
	now, seen, holder := time.Now(), map[string]sight{}, ""
	for i := range list {
		l := &list[i]
		if w.counts != nil {
			if yes, err := w.counts(ctx, l); err != nil {
				return "", err
			} else if !yes {
				continue
			}
		}
		s, ok := w.seen[l.GetName()]
		if !ok || s.version != l.GetResourceVersion() {
			s = sight{l.GetResourceVersion(), now}
		}
		seen[l.GetName()] = s
		seconds, _, _ := unstructured.NestedInt64(l.Object, "spec", "leaseDurationSeconds")
		if now.Sub(s.since) <= time.Duration(seconds)*time.Second {
			holder = holderOf(l)
		}
	}
	w.seen = seen
	return holder, nil
}

func (w *Replicas) leases(ctx context.Context) ([]unstructured.Unstructured, error) {
	res := w.Client.Resource(schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}).Namespace(w.Namespace)
	list, err := res.List(ctx, metav1.ListOptions{LabelSelector: labelReplica})
	if err != nil {
		return nil, fmt.Errorf("list Leases: %w", err)
	}
	return list.Items, nil
}

// Renewed waits until a Lease is renewed, and returns true; or until none lasts, and returns false. One that is made meanwhile counts as renewed.
func (w *Replicas) Renewed(ctx context.Context) (bool, error) {
	var first map[string]sight
	for {
		holder, err := w.Alive(ctx)
		if err != nil || holder == "" {
			return false, err
		}
		if first == nil {
			first = w.seen
		}
		for name, s := range w.seen {
			if s.version != first[name].version {
				return true, nil
			}
		}
		if err := pause(ctx, "the Lease of controller "+holder+" to be renewed, or to expire"); err != nil {
			return false, err
		}
	}
}
