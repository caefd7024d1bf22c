package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/report"
)

// A refused app is tried again though nothing changed: a quota, a right or a policy may have. Who is just setting things up does not wait long.
const (
	refusedFirst = time.Second
	refusedMost  = 30 * time.Second
)

// refusedAgain is how long to wait until the app is tried again: longer each time, as long as what it says of itself stays the same.
func (m *member) refusedAgain() time.Duration {
	m.mu.Lock()
	defer m.unlock()
	if reason := m.status.Reason; m.refusal.reason != reason || m.refusal.wait == 0 {
		m.refusal.reason, m.refusal.wait = reason, refusedFirst/2
	}
	m.refusal.wait = min(2*m.refusal.wait, refusedMost)
	return m.refusal.wait
}

// reconcileApp looks at an app.
func (c *controller) reconcileApp(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if err := c.preload(ctx); err != nil {
		return reconcile.Result{}, err
	}
	c.findOut(ctx)
	owner := app.Owner{Namespace: req.Namespace, Name: req.Name}
	m := c.known(owner)
	if m == nil { // its environment has not been read, or is gone; or it was removed
		c.seekLeft(owner)
		return reconcile.Result{}, nil
	}
	m.working.Lock()
	defer c.worked(m)
	env, envRules, ruleErr := c.settings(fleet.Of(m.name)) // whoever releases the app takes the one away, and then waits for the other
	if env == nil || !m.isKnown() {
		return reconcile.Result{}, nil
	}
	act, done, mine := c.share.Act(ctx, keyOfApp(m.name.Owner()))
	if !mine && c.owns(m.name.Owner()) {
		return reconcile.Result{RequeueAfter: late(true)}, nil
	}
	if !mine {
		return c.attend(ctx, m, env, envRules, ruleErr)
	}
	defer done()
	res, err := c.work(act, m, env, envRules, ruleErr)
	cutShort(act, &res, &err)
	return res, err
}

// work renders an app of this process's, runs a pass, and says how it stands.
func (c *controller) work(ctx context.Context, m *member, env *v1alpha1.Environment, envRules app.Health, ruleErr error) (reconcile.Result, error) {
	if ready, err := c.take(ctx, m); err != nil || !ready {
		return reconcile.Result{RequeueAfter: askAgain}, err
	}
	obj, err := c.appObject(ctx, m)
	if err != nil {
		return reconcile.Result{}, err
	}
	if ruleErr != nil {
		c.fleet.Broken(m.name, c.fleet.Round(m.name), ruleErr.Error(), m.mentions()) // it is not read; others do not wait for that
		c.conclude(ctx, m, obj, report.Finding{Broken: ruleErr, LastHandledSync: obj.Annotations[AnnotationSync]})
		return reconcile.Result{}, nil
	}
	if err := c.render(ctx, m, envRules); err != nil {
		return reconcile.Result{}, err
	}
	res, err := c.pass(ctx, m, env, obj)
	if m.isUnheard() && err == nil && res.RequeueAfter == 0 {
		res.RequeueAfter = m.refusedAgain()
	}
	if m.isOlder() && err == nil {
		res.RequeueAfter = cmp.Or(min(res.RequeueAfter, lateAgain), lateAgain)
	}
	return res, err
}

// settings returns an environment's spec and rules; nil if the environment is not known.
func (c *controller) settings(e fleet.Environment) (*v1alpha1.Environment, app.Health, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.envs[e]
	if st == nil {
		return nil, app.Health{}, nil
	}
	return st.spec, st.rules, st.ruleErr
}

// subject describes an app to the engine.
func (c *controller) subject(ctx context.Context, m *member, env *v1alpha1.Environment, obj *v1alpha1.App) engine.Subject {
	d := env.Spec.Destination
	m.mu.Lock()
	defer m.unlock()
	if m.removed && !m.declared { // what it said itself nobody can read any more
		if rules, err := health.Compile(HealthOf(env.Spec.Health)); err == nil {
			m.rules, m.ruled = rules, ruled(HealthOf(env.Spec.Health))
		}
	}
	s := engine.Subject{
		Name:            m.name,
		Identity:        identityOf(env),
		Namespace:       Destination(env, m.name.App),
		CreateNamespace: d.CreateNamespace,
		Marks:           marks(env),
		Policy:          policyOf(env),
		Rules:           m.rulesIn(),
		Lens:            m.lens().Version,
		Rendered:        m.rendered, Objects: m.wants(), Digest: m.digest, Files: m.origins, Revision: m.wanted.Revision, Author: m.wanted.Author, Committed: m.wanted.Committed.Time, Doubtful: !m.takenAt.IsZero(), Agreed: m.status.Inputs == m.inputs.Digest(),
		Approved: obj.Annotations[AnnotationApprove], Held: m.status.HoldID, Round: m.round, Bundle: m.written.Bundle,
	}
	s.Releasing = c.releasing(ctx, m, env, obj)
	s.Ends = m.removed && env.Spec.Venue == nil
	if env.Spec.Deletion == v1alpha1.DeletionPrune && !m.removed {
		s.Begin = c.stays(fleet.Of(m.name))
	}
	s.Policy.Suspended = s.Policy.Suspended || obj.Spec.Suspend != nil
	s.Cause = m.cause
	if broken := cmp.Or(m.broken, m.delayed); broken != nil {
		s.Blocked = broken.Error()
	}
	return s
}

// Destination is where the objects of an app go that name no namespace.
func Destination(env *v1alpha1.Environment, name string) string {
	namespace := strings.NewReplacer("{app}", name, "{environment}", env.Name).Replace(env.Spec.Destination.Namespace)
	return cmp.Or(namespace, env.Namespace)
}

func policyOf(env *v1alpha1.Environment) app.Policy {
	return app.Policy{
		ReportDrift: env.Spec.Sync.Drift == v1alpha1.DriftReport,
		NameFiles:   env.Spec.Sync.Drift == v1alpha1.DriftBlock,
		Suspended:   env.Spec.Sync.Suspend,
		Apart:       env.Spec.Venue != nil,
		Interactive: env.Spec.Sync.Interactive,
	}
}

// pass runs the engine and writes what it found.
func (c *controller) pass(ctx context.Context, m *member, env *v1alpha1.Environment, obj *v1alpha1.App) (reconcile.Result, error) {
	s := c.subject(ctx, m, env, obj)
	f := report.Finding{LastHandledSync: obj.Annotations[AnnotationSync]}
	f.Suspended, f.SuspendedBy = suspension(env, obj)
	m.mu.Lock()
	f.Broken, f.Removed = cmp.Or(m.broken, m.delayed), m.removed
	m.unlock()
	if f.Broken == nil && !f.Removed {
		if f.Waits = c.fleet.Waits(m.name); f.Waits != "" {
			s.Blocked = f.Waits
		}
	}
	if asked := obj.Annotations[AnnotationSync]; asked != m.stands().LastHandledSync {
		c.engine.Refresh(m.name)
		if !c.askedFor(m, asked) {
			f.LastHandledSync = "" // its repository is being asked first
		}
	}
	c.recordAgreed(ctx, m, obj, m.stands())
	wasIdle := c.fleet.Idle()
	c.waiters.set(m.name.Owner(), true) // what it turns out to wait for may come during this very pass
	out, err := c.engine.Pass(ctx, s)
	if out.Overtaken {
		c.overtaken(m)
		return reconcile.Result{RequeueAfter: conflictAgain}, nil
	}
	c.recordReleases(ctx, m, out)
	c.done(ctx, m, out.Results)
	if out.Unplaced != nil && f.Broken == nil {
		f.Broken = out.Unplaced
		c.fleet.Broken(m.name, s.Round, out.Unplaced.Error(), m.mentions())
	}
	if f.Waits == "" && strings.HasPrefix(out.Plan.Blocked, "waits") && out.Releases.Current.Phase != release.Gated {
		f.Waits = out.Plan.Blocked
	}
	if m.noteOlder(s, out) {
		if obj.UID == "" {
			return reconcile.Result{RequeueAfter: lateAgain}, nil // nobody knows whether it is new, or was removed
		}
		f.Broken, f.Removed, f.Waits = errOlder, false, ""
	}
	m.locate(&out)
	if problem := c.identityProblem(ctx, env, out); problem != nil && f.Broken == nil {
		f.Broken = problem
	}
	f.Looked, f.Plan, f.Health, f.Claimed, f.Undone, f.Err = true, out.Plan, out.Health, out.Claimed, out.Undone, err
	f.Blind, f.Bundle, f.LeftOut = out.Blind, out.Bundle, out.LeftOut
	if err == nil { // else it may not be recorded, and is asked for again
		carriedOut(&f, s.Releasing, out)
	}
	f.Releases, f.Records, f.Back, f.Ruled, f.App = out.Releases, out.Records, out.Back, s.Releasing.Ruled, m.name.Environment+"/"+m.name.App
	if out.Health == nil {
		f.Looked = false
	}
	for _, r := range out.Results {
		if r.Err != nil {
			f.Errors = append(f.Errors, report.StepError{Key: r.Step.Key, Err: r.Err, At: r.Step.Object.Origin().String()})
		}
	}
	c.metrics.pass(out, err)
	if out.Releases.Current.Phase != "" && !s.Releasing.Unread {
		c.prove(m, env, s, out.Releases)
	}
	if f.Removed && f.Looked && err == nil && out.Claimed == 0 {
		return reconcile.Result{}, c.removeApp(ctx, m, obj, out)
	}
	if out.Starting && err == nil && len(out.Results) == 0 {
		c.waiters.set(m.name.Owner(), true) // the watch tells when it is ready; until then there is nothing new to say
		return reconcile.Result{}, nil
	}
	if fault.KindOf(err) == fault.Conflict && err != nil {
		return again(m, out, f, err) // somebody was faster: look anew before anything is said
	}
	f.Was = m.stands()
	var late time.Duration
	f.Helm, late = c.recordHelm(ctx, m, env, obj, s, out)
	f.Revert = c.revertOf(m, env, out, f.Was.Revert)
	if err == nil {
		c.recordAsked(ctx, m, s.Releasing, out, f.Was.Rollback)
	}
	c.conclude(ctx, m, obj, f)
	c.tell(obj, out, m.stands().Drift.Total > f.Was.Drift.Total)
	for _, o := range slices.Compact(out.Takers) {
		c.appQueue.add(o.Namespace, o.Name)
	}
	c.afterPass(m, f, wasIdle)
	res, err := again(m, out, f, err)
	if late > 0 && err == nil && (res.RequeueAfter == 0 || res.RequeueAfter > late) {
		res.RequeueAfter = late
	}
	return res, err
}

// askedFor lets an app's repository be asked for a sync request, and reports whether it has been.
func (c *controller) askedFor(m *member, request string) bool {
	m.mu.Lock()
	repository := m.place.repository
	if m.asked != request {
		m.asked, m.askedAt = request, c.now()
	}
	since := m.askedAt
	m.unlock()
	c.mu.Lock()
	r := c.repos[types.NamespacedName{Namespace: m.name.Namespace, Name: repository}]
	if r == nil || r.polled.After(since) {
		c.mu.Unlock()
		return true
	}
	r.hooked = true
	c.mu.Unlock()
	c.waiters.set(m.name.Owner(), true)
	c.repoQueue.add(m.name.Namespace, repository)
	c.appQueue.after(m.name.Namespace, m.name.Object(), askAgain)
	return false
}

// askAgain is how soon an app looks whether its repository has been asked.
const askAgain = 250 * time.Millisecond

// suspension says that an app is suspended, by whom and why, and by whom alone; empty if it is not.
func suspension(env *v1alpha1.Environment, obj *v1alpha1.App) (text, by string) {
	if s := obj.Spec.Suspend; s != nil {
		text = "suspended"
		if s.By != "" {
			text += " by " + s.By
		}
		if s.Because != "" {
			text += ": " + s.Because
		}
		return clipText(text, 400), s.By
	}
	if env.Spec.Sync.Suspend {
		return "environment " + suspendedText(env), env.Annotations["fairlead.dev/suspended-by"]
	}
	return "", ""
}

// again says when the app is looked at next though nothing happens.
func again(m *member, out engine.Outcome, f report.Finding, err error) (reconcile.Result, error) {
	if err != nil { // though the app be suspended: others may wait until it is read
		if fault.KindOf(err) == fault.Conflict {
			return reconcile.Result{RequeueAfter: conflictAgain}, nil
		}
		if after := fault.After(err); after > 0 {
			return reconcile.Result{RequeueAfter: after}, nil
		}
		return reconcile.Result{}, err // back off
	}
	refused := len(out.Plan.Refused) > 0 || len(f.Errors) > 0 || out.Plan.Blocked != "" && f.Broken == nil && f.Waits == ""
	unknown := len(out.Plan.Waiting)+len(out.Plan.Leaving) > 0 || out.Blind != nil ||
		slices.ContainsFunc(out.Plan.Held, func(h plan.Held) bool { return app.OwnerOf(h.Step.Live) == app.Owner{} }) // no watch tells what becomes of it
	next := out.Again
	if (refused || unknown) && f.Suspended == "" {
		if again := m.refusedAgain(); next == 0 || next > again {
			next = again
		}
	}
	return reconcile.Result{RequeueAfter: next}, nil
}

// afterPass wakes who waited for what this pass changed.
func (c *controller) afterPass(m *member, f report.Finding, wasIdle bool) {
	waiting := len(f.Plan.Waiting)+len(f.Plan.Leaving) > 0 || slices.ContainsFunc(f.Plan.Batches, func(b plan.Batch) bool { return b.Pending > 0 })
	c.looked(m, isReady(m.stands()), waiting, wasIdle)
}

// looked wakes who waited for what is known of an app since it was looked at.
func (c *controller) looked(m *member, ready, waiting, wasIdle bool) {
	for _, n := range c.fleet.Ready(m.name, ready) {
		c.appQueue.add(n.Namespace, n.Object())
	}
	c.waiters.set(m.name.Owner(), waiting)
	// Those that wait for every app to be read are woken once, when that comes true: woken by each pass, two of them would wake each other for ever.
	idle := c.fleet.Idle()
	switch was := c.idle.Swap(idle); {
	case idle && !was:
		c.wakeWaiting()
	case idle && !wasIdle && waiting:
		c.appQueue.add(m.name.Namespace, m.name.Object()) // it came true during this very pass
	}
	c.envQueue.after(m.name.Namespace, m.name.Environment, statusDelay)
}

// statusDelay gathers the changes of many apps into one status of their environment.
const statusDelay = 200 * time.Millisecond

// wakeWaiting wakes the apps that wait for something outside: that every app is read, that a kind appears.
func (c *controller) wakeWaiting() {
	for _, o := range c.waiters.take() {
		c.appQueue.add(o.Namespace, o.Name)
	}
}

func isReady(st v1alpha1.AppStatus) bool { return meta.IsStatusConditionTrue(st.Conditions, "Ready") }

func isFailed(st v1alpha1.AppStatus) bool {
	return meta.IsStatusConditionTrue(st.Conditions, "Stalled")
}

// removeApp lets an app go whose objects are all gone.
func (c *controller) removeApp(ctx context.Context, m *member, obj *v1alpha1.App, out engine.Outcome) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	c.tell(obj, out, false)
	if !m.isRemoved() { // it came back meanwhile
		c.appQueue.add(m.name.Namespace, m.name.Object())
		return nil
	}
	if err := c.dropHelm(ctx, m, m.stands().Helm); err != nil {
		return err
	}
	goes := keyed(m, history.Record{
		Time: c.now(), Kind: history.Prune, Phase: history.Gone, Why: "its directory is gone from Git, and so are its objects",
	}, cmp.Or(obj.CreationTimestamp.UTC(), c.now()), string(obj.UID))
	if !m.rehearses.Load() {
		c.intend(ctx, goes, proof{What: proofApp, Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID)})
	}
	if err := c.engine.Release(ctx, m.name); err != nil {
		return err
	}
	if err := absent.Ignore(c.client.Delete(ctx, obj)); err != nil {
		return fmt.Errorf("delete App %s: %w", m.name, err)
	}
	if !m.rehearses.Load() {
		c.happened(ctx, goes)
	}
	c.forget(m)
	c.log.Info("app removed", "app", m.name.String())
	return nil
}

// forget drops an app that is no more.
func (c *controller) forget(m *member) {
	c.mu.Lock()
	delete(c.apps, m.name.Owner())
	st := c.envs[fleet.Of(m.name)]
	c.mu.Unlock()
	c.fleet.Gone(m.name)
	c.letGo(m.name)
	if back := m.retire(); back && st != nil { // it came back just now: let its environment find it anew
		c.mu.Lock()
		st.again = true
		c.mu.Unlock()
	}
	c.unclash(m.name.Namespace)
	c.envQueue.after(m.name.Namespace, m.name.Environment, statusDelay)
}

// tell writes the Events of what a pass did: hand edits that were undone, objects that were deleted.
func (c *controller) tell(obj *v1alpha1.App, out engine.Outcome, drifted bool) {
	if obj.UID == "" {
		return
	}
	for _, s := range out.Undone {
		c.warn(obj, "DriftUndone", "Repair", edited(s)+"; undone")
	}
	for _, s := range out.Left {
		if drifted {
			c.warn(obj, "Drift", "Report", edited(s)+"; left as it is, since sync.drift is Report")
		}
	}
	var deleted, spent []string
	for _, r := range out.Results {
		switch {
		case r.Err != nil || r.Step.Do != plan.Delete:
		case r.Step.Run != "":
			spent = append(spent, r.Step.Key.String()+" ("+strings.TrimPrefix(r.Step.Why, "hook: ")+")")
		default:
			deleted = append(deleted, r.Step.Key.String())
		}
	}
	if len(deleted) > 0 {
		c.note(obj, "Pruned", "Prune", "deleted what Git no longer has: "+strings.Join(deleted, ", "))
	}
	if len(spent) > 0 {
		c.note(obj, "HookDeleted", "Prune", "deleted hooks that have ended: "+strings.Join(spent, ", "))
	}
	for _, n := range out.Plan.Kept {
		c.note(obj, "Kept", "Prune", n.Key.String()+": "+n.Text)
	}
}

// edited says who changed what, and when.
func edited(s plan.Step) string {
	if s.Live.IsZero() {
		return s.Key.String() + " was deleted by hand (the API server keeps no record of who did it)"
	}
	fields := make([]string, 0, len(s.Edit.Fields))
	for _, p := range s.Edit.Fields {
		fields = append(fields, string(p))
	}
	who := cmp.Or(s.Edit.Manager, "somebody (the API server kept no record of who)")
	text := fmt.Sprintf("%s changed %s of %s", who, clipText(strings.Join(fields, ", "), 300), s.Key)
	if !s.Edit.At.IsZero() {
		text += " at " + s.Edit.At.UTC().Format(time.RFC3339)
	}
	return text
}
