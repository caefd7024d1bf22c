package controller

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/object"
)

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
		m.gone(env, f.revisionOf(m.source()))
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
