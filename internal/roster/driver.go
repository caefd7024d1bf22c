package roster

import (
	"context"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Driver does what a member does by itself. Its methods return at once; what they begin ends with the context.
type Driver interface {
	// Repeat calls step, never twice at once: at the time that it returned last, or as soon as there is a word in wake, which it takes.
	Repeat(ctx context.Context, step func() time.Time, wake <-chan struct{})
	// Look lists and watches the Leases that have the [Label], and tells the view.
	Look(ctx context.Context, v *View)
	// After calls f after some time, unless it is stopped before.
	After(d time.Duration, f func()) (stop func())
	// Wait returns when all that was begun has ended.
	Wait()
}

// View is told of the Leases by who looks at them. It is for one goroutine.
type View struct {
	m   *Member
	ids map[string]bool // those that were told of
}

// Replace takes a whole list: what is not in it is gone.
func (v *View) Replace(list []*coordinationv1.Lease) {
	there := map[string]bool{}
	for _, l := range list {
		there[idOf(l)] = true
		v.Put(l)
	}
	for id := range v.ids {
		if !there[id] {
			delete(v.ids, id)
			v.m.left(id)
		}
	}
}

// Put takes a Lease as an event shows it.
func (v *View) Put(l *coordinationv1.Lease) {
	v.ids[idOf(l)] = true
	v.m.see(l)
}

// Drop takes a Lease that is gone.
func (v *View) Drop(l *coordinationv1.Lease) {
	delete(v.ids, idOf(l))
	v.m.left(idOf(l))
}

// machine is the driver of a real process: goroutines, its clock, and client-go's reflector.
type machine struct {
	o     Options
	ended sync.WaitGroup
}

// Wait implements Driver.
func (d *machine) Wait() { d.ended.Wait() }

// After implements Driver.
func (d *machine) After(wait time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(wait, f)
	return func() { t.Stop() }
}

// Repeat implements Driver.
func (d *machine) Repeat(ctx context.Context, step func() time.Time, wake <-chan struct{}) {
	d.ended.Go(func() {
		for ctx.Err() == nil {
			t := time.NewTimer(time.Until(step()))
			select {
			case <-ctx.Done():
			case <-t.C:
			case <-wake:
			}
			t.Stop()
		}
	})
}

// Look implements Driver.
func (d *machine) Look(ctx context.Context, v *View) { d.ended.Go(func() { d.look(ctx, v) }) }

func (d *machine) look(ctx context.Context, v *View) {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = Label
			return d.o.Leases.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.LabelSelector = Label
			return d.o.Leases.Watch(ctx, o)
		},
	}
	reflector := cache.NewReflectorWithOptions(lw, &coordinationv1.Lease{}, sink{v}, cache.ReflectorOptions{Name: "replicas"})
	// The loop is ours because the reflector's own waits for up to half a minute after an outage: so long nobody could come.
	for ctx.Err() == nil {
		if err := reflector.ListAndWatchWithContext(ctx); err != nil && ctx.Err() == nil {
			d.o.Log.WarnContext(ctx, "the Leases of other replicas are not seen", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(LookAgain(d.o.Lasts)):
		}
	}
}

// LookAgain is how long after a watch of Leases that last so long ended another one is begun.
func LookAgain(lasts time.Duration) time.Duration { return min(time.Second, lasts/10) }

// sink is the reflector's store: it tells the view.
type sink struct{ *View }

func (s sink) Add(obj any) error {
	if l, ok := obj.(*coordinationv1.Lease); ok {
		s.Put(l)
	}
	return nil
}

func (s sink) Update(obj any) error { return s.Add(obj) }

func (s sink) Delete(obj any) error {
	if l, ok := obj.(*coordinationv1.Lease); ok {
		s.Drop(l)
	}
	return nil
}

func (s sink) Replace(list []any, _ string) error {
	leases := make([]*coordinationv1.Lease, 0, len(list))
	for _, obj := range list {
		if l, ok := obj.(*coordinationv1.Lease); ok {
			leases = append(leases, l)
		}
	}
	s.View.Replace(leases)
	return nil
}

func (s sink) Resync() error { return nil }
