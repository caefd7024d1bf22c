package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/preview"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/report"
)

// supposition is what would be if Git were different: a copy of what is known of all apps, changed. What the controller knows is as before.
type supposition struct {
	c      *controller
	fleet  *fleet.Fleet
	claims map[app.Name]app.Claims // as they would be; of all other apps they are as they are
	apps   map[app.Name]*member    // copies
	kinds  map[object.GroupKind]bool
	spaces map[string]bool
	fresh  []app.Name // those that are read from something else than now
	// unread are the apps that could not be read this time, and might be another time.
	unread map[app.Name]error
	notes  []string
	// uncertain are the apps that were rendered elsewhere, and what was not known there.
	uncertain map[app.Name][]string
	// resumed says that nothing would be suspended.
	resumed bool
}

func (c *controller) suppose() *supposition {
	s := &supposition{
		c: c, claims: map[app.Name]app.Claims{}, apps: map[app.Name]*member{}, kinds: map[object.GroupKind]bool{}, spaces: map[string]bool{},
		unread: map[app.Name]error{}, uncertain: map[app.Name][]string{},
	}
	s.fleet = c.fleet.Clone(func(n app.Name) app.Claims {
		if claims, ok := s.claims[n]; ok {
			return claims
		}
		return c.engine.Claims(n)
	})
	return s
}

// world is what an app would meet.
func (s *supposition) world(n app.Name) engine.World {
	return engine.World{
		Neighbours: supposed{neighbours{s.fleet, s.c}, n.Owner(), s.letsGo},
		Claims:     func(claims app.Claims) { s.claims[n] = claims }, Kinds: s.kinds, Spaces: s.spaces,
	}
}

// supposed are the neighbours that an app would have. Which process has an app makes no difference to what is told: another's lets go what it no longer wants, a
// moment after it has read the commit, and is waited for only if it would not.
type supposed struct {
	neighbours
	of     app.Owner
	letsGo func(app.Name) bool
}

// Foreign implements engine.Neighbours.
func (n supposed) Foreign(by app.Owner) (app.Name, bool) {
	if !n.c.shared.Load() || n.c.owns(by) && n.c.owns(n.of) {
		return app.Name{}, false
	}
	m := n.c.known(by)
	if m == nil || n.letsGo(m.name) {
		return app.Name{}, false
	}
	return m.name, true
}

// letsGo reports whether an app lets go what it no longer wants, which is not known of one that cannot be read. One that a person stopped does. It may be asked by
// several goroutines.
func (s *supposition) letsGo(n app.Name) bool {
	m := s.apps[n]
	if m == nil {
		was := s.c.known(n.Owner())
		if was == nil {
			return true
		}
		m = was.shadow()
	}
	return m.broken == nil
}

// member returns the copy of an app, a new one if there is no such app.
func (s *supposition) member(n app.Name) *member {
	if m := s.apps[n]; m != nil {
		return m
	}
	was := s.c.known(n.Owner())
	m := &member{name: n, roll: newRoll()}
	if was != nil && was.name == n {
		m = was.shadow()
	}
	s.apps[n] = m
	return m
}

// shadow copies what is known of an app: nobody else sees the copy.
func (m *member) shadow() *member {
	m.mu.Lock()
	defer m.unlock()
	out := &member{
		name: m.name, roll: newRoll(), place: m.place, env: m.env, wanted: m.wanted, pending: m.pending, removed: m.removed, broken: m.broken,
		questions: m.questions, rendered: m.rendered, round: m.round, objects: m.objects, packed: m.packed, origins: m.origins, digest: m.digest, inputs: m.inputs, decl: m.decl, rules: m.rules, ruled: m.ruled, declared: m.declared,
	}
	out.status, out.written = *m.status.DeepCopy(), *m.written.DeepCopy()
	return out
}

// move lets an environment be read at other heads.
func (s *supposition) move(ctx context.Context, env *v1alpha1.Environment, heads []sourceHead) error {
	e := fleet.Environment{Namespace: env.Namespace, Name: env.Name}
	found := s.c.findIn(heads)
	if len(found.failed) > 0 {
		return fault.New(cmp.Or(fault.KindOf(found.err), fault.Invalid), fmt.Errorf("environment %s cannot be read: %w", env.Name, found.err))
	}
	missing, err := s.c.missing(ctx, e, found.apps, true)
	if err != nil {
		return err
	}
	var all, changed, removed []app.Name
	for name, p := range found.apps {
		n := app.Name{Namespace: e.Namespace, Environment: e.Name, App: name}
		other := s.c.known(n.Owner())
		switch {
		case other != nil && other.name != n:
			found.strays = append(found.strays, p)
			continue
		case len(n.Object()) > 63:
			p.problem = fault.Newf(fault.Invalid, "%s: the name %s has more than 63 characters, the most that a label holds", p.dir, n.Object())
		}
		all = append(all, n)
		if s.member(n).found(p, env) {
			changed = append(changed, n)
		}
	}
	for _, n := range missing {
		m := s.member(n)
		m.gone(env, found.revisionOf(m.source()))
		removed = append(removed, n)
	}
	slices.SortFunc(changed, app.Name.Compare)
	s.fleet.Found(e, budgetOf(env), all, changed, removed)
	for _, wrong := range found.wrong {
		s.notes = append(s.notes, "environment "+env.Name+": "+clipText(wrong, 500))
	}
	strays := make([]fleet.Stray, 0, len(found.strays))
	for _, p := range found.strays {
		strays = append(strays, fleet.Stray{Dir: p.dir, Mentions: p.mentions(Destination(env, path.Base(p.dir)))})
	}
	s.fleet.Strays(e, strays)
	_, rules, _ := s.c.settings(e)
	for _, n := range changed {
		if err := s.read(ctx, s.member(n), rules); err != nil {
			return err
		}
	}
	s.fresh = append(s.fresh, changed...)
	return nil
}

// read renders an app from where it would be.
func (s *supposition) read(ctx context.Context, m *member, envRules app.Health) error {
	round, p := s.fleet.Round(m.name), m.place
	at := p.tip.head()
	if p.problem != nil {
		s.fleet.Broken(m.name, round, p.problem.Error(), m.mentions())
		m.take(p, at, round, taken{err: p.problem})
		return nil
	}
	req, _ := s.c.requestOf(ctx, m.env, m.name, at.snapshot.Tree, p.dir)
	res, err := s.c.renders(req)
	if ctx.Err() != nil {
		return cmp.Or(err, ctx.Err())
	}
	if err != nil && fault.KindOf(err) == fault.Transient { // a registry that is down stands in the way of who needs it
		s.unread[m.name] = err
	}
	var rules health.Rules
	if err == nil {
		if rules, err = rulesFor(envRules, m.env, res.Declaration); err != nil {
			err = fmt.Errorf("%s: %w", path.Join(p.dir, app.DeclarationFile), err)
		}
	}
	res.Declaration.DependsOn = p.needs(m.name.App, res.Declaration.DependsOn)
	m.take(p, at, round, taken{res, rules, ruled(envRules, res.Declaration.Health), err})
	if err != nil {
		s.fleet.Broken(m.name, round, err.Error(), m.mentions())
		return nil
	}
	s.fleet.Needs(m.name, res.Declaration.DependsOn)
	return nil
}

// give lets apps want what was rendered elsewhere.
func (s *supposition) give(ctx context.Context, env *v1alpha1.Environment, req preview.Request) error {
	e := fleet.Environment{Namespace: env.Namespace, Name: env.Name}
	_, rules, _ := s.c.settings(e)
	var all, changed, removed []app.Name
	for _, n := range s.fleet.Apps(e) {
		given := slices.ContainsFunc(req.Rendered, func(r preview.Rendered) bool { return r.App == n.App })
		switch {
		case given:
		case s.member(n).isRemoved():
			removed = append(removed, n)
		case req.Whole:
			s.member(n).gone(env, v1alpha1.Revision{})
			removed = append(removed, n)
		default:
			all = append(all, n)
		}
	}
	for _, r := range req.Rendered {
		n := app.Name{Namespace: e.Namespace, Environment: e.Name, App: r.App}
		all, changed = append(all, n), append(changed, n)
	}
	s.fleet.Found(e, budgetOf(env), all, changed, removed)
	for _, r := range req.Rendered {
		s.giveOne(ctx, env, rules, r)
	}
	s.fresh = append(s.fresh, changed...)
	return ctx.Err()
}

// giveOne lets an app want what was rendered elsewhere. One that cannot be read stands in nobody's way but its own.
func (s *supposition) giveOne(ctx context.Context, env *v1alpha1.Environment, rules app.Health, r preview.Rendered) {
	m := s.member(app.Name{Namespace: env.Namespace, Environment: env.Name, App: r.App})
	needs := m.place.needs(r.App, r.DependsOn)
	m.env, m.removed = env, false
	for _, what := range r.Unread[:min(len(r.Unread), 10)] {
		s.uncertain[m.name] = append(s.uncertain[m.name], clipText(what, 300))
	}
	took := taken{ruled: ruled(rules, m.decl.Health)}
	took.Declaration = app.Declaration{DependsOn: needs, Health: m.decl.Health}
	took.Objects, took.err = s.complete(ctx, env, m.name, r)
	if took.err == nil {
		took.rules, took.err = health.Compile(rules, m.decl.Health)
	}
	if took.err != nil && r.Broken == "" && fault.KindOf(took.err) == fault.Transient {
		s.unread[m.name] = took.err
	}
	round := s.fleet.Round(m.name)
	m.take(m.place, m.place.tip.head(), round, took)
	if took.err != nil {
		s.fleet.Broken(m.name, round, took.err.Error(), m.mentions())
		return
	}
	s.fleet.Needs(m.name, needs)
}

// complete are the objects of what was rendered elsewhere: what variables are, and the key of the hashes, is known here alone.
func (s *supposition) complete(ctx context.Context, env *v1alpha1.Environment, n app.Name, r preview.Rendered) ([]object.Object, error) {
	if r.Broken != "" {
		return nil, fault.New(fault.Invalid, errors.New(r.Broken))
	}
	objs, err := r.Objects()
	if err != nil {
		return nil, err
	}
	at, _ := s.c.requestOf(ctx, env, n, nil, "")
	return render.Complete(at, objs)
}

// settle tells the fleet what all apps want that are read from something else than now.
func (s *supposition) settle(ctx context.Context) error {
	for _, n := range s.fresh {
		m := s.member(n)
		if m.broken != nil {
			continue
		}
		subject, _, err := s.subject(ctx, m)
		if err != nil {
			return err
		}
		err = s.c.engine.Wants(ctx, subject, s.world(n))
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				s.unread[n] = err
			}
			s.fleet.Broken(n, subject.Round, err.Error(), m.mentions())
		}
	}
	return nil
}

// subject describes an app as it would be.
func (s *supposition) subject(ctx context.Context, m *member) (engine.Subject, *v1alpha1.App, error) {
	env, _, _ := s.c.settings(fleet.Of(m.name))
	if env == nil {
		return engine.Subject{}, nil, fault.Newf(fault.Transient, "environment %s is gone", m.name.Environment)
	}
	obj := &v1alpha1.App{}
	err := s.c.client.Get(ctx, client.ObjectKey{Namespace: m.name.Namespace, Name: m.name.Object()}, obj)
	if err != nil && !apierrors.IsNotFound(err) {
		return engine.Subject{}, nil, err
	}
	subject := s.c.subject(ctx, m, env, obj)
	subject.Policy.Suspended = subject.Policy.Suspended && !s.resumed
	return subject, obj, nil
}

// tell foresees what would be done to one app, and whether it would be ready then: those that depend on it wait for that.
func (s *supposition) tell(ctx context.Context, n app.Name, tag preview.Tagger) (preview.App, error) {
	m := s.member(n)
	subject, obj, err := s.subject(ctx, m)
	if err != nil {
		return preview.App{}, err
	}
	waits := ""
	if m.broken == nil && !m.removed {
		waits = s.fleet.Waits(n)
		subject.Blocked = cmp.Or(subject.Blocked, waits)
	}
	var out engine.Preview
	err = s.unread[n]
	if err == nil {
		out, err = s.c.engine.Preview(ctx, subject, s.world(n))
	}
	if err != nil && ctx.Err() != nil {
		return preview.App{}, fmt.Errorf("plan app %s: %w", n.App, err)
	}
	if err != nil { // of the others it can be told
		s.fleet.Ready(n, false)
		return preview.App{Name: n.App, Unknown: clipText(err.Error(), 2000)}, nil
	}
	m.locate(&engine.Outcome{Plan: out.Last})
	a := preview.Of(n.App, out.Foreseen, out.Seen, tag)
	a.Namespace, a.Removed, a.After, a.Uncertain = out.Namespace, m.removed, m.decl.DependsOn, s.uncertain[n]
	if broken := cmp.Or(m.broken, out.Unplaced); broken != nil {
		a.Broken, a.Blocked = clipText(broken.Error(), 2000), ""
	}
	suspended := ""
	if subject.Policy.Suspended {
		suspended, _ = suspension(m.env, obj)
	}
	s.fleet.Ready(n, isReady(report.App(report.Finding{
		Was: m.status, Now: s.c.now(), Wanted: m.wanted, Broken: cmp.Or(m.broken, out.Unplaced), Removed: m.removed, Suspended: suspended, Waits: waits,
		Looked: true, Plan: out.Last, Health: out.Health, Claimed: len(out.Last.Claims),
	})))
	return a, nil
}

// sorted returns the apps of an environment so that each comes after those it depends on; of one app alone, those and the app.
func (s *supposition) sorted(e fleet.Environment, only string) []app.Name {
	var out []app.Name
	done := map[app.Name]bool{}
	all := s.fleet.Apps(e)
	var visit func(n app.Name)
	visit = func(n app.Name) {
		if done[n] || !slices.Contains(all, n) {
			return
		}
		done[n] = true
		for _, need := range slices.Sorted(slices.Values(s.member(n).decl.DependsOn)) {
			visit(app.Name{Namespace: n.Namespace, Environment: n.Environment, App: need})
		}
		out = append(out, n)
	}
	for _, n := range all {
		if only == "" || n.App == only {
			visit(n)
		}
	}
	return out
}
