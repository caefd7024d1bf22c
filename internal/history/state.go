package history

import (
	"time"

	"github.com/fairlead-cd/fairlead/internal/release"
)

// State is what the records say of one app, or of an environment as a whole, at a time.
type State struct {
	Serial int       `json:"serial,omitempty"` // of its last release
	Phase  string    `json:"phase,omitempty"`  // that one's
	Since  time.Time `json:"since,omitzero"`   // of the phase
	Want   Version   `json:"want,omitzero"`    // what that release is of
	Runs   Version   `json:"runs,omitzero"`    // what was to run, and ran as far as it was applied

	Pinned    bool  `json:"pinned,omitempty"` // it was rolled back: it runs what was good before, and what Git wants is not tried again
	Drifted   *Note `json:"drifted,omitempty"`
	Suspended *Note `json:"suspended,omitempty"`
	Held      *Note `json:"held,omitempty"` // something waits for a person: what it ran before may be there still
}

// Note is since when something is so, by whom, and why.
type Note struct {
	Since time.Time `json:"since"`
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
}

// take is what a record changes.
//
// Invariant: which fields it sets, and to what, follows from the record alone. A store counts on that (see Latest in package store).
func (s *State) take(r Record) {
	note := &Note{Since: r.Time, Who: r.Who, Why: r.Why}
	switch r.Kind {
	case Release:
		s.release(r)
	case Drift:
		s.Drifted = nil
		if r.Phase == Found {
			s.Drifted = note
		}
	case Suspension:
		s.Suspended = note
	case Resumption:
		s.Suspended = nil
	case Prune:
		if r.Phase == Gone {
			*s = State{}
		}
	case Standing:
		if r.Stands != nil {
			*s = *r.Stands
		}
	case Hold:
		s.Held = nil
		if r.Phase == Held {
			s.Held = note
		}
	case Approval, Override, Rollback, Candidate, Retention:
	}
}

func (s *State) release(r Record) {
	s.Serial, s.Phase, s.Since, s.Want, s.Pinned = r.Serial, r.Phase, r.Time, r.Want, false
	switch release.Phase(r.Phase) {
	case release.Applying:
		s.Runs = r.Want
	case release.Progressing, release.Verifying, release.Succeeded: // all of it was applied: what others had changed, too
		s.Runs, s.Drifted = r.Want, nil
	case release.RollingBack:
		s.Runs, s.Pinned = r.Back, true
	case release.RolledBack:
		s.Runs, s.Pinned, s.Drifted = r.Back, true, nil
	case release.Failed:
		s.Runs = r.Want
		if !r.Back.IsZero() { // on the way back
			s.Runs, s.Pinned = r.Back, true
		}
	case release.Planned, release.Gated, release.Superseded: // what ran goes on
	}
}

// isZero reports whether nothing is known, or nothing is left.
func (s State) isZero() bool {
	return s.Phase == "" && s.Runs.IsZero() && s.Drifted == nil && s.Suspended == nil && s.Held == nil
}
