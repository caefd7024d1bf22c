package pace

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Gate lets requests through. The zero Gate is ready. It is safe for concurrent use.
type Gate struct {
	mu    sync.Mutex
	limit limit
	busy  int
	soon  []chan struct{}
	late  []chan struct{}
	turn  int
}

// share is how many that cannot wait go in before one that can.
const share = 16

// Enter returns when the request may be sent, or the context's error. Late says that it can wait for those that cannot. Whoever was let in calls Leave.
func (g *Gate) Enter(ctx context.Context, late bool) error {
	g.mu.Lock()
	if g.busy < g.limit.many() && len(g.soon) == 0 && (!late || len(g.late) == 0) {
		g.busy++
		g.mu.Unlock()
		return nil
	}
	in := make(chan struct{})
	if late {
		g.late = append(g.late, in)
	} else {
		g.soon = append(g.soon, in)
	}
	g.mu.Unlock()
	select {
	case <-in:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	is := func(c chan struct{}) bool { return c == in }
	before := len(g.soon) + len(g.late)
	g.soon, g.late = slices.DeleteFunc(g.soon, is), slices.DeleteFunc(g.late, is)
	if len(g.soon)+len(g.late) == before { // it was let in just now
		g.busy--
		g.admit()
	}
	return ctx.Err()
}

// Leave tells how a request went and how long it took since it was let in.
func (g *Gate) Leave(how How, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy--
	g.limit = g.limit.after(how, took, len(g.soon)+len(g.late) > 0)
	g.admit()
}

// admit lets in whoever there is room for. The lock is held.
func (g *Gate) admit() {
	for g.busy < g.limit.many() && len(g.soon)+len(g.late) > 0 {
		g.turn++
		from := &g.soon
		if len(g.soon) == 0 || len(g.late) > 0 && g.turn%share == 0 {
			from = &g.late
		}
		close((*from)[0])
		*from = (*from)[1:]
		g.busy++
	}
}

// State is how a gate stands.
type State struct{ Limit, Busy, Waiting int }

// State returns how many requests may be, and are, under way, and how many wait.
func (g *Gate) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return State{Limit: g.limit.many(), Busy: g.busy, Waiting: len(g.soon) + len(g.late)}
}
