package release

import (
	"slices"
	"time"
)

// Want is what Git wants of an app: some objects, and the commit that they were read from first.
type Want struct {
	Digest   string `json:"digest,omitempty"` // identifies the objects; empty: nothing is wanted
	Revision string `json:"revision,omitempty"`
	// None says that no objects are wanted. What wants none is released as anything else, and is nothing to go back to.
	None bool `json:"none,omitempty"`
	// Author wrote the commit, at the time Committed, and Images are what its objects run, one a line: for the history alone.
	Author    string    `json:"author,omitempty"`
	Committed time.Time `json:"committed,omitzero"`
	Images    string    `json:"images,omitempty"`
	// Cause is what changed outside of Git since the same commit wanted something else; empty: the commit did.
	Cause string `json:"cause,omitempty"`
}

// IsZero reports whether nothing is wanted.
func (w Want) IsZero() bool { return w.Digest == "" }

// is reports whether two wants are of the same objects. Another commit with the same objects wants nothing new.
func (w Want) is(o Want) bool { return w.Digest == o.Digest }

// ofCommit reports whether two wants are of the same commit, which may read something else outside by now.
func (w Want) ofCommit(o Want) bool { return w.Revision != "" && w.Revision == o.Revision }

// Phase is how far a release is.
type Phase string

// The phases, in their order. Those after Verifying are ends.
const (
	Planned     Phase = "Planned"     // it is not known yet, or not so, that it can be applied
	Gated       Phase = "Gated"       // it could be applied, and may not be yet
	Applying    Phase = "Applying"    // it is being applied
	Progressing Phase = "Progressing" // it is applied, and not healthy yet
	Verifying   Phase = "Verifying"   // it is healthy, and is being tried
	Succeeded   Phase = "Succeeded"
	Failed      Phase = "Failed"      // it stays as it is
	RollingBack Phase = "RollingBack" // what was good before is being applied
	RolledBack  Phase = "RolledBack"
	Superseded  Phase = "Superseded"
)

// Ended reports whether a release in this phase goes no further by itself, as long as nothing goes wrong afterwards.
func (p Phase) Ended() bool {
	return p == Succeeded || p == Failed || p == RolledBack || p == Superseded
}

// applies reports whether the want of a release in this phase is being applied, or was.
func (p Phase) applies() bool {
	return p == Applying || p == Progressing || p == Verifying
}

// Release is one app moving to one want.
type Release struct {
	Serial int       `json:"serial"` // from 1 on
	Want   Want      `json:"want"`
	From   Want      `json:"from,omitzero"`   // what was good when it began; zero if nothing was
	Back   Want      `json:"back,omitzero"`   // where it goes back to, or went
	Phase  Phase     `json:"phase"`           // empty: there was none yet
	Since  time.Time `json:"since"`           // of the phase; of a way back later by as long as it was suspended
	Began  time.Time `json:"began,omitzero"`  // when its want was first to be applied; later by as long as it was suspended; zero before that
	Paused time.Time `json:"paused,omitzero"` // since when a person wants nothing to be done; zero: it goes on
	Broke  bool      `json:"broke,omitempty"` // it failed by itself: nobody asked to go back
	Why    string    `json:"why,omitempty"`   // what it waits for, or why it ended so; empty if there is nothing to say
}

// State is what is recorded of an app's releases. The zero State is an app that was never released.
type State struct {
	Current Release `json:"current"`
	// Released is what the cluster is to be, also if somebody edits it by hand.
	Released Want `json:"released,omitzero"`
	// Good is what was released last and got well. It has objects.
	Good Want `json:"good,omitzero"`
	// Earlier are those that were Good before, the last of them first, one of each commit, none twice, and nothing that was given up since.
	Earlier []Want `json:"earlier,omitempty"`
	// Barred are the wants that were rolled back, the last of them last, none twice.
	Barred []Want `json:"barred,omitempty"`
}

// IsZero reports whether nothing is known of any release.
func (s State) IsZero() bool {
	return s.Current.Serial == 0 && s.Released.IsZero() && s.Good.IsZero() && len(s.Barred) == 0
}

// mostEarlier bounds what is kept to go back to, beside what is good: their bundles are kept, too.
const mostEarlier = 2

// mostBarred bounds what is remembered: who goes through more wants than that to an old bad one has changed his mind.
const mostBarred = 10

// IsPinned reports whether Git wants what is not to be tried (again).
func (s State) IsPinned(w Want) bool { return slices.ContainsFunc(s.Barred, w.is) }

// Health is how the objects of an app are as a whole.
type Health string

// The healths that make a difference to a release.
const (
	Unknown Health = ""        // it could not be looked at
	Moving  Health = "Moving"  // it is on its way, or may still get there
	Healthy Health = "Healthy" // all of it is well
	Doomed  Health = "Doomed"  // it will not get well by itself: a Job that failed for good
)

// Gate is a condition before a release may be applied, as it is now.
type Gate struct {
	Open  bool
	Waits string    // what it waits for, if it is closed
	Until time.Time // when to ask again though nothing is heard; zero: never
}

// Verdict is what a verification says.
type Verdict string

// The verdicts.
const (
	Pending Verdict = ""
	Passed  Verdict = "Passed"
	Refuted Verdict = "Refuted"
)

// Seen is what there is to be seen of an app at one time.
type Seen struct {
	// Want is what Git wants; zero if that could not be read: then it is as it was.
	Want Want
	// Ready reports that everything wanted would be accepted, and nothing else has to come first. If not, NotReady says why.
	Ready    bool
	NotReady string
	Gates    []Gate
	// Of is what the cluster was to be when it was looked at. What was seen of something else than State.Released does not count.
	Of Want
	// Applied reports that the cluster is that, but for what is held for a person.
	Applied bool
	Health  Health
	Sick    string // what is not healthy, and why
	// Hook is the hook that is still to be run, or is being run, once all else is healthy; empty: none. Broken is the hook that failed, and how; empty: none did.
	Hook, Broken string
	// Since is when who looks began to: before that, nobody may have been there.
	Since time.Time
	// Verdict is that of the verification of the release with this Serial.
	Serial  int
	Verdict Verdict
	Refuted string // why
	// Suspended reports that a person wants nothing to be done: no phase ends but by his asking.
	Suspended bool
	// Asked is what a person asks for; nil: nothing.
	Asked *Asked
}

// Asked is what a person asks for. It is carried out once: the caller gives it no more when it is recorded.
type Asked struct {
	By, Because string
	// Back asks to go back To; if that is zero, to what was good before.
	Back bool
	To   Want
	// Sure says that he knows what goes with that: versions and fields of CustomResourceDefinitions.
	Sure bool
	// Lift asks that what was rolled back be tried again.
	Lift bool
	// Again asks that what Git wants now be tried, also if it was rolled back or failed before.
	Again bool
}

// Policy says how an environment releases.
type Policy struct {
	Deadline time.Duration // from the first apply until it has to be healthy and verified; 0: there is none
	Verify   bool          // there is something to verify
	Halt     bool          // what failed stays
	WatchFor time.Duration // for how long after its success a release has to stay healthy
}

// Decision is what follows.
type Decision struct {
	State State
	// Records are what happened, for the history: each is a release as it was when it entered a phase.
	Records []Release
	// Again is when to look again though nothing is heard; zero: never.
	Again time.Time
}
