package candidate

import (
	"slices"
	"time"
)

// Phase is how far a candidate is.
type Phase string

// The phases, in their order. Those after Moving are ends.
const (
	Waiting    Phase = "Waiting"    // it may not be tried yet
	Rehearsing Phase = "Rehearsing" // the apps that it changes are tried in namespaces made for that; the environment is as it was
	Trying     Phase = "Trying"     // the apps that it changes are placed at it
	Moving     Phase = "Moving"     // all of them got well, and the branch is to be moved to it
	Moved      Phase = "Moved"      // the branch has it
	Refused    Phase = "Refused"    // it is not tried again, unless a person asks for it
	Gone       Phase = "Gone"       // its ref is gone, or names another commit
)

// Ended reports whether a candidate in this phase goes no further.
func (p Phase) Ended() bool { return p == Moved || p == Refused || p == Gone }

// Placed reports whether the apps that a candidate in this phase changes are placed at it.
func (p Phase) Placed() bool { return p == Trying || p == Moving }

// Takes reports whether no other candidate may have the apps that a candidate in this phase changes.
func (p Phase) Takes() bool { return p == Rehearsing || p.Placed() }

// Candidate is one commit on its way to the branch.
type Candidate struct {
	Ref     string // the branch or tag that names it; empty: a person asked for it
	Commit  string
	Request string // what a person asked for last about it; empty: nothing
	By      string // who that was
	Phase   Phase
	Since   time.Time // of the phase
	Began   time.Time // when it was first tried; zero before that
	// Base is the commit of the branch that it is tried for: Apps are those that it changes of that, and Leaves those of them that go at once.
	Base   string
	Apps   []string
	Leaves []string
	// LeftOut is what its rehearsal did without: objects that are in no namespace.
	LeftOut []string
	Why     string // what it waits for, or why it ended so
}

// State is what is recorded of an environment's candidates, the oldest first.
type State struct {
	List    []Candidate
	Request string // of a person, that was acted upon last
}

// Placed are the candidates that apps are placed at.
func (s State) Placed() []Candidate {
	var out []Candidate
	for _, c := range s.List {
		if c.Phase.Placed() {
			out = append(out, c)
		}
	}
	return out
}

// Rehearsed are the candidates that are being rehearsed.
func (s State) Rehearsed() []Candidate {
	return slices.DeleteFunc(slices.Clone(s.List), func(c Candidate) bool { return c.Phase != Rehearsing })
}

// Open are the candidates that have not ended.
func (s State) Open() []Candidate {
	return slices.DeleteFunc(slices.Clone(s.List), func(c Candidate) bool { return c.Phase.Ended() })
}

// Ref is a branch or tag that names a candidate.
type Ref struct{ Name, Commit string }

// Study is what is known of a commit as a candidate for the branch as it is now.
type Study struct {
	Known bool
	// Wrong is why it cannot be tried at all: it is not there, nobody signed it, an app does not render. If that is not Known, it is why not.
	Wrong string
	// Has reports that the branch has it already.
	Has bool
	// Apart is why the branch cannot be moved to it: what the branch has and it has not.
	Apart string
	// Apps are those that it changes, and Leaves those of them that are to go at once.
	Apps, Leaves []string
}

// Verdict is how an app fares at a candidate.
type Verdict struct {
	Outcome Outcome
	Why     string // what it waits for, or what went wrong
	// LeftOut is what a rehearsal of the app did without.
	LeftOut []string
}

// Outcome is whether an app got well.
type Outcome string

// The outcomes.
const (
	Pending Outcome = ""
	Well    Outcome = "Well"
	Failed  Outcome = "Failed"
)

// Asked is what a person asks for: that a commit be tried, also if it was refused before.
type Asked struct{ Request, Commit, By string }

// Seen is what there is to be seen at one time.
type Seen struct {
	// Branch is the name of the environment's branch, Tip its commit; empty if that is not known: then nothing is decided.
	Branch, Tip string
	// Refs name candidates, in an order that does not change by itself. Listed reports that these are all.
	Refs   []Ref
	Listed bool
	// Studies are by commit, for the branch at Tip; what is not among them is not known.
	Studies map[string]Study
	// Verdicts are by commit and app.
	Verdicts map[string]map[string]Verdict
	// Denied is why the server does not let the branch be moved to a commit, by commit; Delayed is why it could not be asked, or has to be asked again.
	Denied, Delayed map[string]string
	// Rehearsals are verdicts on the apps where they are rehearsed, by commit and app. Venues are the apps that are rehearsed somewhere, or were and are being
	// deleted there, and the commits of that.
	Rehearsals map[string]map[string]Verdict
	Venues     map[string]string
	Asked      *Asked
	// Suspended reports that a person wants nothing to be done: nothing new is tried.
	Suspended bool
}

// Policy says how candidates are tried.
type Policy struct {
	Deadline time.Duration // from the first try until every app has to be well; 0: there is none
	// Rehearse has a candidate tried in namespaces of its own first; Rehearsal is how long that may take.
	Rehearse  bool
	Rehearsal time.Duration
}

// Decision is what follows.
type Decision struct {
	State State
	// Records are what happened: each is a candidate as it was when it entered a phase.
	Records []Candidate
	// Again is when to look again though nothing is heard; zero: never.
	Again time.Time
}
