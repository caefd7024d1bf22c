package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	watchtools "k8s.io/client-go/tools/watch"
)

// sighting is an object as its last event told it.
type sighting struct {
	at      time.Time // when the event arrived here
	version uint64
	gone    bool
	value   string // what the observer reads in an object; empty if it reads nothing
}

// observer follows the objects of one kind. It is safe for concurrent use.
type observer struct {
	what string
	read func(runtime.Object) string

	mu      sync.Mutex
	seen    map[string]sighting // by namespace/name
	present int
	last    time.Time // of the newest event
	waits   map[*wait]bool
	err     error
}

// wait is somebody who waits for an object to be met, or, with an empty key, for a number of objects.
type wait struct {
	key   string
	met   func(sighting) bool
	count int
	done  chan time.Time
}

// lister is a dynamic client, or one that asks for metadata alone.
type lister struct {
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)
	o     metav1.ListOptions
}

// WatchWithContext continues at the resource version that o names.
func (l lister) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	o.LabelSelector, o.FieldSelector = l.o.LabelSelector, l.o.FieldSelector
	return l.watch(ctx, o)
}

// observe follows objects until ctx ends; read says what to remember of each, nil for nothing. It returns when those that exist have been seen.
func observe(ctx context.Context, what string, l lister, read func(runtime.Object) string) (*observer, error) {
	if read == nil {
		read = func(runtime.Object) string { return "" }
	}
	o := &observer{what: what, read: read, seen: map[string]sighting{}, waits: map[*wait]bool{}}
	list, err := l.list(ctx, l.o)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	if err := meta.EachListItem(list, func(obj runtime.Object) error { return o.take(obj, false) }); err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	version, err := meta.NewAccessor().ResourceVersion(list)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	w, err := watchtools.NewRetryWatcherWithContext(ctx, version, l)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", what, err)
	}
	go o.follow(w)
	return o, nil
}

func (o *observer) follow(w *watchtools.RetryWatcher) {
	err := error(nil)
	for e := range w.ResultChan() {
		switch e.Type {
		case watch.Added, watch.Modified, watch.Deleted:
			err = o.take(e.Object, e.Type == watch.Deleted)
		case watch.Error:
			err = fmt.Errorf("the API server ended the watch: %v", e.Object)
		case watch.Bookmark:
		}
		if err != nil {
			w.Stop()
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err = err; err == nil {
		o.err = fmt.Errorf("the watch of %s has ended", o.what)
	}
	for x := range o.waits {
		close(x.done)
	}
	clear(o.waits)
}

// take notes an event, and tells whoever waited for it.
func (o *observer) take(obj runtime.Object, gone bool) error {
	at := time.Now()
	m, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	version, err := strconv.ParseUint(m.GetResourceVersion(), 10, 64)
	if err != nil {
		return fmt.Errorf("read %s %s: %w", o.what, m.GetName(), err)
	}
	key := m.GetNamespace() + "/" + m.GetName()
	s := sighting{at: at, version: version, gone: gone, value: o.read(obj)}
	o.mu.Lock()
	defer o.mu.Unlock()
	if was, known := o.seen[key]; !known || was.gone {
		o.present++
	}
	if gone {
		o.present--
	}
	o.seen[key], o.last = s, at
	for w := range o.waits {
		if w.key == key && w.met(s) || w.key == "" && w.count == o.present {
			w.done <- at
			delete(o.waits, w)
		}
	}
	return nil
}

// object waits until an object is seen that is met, and returns when its event arrived. What was seen before counts.
func (o *observer) object(ctx context.Context, key string, met func(sighting) bool) (time.Time, error) {
	o.mu.Lock()
	s, known := o.seen[key]
	if known && met(s) {
		o.mu.Unlock()
		return s.at, nil
	}
	at, err := o.await(ctx, &wait{key: key, met: met})
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		return at, fmt.Errorf("wait for %s %s, which has the value %q: %w", o.what, key, o.seen[key].value, err)
	}
	return at, nil
}

// count waits until so many objects exist, and returns when the event of the last arrived.
func (o *observer) count(ctx context.Context, n int) (time.Time, error) {
	o.mu.Lock()
	if o.present == n {
		defer o.mu.Unlock()
		return o.last, nil
	}
	at, err := o.await(ctx, &wait{count: n})
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		return at, fmt.Errorf("wait for %d %s, of which there are %d: %w", n, o.what, o.present, err)
	}
	return at, nil
}

// await is called with the lock held, and lets it go.
func (o *observer) await(ctx context.Context, w *wait) (time.Time, error) {
	w.done = make(chan time.Time, 1)
	if o.err != nil {
		defer o.mu.Unlock()
		return time.Time{}, o.err
	}
	o.waits[w] = true
	o.mu.Unlock()
	select {
	case at, ok := <-w.done:
		if ok {
			return at, nil
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		return time.Time{}, o.err
	case <-ctx.Done():
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.waits, w)
		return time.Time{}, context.Cause(ctx)
	}
}

// resource is a kind as the API server serves it.
func resource(group, version, plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: plural}
}

// is waits for a value.
func is(value string) func(sighting) bool {
	return func(s sighting) bool { return !s.gone && s.value == value }
}
