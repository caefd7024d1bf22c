package controller

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
)

// roll counts the apps of an environment by how they are, as that changes, so that nobody has to ask them all. It is safe for concurrent use.
type roll struct {
	mu     sync.Mutex
	counts v1alpha1.AppCounts
	dirty  int
	new    int
	unwell map[string]string // the names of those that are not ready and say why, and the reason
}

func newRoll() *roll { return &roll{unwell: map[string]string{}} }

// mark is how one app counts.
type mark struct {
	known  bool // there is anything to go by: others are not counted, but for dirty
	ready  bool
	held   bool
	failed bool
	dirty  bool   // there is something new to look at, or to say
	new    bool   // this process has not looked at it
	reason string // why it is not ready
}

// turn counts an app anew.
func (r *roll) turn(n app.Name, was, is mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(was, -1)
	r.add(is, 1)
	if is.known && !is.ready && is.reason != "" {
		r.unwell[n.App] = is.reason
	} else {
		delete(r.unwell, n.App)
	}
}

func (r *roll) add(m mark, n int) {
	if m.dirty {
		r.dirty += n
	}
	if !m.known {
		return
	}
	r.counts.Total += int32(n) //nolint:gosec // 1 or -1
	if m.new {
		r.new += n
	}
	switch {
	case m.ready:
		r.counts.Ready += int32(n) //nolint:gosec // 1 or -1
	case m.held:
		r.counts.Held += int32(n) //nolint:gosec // 1 or -1
	case m.failed:
		r.counts.Failed += int32(n) //nolint:gosec // 1 or -1
	}
}

// call returns how many apps are how, and names the first that is not well.
func (r *roll) call() (v1alpha1.AppCounts, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.unwell) == 0 {
		return r.counts, ""
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(r.unwell)), strings.Compare)
	return r.counts, clipText("; "+first+": "+r.unwell[first], 400)
}

// isBusy reports whether there is something new of an app to look at, or to say.
func (r *roll) isBusy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dirty > 0
}

// isNew reports whether an app has not been looked at by this process.
func (r *roll) isNew() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.new > 0
}

// unlock ends a change of the app, and counts it as it is now.
func (m *member) unlock() {
	if is := m.counts(); is != m.mark {
		m.roll.turn(m.name, m.mark, is)
		m.mark = is
	}
	m.mu.Unlock()
}

// counts is how the app counts. The lock is held.
func (m *member) counts() mark {
	if m.retired {
		return mark{}
	}
	is := mark{
		known: m.place.repository != "" || m.removed || m.broken != nil,
		dirty: m.dirty || m.unwritten && m.hold.mine || m.behind, // what was being written when the app was given away is for another process to say
		held:  m.status.Phase == v1alpha1.PhaseHeld, failed: isFailed(m.status), new: !m.begun,
	}
	if is.ready = isReady(m.status) && !is.dirty; !is.ready {
		is.reason = m.status.Reason
	}
	return is
}
