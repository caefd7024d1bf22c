package live

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// View is what a driver looks at, and is told: the objects of a kind in a namespace, or in the whole cluster, as one identity sees them. It is safe for
// concurrent use.
type View struct {
	watch     *watch
	namespace string
	scope     *scope
}

// Kind names the watch that the view belongs to; Namespace is empty for the whole cluster.
func (v *View) Kind() Kind { return v.watch.kind }

// Namespace is where the view looks; empty is the whole cluster.
func (v *View) Namespace() string { return v.namespace }

// Objects returns what to list and watch, and with which label selector.
func (v *View) Objects() (dynamic.ResourceInterface, string, error) {
	k := v.watch.kind
	client, err := v.watch.store.o.Client(k.Identity)
	if err != nil {
		return nil, "", err
	}
	selector := app.LabelApp + "," + app.LabelNamespace + "=" + k.Identity.Namespace
	if k.All || k.Name != "" {
		selector = ""
	}
	r := k.Resource
	objects := client.Resource(schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Plural}).Namespace(v.namespace)
	if k.Name != "" {
		objects = named{objects, fields.OneTermEqualSelector("metadata.name", k.Name).String()}
	}
	return objects, selector, nil
}

// named are the objects of a name: one, or none. A role that grants rights to that name alone is enough to see them.
type named struct {
	dynamic.ResourceInterface
	selector string
}

// List implements dynamic.ResourceInterface.
func (n named) List(ctx context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	o.FieldSelector = n.selector
	return n.ResourceInterface.List(ctx, o)
}

// Watch implements dynamic.ResourceInterface.
func (n named) Watch(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
	o.FieldSelector = n.selector
	return n.ResourceInterface.Watch(ctx, o)
}

// Ended reports whether nobody wants to know any more what the view is of.
func (v *View) Ended() bool { return v.watch.ctx.Err() != nil }

// Replace takes a whole list, read at resourceVersion: what is not in it has left.
func (v *View) Replace(items []*unstructured.Unstructured, resourceVersion string) {
	v.watch.replace(v.namespace, v.scope, items, resourceVersion)
}

// Put takes an object as an event shows it.
func (v *View) Put(u *unstructured.Unstructured) { v.watch.put(object.New(u.Object), true) }

// Drop takes the last state of an object that is gone, or is no longer meant.
func (v *View) Drop(u *unstructured.Unstructured) {
	o := object.New(u.Object)
	v.watch.drop(o.Key(), o.ResourceVersion())
}

// Trouble takes why the objects cannot be looked at now. It returns true if the kind is gone: then nothing is to be looked at any more.
func (v *View) Trouble(err error) bool { return v.watch.trouble(v.namespace, v.scope, err) }
