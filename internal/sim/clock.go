package sim

import (
	"slices"
	"time"
)

// epoch is when every run begins: behind any machine's clock, as the simulated API server wants it.
var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// tick is how long a request, or a step of the scheduler, takes.
const tick = time.Millisecond

// timer is something to do at a time. Those of one time are done in the order in which they were set.
type timer struct {
	at    time.Time
	order int
	what  string
	do    func()
	// owner is the process whose memory it is in; nil is the world.
	owner *process
}

// timers are few: a slice does.
type timers struct {
	all   []*timer
	order int
}

func (t *timers) add(x timer) *timer {
	t.order++
	x.order = t.order
	t.all = append(t.all, &x)
	return &x
}

// next is the earliest timer, false if there is none. Those of a process that stands still have to wait.
func (t *timers) next() (*timer, int, bool) {
	best := -1
	for i, x := range t.all {
		if x.owner != nil && x.owner.still {
			continue
		}
		if best < 0 || x.at.Before(t.all[best].at) || x.at.Equal(t.all[best].at) && x.order < t.all[best].order {
			best = i
		}
	}
	if best < 0 {
		return nil, 0, false
	}
	return t.all[best], best, true
}

// take removes the timer at an index.
func (t *timers) take(i int) { t.all = append(t.all[:i:i], t.all[i+1:]...) }

// remove forgets a timer, if it is still to come.
func (t *timers) remove(x *timer) {
	if i := slices.Index(t.all, x); i >= 0 {
		t.take(i)
	}
}

// drop forgets the timers of a process that is dead.
func (t *timers) drop(p *process) {
	kept := t.all[:0:0]
	for _, x := range t.all {
		if x.owner != p {
			kept = append(kept, x)
		}
	}
	t.all = kept
}
