package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// Session reads and writes objects as one ServiceAccount. It is safe for concurrent use.
type Session struct {
	ID      app.Identity
	cluster *Cluster
	client  dynamic.Interface
}

// timeout bounds one request: a server that does not answer must not keep a worker for ever.
const timeout = 30 * time.Second

func (s *Session) at(r object.Resource, namespace string) dynamic.ResourceInterface {
	res := s.client.Resource(schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Plural})
	if r.Namespaced {
		return res.Namespace(namespace)
	}
	return res
}

// Client returns the dynamic client that acts as the session's ServiceAccount.
func (s *Session) Client() dynamic.Interface { return s.client }

// DryRun asks the API server what an apply of o would make of it, admission included. The answer has no resourceVersion if o does
// not exist. A refusal that the user can mend is in the error chain as a *plan.Refusal.
func (s *Session) DryRun(ctx context.Context, r object.Resource, o object.Object) (object.Object, error) {
	return s.patch(ctx, r, o, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
}

// Apply makes o what is live: a forced server-side apply by Fairlead's field manager. It returns the answer.
func (s *Session) Apply(ctx context.Context, r object.Resource, o object.Object) (object.Object, error) {
	return s.patch(ctx, r, o, metav1.PatchOptions{})
}

// ApplyTo is [Session.Apply] to the object that was observed; the zero Object: to whatever is there, or to nothing. If that one is gone, it makes none: who
// deleted it may have meant it, and may have given up its claim. An object that is gone, or another one by now, is an error of kind Conflict.
func (s *Session) ApplyTo(ctx context.Context, r object.Resource, live, o object.Object) (object.Object, error) {
	if live.UID() == "" {
		return s.Apply(ctx, r, o)
	}
	out, err := s.patch(ctx, r, o.With(live.UID(), "metadata", "uid"), metav1.PatchOptions{})
	var refusal *plan.Refusal
	if errors.As(err, &refusal) && refusal.Field == "metadata.uid" || err != nil && strings.Contains(err.Error(), "uid mismatch") {
		return object.Object{}, fault.Newf(fault.Conflict, "somebody deleted it meanwhile")
	}
	return out, err
}

func (s *Session) patch(ctx context.Context, r object.Resource, o object.Object, opts metav1.PatchOptions) (object.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	force := true
	opts.Force, opts.FieldManager, opts.FieldValidation = &force, app.Manager, metav1.FieldValidationStrict
	out, err := s.at(r, o.Namespace()).Patch(ctx, o.Name(), types.ApplyPatchType, o.JSON(), opts)
	if err == nil {
		return object.New(out.Object), nil
	}
	classified := s.classify(request{verb: "patch", resource: r, namespace: o.Namespace(), want: o}, err)
	var refusal *plan.Refusal
	if apierrors.IsForbidden(err) && errors.As(classified, &refusal) && r.Namespaced {
		refusal.Homeless = s.cluster.lacks(ctx, o.Namespace())
	}
	return object.Object{}, classified
}

// Live reads an object. An absent object is the zero Object and no error.
func (s *Session) Live(ctx context.Context, r object.Resource, namespace, name string) (object.Object, error) {
	return s.get(ctx, request{verb: "get", resource: r, namespace: namespace}, name)
}

// Look reads an object that is not claimed, as [Session.Live] does.
func (s *Session) Look(ctx context.Context, r object.Resource, namespace, name string) (object.Object, error) {
	return s.get(ctx, request{verb: "get", resource: r, namespace: namespace, asked: true}, name)
}

func (s *Session) get(ctx context.Context, q request, name string) (object.Object, error) {
	r, namespace := q.resource, q.namespace
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := s.at(r, namespace).Get(ctx, name, metav1.GetOptions{})
	if absent.Object(err) || apierrors.IsForbidden(err) && r.Namespaced && s.cluster.lacks(ctx, namespace) {
		return object.Object{}, nil
	}
	if err != nil {
		return object.Object{}, s.classify(q, err)
	}
	return object.New(out.Object), nil
}

// mostListed bounds what one list may hold.
const mostListed = 5000

// List reads all objects of a kind in a namespace; empty: in the whole cluster. A list that could not be read to its end is an error.
func (s *Session) List(ctx context.Context, r object.Resource, namespace string) ([]object.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var out []object.Object
	for o := (metav1.ListOptions{Limit: 500}); ; {
		page, err := s.at(r, namespace).List(ctx, o)
		if err != nil {
			return nil, s.classify(request{verb: "list", resource: r, namespace: namespace, asked: true}, err)
		}
		for _, x := range page.Items {
			out = append(out, object.New(x.Object))
		}
		if len(out) > mostListed {
			return nil, fault.Newf(fault.Invalid, "there are more than %d %s: ask for those of one namespace, or for one by its name", mostListed, r.Plural)
		}
		if o.Continue = page.GetContinue(); o.Continue == "" {
			return out, nil
		}
	}
}

// Labelled reads the objects of a kind in a namespace that have these labels. A list that could not be read to its end is an error.
func (s *Session) Labelled(ctx context.Context, r object.Resource, namespace string, labels map[string]string) ([]object.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var out []object.Object
	for o := (metav1.ListOptions{Limit: 50, LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})}); ; {
		page, err := s.at(r, namespace).List(ctx, o)
		if err != nil {
			return nil, s.classify(request{verb: "list", resource: r, namespace: namespace}, err)
		}
		for _, x := range page.Items {
			out = append(out, object.New(x.Object))
		}
		if o.Continue = page.GetContinue(); o.Continue == "" {
			return out, nil
		}
	}
}

// Make makes an object as it is, by no apply. One that is there already is an error of kind Conflict.
func (s *Session) Make(ctx context.Context, r object.Resource, o object.Object) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := s.at(r, o.Namespace()).Create(ctx, unstructuredOf(o), metav1.CreateOptions{FieldManager: app.Manager})
	if apierrors.IsAlreadyExists(err) {
		return fault.Newf(fault.Conflict, "%s %s/%s exists by now", o.Kind(), o.Namespace(), o.Name())
	}
	return s.wrote("create", r, o, err)
}

// Rewrite makes an object that was read be as it is here. If somebody changed it since, that is an error of kind Conflict.
func (s *Session) Rewrite(ctx context.Context, r object.Resource, o object.Object) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := s.at(r, o.Namespace()).Update(ctx, unstructuredOf(o), metav1.UpdateOptions{FieldManager: app.Manager})
	if absent.Object(err) {
		return fault.Newf(fault.Conflict, "%s %s/%s is gone by now", o.Kind(), o.Namespace(), o.Name())
	}
	return s.wrote("update", r, o, err)
}

func (s *Session) wrote(verb string, r object.Resource, o object.Object, err error) error {
	if err == nil {
		return nil
	}
	return s.classify(request{verb: verb, resource: r, namespace: o.Namespace(), want: o}, err)
}

// lacks reports whether the cluster certainly has no namespace of that name, asked with Fairlead's own rights: a ServiceAccount loses its rights with the
// namespace that granted them.
func (c *Cluster) lacks(ctx context.Context, namespace string) bool {
	_, err := c.own.Resource(schema.GroupVersionResource{Version: "v1", Resource: namespaces.Plural}).Get(ctx, namespace, metav1.GetOptions{})
	return absent.Object(err)
}

// Delete deletes exactly the object that was observed: another uid or resourceVersion is an error of kind Conflict. It returns once the
// server has accepted; the object may live on until its finalizers are done. An object that is gone already is no error.
func (s *Session) Delete(ctx context.Context, r object.Resource, live object.Object) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	uid, rv := types.UID(live.UID()), live.ResourceVersion()
	policy := metav1.DeletePropagationBackground
	if active, _ := live.At("status", "active").(int64); active > 0 && live.Key().GroupKind() == (object.GroupKind{Group: "batch", Kind: "Job"}) {
		policy = metav1.DeletePropagationForeground // its pods work: what is made in its place must not do so beside them
	}
	err := s.at(r, live.Namespace()).Delete(ctx, live.Name(), metav1.DeleteOptions{
		Preconditions:     &metav1.Preconditions{UID: &uid, ResourceVersion: &rv},
		PropagationPolicy: &policy,
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return s.classify(request{verb: "delete", resource: r, namespace: live.Namespace()}, err)
	}
	return nil
}

// SetManagers writes the managedFields of an object, provided that it is still the one that was observed.
func (s *Session) SetManagers(ctx context.Context, r object.Resource, live object.Object, managedFields []any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	patch, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": managedFields},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.ResourceVersion()},
	})
	if err != nil {
		return fmt.Errorf("encode managedFields of %s: %w", live, err)
	}
	_, err = s.at(r, live.Namespace()).Patch(ctx, live.Name(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: app.Manager})
	if err != nil {
		return s.classify(request{verb: "patch", resource: r, namespace: live.Namespace()}, err)
	}
	return nil
}

var namespaces = object.Resource{GVK: object.GVK{Version: "v1", Kind: "Namespace"}, Plural: "namespaces"}

// EnsureNamespace creates a namespace if it does not exist, and reports whether it did. The namespace is nobody's: Fairlead deletes it only if these annotations say
// that it was made for a time.
func (s *Session) EnsureNamespace(ctx context.Context, name string, annotations map[string]string) (bool, error) {
	live, err := s.Live(ctx, namespaces, "", name)
	if err == nil && !live.IsZero() {
		if live.Deleting() {
			return false, fault.Newf(fault.Transient, "namespace %s is being deleted: waiting until it is gone", name)
		}
		return false, nil
	}
	if err != nil && fault.KindOf(err) != fault.Denied {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ns := object.New(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}})
	for k, v := range annotations {
		ns = ns.With(v, "metadata", "annotations", k)
	}
	_, err = s.at(namespaces, "").Create(ctx, unstructuredOf(ns), metav1.CreateOptions{FieldManager: app.Manager})
	if apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	if err != nil {
		return false, s.classify(request{verb: "create", resource: namespaces}, err)
	}
	return true, nil
}

// RemoveNamespace deletes a namespace if it has an annotation, and reports whether there is no such namespace any more.
func (s *Session) RemoveNamespace(ctx context.Context, name, annotation, value string) (gone bool, err error) {
	live, err := s.Live(ctx, namespaces, "", name)
	switch {
	case err != nil:
		return false, err
	case live.IsZero() || live.Text("metadata", "annotations", annotation) != value:
		return true, nil
	case live.Deleting():
		return false, nil
	}
	return false, s.Delete(ctx, namespaces, live)
}

// mostPods is how many Pods of a workload are looked at: what is wrong with its image is wrong with each.
const mostPods = 50

// Pods returns some of the Pods that a label selector means.
func (s *Session) Pods(ctx context.Context, namespace string, selector map[string]any) ([]object.Object, error) {
	var of metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, &of); err != nil {
		return nil, fault.New(fault.Invalid, err)
	}
	labels, err := metav1.LabelSelectorAsSelector(&of)
	if err != nil {
		return nil, fault.New(fault.Invalid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pods := object.Resource{GVK: object.GVK{Version: "v1", Kind: "Pod"}, Plural: "pods", Namespaced: true}
	found, err := s.at(pods, namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.String(), Limit: mostPods})
	if err != nil {
		return nil, s.classify(request{verb: "list", resource: pods, namespace: namespace}, err)
	}
	out := make([]object.Object, 0, len(found.Items))
	for _, x := range found.Items {
		out = append(out, object.New(x.Object))
	}
	return out, nil
}
