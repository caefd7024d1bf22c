package controller

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
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
	again   bool      // it has to be read again though nothing of that changed
	torn    time.Time // when to read it again, since its files could not be read; zero if they could
	strays  []place   // directories that cannot be apps, as they were read last
	clashed bool      // an app was not taken because another environment has one of that name
	found   int       // how many apps there are
	woken   int64     // the generation that all apps were told of
	roll    *roll
	survey  *survey // of the last finding; nil if the next has to look at everything
	sources []v1alpha1.SourceStatus
	commit  string
	problem error
	wrong   string    // which directories cannot be apps, and why; empty if all can
	synced  string    // the sync request that was carried out
	asked   string    // the sync request that is being carried out
	askedAt time.Time // when it was seen
	since   time.Time // when this process saw it first
	stored[v1alpha1.EnvironmentStatus]
	hold hold   // whether its object is written by this process
	open error  // why changes by hand are not refused though they are to be
	kin  string // the environments that it shares names of apps with, and those names
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
	st := c.environment(e, &env)
	st.edition = last
	ctx, done, mine := c.share.Act(ctx, keyOfEnvironment(e))
	defer done()
	defer cutShort(ctx, &res, &err)
	if mine {
		if err := c.takeEnvironment(ctx, e, st); err != nil {
			return reconcile.Result{}, err
		}
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
	if err := c.find(ctx, e, &env, st); err != nil {
		return reconcile.Result{}, err
	}
	var again time.Duration
	if !st.torn.IsZero() {
		again = max(st.torn.Sub(c.now()), time.Millisecond)
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
		return reconcile.Result{}, nil // nothing is known yet that would be worth saying
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
		_, st.ruleErr = health.Compile(st.rules)
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
	c.setWaits(st, false)
	c.mu.Lock()
	again := st.again
	st.listed, st.relist = st.listed && !st.relist, false
	st.again = false
	c.mu.Unlock()
	if read == st.read && !again && (st.torn.IsZero() || c.now().Before(st.torn)) {
		return nil
	}
	began := c.now()
	if !again && st.listed && st.torn.IsZero() && c.further(ctx, e, env, st, heads) {
		c.metrics.stage("discover", c.now().Sub(began), st.survey.wrong)
		st.read = read
		return nil
	}
	st.survey = nil
	found := c.findIn(heads)
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

// clash leaves out the apps whose App would have the name of another environment's: "eu-web" of "prod" and "web" of "prod-eu" are both prod-eu-web. Who was
// first stays.
func (c *controller) clash(e fleet.Environment, f *finding) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var fresh []string
	for name := range f.apps {
		n := app.Name{Namespace: e.Namespace, Environment: e.Name, App: name}
		if m := c.apps[n.Owner()]; m == nil || m.name != n {
			fresh = append(fresh, name)
		}
	}
	slices.Sort(fresh)
	clashed := false
	for _, name := range fresh {
		n := app.Name{Namespace: e.Namespace, Environment: e.Name, App: name}
		other := c.apps[n.Owner()]
		if other == nil {
			c.join(n) // taken, before anybody else can
			continue
		}
		p := f.apps[name]
		p.problem = fault.Newf(fault.Invalid, "app %s of environment %s and app %s of environment %s would both be App %s: rename one",
			n.App, n.Environment, other.name.App, other.name.Environment, n.Object())
		f.wrong = append(f.wrong, p.problem.Error())
		f.strays = append(f.strays, p)
		delete(f.apps, name)
		clashed = true
	}
	return clashed
}

// unclash looks again at the environments that had an app of a name which is free now.
func (c *controller) unclash(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e, st := range c.envs {
		if e.Namespace == namespace && st.clashed {
			st.again = true
			c.envQueue.add(e.Namespace, e.Name)
		}
	}
}

// news is what a finding tells of the apps of an environment.
type news struct {
	found int        // how many there are
	all   []app.Name // the same by name, unless they are those of the last finding
	// changed have to be read anew, removed are gone, the source of unread cannot be read.
	changed, removed, unread []app.Name
	strays                   []place
	problem                  error // what is wrong with the sources
	stale                    bool  // there is a commit, and nobody knows what it wants
}

// adopt tells the apps where they were found, and all that follows from that.
func (c *controller) adopt(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, f finding) error {
	missing, err := c.missing(ctx, e, f.apps, !st.listed) // once an environment was read, whatever has an App object is in memory
	if err != nil {
		return err
	}
	st.listed = true
	st.strays = append(f.strays, slices.DeleteFunc(st.strays, func(p place) bool { return !f.failed[p.source()] })...)
	n := news{all: make([]app.Name, 0, len(f.apps)), strays: st.strays, problem: f.problem(), stale: f.torn || f.soon}
	fresh := map[*member]bool{}
	for name, p := range f.apps {
		x := app.Name{Namespace: e.Namespace, Environment: e.Name, App: name}
		if len(x.Object()) > 63 {
			p.problem = fault.Newf(fault.Invalid, "%s: the name %s has more than 63 characters, the most that a label holds: shorten the directory or the environment", p.dir, x.Object())
		}
		n.all = append(n.all, x)
		m := c.member(x)
		is := m.found(p, env)
		if m.isRetired() {
			m = c.member(x)
			is = m.found(p, env)
		}
		if fresh[m] = is; is {
			n.changed = append(n.changed, x)
		}
	}
	for _, x := range missing {
		m := c.member(x)
		if m.name != x {
			continue
		}
		// As long as a source cannot be read, that an app was not found says nothing, unless its own source was read: it may be in the one that was not,
		// since somebody may just have changed the path, and not well.
		if _, read := f.revisions[m.source()]; len(f.failed) > 0 && !read {
			if m.isRemoved() { // that was read before; what keeps its objects may not be readable now
				n.removed = append(n.removed, x)
				continue
			}
			n.all = append(n.all, x)
			if m.unread(env, f.err) {
				n.unread = append(n.unread, x)
			}
			continue
		}
		m.gone(f.revisionOf(m.source()))
		n.removed = append(n.removed, x)
	}
	st.survey = newSurvey(env, f, n.removed)
	for m, is := range fresh {
		st.survey.place(m, is)
	}
	st.found = len(n.all)
	n.found = st.found
	c.spread(ctx, e, env, st, n)
	return nil
}

// spread tells the fleet what was found, and wakes the apps that it concerns.
func (c *controller) spread(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, n news) {
	c.fleet.Found(e, budgetOf(env), n.all, n.changed, n.removed)
	if n.stale {
		c.fleet.Stale(e)
	}
	strays := make([]fleet.Stray, 0, len(n.strays))
	for _, p := range n.strays {
		strays = append(strays, fleet.Stray{Dir: p.dir, Mentions: p.mentions(Destination(env, path.Base(p.dir)))})
	}
	c.fleet.Strays(e, strays)
	for _, x := range n.unread {
		// A source that is down must not stop the deletions of all others; what its apps are known to claim stays safe.
		c.fleet.Broken(x, c.fleet.Round(x), "its source cannot be read", func(k object.Key) bool { _, claimed := c.engine.Claims(x)[k]; return claimed })
	}
	wake := slices.Concat(n.changed, n.removed, n.unread)
	if st.woken != env.Generation {
		st.woken, wake = env.Generation, slices.Concat(n.all, n.removed)
	}
	for _, x := range wake {
		c.appQueue.add(x.Namespace, x.Object())
	}
	c.log.InfoContext(ctx, "apps found", "environment", env.Namespace+"/"+env.Name, "commit", st.commit,
		"apps", n.found, "changed", len(n.changed), "removed", len(n.removed), "error", n.problem)
	if len(n.changed) == 0 {
		c.wakeWaiting()
	}
}

func budgetOf(env *v1alpha1.Environment) fleet.Budget {
	b := fleet.Budget{MaxObjects: -1, MaxPercent: -1}
	if p := env.Spec.Sync.Prune.MaxObjects; p != nil {
		b.MaxObjects = int(*p)
	}
	if p := env.Spec.Sync.Prune.MaxPercent; p != nil {
		b.MaxPercent = int(*p)
	}
	return b
}

// missing lists the apps that an environment had and that are not found: those in memory, those that have claims, and, if stored, those that have an App object.
func (c *controller) missing(ctx context.Context, e fleet.Environment, found map[string]place, stored bool) ([]app.Name, error) {
	names := map[app.Name]bool{}
	note := func(n app.Name) {
		if _, ok := found[n.App]; !ok {
			names[n] = true
		}
	}
	for _, n := range c.fleet.Apps(e) {
		note(n)
	}
	c.mu.Lock()
	for _, m := range c.apps {
		if fleet.Of(m.name) == e && c.engine.Claims(m.name) != nil { // a record without claims has to go, too
			note(m.name)
		}
	}
	c.mu.Unlock()
	if stored {
		var apps v1alpha1.AppList
		if err := c.client.List(ctx, &apps, client.InNamespace(e.Namespace), client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list the Apps of environment %s: %w", e.Name, err)
		}
		for i := range apps.Items {
			if spec := &apps.Items[i].Spec; spec.Environment == e.Name {
				note(app.Name{Namespace: e.Namespace, Environment: e.Name, App: spec.Name})
			}
		}
	}
	return slices.SortedFunc(maps.Keys(names), app.Name.Compare), nil
}
