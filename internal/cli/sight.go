package cli

import (
	"context"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/kin/gather"
)

// sight is what a command needs that looks at the objects of apps.
type sight struct {
	ours      client.WithWatch
	cluster   *gather.Cluster
	namespace string // where Fairlead's objects are looked for; empty for all
}

// open connects to the cluster that the flags choose.
func (t *target) open(w IO) (*sight, error) {
	namespace, err := t.place(w)
	if err != nil {
		return nil, err
	}
	config, err := t.config(w)
	if err != nil {
		return nil, err
	}
	c, err := t.connect(w)
	if err != nil {
		return nil, err
	}
	objects, err := gather.Open(config)
	if err != nil {
		return nil, err
	}
	return &sight{ours: c, cluster: objects, namespace: namespace}, nil
}

// query looks for what apps claim, and where they put it.
func (f *fleet) query(apps []v1alpha1.App) gather.Query {
	var q gather.Query
	for i := range apps {
		a := &apps[i]
		q.Apps = append(q.Apps, ownerOf(a))
		q.Namespaces = append(q.Namespaces, f.destination(a), a.Namespace)
	}
	slices.Sort(q.Namespaces)
	q.Namespaces = slices.Compact(q.Namespaces)
	return q
}

func ownerOf(a *v1alpha1.App) app.Owner { return app.Owner{Namespace: a.Namespace, Name: a.Name} }

// environment returns the Environment of an app; nil if it is gone.
func (f *fleet) environment(a *v1alpha1.App) *v1alpha1.Environment {
	i := slices.IndexFunc(f.envs, func(e v1alpha1.Environment) bool { return e.Namespace == a.Namespace && e.Name == a.Spec.Environment })
	if i < 0 {
		return nil
	}
	return &f.envs[i]
}

// destination is the namespace of an app's objects that name none.
func (f *fleet) destination(a *v1alpha1.App) string {
	env := f.environment(a)
	if env == nil {
		return a.Namespace
	}
	return controller.Destination(env, a.Spec.Name)
}

// rules are the health rules of an app's environment. Those of its fairlead.yaml are in Git, and not known here.
func (f *fleet) rules(a *v1alpha1.App) health.Rules {
	env := f.environment(a)
	if env == nil {
		return health.Rules{}
	}
	rules, err := health.Compile(controller.HealthOf(env.Spec.Health))
	if err != nil {
		return health.Rules{} // the Environment says what is wrong with them
	}
	return rules.In(a.Namespace, a.Spec.Environment)
}

// grown is an app and all that it runs.
type grown struct {
	app   v1alpha1.App
	place string // the namespace of what names none
	nodes []kin.Node
	spent int // objects that were left out: see kin.Spent
}

// grow finds all that apps run.
func (s *sight) grow(ctx context.Context, f *fleet, apps []v1alpha1.App, spent bool) ([]grown, gather.Found, error) {
	found, err := s.cluster.Find(ctx, f.query(apps))
	if err != nil {
		return nil, found, err
	}
	var all []grown
	for i := range apps {
		a := &apps[i]
		g := grown{app: *a, place: f.destination(a), nodes: kin.Grow(found.Objects, ownerOf(a), f.rules(a).Assess)}
		if !spent {
			g.nodes, g.spent = kin.Prune(g.nodes, func(n kin.Node) bool { return !kin.Spent(n.Object) })
		}
		all = append(all, g)
	}
	return all, found, nil
}

// hidden says in one line what of apps cannot be seen, empty if nothing is missed: an App says how many objects it claims.
func hidden(all []grown, found gather.Found) string {
	missed := 0
	for _, g := range all {
		missed += max(int(g.app.Status.Objects)-len(g.nodes), 0)
	}
	var parts []string
	if missed > 0 && len(found.Unseen) > 0 {
		parts = append(parts, plural(missed, "claimed object")+" cannot be seen: you may not list "+strings.Join(found.Unseen, ", "))
	}
	if len(found.UnseenBelow) > 0 {
		parts = append(parts, "what controllers made is not complete: you may not list "+strings.Join(found.UnseenBelow, ", "))
	}
	return strings.Join(parts, "; ")
}
