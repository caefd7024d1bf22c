package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/nearest"
)

// namesHelp is the paragraph of --help about names.
const namesHelp = `An app is named ENV/APP, or ENV-APP as its App object is. A name alone is an environment, if there is one of that name.`

// kinds says what a command takes: what else is called by that name is then not meant.
type kinds struct{ envs, apps, repos bool }

// String lists them for an error.
func (k kinds) String() string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{{k.envs, "environment"}, {k.apps, "app"}, {k.repos, "repository"}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(append([]string{strings.Join(words[:last], ", ")}, words[last]), " or ")
}

// selection is what was named.
type selection struct {
	envs  []v1alpha1.Environment
	apps  []v1alpha1.App
	repos []v1alpha1.Repository
}

func (s selection) empty() bool { return len(s.envs)+len(s.apps)+len(s.repos) == 0 }

// choose finds what a name means, where the flags say, and returns who can be asked about it.
func (t *target) choose(ctx context.Context, w IO, name string, k kinds) (client.WithWatch, string, selection, error) {
	namespace, err := t.place(w)
	if err != nil {
		return nil, "", selection{}, err
	}
	c, err := t.connect(w)
	if err != nil {
		return nil, "", selection{}, err
	}
	f, err := read(ctx, c, namespace)
	if err != nil {
		return nil, "", selection{}, err
	}
	s, err := f.find(name, k)
	return c, namespace, s, err
}

// find returns everything that a name means: one object in one namespace, maybe more in several.
func (f *fleet) find(name string, k kinds) (selection, error) {
	var s selection
	if k.envs {
		s.envs = keep(f.envs, func(e v1alpha1.Environment) bool { return e.Name == name })
	}
	if k.apps && s.empty() {
		s.apps = keep(f.apps, func(a v1alpha1.App) bool { return appName(&a) == name || a.Name == name })
	}
	if k.repos && s.empty() {
		s.repos = keep(f.repos, func(r v1alpha1.Repository) bool { return r.Name == name })
	}
	if s.empty() {
		return s, f.unknown(name, k)
	}
	return s, nil
}

// findAll is find for several names; each object is there once. No name means all environments and apps.
func (f *fleet) findAll(names []string, k kinds) (selection, error) {
	if len(names) == 0 {
		return selection{envs: f.envs, apps: f.apps}, nil
	}
	var all selection
	for _, name := range names {
		s, err := f.find(name, k)
		if err != nil {
			return all, err
		}
		all.envs = append(all.envs, s.envs...)
		all.apps = append(all.apps, s.apps...)
		for _, e := range s.envs {
			all.apps = append(all.apps, f.of(&e)...)
		}
	}
	all.envs = slices.CompactFunc(all.envs, func(a, b v1alpha1.Environment) bool { return compare(&a, &b) == 0 })
	seen := map[string]bool{}
	all.apps = keep(all.apps, func(a v1alpha1.App) bool {
		key := a.Namespace + "/" + a.Name
		was := seen[key]
		seen[key] = true
		return !was
	})
	return all, nil
}

func keep[T any](all []T, is func(T) bool) []T {
	var out []T
	for _, x := range all {
		if is(x) {
			out = append(out, x)
		}
	}
	return out
}

// unknown names the nearest of what there is, or the namespaces that have it.
func (f *fleet) unknown(name string, k kinds) error {
	var known []string
	if k.envs {
		for _, e := range f.envs {
			known = append(known, e.Name)
		}
	}
	if k.apps {
		for _, a := range f.apps {
			if a.Spec.Name == name { // without its environment
				return fmt.Errorf("there is no %s %q: did you mean %q?", k, name, appName(&a))
			}
			known = append(known, appName(&a), a.Name)
		}
	}
	if k.repos {
		for _, r := range f.repos {
			known = append(known, r.Name)
		}
	}
	if near, ok := nearest.Of(name, known); ok {
		return fmt.Errorf("there is no %s %q: did you mean %q?", k, name, near)
	}
	if others := f.others(name, k); len(others) > 0 {
		return fmt.Errorf("there is no %s %q in %s, but there is in %s: -n names the namespace", k, name, f.where, clipList(others))
	}
	return fmt.Errorf("there is no %s %q in %s: 'fairlead status -A' shows all there are", k, name, f.where)
}

// others are the namespaces that have what was not found where it was looked for, as far as the person may see that.
func (f *fleet) others(name string, k kinds) []string {
	if f.elsewhere == nil {
		return nil
	}
	all, err := f.elsewhere()
	if err != nil {
		return nil // the error that led here says more
	}
	s, err := all.find(name, k)
	if err != nil {
		return nil
	}
	var in []string
	for _, e := range s.envs {
		in = append(in, e.Namespace)
	}
	for _, a := range s.apps {
		in = append(in, a.Namespace)
	}
	for _, r := range s.repos {
		in = append(in, r.Namespace)
	}
	slices.Sort(in)
	return slices.Compact(in)
}
