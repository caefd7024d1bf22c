package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// hasHooks reports whether releases of the app run hooks, or did: then no phase is forgotten when the process dies.
func (m *memory) hasHooks() bool {
	if len(m.placed.hooks)+len(m.kept.hooks) > 0 {
		return true
	}
	for _, claim := range m.record.Claims {
		if claim.Run != "" {
			return true
		}
	}
	return false
}

// end takes the hooks that an app is to end with for what is wanted of it: those of what was applied last. What is recorded for it has them, too, so who comes
// after finds the same.
func (e *Engine) end(ctx context.Context, m *memory, s Subject) (Subject, error) {
	if m.ends = s.Ends && s.Rendered && len(m.record.Claims) > 0; !m.ends {
		m.lasts = nil
		return s, nil
	}
	if m.lasts == nil {
		objs, err := e.Ledger.Bundle(ctx, s.Name, "")
		if err != nil {
			return s, fmt.Errorf("find the hooks of the deletion: %w", err)
		}
		m.lasts = []object.Object{}
		for _, o := range objs {
			if h := app.HookOf(o); len(h.Moments(app.Deletion)) > 0 {
				m.lasts = append(m.lasts, o)
			}
		}
	}
	if m.ends = len(m.lasts) > 0; m.ends {
		lasts := m.lasts
		s.Objects, s.Digest, s.Files = func() []object.Object { return lasts }, "the end", ""
	}
	return s, nil
}

// runOf names the run of a release of a want, the same after a restart. The want is in it since releases of an app that was deleted and came back are counted
// anew.
func runOf(serial int, digest, how string) string {
	return fmt.Sprintf("%d/%s%s", serial, how, digest[:min(len(digest), 8)])
}

// hooks are those of what m.placed holds, and what is to be run of them now.
func (m *memory) hooks() plan.Hooks {
	if len(m.placed.hooks)+len(m.failing) == 0 && !m.releases.Current.Broke {
		return plan.Hooks{}
	}
	st, cur, want := m.releases, m.releases.Current, m.placed.bundle
	if m.ends {
		serial := cur.Serial
		if cur.Want.Digest != want {
			serial++
		}
		return plan.Hooks{Of: m.placed.hooks, All: m.placed.runs, On: app.Deletion, Run: runOf(serial, want, plan.Ending)}
	}
	h := plan.Hooks{On: app.Upgrade}
	h.Of, h.All = m.placed.released()
	from := cur.From
	if cur.Want.Digest != want {
		from = st.Good
	}
	if from.IsZero() {
		h.On = app.Install
	}
	rollback := func() {
		h.Run, h.On = runOf(cur.Serial, want, "back-"), app.Rollback
	}
	switch {
	case want != st.Released.Digest: // it is only looked at: as the next release would be
		serial := cur.Serial
		if cur.Want.Digest != want {
			serial++
		}
		h.Run = runOf(serial, want, "")
	case cur.Phase == release.RollingBack:
		rollback()
	case cur.Phase == release.Failed && cur.Back.Digest == want:
		rollback()
		h.Over = true
	case cur.Want.Digest == want && (cur.Phase == release.Applying || cur.Phase == release.Progressing):
		h.Run = runOf(cur.Serial, want, "")
	case st.Good.Digest == want, cur.Want.Digest == want && cur.Phase == release.Verifying: // all have been run
	default:
		h.Run, h.Over = runOf(cur.Serial, want, ""), true
	}
	h.Failed = m.failing
	if cur.Want.Digest == want {
		h.Failed = m.placed.failing()
	}
	if broke := cur.Phase == release.RollingBack || cur.Phase == release.RolledBack || cur.Phase == release.Failed; cur.Broke && broke && len(h.Failed) > 0 {
		h.FailedRun = runOf(cur.Serial, cur.Want.Digest, "")
	} else {
		h.Failed = nil
	}
	return h
}

// released are the hooks of a want that releases run.
func (p *placed) released() (of map[object.Key]app.Hook, all []object.Object) {
	for _, o := range p.runs {
		if h := p.hooks[o.Key()]; !h.IsOnly(app.Deletion) {
			if of == nil {
				of = map[object.Key]app.Hook{}
			}
			of[o.Key()], all = h, append(all, o)
		}
	}
	return of, all
}

// failing are the hooks of a want that are run when its release fails.
func (p *placed) failing() []object.Object {
	var out []object.Object
	for _, o := range p.runs {
		if p.hooks[o.Key()].Has(app.Rollback, app.OnFailure) {
			out = append(out, o)
		}
	}
	return out
}

// want is what is wanted of an object: to be applied, or run.
func (l *look) want(key object.Key) object.Object {
	if o, ok := l.m.placed.objects[key]; ok || len(l.hooks.All)+len(l.hooks.Failed) == 0 {
		return o
	}
	for _, o := range l.hooks.Failed {
		if o.Key() == key {
			return o
		}
	}
	for _, o := range l.hooks.All {
		if o.Key() == key {
			return o
		}
	}
	return object.Object{}
}

// isRun reports whether an object is looked at as a hook. One that is not wanted any more is looked at as everything that is to be pruned.
func (l *look) isRun(key object.Key) bool {
	if _, applied := l.m.placed.objects[key]; applied {
		return false
	}
	return !l.want(key).IsZero() || !l.subject.Rendered && l.m.record.Claims[key].Run != ""
}

// hookClaims are the claims as they are recorded, with what a plan found out about hooks that were made.
func (m *memory) hookClaims(p plan.Plan) app.Claims {
	if !m.hasHooks() {
		return m.record.Claims
	}
	out := maps.Clone(m.record.Claims)
	for key, was := range out {
		if now, kept := p.Claims[key]; kept && was.Run != "" && was.Run == now.Run {
			out[key] = now
		}
	}
	return out
}

// glanceHook decides from what is remembered of a hook, if that is enough. What is not to be run costs nothing, whatever became of it.
func (l *look) glanceHook(ctx context.Context, key object.Key, want object.Object) (plan.Sighting, bool) {
	settled := plan.Sighting{State: plan.Current, Health: health.Verdict{Status: health.Healthy}}
	claim, hook := l.m.record.Claims[key], app.HookOf(want)
	r, err := l.engine.resource(ctx, l.m, key)
	idle := want.IsZero() || l.hooks.Settled(want, hook, claim)
	if err != nil {
		if idle {
			return settled, true
		}
		return l.unserved(key, want, err), true
	}
	w, entry := l.watches[r], l.engine.Live.Entry(l.subject.Identity, r, key)
	if idle && (claim.Ended == "" || !hook.IsSpent(claim.Ended == string(health.Healthy)) || entry.IsZero()) {
		return settled, true
	}
	denied := l.m.ends && w.Err != nil && fault.KindOf(w.Err) == fault.Denied // nobody waits for that: it is asked, and refused
	if claim.Run != "" && !w.Synced && !w.Gone && entry.IsZero() && !denied {
		why := "the watch of " + r.Plural + " is starting"
		if w.Err != nil {
			why = w.Err.Error()
		}
		l.starting = l.starting || w.Err == nil
		return plan.Sighting{State: plan.Unknown, Why: why}, true
	}
	if a, ok := l.m.asked[key]; ok && !l.m.ends && !entry.IsZero() && a.resourceVersion == entry.ResourceVersion && a.want == l.hookState(claim, want) && !l.isForeign(entry.Owner) {
		s := a.sighting
		s.Rival = l.rival(key, s.Live)
		return s, true
	}
	return plan.Sighting{}, false
}

// hookState is what an answer about a hook depends on besides the object in the cluster.
func (l *look) hookState(claim app.Claim, want object.Object) string {
	return strings.Join([]string{want.Hash(), claim.Run, l.hooks.Run, l.hooks.FailedRun}, " ")
}

// askHook asks the API server about a hook: what there is of it, how that ended, and whether it would be accepted if it is to be made.
func (l *look) askHook(ctx context.Context, key object.Key, want object.Object) plan.Sighting {
	r, err := l.engine.resource(ctx, l.m, key)
	var s plan.Sighting
	if err == nil {
		s, err = l.requestHook(ctx, r, key, want)
	}
	if err != nil {
		err = fmt.Errorf("observe %s: %w", key, err)
		if !l.isCurrent(l.m.record.Claims[key].Run) { // it may turn out to be refused
			l.doubt(err.Error())
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.errs = append(l.errs, err)
		return plan.Sighting{State: plan.Unknown, Why: err.Error()}
	}
	claim, entry := l.m.record.Claims[key], l.engine.Live.Entry(l.subject.Identity, r, key)
	l.mu.Lock()
	defer l.mu.Unlock()
	if delete(l.m.asked, key); s.State == plan.Present && s.Refusal == nil && entry.ResourceVersion == s.Live.ResourceVersion() {
		l.m.asked[key] = answer{want: l.hookState(claim, want), resourceVersion: entry.ResourceVersion, sighting: s}
	}
	return s
}

func (l *look) requestHook(ctx context.Context, r object.Resource, key object.Key, want object.Object) (plan.Sighting, error) {
	entry, live := l.engine.Live.Entry(l.subject.Identity, r, key), l.engine.Live.Held(l.subject.Identity, r, key)
	if live.IsZero() || live.ResourceVersion() != entry.ResourceVersion || l.m.deleted[key] {
		var err error
		if live, err = l.session.Live(ctx, r, key.Namespace, key.Name); err != nil {
			return l.refused(plan.Sighting{}, want, err)
		}
		if !live.IsZero() && app.OwnerOf(live) == l.subject.Name.Owner() {
			l.engine.Live.Put(l.subject.Identity, r, live)
		}
	}
	s := plan.Sighting{State: plan.Absent}
	if !live.IsZero() {
		s = plan.Sighting{State: plan.Present, Live: live, Health: health.Outcome(live, l.subject.Rules.Assess(live)), Rival: l.rival(key, live)}
	}
	if by, taken := l.engine.Neighbours.Taken(l.subject.Name, l.subject.Round, key); l.m.ends && taken {
		s.Rival = by // it may not be there yet
	}
	if why, err := l.kept(ctx, key, want, live); err != nil || why != "" && s.Rival == (app.Owner{}) {
		return keptSighting(why), err
	}
	if waits, ok := l.undecided(key, want, s.Rival); ok {
		return waits, nil
	}
	claim := l.m.record.Claims[key]
	if !live.IsZero() && claim.Run != "" && live.Annotation(app.AnnotationRun) == claim.Run && (l.isCurrent(claim.Run) || l.hooks.Ends(claim)) { // it is this release's
		s.Late = l.m.ends && l.isLate(live)
		if s.Health.Status == health.Degraded && claim.Ended == "" {
			s.Health.Message = l.lastWords(ctx, key, s.Health.Message)
		}
		return s, nil
	}
	if l.hooks.Ends(claim) && claim.Ended != "" {
		return s, nil
	}
	if l.subject.Policy.Suspended || l.subject.Blocked != "" || l.hooks.Over || live.Deleting() || l.hooks.Settled(want, app.HookOf(want), claim) {
		return s, nil
	}
	_, err := l.session.DryRun(ctx, r, staying(want))
	var refusal *plan.Refusal
	if err != nil && asRefusal(err, &refusal) && refusal.Immutable && !live.IsZero() {
		return s, nil // what there is goes first
	}
	if err != nil {
		return l.refused(s, want, err)
	}
	return s, nil
}

// isLate reports whether a hook has had the time that an object has to get well, and lets it be looked at when it has.
func (l *look) isLate(live object.Object) bool {
	end := live.Created().Add(l.subject.Rules.Deadline())
	if !l.now.Before(end) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m.due.IsZero() || end.Before(l.m.due) {
		l.m.due = end
	}
	return false
}

// longEnough is for how many seconds a Job stays at least that says when it may be removed: who is started again in that time still sees how it ended.
const longEnough = int64(3600)

// staying is a hook that is not removed before it is known how it ended.
func staying(o object.Object) object.Object {
	if ttl, ok := o.At("spec", "ttlSecondsAfterFinished").(int64); ok && ttl < longEnough && o.Key().GroupKind() == (object.GroupKind{Group: "batch", Kind: "Job"}) {
		return o.With(longEnough, "spec", "ttlSecondsAfterFinished")
	}
	return o
}

// isCurrent reports whether a run is of the release that hooks are run for.
func (l *look) isCurrent(run string) bool {
	of := run[:max(0, strings.LastIndexByte(run, '/'))]
	return of == l.hooks.Run || of == l.hooks.FailedRun
}

// lastWords is why a hook failed, with the end of its log.
func (l *look) lastWords(ctx context.Context, key object.Key, why string) string {
	if l.engine.LastWords == nil {
		return why
	}
	if said := l.engine.LastWords(ctx, l.subject.Identity, key); said != "" {
		return cmp.Or(why, "failed") + "; " + said
	}
	return why
}

// makeHook makes a hook, once what there is of an earlier run has gone.
func (l *look) makeHook(ctx context.Context, r object.Resource, step plan.Step) error {
	if !step.Live.IsZero() {
		if err := l.session.Delete(ctx, r, step.Live); err != nil {
			return err
		}
		live, err := l.session.Live(ctx, r, step.Key.Namespace, step.Key.Name)
		if err != nil {
			return err
		}
		if !live.IsZero() {
			return fault.New(fault.Transient, errGoing)
		}
	}
	out, err := l.session.Apply(ctx, r, staying(step.Object))
	if err == nil {
		l.engine.Live.Put(l.subject.Identity, r, out)
	}
	return err
}
