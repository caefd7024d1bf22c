package sim

import (
	"time"

	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// meanwhile lets other things happen while a request is on its way.
func (w *world) meanwhile(p *process, r kube.Request) {
	if w.schedule.Seed == 0 || w.depth > 1 || r.Verb == "discover" || w.dice.IntN(12) != 0 {
		return // who discovers holds a lock that all need
	}
	defer w.deeper()()
	defer w.awaited(w.now.Add(soon))()
	for range 1 + w.dice.IntN(4) {
		things := w.runnable()
		if len(things) == 0 || p.dead {
			return
		}
		w.note(func() string { return "  (meanwhile)" })
		w.do(w.draw(things))
	}
}

// soon is how long the answer to a request may take at most that is not slow.
const soon = time.Second

// awaited begins what happens until an answer is to arrive at a time; what it returns ends that.
func (w *world) awaited(due time.Time) func() {
	outer := w.due
	if outer.IsZero() || due.Before(outer) {
		w.due = due
	}
	return func() { w.due = outer }
}

// deeper begins what happens while a request is under way; what it returns ends that.
func (w *world) deeper() func() {
	first := w.first
	w.depth, w.first = w.depth+1, false
	return func() { w.depth, w.first = w.depth-1, first }
}

// deepest is how many requests may be under way while the world goes on.
const deepest = 2

// slowFor is how long the answer to a request takes that is slow: it comes just before its sender gives up. No more than mostWhile steps happen until then.
const (
	slowFor   = 29 * time.Second
	mostWhile = 400
)

// patience is how long the answer to a request may take: who renews a Lease waits no longer than a quarter of what it lasts.
func patience(r kube.Request) time.Duration {
	if r.Resource.Resource == "leases" {
		return lasts / 4
	}
	return slowFor
}

// await lets the answer to a request take its time: all else goes on, the process with what it does besides, and people, who do not wait for it.
func (w *world) await(p *process, long time.Duration) error {
	if w.depth > deepest {
		return nil
	}
	defer w.deeper()()
	w.hurry()
	lasted := p.replica != nil && p.replica.InTime() == nil
	w.goOn(w.now.Add(long), func() bool { return p.dead })
	w.estranged = w.estranged || lasted && p.replica.InTime() != nil
	w.since = maxTime(w.since, w.now) // what it asks next, or does by the answer, it does so much later
	if p.dead {
		return errDead
	}
	return nil
}

// hurry lets people do what is next, if they need not wait for anything.
func (w *world) hurry() {
	if w.acted < len(w.acts) && !w.acts[w.acted].Await {
		w.hurried = true
		w.act()
	}
}

// goOn lets the world go on until a time, unless there is a reason to end that sooner.
func (w *world) goOn(until time.Time, ended func() bool) {
	defer w.awaited(until)()
	for range mostWhile {
		w.observe()
		if w.failure != nil || ended() {
			return
		}
		if things := w.runnable(); len(things) > 0 {
			w.do(w.draw(things))
			continue
		}
		t, i, ok := w.timers.next()
		if !ok || t.at.After(until) {
			break
		}
		w.fire(t, i)
	}
	w.now = maxTime(w.now, until)
}

// isOverdue reports whether somebody would have gone on by now, and cannot since who waits inside his request does not: no real process waits for another one
// so.
func (w *world) isOverdue() bool { return !w.due.IsZero() && w.now.After(w.due) }

// fire lets the time come of what is due next.
func (w *world) fire(t *timer, i int) {
	w.now = maxTime(w.now, t.at)
	w.timers.take(i)
	w.note(func() string { return w.now.Format("15:04:05.000") + " " + t.what })
	t.do()
}
