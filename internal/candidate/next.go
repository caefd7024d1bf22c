package candidate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of what is recorded.
const (
	// most is how many candidates are recorded at once: beyond that, new ones are not taken up until older ones are gone.
	most = 100
	// mostEnded is how many that ended are remembered; what was refused and is still named by a ref always is, so that it is not tried again.
	mostEnded = 20
	// mostApps is how many apps are remembered of one that ended.
	mostApps = 100
	// mostRehearsed is how many are rehearsed at once: each has namespaces of its own.
	mostRehearsed = 5
	// mostLeftOut is how many objects are named that a rehearsal did without.
	mostLeftOut = 20
)

// Next decides what follows from what was recorded and what is seen. Applied to its own result, with nothing else seen, it changes nothing.
func Next(s State, seen Seen, p Policy, now time.Time) Decision {
	n := next{Decision: Decision{State: State{List: slices.Clone(s.List), Request: s.Request}}, seen: seen, policy: p, now: now}
	if seen.Tip == "" {
		return n.Decision
	}
	n.unnamed()
	n.named()
	n.asked()
	for i := range n.State.List {
		switch c := &n.State.List[i]; {
		case c.Phase == Rehearsing:
			n.rehearsing(c)
		case c.Phase.Placed():
			n.placed(c)
		}
	}
	n.unnamed() // one that is not Moving any more
	busy := n.busy("")
	for i := range n.State.List {
		if c := &n.State.List[i]; c.Phase == Waiting {
			n.waiting(c, busy)
		}
	}
	n.forget()
	return n.Decision
}

type next struct {
	Decision
	seen   Seen
	policy Policy
	now    time.Time
}

// enter lets a candidate enter a phase, and records that.
func (n *next) enter(c *Candidate, phase Phase, why string) {
	c.Phase, c.Since, c.Why = phase, n.now, why
	if phase.Ended() {
		c.Apps, c.Leaves = c.Apps[:min(len(c.Apps), mostApps)], nil
	}
	n.Records = append(n.Records, *c)
}

// unnamed lets go what is not named any more.
func (n *next) unnamed() {
	if !n.seen.Listed {
		return
	}
	named := map[string]string{}
	by := map[string]string{}
	for _, r := range n.seen.Refs {
		named[r.Name] = r.Commit
		if by[r.Commit] == "" {
			by[r.Commit] = r.Name
		}
	}
	for i := range n.State.List {
		c := &n.State.List[i]
		is, there := named[c.Ref]
		switch {
		case c.Phase.Ended() || c.Phase == Moving || c.Ref == "" || is == c.Commit: // the branch may have been moved to one that is Moving
		case by[c.Commit] != "":
			c.Ref = by[c.Commit]
		case c.Request != "":
			c.Ref = ""
		case there:
			n.enter(c, Gone, fmt.Sprintf("%s names %s now", c.Ref, short(is)))
		default:
			n.enter(c, Gone, c.Ref+" is gone")
		}
	}
}

// named takes up what is named and was not before. What the branch was moved to, and does not have now, somebody took back there, or who reads the branch lags
// behind: it is not moved to again by itself.
func (n *next) named() {
	if !n.seen.Listed {
		return
	}
	for _, r := range n.seen.Refs {
		known := slices.ContainsFunc(n.State.List, func(c Candidate) bool { return c.Commit == r.Commit && c.Phase != Gone })
		if st := n.seen.Studies[r.Commit]; known || !st.Known || st.Has || len(n.State.List) >= most {
			continue
		}
		n.begin(Candidate{Ref: r.Name, Commit: r.Commit})
	}
}

func (n *next) begin(c Candidate) {
	n.State.List = append(n.State.List, c)
	n.enter(&n.State.List[len(n.State.List)-1], Waiting, "")
}

// asked takes up what a person asks for.
func (n *next) asked() {
	a := n.seen.Asked
	if a == nil || a.Request == n.State.Request {
		return
	}
	n.State.Request = a.Request
	ref := ""
	for _, r := range n.seen.Refs {
		if r.Commit == a.Commit {
			ref = r.Name
			break
		}
	}
	for i := range n.State.List {
		if c := &n.State.List[i]; c.Commit == a.Commit && !c.Phase.Ended() {
			c.Request, c.By = a.Request, a.By
			return
		}
	}
	n.State.List = slices.DeleteFunc(n.State.List, func(c Candidate) bool { return c.Commit == a.Commit })
	n.begin(Candidate{Ref: ref, Commit: a.Commit, Request: a.Request, By: a.By})
}

// stands takes in what a candidate changes of the branch as it is now. It reports whether the candidate goes on as it is, and whether the branch is where it was.
func (n *next) stands(c *Candidate) (same, on bool) {
	st := n.seen.Studies[c.Commit]
	switch {
	case !st.Known: // the branch was moved just now, or cannot be read
		c.Why = cmp.Or(st.Wrong, c.Why)
		return false, false
	case st.Has:
		n.enter(c, Moved, "")
		return false, false
	case st.Wrong != "" || st.Apart != "":
		n.enter(c, Refused, cmp.Or(st.Wrong, st.Apart))
		return false, false
	}
	busy := n.busy(c.Commit)
	for _, app := range st.Apps {
		if by := busy[app]; by != "" { // the branch has come to share something with it
			n.enter(c, Waiting, "")
			return false, false
		}
	}
	same = c.Base == n.seen.Tip
	c.Base, c.Apps, c.Leaves = n.seen.Tip, st.Apps, st.Leaves
	return same, true
}

// rehearsing goes on with a candidate that is tried beside the environment.
func (n *next) rehearsing(c *Candidate) {
	if _, on := n.stands(c); !on {
		return
	}
	for _, app := range c.Apps {
		if of := n.seen.Venues[app]; of != "" && of != c.Commit { // it changes more of the branch as it is now
			n.enter(c, Waiting, "")
			return
		}
	}
	const where = "in its rehearsal: "
	if n.policy.Rehearse {
		failed, waits := n.sum(c, n.seen.Rehearsals[c.Commit])
		switch {
		case failed != "":
			n.enter(c, Refused, where+failed)
			return
		case waits == "":
			c.LeftOut = n.leftOut(c)
		case n.late(c, c.Began, n.policy.Deadline, where+waits) || n.late(c, c.Since, n.policy.Rehearsal, where+waits):
			return
		default:
			c.Why = where + waits
			return
		}
	}
	if n.seen.Suspended {
		c.Why = suspended
		return
	}
	n.enter(c, Trying, "")
	n.placed(c)
}

// leftOut is what the rehearsals of a candidate's apps did without.
func (n *next) leftOut(c *Candidate) []string {
	var out []string
	for _, app := range c.Apps {
		out = append(out, n.seen.Rehearsals[c.Commit][app].LeftOut...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if more := len(out) - mostLeftOut; more > 0 {
		out = append(out[:mostLeftOut:mostLeftOut], fmt.Sprintf("and %d more", more))
	}
	return out
}

// sum is why one of a candidate's apps failed, or what the first of them waits for that is not well; both empty: all are well.
func (n *next) sum(c *Candidate, verdicts map[string]Verdict) (failed, waits string) {
	for _, app := range c.Apps {
		switch v := verdicts[app]; v.Outcome {
		case Failed:
			return app + ": " + v.Why, ""
		case Pending:
			waits = cmp.Or(waits, strings.TrimSuffix(app+": "+v.Why, ": "))
		case Well:
		}
	}
	return "", waits
}

// late refuses a candidate that is not well in time, and reports that; 0: it has all the time there is.
func (n *next) late(c *Candidate, from time.Time, within time.Duration, waits string) bool {
	if within <= 0 {
		return false
	}
	end := from.Add(within)
	if !n.now.Before(end) {
		n.enter(c, Refused, "not well within "+within.String()+": "+waits)
		return true
	}
	n.by(end)
	return false
}

// placed goes on with a candidate that apps are placed at.
func (n *next) placed(c *Candidate) {
	same, on := n.stands(c)
	if !on {
		return
	}
	if c.Phase == Moving && same {
		n.moving(c)
		return
	}
	if c.Phase == Moving { // somebody else moved the branch: together with that it has not been tried
		n.enter(c, Trying, "")
	}
	failed, waits := n.sum(c, n.seen.Verdicts[c.Commit])
	switch {
	case failed != "":
		n.enter(c, Refused, failed)
	case waits == "":
		n.enter(c, Moving, "")
		n.moving(c)
	case !n.late(c, c.Began, n.policy.Deadline, waits):
		c.Why = waits
	}
}

// by has it looked at again at that time at the latest.
func (n *next) by(t time.Time) {
	if n.Again.IsZero() || t.Before(n.Again) {
		n.Again = t
	}
}

// moving goes on with a candidate that the branch is to be moved to.
func (n *next) moving(c *Candidate) {
	if why := n.seen.Denied[c.Commit]; why != "" {
		n.enter(c, Refused, "all of it got well, and "+n.seen.Branch+" could not be moved: "+why)
		return
	}
	c.Why = n.seen.Delayed[c.Commit]
}

// waiting lets a candidate be tried, if none that came before it has one of its apps. What it waits for itself, those after it wait for.
func (n *next) waiting(c *Candidate, busy map[string]string) {
	st := n.seen.Studies[c.Commit]
	switch {
	case !st.Known:
		c.Why = cmp.Or(st.Wrong, "it is not known yet what it changes")
		return
	case st.Has:
		n.enter(c, Moved, n.seen.Branch+" has it already")
		return
	case st.Wrong != "" || st.Apart != "":
		n.enter(c, Refused, cmp.Or(st.Wrong, st.Apart))
		return
	}
	why := ""
	for _, app := range st.Apps {
		if by := busy[app]; by != "" {
			why = fmt.Sprintf("%s came first, and changes %s too", by, app)
			break
		}
	}
	if why == "" && n.policy.Rehearse {
		why = n.rehearsable(st)
	}
	if n.seen.Suspended {
		why = suspended
	}
	if c.Why = why; why == "" {
		c.Base, c.Apps, c.Leaves, c.Began, c.LeftOut = n.seen.Tip, st.Apps, st.Leaves, n.now, nil
		if n.policy.Rehearse {
			n.enter(c, Rehearsing, "")
			n.rehearsing(c)
		} else {
			n.enter(c, Trying, "")
			n.placed(c) // nothing may be left to try
		}
	}
	if !c.Phase.Ended() {
		take(busy, st.Apps, *c)
	}
}

// suspended is why nothing new is tried.
const suspended = "the environment is suspended"

// rehearsable is why the apps that a candidate changes cannot be rehearsed yet; empty if they can.
func (n *next) rehearsable(st Study) string {
	if len(n.State.Rehearsed()) >= mostRehearsed {
		return fmt.Sprintf("%d candidates are being rehearsed, and not more are at once", mostRehearsed)
	}
	for _, app := range st.Apps {
		if of := n.seen.Venues[app]; of != "" {
			return fmt.Sprintf("the rehearsal of %s is still there, and has %s", short(of), app)
		}
	}
	return ""
}

// busy are the apps that other candidates have, and which.
func (n *next) busy(but string) map[string]string {
	busy := map[string]string{}
	for _, c := range n.State.List {
		if c.Commit != but && c.Phase.Takes() {
			take(busy, c.Apps, c)
		}
	}
	return busy
}

func take(busy map[string]string, apps []string, c Candidate) {
	for _, app := range apps {
		busy[app] = cmp.Or(busy[app], cmp.Or(c.Ref, short(c.Commit)))
	}
}

// forget drops the oldest of those that ended.
func (n *next) forget() {
	named := map[string]bool{}
	for _, r := range n.seen.Refs {
		named[r.Commit] = true
	}
	keep := mostEnded
	for i := len(n.State.List) - 1; i >= 0; i-- {
		c := n.State.List[i]
		if !c.Phase.Ended() || c.Phase == Refused && (named[c.Commit] || !n.seen.Listed) {
			continue
		}
		if keep--; keep < 0 {
			n.State.List = slices.Delete(n.State.List, i, i+1)
		}
	}
}

func short(commit string) string { return commit[:min(len(commit), 8)] }
