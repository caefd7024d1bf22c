package live

import (
	"context"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// reflectors drive a store with client-go's reflectors.
type reflectors struct{ s *Store }

// Go implements Driver.
func (r reflectors) Go(_ Kind, f func()) { r.s.done.Go(f) }

// Look implements Driver.
func (r reflectors) Look(v *View) { r.s.done.Go(v.reflect) }

// reflect looks at one namespace until the watch ends or the kind is gone.
func (v *View) reflect() {
	res, selector, err := v.Objects()
	if err != nil {
		v.Trouble(err)
		return
	}
	r := v.watch.kind.Resource
	ctx := v.watch.ctx
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
	reflector := cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, sink{v}, cache.ReflectorOptions{
		Name:            v.watch.kind.Identity.User() + " " + r.Plural,
		TypeDescription: r.Kind,
		MinWatchTimeout: watchTimeout,
	})
	// The loop is ours because the reflector's own tells nobody why it cannot look.
	wait := firstRetry
	for ctx.Err() == nil {
		began := time.Now()
		err := reflector.ListAndWatchWithContext(ctx)
		if err != nil && v.Trouble(err) {
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
type sink struct{ *View }

func (s sink) Add(obj any) error {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		s.Put(u)
	}
	return nil
}

func (s sink) Update(obj any) error { return s.Add(obj) }

func (s sink) Delete(obj any) error {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		s.Drop(u)
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
	s.View.Replace(items, resourceVersion)
	return nil
}

func (s sink) Resync() error { return nil }
