package admission

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

const (
	// followTimeout is how long the server is asked to keep the watch open.
	followTimeout = 30 * time.Minute
	// followAgain is how long after a watch that ended another one is begun; deniedAgain, if the server does not allow or know it.
	followAgain = time.Second
	deniedAgain = time.Minute
)

// Follow watches the policies until ctx ends. It tells of the Environment of each that is found, changed or gone, and of what goes wrong.
func (s *Store) Follow(ctx context.Context, changed func(types.NamespacedName), trouble func(error)) {
	var all sync.WaitGroup
	for _, p := range plurals {
		all.Go(func() { s.follow(ctx, p.kind, p.plural, changed, trouble) })
	}
	all.Wait()
}

func (s *Store) follow(ctx context.Context, kind, plural string, changed func(types.NamespacedName), trouble func(error)) {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return s.at(plural).List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			return s.at(plural).Watch(ctx, o)
		},
	}
	told := &view{store: s, kind: kind, changed: changed}
	reflector := cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, told, cache.ReflectorOptions{Name: plural, MinWatchTimeout: followTimeout})
	said := ""
	for ctx.Err() == nil {
		again := followAgain
		if err := reflector.ListAndWatchWithContext(ctx); err != nil && ctx.Err() == nil {
			err = explain(err)
			if fault.KindOf(err) == fault.Denied {
				again = deniedAgain
			}
			if err.Error() != said {
				said = err.Error()
				trouble(err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// view is the reflector's store.
type view struct {
	store   *Store
	kind    string
	changed func(types.NamespacedName)
}

func (v *view) Add(obj any) error {
	o, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	v.store.mu.Lock()
	was := v.known()[o.GetName()]
	v.known()[o.GetName()] = o
	v.store.mu.Unlock()
	v.tell(was, o)
	return nil
}

func (v *view) Update(obj any) error { return v.Add(obj) }

func (v *view) Delete(obj any) error {
	o, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	v.store.mu.Lock()
	was := v.known()[o.GetName()]
	delete(v.known(), o.GetName())
	v.store.mu.Unlock()
	v.tell(was, o)
	return nil
}

// tell tells of the Environments that an object names, and named before: somebody may have changed that.
func (v *view) tell(was, is *unstructured.Unstructured) {
	v.changed(environmentOf(is))
	if was != nil && environmentOf(was) != environmentOf(is) {
		v.changed(environmentOf(was))
	}
}

// known is what is known of the kind. The lock is held.
func (v *view) known() map[string]*unstructured.Unstructured {
	if v.store.known[v.kind] == nil {
		v.store.known[v.kind] = map[string]*unstructured.Unstructured{}
	}
	return v.store.known[v.kind]
}

func (v *view) Replace(list []any, _ string) error {
	v.store.mu.Lock()
	of := map[types.NamespacedName]bool{}
	for _, o := range v.known() {
		of[environmentOf(o)] = true
	}
	now := map[string]*unstructured.Unstructured{}
	for _, obj := range list {
		if o, ok := obj.(*unstructured.Unstructured); ok {
			now[o.GetName()] = o
			of[environmentOf(o)] = true
		}
	}
	v.store.known[v.kind] = now
	v.store.mu.Unlock()
	for env := range of {
		v.changed(env)
	}
	return nil
}

// Resync implements cache.ReflectorStore.
func (*view) Resync() error { return nil }
