package sim

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// kindOf says how the API server serves the objects of a Go type that the controller asks for.
func kindOf(o client.Object) (schema.GroupVersionKind, string) {
	own := v1alpha1.GroupVersion
	switch o := o.(type) {
	case *v1alpha1.Repository:
		return own.WithKind("Repository"), "repositories"
	case *v1alpha1.Environment:
		return own.WithKind("Environment"), "environments"
	case *v1alpha1.App:
		return own.WithKind("App"), "apps"
	case *v1alpha1.Approval:
		return own.WithKind("Approval"), "approvals"
	case *v1alpha1.Override:
		return own.WithKind("Override"), "overrides"
	case *v1alpha1.Notifier:
		return own.WithKind("Notifier"), "notifiers"
	case *corev1.Secret:
		return corev1.SchemeGroupVersion.WithKind("Secret"), "secrets"
	case *metav1.PartialObjectMetadata:
		switch k := o.GroupVersionKind(); k.Kind {
		case "ServiceAccount":
			return k, "serviceaccounts"
		case "Namespace":
			return k, "namespaces"
		}
	}
	panic(fmt.Sprintf("the simulator does not know how %T is served: add it", o))
}

// direct reads and writes typed objects at the API server. What the controller does not ask of a client it has not: that is nil, and panics.
type direct struct {
	client.Client
	dynamic dynamic.Interface
	world   *world
}

func (d direct) at(o client.Object) dynamic.ResourceInterface {
	gvk, plural := kindOf(o)
	r := d.dynamic.Resource(gvk.GroupVersion().WithResource(plural))
	if o.GetNamespace() == "" {
		return r
	}
	return r.Namespace(o.GetNamespace())
}

// Get implements client.Reader.
func (d direct) Get(ctx context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	o.SetNamespace(key.Namespace)
	return d.fill(o)(d.at(o).Get(ctx, key.Name, metav1.GetOptions{}))
}

// Create implements client.Writer.
func (d direct) Create(ctx context.Context, o client.Object, _ ...client.CreateOption) error {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: m}
	gvk, _ := kindOf(o)
	u.SetGroupVersionKind(gvk)
	return d.fill(o)(d.at(o).Create(ctx, u, metav1.CreateOptions{}))
}

// Delete implements client.Writer.
func (d direct) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	var all client.DeleteOptions
	all.ApplyOptions(opts)
	return d.at(o).Delete(ctx, o.GetName(), *all.AsDeleteOptions())
}

// Patch implements client.Writer.
func (d direct) Patch(ctx context.Context, o client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return d.patch(ctx, o, patch)
}

func (d direct) patch(ctx context.Context, o client.Object, patch client.Patch, sub ...string) error {
	data, err := patch.Data(o)
	if err != nil {
		return err
	}
	return d.fill(o)(d.at(o).Patch(ctx, o.GetName(), patch.Type(), data, metav1.PatchOptions{}, sub...))
}

// Status implements client.StatusClient.
func (d direct) Status() client.SubResourceWriter { return status{direct: d} }

type status struct {
	client.SubResourceWriter
	direct direct
}

// Patch implements client.SubResourceWriter.
func (s status) Patch(ctx context.Context, o client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.direct.patch(ctx, o, patch, "status")
}

// fill reads an answer into a typed object.
func (d direct) fill(o client.Object) func(*unstructured.Unstructured, error) error {
	return func(u *unstructured.Unstructured, err error) error {
		if err != nil {
			return err
		}
		copied, _ := d.world.typed(o, u).DeepCopyObject().(client.Object)
		reflect.ValueOf(o).Elem().Set(reflect.ValueOf(copied).Elem())
		return nil
	}
}

// typed is an object of the server as one of the type of another, without managedFields: made once of each version, and not to be changed.
func (w *world) typed(as client.Object, u *unstructured.Unstructured) client.Object {
	key := typedKey{reflect.TypeOf(as), u.GetUID(), u.GetResourceVersion()}
	if o := w.converted[key]; o != nil {
		return o
	}
	o, _ := reflect.New(key.of.Elem()).Interface().(client.Object)
	if err := kube.Convert(u, o); err != nil {
		panic(err) // the server checks it
	}
	w.converted[key] = o
	return o
}

type typedKey struct {
	of      reflect.Type
	uid     types.UID
	version string
}

// cached reads Fairlead's own kinds from what the process has been told, and all else from the API server.
type cached struct {
	direct
	process *process
}

// Get implements client.Reader.
func (c cached) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	gvk, _ := kindOf(o)
	in := c.process.caches[gvk.Kind]
	if in == nil {
		return c.direct.Get(ctx, key, o, opts...)
	}
	found := in.objects[key]
	if found == nil {
		return apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}, key.Name)
	}
	copied, _ := found.DeepCopyObject().(client.Object)
	reflect.ValueOf(o).Elem().Set(reflect.ValueOf(copied).Elem())
	o.GetObjectKind().SetGroupVersionKind(gvk)
	return nil
}

// List implements client.Reader.
func (c cached) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(opts)
	switch l := list.(type) {
	case *v1alpha1.EnvironmentList:
		for _, x := range c.process.caches["Environment"].in(o.Namespace) {
			env, _ := x.(*v1alpha1.Environment)
			if o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(env.Labels)) {
				l.Items = append(l.Items, *env.DeepCopy())
			}
		}
	case *v1alpha1.AppList:
		for _, x := range c.process.caches["App"].in(o.Namespace) {
			a, _ := x.(*v1alpha1.App)
			l.Items = append(l.Items, *a.DeepCopy())
		}
	case *v1alpha1.ApprovalList:
		for _, x := range c.process.caches["Approval"].in(o.Namespace) {
			a, _ := x.(*v1alpha1.Approval)
			l.Items = append(l.Items, *a.DeepCopy())
		}
	case *v1alpha1.OverrideList:
		for _, x := range c.process.caches["Override"].in(o.Namespace) {
			a, _ := x.(*v1alpha1.Override)
			l.Items = append(l.Items, *a.DeepCopy())
		}
	default:
		panic(fmt.Sprintf("the simulator does not know how to list %T: add it", list))
	}
	return nil
}

// cache is what an informer remembers of a kind: the sink of its pump.
type cache struct {
	process *process
	kind    client.Object
	objects map[client.ObjectKey]client.Object
}

// in lists the objects of a namespace, in order.
func (c *cache) in(namespace string) []client.Object {
	var out []client.Object
	for k, o := range c.objects {
		if k.Namespace == namespace {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b client.Object) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out
}

// Replace implements sink.
func (c *cache) Replace(items []*unstructured.Unstructured, _ string) {
	left := map[client.ObjectKey]client.Object{}
	for k, o := range c.objects {
		left[k] = o
	}
	for _, u := range items {
		c.Put(u)
		delete(left, client.ObjectKeyFromObject(u))
	}
	for k, o := range left {
		delete(c.objects, k)
		c.process.event(o, nil)
	}
}

// Put implements sink.
func (c *cache) Put(u *unstructured.Unstructured) {
	o := c.process.world.typed(c.kind, u)
	k := client.ObjectKeyFromObject(o)
	was := c.objects[k]
	c.objects[k] = o
	c.process.event(was, o)
}

// Drop implements sink.
func (c *cache) Drop(u *unstructured.Unstructured) {
	k := client.ObjectKeyFromObject(u)
	if was := c.objects[k]; was != nil {
		delete(c.objects, k)
		c.process.event(was, nil)
	}
}

// Trouble implements sink.
func (*cache) Trouble(error) bool { return false }
