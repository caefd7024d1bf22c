package pace

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Gate lets requests through. The zero Gate is ready. It is safe for concurrent use.
type Gate struct {
	mu         sync.Mutex
	limit      limit
	soon, late class
	turn       int
}

// class is the requests that can wait, or those that cannot: how many are under way, and who waits at the gate.
type class struct {
	busy  int
	waits []chan struct{}
}

const (
	// share is how many that cannot wait go in before one that can.
	share = 16
	// few is how many that cannot wait may be under way while those that can go in side by side: while there are more, they go one by one.
	few = start / 4
)

func (g *Gate) class(late bool) *class {
	if late {
		return &g.late
	}
	return &g.soon
}

// room reports whether there is room for another request. The lock is held.
func (g *Gate) room(late bool) bool {
	return g.soon.busy+g.late.busy < g.limit.many() && (!late || g.soon.busy <= few || g.late.busy == 0)
}

// Enter returns when the request may be sent, or the context's error. Late says that it can wait for those that cannot. Whoever was let in calls Leave.
func (g *Gate) Enter(ctx context.Context, late bool) error {
	g.mu.Lock()
	c := g.class(late)
	if g.room(late) && len(g.soon.waits) == 0 && len(c.waits) == 0 {
		c.busy++
		g.mu.Unlock()
		return nil
	}
	in := make(chan struct{})
	c.waits = append(c.waits, in)
	g.mu.Unlock()
	select {
	case <-in:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	before := len(c.waits)
	c.waits = slices.DeleteFunc(c.waits, func(w chan struct{}) bool { return w == in })
	if len(c.waits) == before { // it was let in just now
		c.busy--
		g.admit()
	}
	return ctx.Err()
}

// Leave tells how a request that entered, late or not, went and how long it took since it was let in.
func (g *Gate) Leave(late bool, how How, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	full := g.soon.busy+g.late.busy >= g.limit.many() && len(g.soon.waits)+len(g.late.waits) > 0
	g.class(late).busy--
	g.limit = g.limit.after(how, took, full)
	g.admit()
}

// admit lets in whoever there is room for. The lock is held.
func (g *Gate) admit() {
	for {
		soon, late := len(g.soon.waits) > 0 && g.room(false), len(g.late.waits) > 0 && g.room(true)
		if !soon && !late {
			return
		}
		g.turn++
		c := g.class(!soon || late && g.turn%share == 0)
		close(c.waits[0])
		c.waits = c.waits[1:]
		c.busy++
	}
}

// State is how a gate stands.
type State struct{ Limit, Busy, Waiting int }

// State returns how many requests may be, and are, under way, and how many wait.
func (g *Gate) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return State{Limit: g.limit.many(), Busy: g.soon.busy + g.late.busy, Waiting: len(g.soon.waits) + len(g.late.waits)}
}
