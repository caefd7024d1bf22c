package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// What Git wants of an app is one thing, what was released of that another: a gate may be closed, or what Git wants was rolled back. A pass looks at what Git
// wants as long as that may be released, and keeps the cluster at what is released; most of the time the two are the same.

// Releasing is how an app gets from one want to the next. The zero Releasing releases whatever is accepted.
type Releasing struct {
	Policy release.Policy
	// Ruled says that a person wrote rules for releases: then no phase is forgotten when the process dies.
	Ruled bool
	// Unread says that nobody has read yet, since this process has the app, what the app itself asks of its releases: neither its health nor a verdict can be told.
	Unread bool
	// Gates are the conditions before a want is applied, as they are now. Nil: there are none.
	Gates func(release.Want) []release.Gate
	// Verdict is that of the verification of a release. Nil: there is none yet.
	Verdict func(release.Release) (release.Verdict, string)
	// Requests are what is asked for, in the order in which it is to be carried out.
	Requests []Request
	// Past is asked for what the app was at a commit, by its id or the first digits of that, if none that is kept is meant. See [Past].
	Past func(commit string) (past Past, known bool, err error)
	// Told is the newest release as was written down last: its Want has no digest.
	Told release.Release
}

// Request is something that is asked for. It is carried out once: its ID is another one each time, and not empty.
type Request struct {
	ID    string
	Asked release.Asked
	Own   bool // Fairlead asks itself: nobody waits for the answer
}

func (r Releasing) gates(w release.Want) []release.Gate {
	if r.Gates == nil {
		return nil
	}
	return r.Gates(w)
}

func (r Releasing) verdict(of release.Release) (release.Verdict, string) {
	if r.Verdict == nil {
		return release.Pending, ""
	}
	return r.Verdict(of)
}

// began is what is known of the releases of an app whose record tells of none: what was applied last was good, as far as anybody knows.
func began(r app.Record) release.State {
	if !r.Releases.IsZero() || r.Digest == "" {
		return r.Releases
	}
	applied := release.Want{Digest: r.Digest, Revision: r.Revision, None: r.Digest == nothing}
	if applied.None {
		return release.State{Released: applied}
	}
	return release.State{Released: applied, Good: applied}
}

// begins takes over how far the releases are by the record.
func (e *Engine) begins(m *memory, r app.Record) {
	m.releases, m.handled, m.recalled, m.began = began(r), r.Handled, false, e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	m.untold = nil
	for _, r := range r.Untold {
		m.untold = append(m.untold, untold{Release: r})
	}
}

// recall takes over how the newest release ended, if that was written down and the record does not tell: where nobody wrote rules, the record of an app is not
// written for that alone.
func (m *memory) recall(told release.Release) {
	cur := &m.releases.Current
	switch {
	case m.recalled:
		return
	case cur.Phase == "" && told.Phase == release.Succeeded && told.Want.Revision == m.releases.Released.Revision:
		*cur = told
		cur.Want = m.releases.Released
	case cur.Serial != told.Serial || cur.Want.Revision != told.Want.Revision || cur.Phase.Ended():
	case cur.Phase != release.RollingBack && (told.Phase == release.Succeeded || told.Phase == release.Failed):
		m.releases.Released = cur.Want
		fallthrough
	case cur.Phase == release.RollingBack && told.Phase == release.RolledBack:
		cur.Phase, cur.Since, cur.Began, cur.Why = told.Phase, told.Since, told.Began, told.Why
	}
	if m.recalled = true; cur.Phase == release.Succeeded && !cur.Want.None {
		m.releases.GotWell(cur.Want)
	}
}

// wanted is what Git wants; zero if that is not known.
func (m *memory) wanted(s Subject) release.Want {
	if !s.Rendered {
		return release.Want{}
	}
	return release.Want{Digest: m.git, None: m.git == nothing, Revision: s.Revision, Author: s.Author, Committed: s.Committed, Images: m.images, Cause: s.Cause}
}

// wantedLast identifies what Git wanted when the record was written: not what was applied, if that was gone back from, or is not released yet.
func (m *memory) wantedLast() string { return cmp.Or(m.releases.Current.Want.Digest, m.record.Digest) }

// goesBack reports whether the cluster is to be what was released before, and not what Git wants.
func (m *memory) goesBack(s Subject) bool {
	st, want := m.releases, m.wanted(s)
	switch {
	case st.Released.IsZero():
		return false
	case want.IsZero(): // then nothing but repairs is done, unless there is more to do to what is released
		return st.Current.Phase == release.RollingBack || s.Releasing.Ruled && !st.Current.Phase.Ended()
	}
	return st.IsPinned(want)
}

// isAhead reports whether Git wants something else than what is released, and that may be released some time.
func (m *memory) isAhead(s Subject) bool {
	want := m.wanted(s)
	return !want.IsZero() && want.Digest != m.releases.Released.Digest && !m.releases.IsPinned(want)
}

// unfinished reports whether what is released has to be looked after by itself, since Git is ahead of it.
func (m *memory) unfinished(s Subject) bool {
	st := m.releases
	if !m.isAhead(s) || st.Released.IsZero() || m.record.Digest == "" {
		return false
	}
	return st.Current.Phase == release.Gated || s.Releasing.Ruled && m.done != st.Released.Digest
}

// back puts what is released in the place of what Git wants, until the function that it returns is called.
func (e *Engine) back(ctx context.Context, m *memory, s Subject) (Subject, func(), error) {
	to := m.releases.Released
	git := m.placed
	if m.placed, m.kept = m.kept, (placed{}); git.bundle == m.releases.Current.Want.Digest {
		m.failing = git.failing()
	}
	undo := func() { m.kept, m.placed, m.failing = m.placed, git, nil }
	s.Rendered, s.Revision, s.Blocked, s.Doubtful, s.Digest, s.Files = true, to.Revision, "", false, "kept "+to.Digest, ""
	if !m.isPlaced(s) {
		objs, err := e.keptBundle(ctx, s.Name, to)
		if err != nil {
			undo()
			return s, nil, fmt.Errorf("go back to %s: %w", to.Revision, err)
		}
		s.Objects = func() []object.Object { return objs }
	}
	if err := e.place(ctx, m, s); err != nil {
		undo()
		return s, nil, err
	}
	if m.placed.bundle != to.Digest && len(m.placed.unknown) == 0 { // rather nothing than something else
		undo()
		return s, nil, fault.Newf(fault.Invalid, "go back to %s: what is kept of it is not what was applied", to.Revision)
	}
	m.placed.bundle = to.Digest
	return s, undo, nil
}

// nothing identifies no objects. There is no bundle of it.
var nothing = bundleOf(nil)

// keptBundle reads what is kept of a want.
func (e *Engine) keptBundle(ctx context.Context, n app.Name, w release.Want) ([]object.Object, error) {
	if w.Digest == nothing {
		return nil, nil
	}
	return e.Ledger.Bundle(ctx, n, w.Digest)
}

// tell says what an app wants: what Git wants of it, and what it is kept at.
func (e *Engine) tell(m *memory, s Subject, also ...object.Key) {
	keys := m.placed.keys
	for _, k := range also {
		if _, wanted := m.placed.hashes[k]; !wanted {
			keys = append(keys[:len(keys):len(keys)], k)
		}
	}
	if s.Rendered {
		e.Neighbours.Wants(s.Name, s.Round, keys)
	}
}

// claimed are the keys that an app wants besides those that Git does: as long as something else is released, all that it claims.
func (m *memory) claimed(s Subject) []object.Key {
	want := m.wanted(s)
	if want.IsZero() || m.ends || want.Digest == m.releases.Released.Digest || !s.Releasing.Ruled && !m.releases.IsPinned(want) {
		return nil
	}
	return m.record.Claims.Keys()
}

// turns runs rounds until there is nothing more to do without waiting: for what Git wants, if that may be released, and for what is released, if that is
// something else. What a person asked for, or a gate that opened, may have Git's want released while that was looked after: then it is its turn again.
func (e *Engine) turns(ctx context.Context, session Session, m *memory, s Subject, out *Outcome) (done bool, err error) {
	for turned, n := true, 0; turned; n++ {
		if n == rounds {
			return false, nil
		}
		if done, turned, err = e.turn(ctx, session, m, s, out); err != nil {
			return true, err
		}
	}
	return done, nil
}

// turn is one of them. Turned says that something else is released at its end than what it looked after.
func (e *Engine) turn(ctx context.Context, session Session, m *memory, s Subject, out *Outcome) (done, turned bool, err error) {
	more := true
	out.Back = false
	for n := 0; n < rounds && more && !m.goesBack(s); n++ {
		if more, err = e.round(ctx, session, m, s, m.wanted(s), out); err != nil {
			return true, false, err
		}
	}
	if !m.goesBack(s) && (more || !m.unfinished(s)) {
		return !more, false, nil
	}
	git, ahead := m.wanted(s), out.Plan
	kept, undo, err := e.back(ctx, m, s)
	if err != nil {
		return true, false, err
	}
	defer undo()
	out.Back = true
	more = true
	for n := 0; n < rounds && more && m.placed.bundle == m.releases.Released.Digest; n++ {
		if more, err = e.round(ctx, session, m, kept, git, out); err != nil {
			return true, false, err
		}
	}
	if m.placed.bundle != m.releases.Released.Digest {
		return false, true, nil
	}
	if m.isAhead(s) { // what keeps Git's want from being released is for people to know
		out.Plan.Refused, out.Plan.Waiting, out.Plan.Blocked = ahead.Refused, ahead.Waiting, ahead.Blocked
	}
	return !more, false, nil
}

// decide says what follows for the release from what was seen of what m.placed holds. What it returns is not recorded yet.
func (e *Engine) decide(m *memory, s Subject, p plan.Plan, l *look, git release.Want) []release.Release {
	of := release.Want{Digest: m.placed.bundle, Revision: s.Revision}
	if !s.Rendered {
		of = release.Want{}
	}
	seen := release.Seen{
		Want: git, Ready: p.Blocked == "" && !p.Suspended, NotReady: p.Blocked, Of: of, Applied: p.Applied() && len(p.Deletes) == 0,
		Suspended: s.Policy.Suspended, Serial: m.releases.Current.Serial, Since: m.began,
	}
	seen.Health, seen.Sick = healthOf(m.wantedOf(l.health()))
	if s.Releasing.Unread {
		seen.Health, seen.Sick, seen.Since = release.Unknown, "what the app asks of its releases cannot be read", e.Now()
	}
	if n := p.Broken; n != (plan.Note{}) {
		seen.Broken = "hook " + n.Key.String() + " " + n.Text
	}
	if n := p.Lacking(); n != (plan.Note{}) {
		seen.Hook = "hook " + n.Key.String() + " " + n.Text
	}
	if p.Suspended {
		seen.NotReady = "it is suspended"
	}
	if git.Digest != m.releases.Released.Digest {
		seen.Gates = s.Releasing.gates(git)
	}
	if m.releases.Current.Phase == release.Verifying && !s.Releasing.Unread {
		seen.Verdict, seen.Refuted = s.Releasing.verdict(m.releases.Current)
	}
	if r := m.request; r != nil && !m.past.sought {
		asked, why := m.resolve(r.Asked)
		seen.Asked = asked
		m.handle(s, r.ID, why)
	}
	ahead := !git.IsZero() && of.Digest != git.Digest && !m.releases.IsPinned(git)
	if ahead { // whether Git's want could be applied is not what was looked at
		seen.Ready, seen.NotReady = false, m.releases.Current.Why
	}
	if cur := m.releases.Current; git.IsZero() && of.Digest != cur.Want.Digest { // whoever begins with what nobody can read has nothing to apply
		seen.Ready, seen.NotReady = false, "what Git wants cannot be read"
	}
	d := release.Next(m.releases, seen, s.Releasing.Policy, e.Now())
	m.releases = d.State
	if !ahead || m.look.IsZero() || !d.Again.IsZero() && d.Again.Before(m.look) { // the look at Git's want, just before, may have told when a gate opens
		m.look = d.Again
	}
	return lasting(d.Records)
}

// lasting leaves out the phases that a release only went through on its way to the next.
func lasting(records []release.Release) []release.Release {
	var out []release.Release
	for i, r := range records {
		if i+1 < len(records) && records[i+1].Serial == r.Serial && !r.Phase.Ended() {
			continue
		}
		out = append(out, r)
	}
	return out
}

// untold is what happened to a release. Given says that it was handed over to the history, which has not confirmed it yet.
type untold struct {
	release.Release
	given bool
}

// mostHandled bounds how many requests are remembered: a cache that lags behind shows one of the last. What is still asked for is remembered beside them.
const mostHandled = 10

// pending is the request that is to be carried out next; nil: there is none.
func (m *memory) pending(s Subject) *Request {
	for i, r := range s.Releasing.Requests {
		if !slices.Contains(m.handled, r.ID) {
			return &s.Releasing.Requests[i]
		}
	}
	return nil
}

// handle notes that a request is carried out, or why nothing is done for it.
func (m *memory) handle(s Subject, id, why string) {
	if why != "" {
		m.refused, m.why = id, why
	}
	asked := func(h string) bool {
		return slices.ContainsFunc(s.Releasing.Requests, func(r Request) bool { return r.ID == h })
	}
	m.request, m.handled = nil, append(slices.Clone(m.handled), id)
	old := len(m.handled) - mostHandled
	m.handled = slices.DeleteFunc(m.handled, func(h string) bool { old--; return old >= 0 && !asked(h) })
}

// mostUntold bounds what is kept of an app for a history that cannot be reached.
const mostUntold = 200

// happened notes what happened to releases, until it is in the history.
func (e *Engine) happened(m *memory, records []release.Release) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range records {
		m.untold = append(m.untold, untold{Release: r})
	}
	m.untold = m.untold[max(0, len(m.untold)-mostUntold):]
}

// hand returns what is to be handed over to the history.
func (e *Engine) hand(m *memory) []release.Release {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []release.Release
	for i := range m.untold {
		if !m.untold[i].given {
			m.untold[i].given = true
			out = append(out, m.untold[i].Release)
		}
	}
	return out
}

// toTell are the phases that the record keeps for the history.
func (e *Engine) toTell(m *memory) []release.Release {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []release.Release
	for _, u := range m.untold {
		out = append(out, u.Release)
	}
	return out
}

// Confirmed says that what happened to a release is in the history, or, if it is not taken, that it has to be handed over again. The record forgets it when it is
// written next.
func (e *Engine) Confirmed(n app.Name, r release.Release, taken bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.memory[n]
	if m == nil {
		return
	}
	is := func(u untold) bool { return u.Serial == r.Serial && u.Phase == r.Phase && u.Since.Equal(r.Since) }
	if taken {
		m.untold = slices.DeleteFunc(slices.Clone(m.untold), is)
		return
	}
	for i := range m.untold {
		if is(m.untold[i]) {
			m.untold[i].given = false
		}
	}
}

// imagesOf are the images that objects run, sorted, one a line.
func imagesOf(objs []object.Object) string {
	images := map[string]bool{}
	for _, o := range objs {
		for _, spec := range [][]string{{"spec"}, {"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}} {
			for _, list := range []string{"initContainers", "containers"} {
				containers, _ := o.At(append(slices.Clone(spec), list)...).([]any)
				for _, c := range containers {
					if fields, ok := c.(map[string]any); ok {
						if image, ok := fields["image"].(string); ok && image != "" {
							images[image] = true
						}
					}
				}
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(images)), "\n")
}

// keep are the digests of the bundles that stay stored.
func (m *memory) keep() []string {
	var out []string
	for _, w := range m.releases.Kept() {
		out = append(out, w.Digest)
	}
	return out
}

// mustStore reports whether the record has to say how far the releases are before anything follows from that. Where nobody wrote rules for them, the rest is
// seen again by who comes after.
func (m *memory) mustStore(s Subject) bool {
	was, is := began(m.record), m.releases
	switch {
	case !slices.Equal(m.handled, m.record.Handled), !slices.EqualFunc(was.Barred, is.Barred, func(a, b release.Want) bool { return a.Digest == b.Digest }):
		return true
	case was.Current.Phase == is.Current.Phase && was.Current.Serial == is.Current.Serial && was.Current.Began.Equal(is.Current.Began) &&
		was.Current.Paused.Equal(is.Current.Paused) && was.Released.Digest == is.Released.Digest && was.Good.Digest == is.Good.Digest:
		return false
	}
	return s.Releasing.Ruled || is.Current.Phase == release.RollingBack || was.Current.Phase == release.RollingBack
}

// wantedOf leaves out what is not wanted any more, and is only still there: how that is says nothing of what is released.
func (m *memory) wantedOf(all map[object.Key]health.Verdict) map[object.Key]health.Verdict {
	maps.DeleteFunc(all, func(k object.Key, _ health.Verdict) bool { _, wanted := m.placed.objects[k]; return !wanted })
	return all
}

// healthOf is how the objects of an app are as a whole, and what is not healthy. That a Job failed is final; what else is degraded may get well within the
// time that a release has. What cannot be seen, as just after a start, is no sickness: a release that got well is not taken back for it.
func healthOf(all map[object.Key]health.Verdict) (release.Health, string) {
	worst := []release.Health{release.Healthy, release.Unknown, release.Moving, release.Doomed}
	out, sick := release.Healthy, ""
	worse := func(h release.Health, k object.Key, v health.Verdict) {
		if slices.Index(worst, h) <= slices.Index(worst, out) {
			return
		}
		out, sick = h, fmt.Sprintf("%s is %s: %s", k, v.Status, cmp.Or(v.Message, "no reason is known"))
	}
	for _, k := range slices.SortedFunc(maps.Keys(all), object.Key.Compare) {
		switch v := all[k]; {
		case v.Status == health.Healthy, v.Status == health.Suspended:
		case v.Status == health.Degraded && k.Kind == "Job":
			worse(release.Doomed, k, v)
		case v.Status == health.Unknown:
			worse(release.Unknown, k, v)
		default:
			worse(release.Moving, k, v)
		}
	}
	return out, sick
}
