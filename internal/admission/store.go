package admission

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/block"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// plurals are the resources, in the order in which objects are made.
var plurals = []struct{ kind, plural string }{
	{block.KindPolicy, "validatingadmissionpolicies"}, {block.KindBinding, "validatingadmissionpolicybindings"},
}

// selector finds what this package keeps.
const selector = block.LabelManagedBy + "=" + block.ManagedBy + "," + block.LabelEnvironment

// timeout bounds one request.
const timeout = 30 * time.Second

// Store is the policies of all Environments. It is safe for concurrent use, but for two calls of Set for one Environment.
type Store struct {
	client dynamic.Interface

	mu    sync.Mutex
	known map[string]map[string]*unstructured.Unstructured // by kind and name; nil before a kind was listed
}

// Open prepares to keep policies. It sends nothing yet.
func Open(client dynamic.Interface) *Store {
	return &Store{client: client, known: map[string]map[string]*unstructured.Unstructured{}}
}

func (s *Store) at(plural string) dynamic.ResourceInterface {
	return s.client.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: plural})
}

// Set makes the policies of an Environment be as wanted, and no others be there. As long as it is not known what there is, nothing is done if none are wanted:
// what is found later is told. An error of kind fault.Denied says which right is missing, or that the API server has no such policies.
func (s *Store) Set(ctx context.Context, env types.NamespacedName, want []object.Object) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	live := map[string]map[string]*unstructured.Unstructured{}
	for _, p := range plurals {
		found, err := s.of(ctx, p.kind, p.plural, env, len(want) > 0)
		if err != nil {
			return explain(err)
		}
		live[p.kind] = found
	}
	for _, p := range plurals {
		for _, o := range want {
			if o.Kind() != p.kind {
				continue
			}
			is := live[p.kind][o.Name()]
			delete(live[p.kind], o.Name())
			if err := s.put(ctx, p.plural, o, is); err != nil {
				return explain(err)
			}
		}
	}
	for _, p := range slices.Backward(plurals) {
		for name, o := range live[p.kind] {
			if err := s.remove(ctx, p.plural, o); err != nil {
				return explain(fmt.Errorf("delete %s %s: %w", p.kind, name, err))
			}
		}
	}
	return nil
}

// Environments lists those that are known to have policies, in no order.
func (s *Store) Environments() []types.NamespacedName {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[types.NamespacedName]bool{}
	for _, known := range s.known {
		for _, o := range known {
			found[environmentOf(o)] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// of returns what there is for an Environment. It is asked for if it is not followed.
func (s *Store) of(ctx context.Context, kind, plural string, env types.NamespacedName, ask bool) (map[string]*unstructured.Unstructured, error) {
	out := map[string]*unstructured.Unstructured{}
	s.mu.Lock()
	followed := s.known[kind] != nil
	for name, o := range s.known[kind] {
		if environmentOf(o) == env {
			out[name] = o
		}
	}
	s.mu.Unlock()
	if followed || !ask {
		return out, nil
	}
	labels := selector + "=" + env.Name + "," + block.LabelNamespace + "=" + env.Namespace
	list, err := s.at(plural).List(ctx, metav1.ListOptions{LabelSelector: labels})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", plural, err)
	}
	for i := range list.Items {
		out[list.Items[i].GetName()] = &list.Items[i]
	}
	return out, nil
}

// put makes an object be as wanted.
func (s *Store) put(ctx context.Context, plural string, want object.Object, is *unstructured.Unstructured) error {
	if is != nil && same(want, is) {
		return nil
	}
	o := (&unstructured.Unstructured{Object: want.Content()}).DeepCopy()
	if is == nil {
		made, err := s.at(plural).Create(ctx, o, metav1.CreateOptions{FieldManager: block.ManagedBy})
		if err == nil {
			s.note(made)
		}
		if !apierrors.IsAlreadyExists(err) {
			return wrap(err, "create", o)
		}
		if is, err = s.at(plural).Get(ctx, o.GetName(), metav1.GetOptions{}); err != nil { // somebody took its labels away
			return wrap(err, "read", o)
		}
	}
	o.SetResourceVersion(is.GetResourceVersion())
	made, err := s.at(plural).Update(ctx, o, metav1.UpdateOptions{FieldManager: block.ManagedBy})
	if err == nil {
		s.note(made)
	}
	return wrap(err, "update", o)
}

func wrap(err error, verb string, o *unstructured.Unstructured) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s %s: %w", verb, o.GetKind(), o.GetName(), err)
}

// remove deletes an object, unless it is another one by now.
func (s *Store) remove(ctx context.Context, plural string, o *unstructured.Unstructured) error {
	uid := o.GetUID()
	err := absent.Ignore(s.at(plural).Delete(ctx, o.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known[o.GetKind()]; known[o.GetName()] != nil && known[o.GetName()].GetUID() == uid {
		delete(known, o.GetName())
	}
	return nil
}

// note takes in the answer to a write, which the watch may tell later.
func (s *Store) note(o *unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known[o.GetKind()]; known != nil {
		known[o.GetName()] = o
	}
}

// same reports whether a stored object says what is wanted.
func same(want object.Object, is *unstructured.Unstructured) bool {
	labels, _ := want.At("metadata", "labels").(map[string]any)
	for k, v := range labels {
		if is.GetLabels()[k] != v {
			return false
		}
	}
	return is.GetDeletionTimestamp() == nil && equality.Semantic.DeepEqual(want.At("spec"), is.Object["spec"])
}

// environmentOf is the Environment that an object names.
func environmentOf(o *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetLabels()[block.LabelNamespace], Name: o.GetLabels()[block.LabelEnvironment]}
}

// explain gives an error its kind.
func explain(err error) error {
	var status apierrors.APIStatus
	switch {
	case absent.Kind(err):
		return fault.New(fault.Denied, errors.New("the API server has no ValidatingAdmissionPolicies"))
	case apierrors.IsForbidden(err):
		return fault.New(fault.Denied, fmt.Errorf("%w: bind the ClusterRole fairlead-block of 'fairlead install'", err))
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), absent.Object(err):
		return fault.New(fault.Conflict, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return fault.New(fault.Invalid, err)
	case errors.As(err, &status):
		seconds, _ := apierrors.SuggestsClientDelay(err)
		return &fault.Error{Kind: fault.Transient, Err: err, After: cmp.Or(time.Duration(seconds)*time.Second, 0)}
	}
	return fault.New(fault.Transient, err)
}
