package demo

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// sighting is an event of a watch and when it arrived here.
type sighting struct {
	at   time.Time
	gone bool
	obj  *unstructured.Unstructured
}

// follower keeps every event of one watch in order, so that none is missed between a change and the look for what follows from it.
type follower struct {
	mu      sync.Mutex
	seen    []sighting
	changed chan struct{} // closed and replaced with each event
	err     error
}

// follow watches the objects of one kind until ctx ends; name is one of them, or empty for all. It returns when the objects there are have been seen.
func (k *kube) follow(ctx context.Context, kind, namespace, name string) (*follower, error) {
	var o metav1.ListOptions
	if name != "" {
		o.FieldSelector = "metadata.name=" + name
	}
	list, err := k.of(kind, namespace).List(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", resources[kind].Resource, err)
	}
	f := &follower{changed: make(chan struct{})}
	for i := range list.Items {
		f.add(sighting{at: time.Now(), obj: &list.Items[i]})
	}
	o.ResourceVersion = list.GetResourceVersion()
	w, err := k.of(kind, namespace).Watch(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", resources[kind].Resource, err)
	}
	go f.run(w)
	return f, nil
}

func (f *follower) run(w watch.Interface) {
	defer w.Stop()
	for e := range w.ResultChan() {
		obj, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Error || e.Type == watch.Bookmark {
			continue
		}
		f.add(sighting{at: time.Now(), gone: e.Type == watch.Deleted, obj: obj})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errEnded
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *follower) add(s sighting) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, s)
	close(f.changed)
	f.changed = make(chan struct{})
}

// find returns the first sighting of those that come after resource version since (empty: of all) that is wanted, waiting for it until ctx ends. what says what
// is waited for, for the error.
func (f *follower) find(ctx context.Context, what, since string, wanted func(sighting) bool) (sighting, error) {
	after := version(since)
	for next := 0; ; {
		f.mu.Lock()
		seen, changed, err := f.seen, f.changed, f.err
		f.mu.Unlock()
		for ; next < len(seen); next++ {
			if s := seen[next]; version(s.obj.GetResourceVersion()) > after && wanted(s) {
				return s, nil
			}
		}
		if err != nil {
			return sighting{}, fmt.Errorf("wait for %s: %w", what, err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return sighting{}, fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		}
	}
}

// mark is a point in the events, to be taken before something is done whose consequences until is to see.
type mark int

func (f *follower) mark() mark {
	f.mu.Lock()
	defer f.mu.Unlock()
	return mark(len(f.seen))
}

// until folds the events into the newest state of each object, by name, and returns when that state, as it was at from or later, first lacks nothing; and when
// that was.
func (f *follower) until(ctx context.Context, from mark, lacks func(map[string]*unstructured.Unstructured) string) (time.Time, error) {
	state := map[string]*unstructured.Unstructured{}
	for next := 0; ; {
		f.mu.Lock()
		seen, changed, err := f.seen, f.changed, f.err
		f.mu.Unlock()
		at := time.Now()
		for ; next < len(seen); next++ {
			at = seen[next].at
			if seen[next].gone {
				delete(state, seen[next].obj.GetName())
			} else {
				state[seen[next].obj.GetName()] = seen[next].obj
			}
			if next+1 < int(from) {
				continue
			}
			if lacks(state) == "" {
				return at, nil
			}
		}
		missing := lacks(state)
		if missing == "" {
			return at, nil
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", missing, err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%w: %s", context.Cause(ctx), missing)
		}
	}
}

// version is the order of a resource version; API servers promise that it is a growing number.
func version(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
