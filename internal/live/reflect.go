package live

import (
	"context"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// reflect looks at one namespace until the watch ends or the kind is gone.
func (w *watch) reflect(namespace string, sc *scope) {
	client, err := w.store.o.Client(w.kind.Identity)
	if err != nil {
		w.trouble(namespace, sc, err)
		return
	}
	r := w.kind.Resource
	res := client.Resource(schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Plural}).Namespace(namespace)
	selector := app.LabelApp + "," + app.LabelNamespace + "=" + w.kind.Identity.Namespace
	if w.kind.All {
		selector = ""
	}
	ctx := w.ctx
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return res.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.LabelSelector = selector
			return res.Watch(ctx, o)
		},
	}
	reflector := cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, sink{w, namespace, sc}, cache.ReflectorOptions{
		Name:            w.kind.Identity.User() + " " + r.Plural,
		TypeDescription: r.Kind,
		MinWatchTimeout: watchTimeout,
	})
	// The loop is ours because the reflector's own tells nobody why it cannot look.
	wait := firstRetry
	for ctx.Err() == nil {
		began := time.Now()
		err := reflector.ListAndWatchWithContext(ctx)
		if err != nil && w.trouble(namespace, sc, err) {
			return
		}
		if time.Since(began) > lastRetry {
			wait = firstRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
		wait = min(2*wait, lastRetry)
	}
}

const (
	// watchTimeout is how long the server is asked to keep one watch open.
	watchTimeout = 30 * time.Minute
	// firstRetry and lastRetry bound the back-off, with jitter, after a watch that ended.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// sink is the reflector's store: it keeps entries instead of objects.
type sink struct {
	w         *watch
	namespace string
	scope     *scope
}

func (s sink) Add(obj any) error {
	o, ok := objectOf(obj)
	if ok {
		s.w.put(o, true)
	}
	return nil
}

func (s sink) Update(obj any) error { return s.Add(obj) }

func (s sink) Delete(obj any) error {
	if o, ok := objectOf(obj); ok {
		s.w.drop(o.Key(), o.ResourceVersion())
	}
	return nil
}

func (s sink) Replace(list []any, resourceVersion string) error {
	items := make([]*unstructured.Unstructured, 0, len(list))
	for _, x := range list {
		if u, ok := x.(*unstructured.Unstructured); ok {
			items = append(items, u)
		}
	}
	s.w.replace(s.namespace, s.scope, items, resourceVersion)
	return nil
}

func (s sink) Resync() error { return nil }

func objectOf(obj any) (object.Object, bool) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return object.Object{}, false
	}
	return object.New(u.Object), true
}
