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
		if c := &n.State.List[i]; c.Phase.Placed() {
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

// named takes up what is named and was not before.
func (n *next) named() {
	if !n.seen.Listed {
		return
	}
	for _, r := range n.seen.Refs {
		known := slices.ContainsFunc(n.State.List, func(c Candidate) bool { return c.Commit == r.Commit && (!c.Phase.Ended() || c.Phase == Refused) })
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

// placed goes on with a candidate that apps are placed at.
func (n *next) placed(c *Candidate) {
	st := n.seen.Studies[c.Commit]
	switch {
	case !st.Known: // the branch was moved just now, or cannot be read
		c.Why = cmp.Or(st.Wrong, c.Why)
		return
	case st.Has:
		n.enter(c, Moved, "")
		return
	case st.Wrong != "" || st.Apart != "":
		n.enter(c, Refused, cmp.Or(st.Wrong, st.Apart))
		return
	}
	busy := n.busy(c.Commit)
	for _, app := range st.Apps {
		if by := busy[app]; by != "" { // the branch has come to share something with it
			n.enter(c, Waiting, "")
			return
		}
	}
	same := c.Base == n.seen.Tip
	c.Base, c.Apps, c.Leaves = n.seen.Tip, st.Apps, st.Leaves
	if c.Phase == Moving && same {
		n.moving(c)
		return
	}
	if c.Phase == Moving { // somebody else moved the branch: together with that it has not been tried
		n.enter(c, Trying, "")
	}
	waits := ""
	for _, app := range c.Apps {
		switch v := n.seen.Verdicts[c.Commit][app]; v.Outcome {
		case Failed:
			n.enter(c, Refused, app+": "+v.Why)
			return
		case Pending:
			waits = cmp.Or(waits, strings.TrimSuffix(app+": "+v.Why, ": "))
		case Well:
		}
	}
	if waits == "" {
		n.enter(c, Moving, "")
		n.moving(c)
		return
	}
	if d := n.policy.Deadline; d > 0 {
		end := c.Began.Add(d)
		if !n.now.Before(end) {
			n.enter(c, Refused, "not well within "+d.String()+": "+waits)
			return
		}
		n.by(end)
	}
	c.Why = waits
}

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
	if n.seen.Suspended {
		why = "the environment is suspended"
	}
	if c.Why = why; why == "" {
		c.Base, c.Apps, c.Leaves, c.Began = n.seen.Tip, st.Apps, st.Leaves, n.now
		n.enter(c, Trying, "")
		n.placed(c) // nothing may be left to try
	}
	if !c.Phase.Ended() {
		take(busy, st.Apps, *c)
	}
}

// busy are the apps that are placed at other candidates, and at which.
func (n *next) busy(but string) map[string]string {
	busy := map[string]string{}
	for _, c := range n.State.Placed() {
		if c.Commit != but {
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
