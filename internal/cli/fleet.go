package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// fleet is the objects of Fairlead in one namespace, or in all of them, sorted by namespace and name.
type fleet struct {
	envs  []v1alpha1.Environment
	apps  []v1alpha1.App
	repos []v1alpha1.Repository
	where string // was looked, for errors
	// elsewhere reads all namespaces, for errors; nil if they are read already.
	elsewhere func() (*fleet, error)
}

// connect returns a client for Fairlead's objects.
func (t *target) connect(w IO) (client.WithWatch, error) {
	config, err := t.config(w)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

// read lists what there is in a namespace; empty means all.
func read(ctx context.Context, c client.Reader, namespace string) (*fleet, error) {
	var envs v1alpha1.EnvironmentList
	var apps v1alpha1.AppList
	var repos v1alpha1.RepositoryList
	for _, list := range []client.ObjectList{&envs, &apps, &repos} {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			if meta.IsNoMatchError(err) {
				return nil, errNotInstalled
			}
			return nil, fmt.Errorf("list %T: %w", list, err)
		}
	}
	f := &fleet{envs: envs.Items, apps: apps.Items, repos: repos.Items, where: "namespace " + namespace}
	if namespace == "" {
		f.where = "any namespace"
	} else {
		f.elsewhere = func() (*fleet, error) { return read(ctx, c, "") }
	}
	slices.SortFunc(f.envs, func(a, b v1alpha1.Environment) int { return compare(&a, &b) })
	slices.SortFunc(f.apps, func(a, b v1alpha1.App) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Spec.Environment, b.Spec.Environment), cmp.Compare(a.Spec.Name, b.Spec.Name))
	})
	slices.SortFunc(f.repos, func(a, b v1alpha1.Repository) int { return compare(&a, &b) })
	return f, nil
}

func compare(a, b client.Object) int {
	return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}

// of returns the apps of an environment.
func (f *fleet) of(env *v1alpha1.Environment) []v1alpha1.App {
	var out []v1alpha1.App
	for _, a := range f.apps {
		if a.Namespace == env.Namespace && a.Spec.Environment == env.Name {
			out = append(out, a)
		}
	}
	return out
}

// appName is how people write an app: environment/app.
func appName(a *v1alpha1.App) string { return a.Spec.Environment + "/" + a.Spec.Name }

// now returns what a selection has become.
func (f *fleet) now(s selection) selection {
	return selection{
		envs:  keep(f.envs, func(e v1alpha1.Environment) bool { return len(s.envs) > 0 && compare(&e, &s.envs[0]) == 0 }),
		apps:  keep(f.apps, func(a v1alpha1.App) bool { return len(s.apps) > 0 && compare(&a, &s.apps[0]) == 0 }),
		repos: keep(f.repos, func(r v1alpha1.Repository) bool { return len(s.repos) > 0 && compare(&r, &s.repos[0]) == 0 }),
	}
}

// read returns the Repositories that a selection is read from.
func (f *fleet) read(s selection) []v1alpha1.Repository {
	return keep(f.repos, func(r v1alpha1.Repository) bool {
		is := func(src v1alpha1.Source) bool { return src.Repository == r.Name }
		return slices.ContainsFunc(s.repos, func(x v1alpha1.Repository) bool { return compare(&x, &r) == 0 }) ||
			slices.ContainsFunc(s.apps, func(a v1alpha1.App) bool { return a.Namespace == r.Namespace && a.Spec.Repository == r.Name }) ||
			slices.ContainsFunc(s.envs, func(e v1alpha1.Environment) bool {
				return e.Namespace == r.Namespace && slices.ContainsFunc(e.Spec.Sources, is)
			})
	})
}
