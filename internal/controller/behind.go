package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
)

// An app that was another process's may be ahead of what is read here: that one may have asked Git later.

// catchUpAtMost is how long an app that was another process's waits until its repository was asked: what was applied is kept true while Git is down.
const catchUpAtMost = 5 * time.Second

// caughtUp reports whether the app can be worked on: its repository was asked since the app was taken, and all that follows was found, or it was waited for
// that in vain. If it was not asked, it is.
func (c *controller) caughtUp(m *member, since time.Time) bool {
	m.mu.Lock()
	repository := m.place.repository
	m.unlock()
	c.mu.Lock()
	r := c.repos[types.NamespacedName{Namespace: m.name.Namespace, Name: repository}]
	asked := r == nil || r.polled.After(since)
	failed := asked && r != nil && r.err != nil
	if !asked {
		r.hooked = true
	}
	c.mu.Unlock()
	if asked && !failed && !c.fleet.IsStale(fleet.Of(m.name)) {
		m.mu.Lock()
		m.takenAt, m.older = time.Time{}, false
		m.unlock()
		return true
	}
	if !asked {
		c.repoQueue.add(m.name.Namespace, repository)
	}
	return failed || c.now().Sub(since) > catchUpAtMost
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

// errOlder is why an app goes no further that was another process's: that one may have read a newer commit.
var errOlder = fault.Newf(fault.Transient, "the replica that took the app over cannot read it from Git: what was applied last is kept true")
