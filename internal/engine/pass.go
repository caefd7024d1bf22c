package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// rounds bounds how many batches one pass takes on when nothing has to be waited for.
const rounds = 50

// Pass looks at an app, decides, and does what can be done now. The error is what kept it from looking or from recording; what the
// API server said of single objects is in the outcome. After an error of kind Conflict the record is read anew by the next pass.
func (e *Engine) Pass(ctx context.Context, s Subject) (Outcome, error) {
	m := e.remember(s.Name)
	if err := m.take(ctx); err != nil {
		return Outcome{}, err
	}
	defer m.give()
	clear(m.deleted)
	session, err := e.Connect(s.Identity)
	if err != nil {
		return Outcome{}, err
	}
	e.hear(m, s.Name, s.Releasing.Told)
	if !m.loaded {
		if err := e.load(ctx, m, s.Name); err != nil {
			return Outcome{}, err
		}
	}
	e.conclude(m, s)
	m.recall(s.Releasing.Told)
	if s, err = e.end(ctx, m, s); err != nil {
		return Outcome{}, err
	}
	var out Outcome
	if err := e.stage("place", func() error { return e.place(ctx, m, s) }); err != nil {
		if fault.KindOf(err) != fault.Invalid {
			return Outcome{}, err
		}
		out.Unplaced = err
		s.Rendered, s.Blocked = false, err.Error()
		m.placed = placed{}
	}
	out.LeftOut = m.placed.left
	if git := m.placed.bundle; git != m.git {
		m.git, m.images = git, imagesOf(m.placed.all())
	}
	s.Releasing.Ruled = s.Releasing.Ruled || m.hasHooks()
	if s.Rendered {
		e.tell(m, s, m.claimed(s)...)
	}
	agreed := m.placed.bundle == m.wantedLast() || s.Agreed && s.Bundle == m.record.BundleID() // what changes nothing is not recorded
	overtaken := m.overtaken
	m.overtaken = false
	gone := m.record.Version == "" // whoever removed it may have read that the app is to be gone
	if overtaken && s.Rendered && (!agreed || gone) && !s.Doubtful {
		return Outcome{Overtaken: true}, nil
	}
	if out.Older = s.Doubtful && s.Rendered && !agreed; out.Older {
		s.Rendered, s.Revision = false, m.record.Revision
		m.placed = placed{}
	}
	m.request = m.pending(s)
	if err := e.lookBack(ctx, m, s); err != nil {
		return Outcome{}, err
	}
	if err := e.weigh(ctx, m, s); err != nil {
		return Outcome{}, err
	}
	wait, err := e.namespaceReady(ctx, session, m, s)
	if err != nil {
		return Outcome{}, err
	}
	if wait != "" && s.Blocked == "" {
		s.Blocked = wait
	}
	done, err := e.turns(ctx, session, m, s, &out)
	out.Releases, out.Handled, out.refused, out.why = m.releases, m.handled, m.refused, m.why
	if s.Rendered {
		out.Git = m.git
	}
	if err == nil {
		out.Untold = e.hand(m)
	}
	if !done {
		out.Again = time.Millisecond
		return out, nil
	}
	m.deadline = s.Rules.Deadline()
	e.finish(m, &out, wait != "")
	if m.request == nil && m.pending(s) != nil {
		out.Again = time.Millisecond
	}
	return out, err
}

// conclude takes what the record says was begun for done, if the App says that all of that bundle was applied: that is recorded there alone.
func (e *Engine) conclude(m *memory, s Subject) {
	if s.Bundle != "" && s.Bundle == m.record.BundleID() && m.record.Claims.Begun() {
		e.known(m, m.record.Claims.Done())
		m.stored = m.record.Claims
	}
}

// round observes, plans and executes once. It reports whether another round may get further without waiting for anything. Git is what Git wants.
func (e *Engine) round(ctx context.Context, session Session, m *memory, s Subject, git release.Want, out *Outcome) (bool, error) {
	var l *look
	looked := e.stage("observe", func() (err error) { l, err = e.observe(ctx, session, m, s); return err })
	in := plan.Input{
		App: s.Name, Rendered: s.Rendered, Want: m.placed.batches, Seen: l.seen, Claims: m.record.Claims,
		Policy: s.Policy, Approved: s.Approved, Held: s.Held, Blocked: cmp.Or(s.Blocked, l.unsure),
	}
	in.Back, in.Hooks = m.goesBack(s), l.hooks
	if gone := l.unwanted(); len(gone) > 0 && s.Rendered {
		in.Census = e.Neighbours.Census(s.Name, gone)
	}
	out.Takers = slices.SortedFunc(maps.Values(in.Census.Elsewhere), func(a, b app.Owner) int { return strings.Compare(a.String(), b.String()) })
	p := plan.Compute(in)
	known, was := m.record.Version, m.releases
	records := e.decide(m, s, p, l, git)
	e.sayStuck(ctx, m, l, was, records)
	e.sayRan(ctx, m, l, was, records)
	e.sayLost(ctx, m, s, was, records)
	turned := !m.hooks().Same(l.hooks)                                   // others are to be run now than were looked at
	aside := s.Rendered && m.placed.bundle != m.releases.Released.Digest // this is not what is released: not yet, or no more
	if aside && p.Blocked == "" {
		in.Blocked = cmp.Or(m.releases.Current.Why, "it is not released")
		p = plan.Compute(in)
	}
	out.Plan, out.Left = p, p.Reported
	out.Health = l.health()
	out.Starting, out.Blind, out.unwatched = l.starting, l.blind(), l.ended
	steps := p.Next()
	if aside && (m.goesBack(s) || m.unfinished(s)) { // what is released is looked after by itself, and claims what it claims
		steps, p.Claims = nil, m.hookClaims(p)
	} else if turned {
		steps = nil
	}
	e.happened(m, records)
	err := e.record(ctx, m, s, p, steps)
	if err != nil {
		m.releases, m.loaded = was, false // nobody is told of what may not have been recorded
	}
	if err == nil && m.record.Version == known && len(steps) > 0 && e.isShared() {
		err = e.confirm(ctx, m)
	}
	if err == nil && m.first {
		if s.Begin != nil && e.isShared() {
			err = s.Begin(ctx)
		}
		m.first = err != nil
	}
	out.Claimed = len(m.record.Claims) // a plan drops claims too: those that were handed over
	if err != nil {
		return false, errors.Join(looked, err)
	}
	out.Records = append(out.Records, records...)
	if p.Applied() && len(p.Deletes) == 0 && !aside {
		m.done = m.placed.bundle
	}
	if turned && looked == nil {
		return true, nil
	}
	if len(steps) == 0 {
		if p.Applied() && err == nil {
			out.Bundle = m.record.BundleID()
		}
		return false, looked
	}
	var results []Result
	var claims app.Claims
	_ = e.stage("execute", func() error {
		results, claims = l.execute(ctx, steps, m.record.Claims)
		return firstError(results)
	})
	out.Results = append(out.Results, results...)
	for _, r := range results {
		e.log(ctx, s, r)
		if r.Err == nil && r.Step.Do == plan.Repair {
			out.Undone = append(out.Undone, r.Step)
		}
	}
	if more := progressed(results); more && m.stored.Tells(claims) {
		e.known(m, claims) // the next round sees whether there is more to record than that
	} else {
		err = e.save(ctx, m, app.Record{Claims: claims}, false)
	}
	out.Claimed = len(m.record.Claims)
	if err = errors.Join(looked, err); err != nil {
		return false, err
	}
	return progressed(results), resultError(results)
}

// record stores the claims of a plan, and the bundle of a new want, before the first step. When everything is applied, just as it was foretold before the
// first step, that is not recorded here: the caller writes down which bundle it was.
func (e *Engine) record(ctx context.Context, m *memory, s Subject, p plan.Plan, steps []plan.Step) error {
	next := app.Record{Claims: p.Begin(steps)}
	released := s.Rendered && p.Blocked == "" && m.record.Digest != m.placed.bundle
	switch {
	case released && (len(steps) > 0 || m.mustStore(s)): // also if all there is to do is to delete
		next.Revision, next.Digest, next.Serial = s.Revision, m.placed.bundle, m.record.Serial+1
		next.Bundle = append([]object.Object{}, m.placed.all()...) // none is something else than that nothing is said of it
	case m.mustStore(s):
	case p.Applied() && m.stored.Tells(next.Claims):
		e.known(m, next.Claims)
		return nil
	}
	return e.save(ctx, m, next, m.mustStore(s))
}

// confirm makes sure that the record is still the one that is known, before something is done for which nothing had to be recorded: another process may have
// the app by now.
func (e *Engine) confirm(ctx context.Context, m *memory) error {
	is, err := e.Ledger.Load(ctx, m.record.App)
	if err == nil && is.Version != m.record.Version {
		m.loaded = false
		err = fault.Newf(fault.Conflict, "the record of app %s was written by somebody else", m.record.App)
	}
	return err
}

// save stores claims, and a bundle if one is given, unless they are stored already and nothing else must be. Without a bundle the stored one is kept.
func (e *Engine) save(ctx context.Context, m *memory, next app.Record, must bool) error {
	stored := m.record.Version != "" || len(next.Claims) == 0
	if next.Bundle == nil {
		if stored && !must && maps.Equal(next.Claims, m.stored) {
			e.known(m, next.Claims)
			return nil
		}
		next.Revision, next.Digest, next.Serial = m.record.Revision, m.record.Digest, m.record.Serial
	}
	next.App, next.Version = m.record.App, m.record.Version
	next.Releases, next.Handled, next.Untold, next.Keep = m.releases, m.handled, e.toTell(m), m.keep()
	next.Also = m.also(next.Keep)
	m.tried = next.Digest
	return e.stage("record", func() error {
		version, err := e.Ledger.Save(ctx, next)
		m.written = e.Now()
		if err != nil {
			m.loaded = false // somebody else was faster, or nobody knows whether it was stored
			return err
		}
		m.first = m.first || next.Version == ""
		if next.Also.Digest != "" {
			m.past = past{}
		}
		next.Version, next.Bundle, next.Also = version, nil, app.Bundle{}
		e.setRecord(m, next)
		m.stored = next.Claims
		m.fightsOf(next.Claims)
		return nil
	})
}

// known takes over claims that need not be stored.
func (e *Engine) known(m *memory, claims app.Claims) {
	r := m.record
	r.Claims = claims
	e.setRecord(m, r)
}

func (e *Engine) load(ctx context.Context, m *memory, n app.Name) error {
	r, err := e.Ledger.Load(ctx, n)
	if err != nil {
		return err
	}
	known, applied, newest := m.record.Version != "", m.record.Digest, m.releases.Current.Serial
	r.App, r.Bundle, m.stored = n, nil, r.Claims
	r.Claims = r.Claims.And(m.record.Claims) // what somebody took away, be it the whole record, may cover what was made here meanwhile
	e.setRecord(m, r)
	e.begins(m, r)
	m.overtaken = m.overtaken || known && (r.Digest != applied && r.Digest != m.tried || r.Releases.Current.Serial > newest)
	m.loaded = true
	clear(m.asked)
	return nil
}

func (e *Engine) loadBundle(ctx context.Context, m *memory) (map[object.Key]object.Object, error) {
	objs, err := e.Ledger.Bundle(ctx, m.record.App, "")
	if err != nil {
		return nil, err
	}
	bundle := make(map[object.Key]object.Object, len(objs))
	for _, o := range objs {
		bundle[o.Key()] = o
	}
	return bundle, nil
}

// Release forgets an app's claims: its objects stay as they are.
func (e *Engine) Release(ctx context.Context, n app.Name) error {
	m := e.remember(n)
	if !m.loaded {
		if err := e.load(ctx, m, n); err != nil {
			return err
		}
	}
	if m.record.Version != "" {
		if err := e.Ledger.Delete(ctx, m.record); err != nil {
			return err
		}
	}
	e.Forget(n)
	e.Told(n, nil)
	return nil
}

func (l *look) unwanted() []object.Key {
	var keys []object.Key
	for k, claim := range l.m.record.Claims {
		if l.want(k).IsZero() || l.m.ends && !l.hooks.Ends(claim) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, object.Key.Compare)
	return keys
}

func (l *look) health() map[object.Key]health.Verdict {
	out := make(map[object.Key]health.Verdict, len(l.seen))
	for key, s := range l.seen {
		if app.ApplyOf(l.m.placed.objects[key]) == app.ApplyNever || l.isRun(key) {
			continue
		}
		_, wanted := l.m.placed.objects[key]
		switch {
		case s.Rival != (app.Owner{}): // how that object is, is for its own app to say
			if wanted || !l.subject.Rendered {
				out[key] = health.Verdict{Status: health.Missing, Message: "is owned by app " + s.Rival.String()}
			}
		case s.State == plan.Current || s.Ended != "" || s.State == plan.Present:
			out[key] = s.Health
		case s.State == plan.Absent && wanted && l.subject.Policy.Suspended && l.m.record.Claims[key].Key == (object.Key{}):
			out[key] = health.Verdict{Status: health.Unknown, Message: "may be there already: it is looked for when the app is resumed"}
		case s.State == plan.Absent && (wanted || !l.subject.Rendered):
			out[key] = health.Verdict{Status: health.Missing, Message: "does not exist"}
		case s.State == plan.Unknown && s.Deferred:
			out[key] = health.Verdict{Status: health.Missing, Message: s.Why}
		case s.State == plan.Unknown:
			out[key] = health.Verdict{Status: health.Unknown, Message: s.Why}
		}
	}
	return out
}

// finish says when to look again though nothing happens: for a deadline, or the end of a fight's back-off.
func (e *Engine) finish(m *memory, out *Outcome, waits bool) {
	now := e.Now()
	sooner := func(d time.Duration) {
		if d = max(d, 100*time.Millisecond); out.Again == 0 || d < out.Again {
			out.Again = d
		}
	}
	if !m.look.IsZero() {
		sooner(m.look.Sub(now))
	}
	if !m.due.IsZero() {
		sooner(m.due.Sub(now))
	}
	if waits || out.unwatched { // the next look begins another watch, or finds that there is nothing to watch
		sooner(2 * time.Second)
	}
	for _, n := range out.Plan.Contested {
		sooner(m.fights[n.Key].Until().Sub(now))
	}
	for key, since := range m.since {
		if v, ok := out.Health[key]; ok && v.Status == health.Progressing {
			sooner(m.deadline - now.Sub(since))
		}
	}
}

func progressed(results []Result) bool {
	for _, r := range results {
		if r.Err != nil {
			return false
		}
	}
	return len(results) > 0
}

// resultError is what makes a pass worth retrying: errors that pass by themselves.
func resultError(results []Result) error {
	var errs []error
	for _, r := range results {
		if r.Err == nil {
			continue
		}
		var refusal *plan.Refusal
		if asRefusal(r.Err, &refusal) {
			continue
		}
		errs = append(errs, r.Err)
	}
	return errors.Join(errs...)
}

func firstError(results []Result) error {
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

func (e *Engine) stage(name string, f func() error) error {
	began := e.Now()
	err := f()
	if e.Observe != nil {
		e.Observe(name, e.Now().Sub(began), err)
	}
	return err
}

// log writes one line for each step.
func (e *Engine) log(ctx context.Context, s Subject, r Result) {
	args := []any{"app", s.Name.String(), "do", string(r.Step.Do), "object", r.Step.Key.String(), "why", r.Step.Why, "revision", s.Revision}
	if r.Err != nil {
		e.Log.WarnContext(ctx, "step failed", append(args, "error", r.Err.Error())...)
		return
	}
	e.Log.InfoContext(ctx, fmt.Sprintf("step %s", r.Step.Do), args...)
}
