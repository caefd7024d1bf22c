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
	later    map[reconcile.Request]*timer
}

func newLoop(p *process, l controller.Loop) *loop {
	return &loop{
		process: p, Loop: l, ready: map[reconcile.Request]bool{}, failures: map[reconcile.Request]int{},
		running: map[reconcile.Request]bool{}, again: map[reconcile.Request]bool{}, later: map[reconcile.Request]*timer{},
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

// AddAfter implements controller.Queue. As in the real queue, the earliest of several times counts.
func (l *loop) AddAfter(r reconcile.Request, d time.Duration) {
	if d <= 0 {
		l.Add(r)
		return
	}
	w := l.process.world
	at := w.now.Add(d)
	if t := l.later[r]; t != nil {
		if at.Before(t.at) {
			t.at = at
		}
		return
	}
	l.later[r] = w.timers.add(timer{at: at, what: l.Name + " " + r.String(), owner: l.process, do: func() {
		delete(l.later, r)
		l.Add(r)
	}})
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

// mayRun reports whether a request may be worked on while others of the process are: it must not wait for a lock that one of them holds, since all share one
// goroutine. There are two: one while the ledger is read for the first time, and one while an App object is written.
func (l *loop) mayRun(r reconcile.Request) bool {
	if !l.process.isSettled() && l.Name != "status" {
		return false // it waits for the process to know its part, or may
	}
	for _, other := range l.process.loops {
		for x := range other.running {
			switch {
			case other == l && x == r:
				return false
			case !l.process.loaded && other.Name != "status":
				return false
			case other.writes() && l.writes() && x == r:
				return false
			}
		}
	}
	return true
}

// writes reports whether the loop writes App objects.
func (l *loop) writes() bool { return l.Name == "app" || l.Name == "status" }

// Back-off of the real queues: see options in package controller.
const (
	firstBackoff = 20 * time.Millisecond
	lastBackoff  = 15 * time.Second
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
	if err == nil && (l.Name == "app" || l.Name == "environment") {
		l.process.loaded = true // that is the first thing they do
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
