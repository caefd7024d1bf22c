package release

import (
	"cmp"
	"slices"
	"time"
)

// Next decides what follows from what was recorded and what is seen. Applied to its own result, with nothing else seen, it changes nothing.
func Next(s State, seen Seen, p Policy, now time.Time) Decision {
	n := next{Decision: Decision{State: s}, seen: seen, policy: p, now: now}
	n.asked()
	n.want()
	if n.pause(); !seen.Suspended {
		for n.step() {
		}
	}
	return n.Decision
}

type next struct {
	Decision
	seen   Seen
	policy Policy
	now    time.Time
}

// enter lets the current release enter a phase, and records that.
func (n *next) enter(phase Phase, why string) {
	r := &n.State.Current
	r.Phase, r.Since, r.Why = phase, n.now, why
	n.Again = time.Time{} // of the phase before
	n.Records = append(n.Records, *r)
}

// waits says what the current release waits for. That is no event of its own: it is recorded in the history if the phase has only begun.
func (n *next) waits(why string) bool {
	n.State.Current.Why = why
	if last := len(n.Records) - 1; last >= 0 && n.Records[last].Serial == n.State.Current.Serial && n.Records[last].Phase == n.State.Current.Phase {
		n.Records[last].Why = why
	}
	return false
}

// by looks again at a time at the latest.
func (n *next) by(t time.Time) {
	if !t.IsZero() && t.After(n.now) && (n.Again.IsZero() || t.Before(n.Again)) {
		n.Again = t
	}
}

// pause stops the clock of the current release as long as a person wants nothing to be done.
func (n *next) pause() {
	switch r := &n.State.Current; {
	case n.seen.Suspended && r.Paused.IsZero():
		r.Paused = n.now
	case !n.seen.Suspended && !r.Paused.IsZero():
		away := n.now.Sub(r.Paused)
		if !r.Began.IsZero() {
			r.Began = r.Began.Add(away)
		}
		if r.Phase == RollingBack {
			r.Since = r.Since.Add(away)
		}
		r.Paused = time.Time{}
	}
}

// applied and health are what was seen of what is released, if it was looked at since.
func (n *next) applied() bool { return n.seen.Applied && n.seen.Of.is(n.State.Released) }

func (n *next) health() Health {
	if !n.seen.Of.is(n.State.Released) {
		return Unknown
	}
	return n.seen.Health
}

// broken is the hook that failed, of what is released; empty if none did.
func (n *next) broken() string {
	if !n.seen.Of.is(n.State.Released) {
		return ""
	}
	return n.seen.Broken
}

func (n *next) verdict() Verdict {
	if n.seen.Serial != n.State.Current.Serial {
		return Pending
	}
	return n.seen.Verdict
}

// asked carries out what a person asks for.
func (n *next) asked() {
	a := n.seen.Asked
	if a == nil || n.State.Current.Phase == "" {
		return
	}
	who := a.By
	if a.Because != "" {
		who += ": " + a.Because
	}
	switch to, w := cmp.Or(a.To, n.State.Before()), n.seen.Want; {
	case a.Again:
		n.State.Barred = slices.DeleteFunc(slices.Clone(n.State.Barred), w.is)
		if r := n.State.Current; !w.IsZero() && w.is(r.Want) && (r.Phase == RollingBack || r.Phase == RolledBack || r.Phase == Failed) {
			n.begin(w, "tried again by "+who)
		}
	case a.Lift, a.Back && to.is(n.State.Current.Want):
		n.State.Barred = slices.DeleteFunc(slices.Clone(n.State.Barred), n.State.Current.Want.is)
		if n.State.GivenUp() {
			n.begin(n.State.Current.Want, "tried again by "+who)
		}
	case a.Back && !to.IsZero() && !to.None && !to.is(n.State.Released):
		n.back(to, "by "+who)
	}
}

// GivenUp reports whether the newest release was given up: it failed, or something else is released in its place. Then it may be tried again.
func (s State) GivenUp() bool {
	switch s.Current.Phase {
	case RollingBack, RolledBack:
		return !s.Released.is(s.Current.Want)
	case Failed:
		return true
	case Planned, Gated, Applying, Progressing, Verifying, Succeeded, Superseded:
	}
	return false
}

// Before is what there is to go back to from where the app is; zero if there is nothing.
func (s State) Before() Want {
	for _, w := range append([]Want{s.Good}, s.Earlier...) {
		if !w.is(s.Released) {
			return w
		}
	}
	if from := s.Current.From; s.Current.Back.IsZero() && !from.is(s.Released) { // the record is of a Fairlead that wrote down no earlier ones
		return from
	}
	return Want{}
}

// Kept are the wants that the app is to be, or may be gone back to, none twice: what is not among them, nor what Git wants or a person names, is never released.
func (s State) Kept() []Want {
	var out []Want
	for _, w := range append([]Want{s.Good, s.Current.From, s.Current.Back, s.Released}, s.Earlier...) {
		if !w.IsZero() && !slices.ContainsFunc(out, w.is) {
			out = append(out, w)
		}
	}
	return out
}

// GotWell notes what got well. What has no objects is nothing to go back to: that would delete all there is.
func (s *State) GotWell(w Want) {
	if !w.IsZero() && !w.None {
		s.setGood(slices.Insert(s.goodBut(w), 0, w))
	}
}

// giveUp notes that a want is nothing to go back to any more.
func (s *State) giveUp(w Want) { s.setGood(s.goodBut(w)) }

// goodBut are those that there are to go back to, the last of them first, without those of a commit.
func (s *State) goodBut(w Want) []Want {
	return slices.DeleteFunc(append([]Want{s.Good}, s.Earlier...), func(o Want) bool { return o.IsZero() || o.is(w) || o.ofCommit(w) })
}

func (s *State) setGood(all []Want) {
	s.Good, s.Earlier = Want{}, nil
	if len(all) > 0 {
		s.Good = all[0]
	}
	if len(all) > 1 {
		s.Earlier = all[1:min(len(all), 1+mostEarlier)]
	}
}

// want begins a release if Git wants something else than before.
func (n *next) want() {
	w, r := n.seen.Want, n.State.Current
	if w.IsZero() || r.Phase != "" && w.is(r.Want) {
		return
	}
	if n.State.keepsFrom(w) {
		n.State.Barred = append(slices.DeleteFunc(slices.Clone(n.State.Barred), r.Want.is), w)
		n.State.Current.Want = w
		return
	}
	if r.Phase != "" && !r.Phase.Ended() {
		n.enter(Superseded, "by "+w.Revision)
	}
	n.begin(w, w.Cause)
}

// keepsFrom reports whether a want is of the commit that was rolled back, and reads something else outside: that is no reason to try the commit again.
func (s State) keepsFrom(w Want) bool {
	bad := s.Current.Want
	return s.IsPinned(bad) && w.ofCommit(bad) && !s.Current.Back.ofCommit(bad) && !w.is(s.Released)
}

// begin begins a release.
func (n *next) begin(w Want, why string) {
	n.State.Current = Release{Serial: n.State.Current.Serial + 1, Want: w, From: n.State.Good}
	n.enter(Planned, why)
}

// step goes one phase further, and reports whether it did. What is well by the time that it is looked at is not late: nobody may have been there to look
// before.
func (n *next) step() bool {
	if n.goes() {
		return true
	}
	r := n.State.Current
	if !r.Phase.applies() || !n.late() || !n.looked() {
		return false
	}
	return n.fail("not " + lacks[r.Phase] + " within " + n.policy.Deadline.String() + told(n.seen))
}

// settling is how long who has only begun to look may take to see how all is.
const settling = time.Minute

// looked reports whether it is known how what is released is, or will not be known soon.
func (n *next) looked() bool {
	end := n.seen.Since.Add(settling)
	if n.health() != Unknown || !n.now.Before(end) {
		return true
	}
	n.by(end)
	return false
}

// goes goes one phase further if nothing keeps it from that.
func (n *next) goes() bool {
	r := &n.State.Current
	switch r.Phase {
	case Planned:
		if n.State.IsPinned(r.Want) { // Git wants again what was rolled back
			n.back(cmp.Or(n.State.Good, n.State.Released), "it was rolled back before")
			return true
		}
		if !n.seen.Ready {
			return n.waits(n.seen.NotReady)
		}
		n.enter(Gated, "")
		return true
	case Gated:
		return n.gated()
	case Applying:
		if why := n.broken(); why != "" {
			return n.fail(why)
		}
		if !n.applied() {
			return n.waits(n.seen.NotReady)
		}
		n.enter(Progressing, "")
		return true
	case Progressing:
		return n.progressing()
	case Verifying:
		return n.verifying()
	case Succeeded:
		return n.watched()
	case RollingBack:
		return n.returning()
	case Failed, RolledBack, Superseded:
	}
	return false
}

// gated lets a release be applied if every gate is open. What stands in the way of applying it counts again: it may have come meanwhile.
func (n *next) gated() bool {
	if !n.seen.Ready {
		return n.waits(n.seen.NotReady)
	}
	why := ""
	for _, g := range n.seen.Gates {
		if g.Open {
			continue
		}
		why = cmp.Or(why, g.Waits, "a gate")
		n.by(g.Until)
	}
	if why != "" {
		return n.waits(why)
	}
	n.State.Current.Began = n.now
	n.State.Released = n.State.Current.Want
	n.enter(Applying, "")
	return true
}

func (n *next) progressing() bool {
	switch {
	case n.broken() != "":
		return n.fail(n.broken())
	case n.health() == Doomed:
		return n.fail(cmp.Or(n.seen.Sick, "it will not get healthy"))
	case n.health() != Healthy || !n.applied():
		return n.waits(n.seen.Sick)
	case n.seen.Hook != "":
		return n.waits(n.seen.Hook)
	case n.policy.Verify:
		n.enter(Verifying, "")
		return true
	}
	return n.succeed()
}

func (n *next) verifying() bool {
	switch {
	case n.health() == Doomed:
		return n.fail(cmp.Or(n.seen.Sick, "it is no longer healthy"))
	case !n.policy.Verify, n.verdict() == Passed:
		return n.succeed()
	case n.verdict() == Refuted:
		return n.fail(cmp.Or(n.seen.Refuted, "the verification failed"))
	}
	return n.waits(n.seen.Refuted)
}

func (n *next) succeed() bool {
	w := n.State.Current.Want
	n.State.GotWell(w)
	n.State.Barred = slices.DeleteFunc(slices.Clone(n.State.Barred), w.is)
	n.enter(Succeeded, "")
	return true
}

// watched takes a success back if health is lost soon after.
func (n *next) watched() bool {
	r := n.State.Current
	until := r.Since.Add(n.policy.WatchFor)
	if n.policy.WatchFor == 0 || !n.now.Before(until) {
		return false
	}
	n.by(until)
	if h := n.health(); h != Doomed && (h != Moving || n.seen.Sick == "") || !n.State.Released.is(r.Want) {
		return false
	}
	n.State.giveUp(r.Want)
	n.State.GotWell(r.From)
	return n.fail(n.seen.Sick + ", " + n.now.Sub(r.Since).String() + " after it succeeded")
}

// returning ends a way back. It has its time from when there is somebody to go it: nothing else is left to try.
func (n *next) returning() bool {
	r := n.State.Current
	switch end := n.there(r.Since).Add(n.policy.Deadline); {
	case n.broken() != "":
		n.enter(Failed, r.Why+"; and on the way back "+n.broken())
		return true
	case n.applied() && n.health() == Healthy && n.seen.Hook == "":
		n.State.GotWell(r.Back)
		n.enter(RolledBack, r.Why)
		return true
	case n.policy.Deadline == 0:
	case !n.now.Before(end):
		if !n.looked() {
			return false
		}
		n.enter(Failed, r.Why+"; and "+short(r.Back)+", which was good before, did not get healthy within "+n.policy.Deadline.String()+told(n.seen))
		return true
	default:
		n.by(end)
	}
	return false
}

// late reports whether the current release has had its time.
func (n *next) late() bool {
	if n.policy.Deadline == 0 {
		return false
	}
	from := n.State.Current.Began
	if n.State.Current.Phase == Verifying { // what was tried before is not known to who looks now
		from = n.there(from)
	}
	end := from.Add(n.policy.Deadline)
	n.by(end)
	return !n.now.Before(end)
}

// there is a time, or when who looks began to, if that is later: what takes its time again has it from then on.
func (n *next) there(t time.Time) time.Time {
	if n.seen.Since.After(t) {
		return n.seen.Since
	}
	return t
}

// fail ends the current release, and goes back to what was good if that is wanted and there is something.
func (n *next) fail(why string) bool {
	n.State.Current.Broke = true
	r := n.State.Current
	switch {
	case n.policy.Halt:
		n.enter(Failed, why)
	case r.From.IsZero():
		n.enter(Failed, why+"; there is nothing good to go back to")
	case r.From.is(r.Want):
		n.enter(Failed, why+"; it is what was good before")
	default:
		n.back(r.From, why)
	}
	return true
}

// back goes back to another want, and bars what is wanted now.
func (n *next) back(to Want, why string) {
	s := &n.State
	bad := s.Current.Want
	if !bad.is(to) {
		s.Barred = append(slices.DeleteFunc(slices.Clone(s.Barred), bad.is), bad)
		s.Barred = s.Barred[max(0, len(s.Barred)-mostBarred):]
	}
	s.Barred = slices.DeleteFunc(slices.Clone(s.Barred), to.is)
	good := s.Good
	if left := s.Released; !left.is(to) && slices.ContainsFunc(s.Earlier, to.is) { // who goes further back does not want where he was
		s.giveUp(left)
	}
	if !bad.is(to) {
		s.giveUp(bad)
	}
	if !good.is(s.Good) {
		s.GotWell(to)
	}
	s.Current.Back, s.Released = to, to
	n.enter(RollingBack, why)
}

// lacks is what a release in these phases is not yet.
var lacks = map[Phase]string{Applying: "applied", Progressing: "healthy", Verifying: "verified"}

func short(w Want) string {
	if w.Revision == "" {
		return w.Digest
	}
	return w.Revision
}

func told(seen Seen) string {
	if why := cmp.Or(seen.Refuted, seen.Sick, seen.Hook, seen.NotReady); why != "" {
		return ": " + why
	}
	return ""
}
