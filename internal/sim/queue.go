package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/internal/controller"
)

// loop is one reconciler of a process, with its queue: as controller-runtime has them, but that which request is next is drawn.
type loop struct {
	process *process
	controller.Loop
	ready    map[reconcile.Request]bool
	failures map[reconcile.Request]int
	running  map[reconcile.Request]bool
	again    map[reconcile.Request]bool // was added while it ran
}

func newLoop(p *process, l controller.Loop) *loop {
	return &loop{
		process: p, Loop: l, ready: map[reconcile.Request]bool{}, failures: map[reconcile.Request]int{},
		running: map[reconcile.Request]bool{}, again: map[reconcile.Request]bool{},
	}
}

// Add implements controller.Queue.
func (l *loop) Add(r reconcile.Request) {
	if l.running[r] {
		l.again[r] = true
		return
	}
	l.ready[r] = true
}

// AddAfter implements controller.Queue.
func (l *loop) AddAfter(r reconcile.Request, d time.Duration) {
	if d <= 0 {
		l.Add(r)
		return
	}
	w := l.process.world
	w.timers.add(timer{at: w.now.Add(d), what: l.Name + " " + r.String(), do: func() { l.Add(r) }, owner: l.process})
}

// Len implements controller.Queue.
func (l *loop) Len() int { return len(l.ready) }

// waiting are the requests that may run, in order.
func (l *loop) waiting() []reconcile.Request {
	if len(l.ready) == 0 {
		return nil
	}
	out := make([]reconcile.Request, 0, len(l.ready))
	for r := range l.ready {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b reconcile.Request) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Back-off of the real queues: see options in package controller.
const (
	firstBackoff = 20 * time.Millisecond
	lastBackoff  = time.Minute
)

// run works on a request, as a worker of controller-runtime does.
func (l *loop) run(r reconcile.Request) {
	delete(l.ready, r)
	l.running[r] = true
	result, err := l.Reconcile(l.process.ctx, r)
	delete(l.running, r)
	if l.process.dead {
		return
	}
	w := l.process.world
	switch {
	case err != nil:
		wait := min(firstBackoff<<min(l.failures[r], 20), lastBackoff)
		l.failures[r]++
		w.note(func() string { return fmt.Sprintf("  %s %s: %v", l.Name, r, err) })
		l.AddAfter(r, wait)
	case result.RequeueAfter > 0:
		delete(l.failures, r)
		l.AddAfter(r, result.RequeueAfter)
	default:
		delete(l.failures, r)
	}
	if l.again[r] {
		delete(l.again, r)
		l.ready[r] = true
	}
}
