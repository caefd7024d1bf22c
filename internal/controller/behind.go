package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
)

// An app that was another process's may be ahead of what is read here: that one may have asked Git later.

// catchUpAtMost is how long an app that was another process's waits until its repository was asked: what was applied is kept true while Git is down.
const catchUpAtMost = 5 * time.Second

// caughtUp reports whether the app can be worked on: whatever its environment follows was asked since the app was taken, and all that follows was found, or it
// was waited for that in vain. What was not asked is: where the app is now may not be known yet, nor that it is anywhere.
func (c *controller) caughtUp(m *member, since time.Time) bool {
	asked, failed := true, false
	c.mu.Lock()
	if st := c.envs[fleet.Of(m.name)]; st != nil && st.spec != nil {
		asked, failed = c.askedSince(st.spec, since)
	}
	c.mu.Unlock()
	if asked && !failed && !c.fleet.IsStale(fleet.Of(m.name)) {
		m.mu.Lock()
		m.takenAt, m.older = time.Time{}, false
		m.unlock()
		c.wakeWaiting() // one of them may want what it claims
		return true
	}
	return asked && failed || c.now().Sub(since) > catchUpAtMost
}

// isCaughtUp reports whether what names candidates of an environment was read since its status became this process's to write, or was waited for in vain: who had it
// before may have read a newer word, and what has ended is not to begin again.
func (c *controller) isCaughtUp(env *v1alpha1.Environment, st *environment) bool {
	if st.takenAt.IsZero() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if asked, failed := c.askedSince(env, st.takenAt); asked && !failed {
		st.takenAt = time.Time{}
		return true
	}
	return c.now().Sub(st.takenAt) > catchUpAtMost
}

// askedSince reports whether every repository that an environment follows was asked since then, and whether one of them could not be asked. Those that were not
// are asked now. The lock is held.
func (c *controller) askedSince(env *v1alpha1.Environment, since time.Time) (asked, failed bool) {
	asked = true
	for _, s := range env.Spec.Sources {
		r := c.repos[types.NamespacedName{Namespace: env.Namespace, Name: s.Repository}]
		switch {
		case r == nil: // there is nothing to ask
		case !r.polled.After(since):
			asked, r.hooked = false, true
			c.repoQueue.add(env.Namespace, s.Repository)
		case r.err != nil:
			failed = true
		}
	}
	return asked, failed
}

// overtaken lets Git be asked about an app that another process worked on while this one believed that it had it: this one stood still, or that one knows nothing of
// it, and may have read a newer commit. What was asked of Git before does not count any more.
func (c *controller) overtaken(m *member) {
	now := c.now()
	c.mu.Lock()
	c.gainedAt = now
	c.mu.Unlock()
	m.mu.Lock()
	defer m.unlock()
	if c.shared.Load() {
		m.hold = hold{} // and whatever is known of it is read anew
	} else {
		m.takenAt = now
	}
}

// noteOlder notes whether what was applied is newer, or may be, than what is read here, as a pass found it.
func (m *member) noteOlder(s engine.Subject, out engine.Outcome) bool {
	m.mu.Lock()
	defer m.unlock()
	m.older = out.Older || s.Doubtful && !s.Agreed && !s.Rendered
	return m.older
}

func (m *member) isOlder() bool {
	m.mu.Lock()
	defer m.unlock()
	return m.older
}

// isUnheard reports whether a question of the app was not answered that is to be asked again, though nobody tells when.
func (m *member) isUnheard() bool {
	m.mu.Lock()
	defer m.unlock()
	return m.delayed != nil || m.unanswered
}

// errOlder is why an app goes no further that was another process's: that one may have read a newer commit.
var errOlder = fault.Newf(fault.Transient, "another process had the app, and Git cannot be asked what it wants by now: what was applied last is kept true")
