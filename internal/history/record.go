package history

import "time"

// Kind is what kind of thing happened.
type Kind string

// The kinds. What the Phase of each may be is said here; a record of another kind has none.
const (
	Release    Kind = "Release"    // a release entered a phase: one of package release
	Hold       Kind = "Hold"       // a step began to wait for a person, or no longer does: Held, Gone
	Approval   Kind = "Approval"   // somebody agreed to something: Given; Until says for how long
	Override   Kind = "Override"   // somebody broke the glass: Given; Until says for how long
	Drift      Kind = "Drift"      // live objects were changed by others, or are again as they were applied: Found, Gone
	Suspension Kind = "Suspension" // somebody wants nothing to be done
	Resumption Kind = "Resumption" // it goes on
	Rollback   Kind = "Rollback"   // somebody asked to go back; that the app does so is told by its Release
	Prune      Kind = "Prune"      // objects that are no longer wanted were deleted
	Candidate  Kind = "Candidate"  // a commit on its way to an environment's branch entered a phase: one of package candidate

	// Standing and Retention are written by a store alone, when old records are dropped: what those had said of an app, and that they were there.
	Standing  Kind = "Standing"
	Retention Kind = "Retention"
)

// The phases of what begins and ends, other than releases.
const (
	Held  = "Held"
	Given = "Given"
	Found = "Found"
	Gone  = "Gone"
)

// Version is what an app was, or was to be.
type Version struct {
	Commit    string    `json:"commit,omitempty"`
	Author    string    `json:"author,omitempty"`   // of the commit
	Committed time.Time `json:"committed,omitzero"` // when the commit was made
	Digest    string    `json:"digest,omitempty"`   // identifies the objects; empty: it is not known, or nothing is meant
	Images    []string  `json:"images,omitempty"`   // name@digest, or name:tag where that is all that is known; sorted, none twice
}

// IsZero reports whether nothing is meant.
func (v Version) IsZero() bool { return v.Commit == "" && v.Digest == "" }

// Record is one thing that happened.
type Record struct {
	Seq  uint64    `json:"seq"` // its place in the chain, from 1 on without a gap; a store assigns it
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	// Key identifies what happened: a store takes the same key once. It has to follow from what happened alone, so that who sends it after a crash says the same.
	Key string `json:"key"`

	Namespace   string `json:"namespace"`
	Environment string `json:"environment"`
	App         string `json:"app,omitempty"` // its name within the environment; empty: all of the environment

	Serial int    `json:"serial,omitempty"` // of the release, if it is about one
	Phase  string `json:"phase,omitempty"`

	Want Version `json:"want,omitzero"` // what the release is of, or what else happened is about
	Back Version `json:"back,omitzero"` // where a release goes back to, or went

	Who  string `json:"who,omitempty"`  // a person or a process, if somebody did it
	Why  string `json:"why,omitempty"`  // what was said about it, or what it waits for
	Plan string `json:"plan,omitempty"` // what was to be done, as people read it; whoever records it has redacted it

	Until   time.Time `json:"until,omitzero"`    // when an Approval or an Override ends; of a Retention, when the last thing happened that was dropped
	Stands  *State    `json:"stands,omitempty"`  // of a Standing
	Dropped *Link     `json:"dropped,omitempty"` // of a Retention: the last record that was dropped

	Prev Hash `json:"prev"` // of the record before it; of the first one all zero
	Hash Hash `json:"-"`    // of this one: see Line
}

// Recorder takes records on their way to where they are kept. It may be used by several goroutines.
type Recorder interface {
	// Record hands a record over and returns at once. It is stored soon, or when the store can be reached again; then done, which may be nil, is called once,
	// from another goroutine. Until then the caller keeps it, and records it again whenever it is not sure, at the latest after it was started anew: of two
	// records with the same Key one is stored, and each done is called.
	//
	// An error says that it was not taken: it is [fault.Invalid] if it says too little to be stored, ever, and [fault.Transient] if too many wait already.
	Record(r Record, done func()) error
}

// Nowhere is a Recorder of a process that has no history: each record is done at once.
type Nowhere struct{}

// Record keeps nothing.
func (Nowhere) Record(r Record, done func()) error {
	if _, err := Fit(r); err != nil {
		return err
	}
	if done != nil {
		go done()
	}
	return nil
}
