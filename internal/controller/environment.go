package controller

import (
	"cmp"
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/health"
)

// finalizer is set only on environments whose deletion deletes their objects.
const finalizer = "fairlead.dev/prune"

// environment is what is known of an Environment between looks. Its own reconciler writes it, under the controller's lock.
type environment struct {
	spec    *v1alpha1.Environment
	edition edition
	rules   app.Health
	ruleErr error
	read    string    // what the apps were last found in: the spec's generation and the commits
	waits   bool      // a head was not known yet when it was looked for
	listed  bool      // the apps that have an App object were looked for
	relist  bool      // that has to be done again
	unknown time.Time // when an App was told of that is not known here; Git has to be asked since
	again   bool      // it has to be read again though nothing of that changed
	torn    time.Time // when to read it again, since its files could not be read; zero if they could
	strays  []place   // directories that cannot be apps, as they were read last
	clashed bool      // an app was not taken because another environment has one of that name
	found   int       // how many apps there are
	woken   int64     // the generation that all apps were told of
	roll    *roll
	survey  *survey // of the last finding; nil if the next has to look at everything
	hopeful hopeful // its candidates
	sources []v1alpha1.SourceStatus
	commit  string
	problem error
	wrong   string    // which directories cannot be apps, and why; empty if all can
	synced  string    // the sync request that was carried out
	asked   string    // the sync request that is being carried out
	askedAt time.Time // when it was seen
	since   time.Time // when this process saw it first
	stored[v1alpha1.EnvironmentStatus]
	hold    hold      // whether its object is written by this process
	takenAt time.Time // when it became so, until Git has been asked since; zero for who shares nothing
	open    error     // why changes by hand are not refused though they are to be
	kin     string    // the environments that it shares names of apps with, and those names
}

func (c *controller) reconcileEnvironment(ctx context.Context, req reconcile.Request) (res reconcile.Result, err error) {
	e := fleet.Environment{Namespace: req.Namespace, Name: req.Name}
	if err := c.preload(ctx); err != nil {
		return reconcile.Result{}, err
	}
	var env v1alpha1.Environment
	err = c.client.Get(ctx, req.NamespacedName, &env)
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, c.dropEnvironment(ctx, e)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	c.mu.Lock()
	var last edition
	if st := c.envs[e]; st != nil {
		last = st.edition
	}
	c.mu.Unlock()
	if err := c.newest(ctx, &env, &last); err != nil {
		return reconcile.Result{}, absent.Ignore(err)
	}
	if err := c.forgetFormer(ctx, e, &env); err != nil {
		return reconcile.Result{}, err
	}
	st := c.environment(e, &env)
	st.edition = last
	c.wakeRehearsing(&env)
	ctx, done, mine := c.share.Act(ctx, keyOfEnvironment(e))
	defer done()
	defer cutShort(ctx, &res, &err)
	if mine {
		if err := c.takeEnvironment(ctx, e, st); err != nil {
			return reconcile.Result{}, err
		}
	} else {
		st.hold = hold{} // what is decided is what its object says from now on
	}
	if !env.DeletionTimestamp.IsZero() {
		return c.deleteEnvironment(ctx, e, &env, mine)
	}
	if mine {
		if err := c.finalize(ctx, &env); err != nil {
			return reconcile.Result{}, err
		}
		if err := c.block(ctx, e, &env, st); err != nil {
			return reconcile.Result{}, err
		}
	}
	if !isFinalized(&env) { // whoever has it is to see to that: until then it could go without what is made for it
		return reconcile.Result{RequeueAfter: askAgain}, nil
	}
	if asked := env.Annotations[AnnotationSync]; asked != st.synced && asked != st.asked {
		c.requestSync(&env, st, asked)
	}
	before := st.read
	again, err := c.candidates(ctx, e, &env, st, mine)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := c.find(ctx, e, &env, st); err != nil {
		return reconcile.Result{}, err
	}
	if move := c.moveBranch(ctx, e, &env, st, mine); move > 0 && (again == 0 || move < again) {
		again = move
	}
	if st.hopeful.unread { // the commits may have been fetched by then
		again = lateAgain
	}
	if torn := st.torn.Sub(c.now()); !st.torn.IsZero() && (again == 0 || torn < again) {
		again = max(torn, time.Millisecond)
	}
	if st.open != nil && (again == 0 || again > blockAgain) {
		again = blockAgain
	}
	if !mine {
		_, mine = c.share.Owns(keyOfEnvironment(e))
		return reconcile.Result{RequeueAfter: cmp.Or(again, late(mine))}, nil
	}
	if st.read != before && st.roll.isBusy() {
		return reconcile.Result{RequeueAfter: statusDelay}, nil // one status for the commit and for what its apps make of it
	}
	if st.read == "" {
		return reconcile.Result{RequeueAfter: again}, nil // nothing is known yet that would be worth saying
	}
	if c.now().Sub(st.since) < startingFor && st.ruleErr == nil && (st.roll.isNew() || st.roll.isBusy() && st.commit == st.status.Commit) { // a start is not a change
		return reconcile.Result{RequeueAfter: statusDelay}, nil // what an earlier process said is nearer to the truth than what is known so far
	}
	return reconcile.Result{RequeueAfter: again}, c.environmentStatus(ctx, &env, st)
}

// tornAgain is when a commit is read again whose files could not be read: a disk that fails is no reason to wait for another commit.
const tornAgain = 5 * time.Second

// startingFor is how long an Environment's status may wait for its apps to be looked at by a process that just started.
const startingFor = time.Minute

func (c *controller) environment(e fleet.Environment, env *v1alpha1.Environment) *environment {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.envs[e]
	if st == nil {
		st = &environment{stored: read(*env.Status.DeepCopy(), env), synced: env.Status.LastHandledSync, since: c.now(), roll: c.roll(e)}
		c.envs[e] = st
	}
	if st.spec == nil || st.spec.Generation != env.Generation {
		st.rules = HealthOf(env.Spec.Health)
		if _, st.ruleErr = health.Compile(st.rules); st.ruleErr == nil {
			st.ruleErr = checkRelease(env.Spec.Release)
		}
	}
	st.spec = env.DeepCopy()
	return st
}

// HealthOf is the layer of health rules that an Environment adds.
func HealthOf(h *v1alpha1.Health) app.Health {
	if h == nil {
		return app.Health{}
	}
	out := app.Health{Deadline: h.Deadline.Duration}
	for _, r := range h.Rules {
		out.Rules = append(out.Rules, app.HealthRule(r))
	}
	return out
}

// isFinalized reports whether an Environment cannot go before what it takes with it.
func isFinalized(env *v1alpha1.Environment) bool {
	return env.Spec.Deletion != v1alpha1.DeletionPrune || controllerutil.ContainsFinalizer(env, finalizer)
}

// finalize sets or drops the finalizer as spec.deletion says.
func (c *controller) finalize(ctx context.Context, env *v1alpha1.Environment) error {
	base := env.DeepCopy()
	switch {
	case !isFinalized(env):
		controllerutil.AddFinalizer(env, finalizer)
	case env.Spec.Deletion == v1alpha1.DeletionPrune || !controllerutil.RemoveFinalizer(env, finalizer):
		return nil
	}
	return c.client.Patch(ctx, env, client.MergeFrom(base))
}

// requestSync asks every repository of the environment now, and lets every app be looked at.
func (c *controller) requestSync(env *v1alpha1.Environment, st *environment, asked string) {
	c.mu.Lock()
	st.asked, st.askedAt = asked, c.now()
	for _, s := range env.Spec.Sources {
		if r := c.repos[types.NamespacedName{Namespace: env.Namespace, Name: s.Repository}]; r != nil {
			r.hooked = true
		}
	}
	c.mu.Unlock()
	for _, s := range env.Spec.Sources {
		c.repoQueue.add(env.Namespace, s.Repository)
	}
	for _, n := range c.fleet.Apps(fleet.Environment{Namespace: env.Namespace, Name: env.Name}) {
		c.appQueue.add(n.Namespace, n.Object())
	}
}

// find reads the apps of an environment from its sources, if anything changed since they were read last.
func (c *controller) find(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment) error {
	c.setWaits(st, true) // before the look, so that a head that comes after it wakes us
	heads, read, asked := c.heads(ctx, env)
	if !asked {
		return nil
	}
	placed, word, known := c.attempts(ctx, env, st)
	if st.hopeful.unread = !known; !known {
		return nil
	}
	c.setWaits(st, false)
	read += word
	c.mu.Lock()
	again := st.again
	st.again = false
	if st.relist {
		if asked, failed := c.askedSince(env, st.unknown); asked && !failed {
			st.listed, st.relist, again = false, false, true
		} else { // who made what is not known here may have read a newer commit
			c.envQueue.after(e.Namespace, e.Name, lateAgain)
		}
	}
	c.mu.Unlock()
	if read == st.read && !again && (st.torn.IsZero() || c.now().Before(st.torn)) {
		return nil
	}
	began := c.now()
	if !again && env.Spec.Venue == nil && st.listed && st.torn.IsZero() && word == "" && st.hopeful.laid == "" && c.further(ctx, e, env, st, heads) {
		c.metrics.stage("discover", c.now().Sub(began), st.survey.wrong)
		st.read = read
		return nil
	}
	st.survey = nil
	found := c.findIn(heads)
	if env.Spec.Venue != nil {
		found.only(env.Spec.Venue)
	}
	found.lay(placed)
	st.hopeful.laid = word
	clashed := c.clash(e, &found)
	c.metrics.stage("discover", c.now().Sub(began), found.problem())
	c.mu.Lock()
	st.sources, st.problem, st.wrong, st.commit, st.clashed = found.sources, found.err, summary(found.wrong), "", clashed
	if len(heads) > 0 && heads[0].err == nil {
		st.commit = heads[0].head.Commit.Short()
	}
	c.mu.Unlock()
	if err := c.adopt(ctx, e, env, st, found); err != nil {
		return err
	}
	st.read, st.torn = read, time.Time{}
	if found.torn {
		st.torn = c.now().Add(tornAgain)
	}
	return nil
}

func (c *controller) setWaits(st *environment, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.waits = waits
}
