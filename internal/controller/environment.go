package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/discover"
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
	rules   app.Health
	ruleErr error
	read    string // what the apps were last found in: the spec's generation and the commits
	waits   bool   // a head was not known yet when it was looked for
	again   bool   // it has to be read again though nothing of that changed
	clashed bool   // an app was not taken because another environment has one of that name
	sources []v1alpha1.SourceStatus
	commit  string
	problem error
	synced  string    // the sync request that was carried out
	asked   string    // the sync request that is being carried out
	askedAt time.Time // when it was seen
	status  v1alpha1.EnvironmentStatus
	known   bool
}

func (c *controller) reconcileEnvironment(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	e := fleet.Environment{Namespace: req.Namespace, Name: req.Name}
	if err := c.preload(ctx); err != nil {
		return reconcile.Result{}, err
	}
	var env v1alpha1.Environment
	err := c.client.Get(ctx, req.NamespacedName, &env)
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, c.dropEnvironment(ctx, e)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	st := c.environment(e, &env)
	if !env.DeletionTimestamp.IsZero() {
		return c.deleteEnvironment(ctx, e, &env)
	}
	if err := c.finalize(ctx, &env); err != nil {
		return reconcile.Result{}, err
	}
	if asked := env.Annotations[AnnotationSync]; asked != st.synced && asked != st.asked {
		c.requestSync(&env, st, asked)
	}
	before := st.read
	c.find(ctx, e, &env, st)
	if st.read != before && c.isBusy(e) {
		return reconcile.Result{RequeueAfter: statusDelay}, nil // one status for the commit and for what its apps make of it
	}
	if st.read == "" {
		return reconcile.Result{}, nil // nothing is known yet that would be worth saying
	}
	return reconcile.Result{}, c.environmentStatus(ctx, e, &env, st)
}

func (c *controller) environment(e fleet.Environment, env *v1alpha1.Environment) *environment {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.envs[e]
	if st == nil {
		st = &environment{status: *env.Status.DeepCopy(), synced: env.Status.LastHandledSync, known: true}
		c.envs[e] = st
	}
	if st.spec == nil || st.spec.Generation != env.Generation {
		st.rules = healthOf(env.Spec.Health)
		_, st.ruleErr = health.Compile(st.rules)
	}
	st.spec = env.DeepCopy()
	return st
}

func healthOf(h *v1alpha1.Health) app.Health {
	if h == nil {
		return app.Health{}
	}
	out := app.Health{Deadline: h.Deadline.Duration}
	for _, r := range h.Rules {
		out.Rules = append(out.Rules, app.HealthRule(r))
	}
	return out
}

// finalize sets or drops the finalizer as spec.deletion says.
func (c *controller) finalize(ctx context.Context, env *v1alpha1.Environment) error {
	want := env.Spec.Deletion == v1alpha1.DeletionPrune
	if want == controllerutil.ContainsFinalizer(env, finalizer) {
		return nil
	}
	base := env.DeepCopy()
	if want {
		controllerutil.AddFinalizer(env, finalizer)
	} else {
		controllerutil.RemoveFinalizer(env, finalizer)
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
func (c *controller) find(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment) {
	c.setWaits(st, true) // before the look, so that a head that comes after it wakes us
	heads, read, asked := c.heads(ctx, env)
	if !asked {
		return
	}
	c.setWaits(st, false)
	c.mu.Lock()
	again := st.again
	st.again = false
	c.mu.Unlock()
	if read == st.read && !again {
		return
	}
	began := c.now()
	found := c.findIn(heads)
	clashed := c.clash(e, &found)
	c.metrics.stage("discover", c.now().Sub(began), found.err)
	c.mu.Lock()
	st.sources, st.problem, st.commit, st.clashed = found.sources, found.err, "", clashed
	if len(heads) > 0 && heads[0].err == nil {
		st.commit = heads[0].head.Commit.Short()
	}
	c.mu.Unlock()
	c.adopt(ctx, e, env, st, found)
	st.read = read
}

func (c *controller) setWaits(st *environment, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.waits = waits
}

// sourceHead is one source of an environment and what its ref names.
type sourceHead struct {
	source v1alpha1.Source
	head   head
	err    error // why there is no usable head
	note   error // why the head may be old
}

// heads returns what every source names now, and a text that changes when any of it, or the spec, does. It is false if a repository has not been asked yet.
func (c *controller) heads(ctx context.Context, env *v1alpha1.Environment) ([]sourceHead, string, bool) {
	out := make([]sourceHead, 0, len(env.Spec.Sources))
	read := fmt.Sprint(env.Generation)
	for _, s := range env.Spec.Sources {
		x, asked := c.headOf(ctx, env.Namespace, s)
		if !asked {
			return nil, "", false
		}
		out = append(out, x)
		read += fmt.Sprintf(" %s@%s %v %v", s.Repository, x.head.Commit, x.err, x.note)
	}
	return out, read, true
}

// headOf returns what one source names now; false if its repository has not been asked yet.
func (c *controller) headOf(ctx context.Context, namespace string, s v1alpha1.Source) (sourceHead, bool) {
	x := sourceHead{source: s}
	name := types.NamespacedName{Namespace: namespace, Name: s.Repository}
	var repo v1alpha1.Repository
	if err := c.client.Get(ctx, name, &repo); apierrors.IsNotFound(err) {
		x.err = fault.Newf(fault.Invalid, "Repository %s does not exist: create it, or correct spec.sources", name)
		return x, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repos[name]
	if r == nil {
		return x, false
	}
	h, ok := r.heads[refOf(s.Ref)]
	switch {
	case ok && h.snapshot.Tree != nil:
		x.head, x.note = h, cmp.Or(h.err, r.err)
	case ok:
		x.err = h.err
	case r.err != nil:
		x.err = fmt.Errorf("repository %s: %w", s.Repository, r.err)
	default:
		return x, false
	}
	return x, true
}

// finding is the apps that were found, and what stands in the way.
type finding struct {
	apps    map[string]place // by app name
	sources []v1alpha1.SourceStatus
	// failed are the sources that could not be read: their apps stay as they are.
	failed map[string]bool // by repository and path
	err    error           // the first problem of the environment as a whole

	revisions map[string]v1alpha1.Revision // by repository and path
	strays    []place                      // directories that cannot be apps
}

// revisionOf is the commit that a source was read at.
func (f finding) revisionOf(source string) v1alpha1.Revision { return f.revisions[source] }

// place is where an app was found; problem is why it cannot be used.
type place struct {
	repository, dir, pattern string
	head                     head
	problem                  error
}

func (c *controller) findIn(heads []sourceHead) finding {
	f := finding{apps: map[string]place{}, failed: map[string]bool{}, revisions: map[string]v1alpha1.Revision{}}
	var read []discover.Source
	var at []sourceHead // beside read
	for _, h := range heads {
		st := v1alpha1.SourceStatus{Repository: h.source.Repository, Path: h.source.Path}
		err := h.err
		if err == nil {
			st.Revision = h.head.Revision()
			var res discover.Result
			if res, err = search(h); err == nil {
				st.Apps = int32(len(res.Found))
				f.revisions[h.source.Repository+" "+h.source.Path] = h.head.revision()
				read = append(read, discover.Source{Place: "repository " + h.source.Repository + ", " + h.source.Path, Result: res})
				at = append(at, h)
			}
		}
		if err != nil {
			f.failed[h.source.Repository+" "+h.source.Path] = true
		}
		if err = cmp.Or(err, h.note); err != nil {
			st.Error = clipText(err.Error(), 500)
			f.err = errors.Join(f.err, err)
		}
		f.sources = append(f.sources, st)
	}
	f.merge(discover.Merge(read...), at)
	return f
}

// search finds the apps of one source. That its directory does not exist is an error: it is more likely a mistake than the end of every app.
func search(h sourceHead) (discover.Result, error) {
	res, err := discover.Apps(h.head.snapshot.Tree, h.source.Path)
	if err == nil && res.Missing != "" {
		err = fault.Newf(fault.Invalid, "directory %s does not exist in %s: no app is found there, and none is removed", res.Missing, h.head.Revision())
	}
	return res, err
}

// merge notes where each app is. A directory that cannot be used is an app with a problem: that is not the same as no app.
func (f *finding) merge(res discover.Result, at []sourceHead) {
	put := func(name, dir string, i int, problem error) {
		h := at[i]
		f.apps[name] = place{repository: h.source.Repository, dir: dir, pattern: h.source.Path, head: h.head, problem: problem}
	}
	for _, x := range res.Found {
		put(x.Name, x.Dir, x.Source, nil)
	}
	for _, p := range res.Problems {
		err := fault.Newf(fault.Invalid, "%s", p)
		f.err = errors.Join(f.err, err)
		if len(validation.IsDNS1123Label(p.Name)) > 0 {
			f.strays = append(f.strays, place{dir: p.Dir, head: at[p.Source].head, problem: err})
		} else if _, ok := f.apps[p.Name]; !ok {
			put(p.Name, p.Dir, p.Source, err)
		}
	}
}

// clash leaves out the apps whose App would have the name of another environment's: "eu-web" of "prod" and "web" of "prod-eu" are both prod-eu-web. Who was
// first stays.
func (c *controller) clash(e fleet.Environment, f *finding) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	clashed := false
	for _, name := range slices.Sorted(maps.Keys(f.apps)) {
		n := app.Name{Namespace: e.Namespace, Environment: e.Name, App: name}
		other := c.apps[n.Owner()]
		if other == nil {
			c.apps[n.Owner()] = &member{name: n} // taken, before anybody else can
			continue
		}
		if other.name == n {
			continue
		}
		p := f.apps[name]
		p.problem = fault.Newf(fault.Invalid, "app %s of environment %s and app %s of environment %s would both be App %s: rename one",
			n.App, n.Environment, other.name.App, other.name.Environment, n.Object())
		f.err = errors.Join(f.err, p.problem)
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

// adopt tells the fleet and the apps what was found.
func (c *controller) adopt(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, f finding) {
	var all, changed, removed, unread []app.Name
	for name, p := range f.apps {
		n := app.Name{Namespace: e.Namespace, Environment: e.Name, App: name}
		if len(n.Object()) > 63 {
			p.problem = fault.Newf(fault.Invalid, "%s: the name %s has more than 63 characters, the most that a label holds: shorten the directory or the environment", p.dir, n.Object())
		}
		all = append(all, n)
		m := c.member(n)
		fresh := m.found(p, env)
		if m.isRetired() {
			fresh = c.member(n).found(p, env)
		}
		if fresh {
			changed = append(changed, n)
		}
	}
	for _, n := range c.known(ctx, e) {
		if _, ok := f.apps[n.App]; ok {
			continue
		}
		m := c.member(n)
		if m.name != n {
			continue
		}
		// As long as a source cannot be read, that an app was not found says nothing, unless its own source was read: it may be in the one that was not,
		// since somebody may just have changed the path, and not well.
		if _, read := f.revisions[m.source()]; len(f.failed) > 0 && !read {
			all = append(all, n)
			if m.unread(env, f.err) {
				unread = append(unread, n)
			}
			continue
		}
		m.gone(f.revisionOf(m.source()))
		removed = append(removed, n)
	}
	c.fleet.Found(e, budgetOf(env), all, changed, removed)
	strays := make([]fleet.Stray, 0, len(f.strays))
	for _, p := range f.strays {
		strays = append(strays, fleet.Stray{Dir: p.dir, Mentions: p.mentions(namespaceOf(env, path.Base(p.dir)))})
	}
	c.fleet.Strays(e, strays)
	for _, n := range unread {
		// A source that is down must not stop the deletions of all others; what its apps are known to claim stays safe.
		c.fleet.Broken(n, c.fleet.Round(n), "its source cannot be read", func(k object.Key) bool { _, claimed := c.engine.Claims(n)[k]; return claimed })
	}
	wake := slices.Concat(changed, removed, unread)
	if ruleless := st.status.ObservedGeneration != env.Generation; ruleless {
		wake = slices.Concat(all, removed)
	}
	for _, n := range wake {
		c.appQueue.add(n.Namespace, n.Object())
	}
	c.log.InfoContext(ctx, "apps found", "environment", env.Namespace+"/"+env.Name, "commit", st.commit,
		"apps", len(all), "changed", len(changed), "removed", len(removed), "error", f.err)
	if len(changed) == 0 {
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

// known lists the apps that an environment had: those in memory, and those that an earlier process wrote.
func (c *controller) known(ctx context.Context, e fleet.Environment) []app.Name {
	names := c.fleet.Apps(e)
	var apps v1alpha1.AppList
	if err := c.client.List(ctx, &apps, client.InNamespace(e.Namespace)); err != nil {
		return names
	}
	for i := range apps.Items {
		spec := apps.Items[i].Spec
		n := app.Name{Namespace: e.Namespace, Environment: e.Name, App: spec.Name}
		if spec.Environment == e.Name && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// dropEnvironment forgets an Environment that was deleted, and releases what its apps claim: the objects go on running.
func (c *controller) dropEnvironment(ctx context.Context, e fleet.Environment) error {
	if exists, err := c.environmentExists(ctx, e); err != nil || exists {
		return err
	}
	c.mu.Lock()
	delete(c.envs, e) // from here on no pass of its apps begins
	c.mu.Unlock()
	names := c.fleet.Apps(e)
	for _, n := range names {
		if err := c.engine.Release(ctx, n); err != nil {
			return err
		}
		c.metrics.forget(n)
	}
	c.fleet.Drop(e)
	c.mu.Lock()
	for _, n := range names {
		delete(c.apps, n.Owner())
	}
	c.mu.Unlock()
	if len(names) > 0 {
		c.log.InfoContext(ctx, "environment deleted: its objects are released and go on running", "environment", e.Namespace+"/"+e.Name, "apps", len(names))
	}
	return nil
}

// deleteEnvironment prunes an Environment that is being deleted and asked for it, then lets it go.
func (c *controller) deleteEnvironment(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(env, finalizer) {
		return reconcile.Result{}, nil
	}
	names := c.known(ctx, e)
	left := 0
	for _, n := range names {
		c.member(n).gone(v1alpha1.Revision{})
		if len(c.engine.Claims(n)) > 0 {
			left++
		}
	}
	why, gone := c.identityGone(ctx, env)
	switch {
	case left == 0:
	case env.Spec.Deletion != v1alpha1.DeletionPrune:
		left = 0 // somebody changed his mind
	case gone:
		c.warn(env, "Released", "Delete", fmt.Sprintf("%s: the objects of %d apps are released instead of deleted and go on running", why, left))
		left = 0
	}
	if left > 0 {
		c.fleet.Found(e, fleet.Budget{MaxObjects: -1, MaxPercent: -1, Everything: true}, nil, nil, names)
		for _, n := range names {
			c.appQueue.add(n.Namespace, n.Object())
		}
		return reconcile.Result{RequeueAfter: 2 * time.Second}, c.deletionStatus(ctx, e, env, left)
	}
	base := env.DeepCopy()
	controllerutil.RemoveFinalizer(env, finalizer)
	return reconcile.Result{}, client.IgnoreNotFound(c.client.Patch(ctx, env, client.MergeFrom(base)))
}

// deletionStatus says what an Environment that is being deleted waits for, and how not to.
func (c *controller) deletionStatus(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, left int) error {
	st := c.environment(e, env)
	next := *st.status.DeepCopy()
	var worst string
	next.ObservedGeneration = env.Generation
	next.Apps, worst = c.count(e)
	message := fmt.Sprintf("is being deleted with the objects of its apps: %d apps have some left; to leave them running, set spec.deletion to Release%s", left, worst)
	setConditions(&next.Conditions, env.Generation, c.now(), false, next.Apps.Failed+next.Apps.Held > 0, "Deleting", message)
	if equality.Semantic.DeepEqual(next, st.status) {
		return nil
	}
	if err := c.patchStatus(ctx, env, st.status, next, st.status.ObservedGeneration == 0); err != nil {
		return err
	}
	st.status = *next.DeepCopy()
	return nil
}

// identityGone reports whether the ServiceAccount that would delete an environment's objects is gone, or its namespace is.
func (c *controller) identityGone(ctx context.Context, env *v1alpha1.Environment) (string, bool) {
	var sa metav1.PartialObjectMetadata
	sa.APIVersion, sa.Kind = "v1", "ServiceAccount"
	name := types.NamespacedName{Namespace: env.Namespace, Name: env.Spec.Destination.ServiceAccount}
	err := c.reader.Get(ctx, name, &sa)
	if apierrors.IsNotFound(err) || err == nil && !sa.DeletionTimestamp.IsZero() {
		return "ServiceAccount " + name.String() + " is gone", true
	}
	var ns metav1.PartialObjectMetadata
	ns.APIVersion, ns.Kind = "v1", "Namespace"
	err = c.reader.Get(ctx, types.NamespacedName{Name: env.Namespace}, &ns)
	if apierrors.IsNotFound(err) || err == nil && !ns.DeletionTimestamp.IsZero() {
		return "namespace " + env.Namespace + " is going", true
	}
	return "", false
}

// environmentStatus writes where an environment stands, if that changed.
func (c *controller) environmentStatus(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment) error {
	next := *st.status.DeepCopy()
	c.mu.Lock()
	if st.asked != "" && c.polledSince(env, st.askedAt) && !c.busy(e) {
		st.synced, st.asked = st.asked, ""
	}
	next.ObservedGeneration, next.LastHandledSync = env.Generation, st.synced
	next.Commit, next.Sources = st.commit, slices.Clone(st.sources)
	problem := errors.Join(st.ruleErr, st.problem)
	c.mu.Unlock()
	var worst string
	next.Apps, worst = c.count(e)
	reason, message := "Ready", fmt.Sprintf("%d of %d apps are ready", next.Apps.Ready, next.Apps.Total)
	ready := problem == nil && next.Apps.Ready == next.Apps.Total
	switch {
	case problem != nil:
		reason, message = "SourceFailed", clipText(problem.Error(), 700)
	case env.Spec.Sync.Suspend:
		reason, message, ready = "Suspended", suspendedText(env), false
	case !ready:
		reason, message = "Apps", message+worst
	}
	setConditions(&next.Conditions, env.Generation, c.now(), ready, problem != nil && stalled(problem) || next.Apps.Failed+next.Apps.Held > 0, reason, message)
	if equality.Semantic.DeepEqual(next, st.status) {
		return nil
	}
	if problem != nil && !sameMessage(st.status.Conditions, message) {
		c.warn(env, reason, "Find", message)
	}
	if err := c.patchStatus(ctx, env, st.status, next, st.status.ObservedGeneration == 0); err != nil {
		return err
	}
	st.status = *next.DeepCopy()
	return nil
}

// polledSince reports whether every repository of an environment has been asked since. The lock is held.
func (c *controller) polledSince(env *v1alpha1.Environment, since time.Time) bool {
	for _, s := range env.Spec.Sources {
		r := c.repos[types.NamespacedName{Namespace: env.Namespace, Name: s.Repository}]
		if r != nil && !r.polled.After(since) {
			return false
		}
	}
	return true
}

// busy reports whether an app of an environment has something new to look at. The lock is held.
func (c *controller) busy(e fleet.Environment) bool {
	for _, m := range c.apps {
		if fleet.Of(m.name) == e && m.isDirty() {
			return true
		}
	}
	return false
}

func (c *controller) isBusy(e fleet.Environment) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy(e)
}

// count counts the apps by how they are, and names the first that is not well.
func (c *controller) count(e fleet.Environment) (v1alpha1.AppCounts, string) {
	var n v1alpha1.AppCounts
	worst := ""
	for _, name := range c.fleet.Apps(e) {
		m := c.member(name)
		st := m.stored()
		n.Total++
		ready := isReady(st) && !m.isDirty()
		switch {
		case ready:
			n.Ready++
		case st.Phase == v1alpha1.PhaseHeld:
			n.Held++
		case isFailed(st):
			n.Failed++
		}
		if !ready && worst == "" && st.Reason != "" {
			worst = "; " + name.App + ": " + st.Reason
		}
	}
	return n, clipText(worst, 400)
}

func suspendedText(env *v1alpha1.Environment) string {
	text := "suspended"
	if by := env.Annotations["fairlead.dev/suspended-by"]; by != "" {
		text += " by " + by
	}
	if why := env.Annotations["fairlead.dev/suspended-because"]; why != "" {
		text += ": " + why
	}
	return clipText(strings.TrimSpace(text), 300)
}
