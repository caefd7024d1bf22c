package verify

import (
	"time"

	"github.com/fairlead-cd/fairlead/internal/release"
)

// Says is what one answer says of a release.
type Says string

// What an answer may say.
const (
	Unsure Says = ""      // nothing: who is to answer could not be asked, or cannot tell yet
	Good   Says = "Good"  // it is as it should be
	Bad    Says = "Bad"   // it is not; that may be forgiven
	Final  Says = "Final" // it is not, and that decides
)

// Observation is one try of a trial.
type Observation struct {
	At   time.Time // when it was answered
	Says Says
	What string        // what was answered, as the end of a sentence: "answered 503 (want 200)"; of Good it may be empty
	Took time.Duration // 0: not measured
	Log  []string      // the last lines that a Job wrote
}

// Pace says how often a trial is tried, and when that is enough.
type Pace struct {
	Interval time.Duration // from one try to the next
	Timeout  time.Duration // of one try
	For      time.Duration // how long it has to keep passing; 0: once is enough
	Forgiven int           // how many failures are forgiven
	P95      time.Duration // what 95 of 100 answers have to stay within; 0: not bounded
}

// Course is how a trial has gone so far. The zero Course was not tried yet.
type Course struct {
	Verdict release.Verdict
	// Last is when it was tried last, of Tries; Answers are those that said something, Failures those of them that were bad.
	Last                     time.Time
	Tries, Answers, Failures int
	// Failed is when the last failure was, of which Failure says what.
	Failed  time.Time
	Failure string
	// Passing is when it passed first, and Kept for how long it could be asked since.
	Passing time.Time
	Kept    time.Duration
	// Sure says that the last try said something; if not, Doubt is why.
	Sure  bool
	Doubt string
	// Was is what was answered last when it was good.
	Was string
	// Slow counts the answers beyond Pace.P95, of which Slowest took longest.
	Slow    int
	Slowest time.Duration
	// Decided says that one answer was enough to refute it.
	Decided bool
	Log     []string
}

// Observe is the course after one more try. Once there is a verdict nothing changes it; a try that is older than the last is left out.
func (c Course) Observe(p Pace, o Observation) Course {
	if c.Verdict != release.Pending || o.At.Before(c.Last) {
		return c
	}
	if o.Says != Unsure && c.Sure && !c.Passing.IsZero() {
		c.Kept += min(o.At.Sub(c.Last), p.Interval+p.Timeout) // a process that slept has seen nothing of it
	}
	c.Last, c.Sure, c.Doubt = o.At, o.Says != Unsure, ""
	c.Tries++
	if len(o.Log) > 0 {
		c.Log = o.Log
	}
	switch o.Says {
	case Unsure:
		c.Doubt = o.What
		return c
	case Good:
		c.Was = o.What
		if c.Passing.IsZero() {
			c.Passing = o.At
		}
	case Bad, Final:
		c.Failures++
		c.Failed, c.Failure, c.Decided = o.At, o.What, o.Says == Final
	}
	c.Answers++
	if p.P95 > 0 && o.Took > p.P95 {
		c.Slow++
		c.Slowest = max(c.Slowest, o.Took)
	}
	c.Verdict = c.judge(p, o.Says)
	return c
}

func (c Course) judge(p Pace, last Says) release.Verdict {
	switch {
	case c.Decided, c.Failures > p.Forgiven, c.Slow > c.maySlow(p):
		return release.Refuted
	case last == Good && c.Kept >= p.For:
		return release.Passed
	}
	return release.Pending
}

// maySlow is how many answers may be beyond P95: of all that are expected, or of those that there were if they are more.
func (c Course) maySlow(p Pace) int { return c.expected(p) / 20 }

func (c Course) expected(p Pace) int {
	if p.Interval <= 0 {
		return c.Answers
	}
	return max(c.Answers, int(p.For/p.Interval)+1)
}

// Again is when to try next; zero if there is a verdict. What was not tried yet is to be tried at once.
func (c Course) Again(p Pace) time.Time {
	if c.Verdict != release.Pending || c.Last.IsZero() {
		return time.Time{}
	}
	return c.Last.Add(p.Interval)
}
