package survey

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Request says where to look.
type Request struct {
	Tree source.Tree
	Dir  string // of the tree: what is outside of it counts, but is not shown
	// Patterns of directories that are apps, from the root of the tree; none: what the Environments of the tree say, and what can be guessed.
	Patterns []string
	// Namespace is given to the objects of apps which no Environment says it of. "{app}" stands for the app's name.
	Namespace string
}

// App is a directory that is an app.
type App struct {
	Name, Environment, Group string // see check.App
	Dir, Namespace           string
	// Files are the manifests of a directory of which it is not known whether it is an app, and so how it is rendered.
	Files  []string
	Hidden bool

	rules render.Rules
}

// Found is what there is.
type Found struct {
	Apps     []App
	Problems []discover.Problem // directories that a pattern matches and that cannot be apps
	Charts   []string           // directories that are Helm charts and, as far as is known, no apps: with which values they are rendered is not known
	// Declared are the files that say what is an app: what changes in them may change everything.
	Declared []string
	// Idle are Environments that match no directory of this tree: they may be about another repository.
	Idle []string
}

// Find looks for apps.
func Find(r Request) (Found, error) {
	scan, err := newScan(r.Tree, r.Dir)
	if err != nil {
		return Found{}, err
	}
	var f Found
	if len(r.Patterns) > 0 {
		err = f.patterns(r)
	} else {
		if err = f.environments(r.Tree, scan); err == nil {
			f.guess(r, scan)
		}
	}
	if err != nil {
		return Found{}, err
	}
	for i, a := range f.Apps {
		f.Apps[i].Hidden = !within(a.Dir, r.Dir) && !within(r.Dir, a.Dir)
	}
	f.Problems = slices.DeleteFunc(f.Problems, func(p discover.Problem) bool { return !within(p.Dir, r.Dir) })
	return f, nil
}

func (f *Found) patterns(r Request) error {
	for _, pattern := range r.Patterns {
		res, err := discover.Apps(r.Tree, pattern)
		if err != nil {
			return err
		}
		if len(res.Found)+len(res.Problems) == 0 {
			return fault.Newf(fault.Invalid, "%s matches no directory: a * matches within one element of a path", pattern)
		}
		f.Problems = append(f.Problems, res.Problems...)
		for _, a := range res.Found {
			f.Apps = append(f.Apps, App{Name: a.Name, Group: "pattern", Dir: a.Dir, Namespace: expand(r.Namespace, a.Name, "")})
		}
	}
	return nil
}

// environments finds the apps of the Environment objects of the whole tree.
func (f *Found) environments(tree source.Tree, s *scan) error {
	for _, e := range s.environments {
		f.Declared = append(f.Declared, e.file)
		matched := false
		for _, s := range e.sources {
			res, err := discover.Named(tree, s.pattern, s.name)
			if fault.KindOf(err) == fault.Invalid {
				continue // what is wrong with the Environment is said of the object
			}
			if err != nil {
				return err
			}
			matched = matched || len(res.Found)+len(res.Problems) > 0
			f.Problems = append(f.Problems, res.Problems...)
			for _, a := range res.Found {
				f.Apps = append(f.Apps, App{
					Name: a.Name, Environment: e.name, Group: fmt.Sprintf("environment %s/%s", e.namespace, e.name), Dir: a.Dir,
					Namespace: expand(e.destination, a.Name, e.name), rules: e.rules,
				})
			}
		}
		if !matched {
			f.Idle = append(f.Idle, e.name)
		}
	}
	return nil
}

func expand(namespace, app, environment string) string {
	return strings.NewReplacer("{app}", app, "{environment}", environment).Replace(namespace)
}

// guess adds what looks like an app and is none yet.
func (f *Found) guess(r Request, s *scan) {
	covered := func(dir string) bool {
		return slices.ContainsFunc(f.Apps, func(a App) bool { return within(dir, a.Dir) }) ||
			slices.ContainsFunc(f.Problems, func(p discover.Problem) bool { return within(dir, p.Dir) })
	}
	named := func(dir string, files []string) App {
		return App{Dir: dir, Files: files, Namespace: expand(r.Namespace, path.Base(dir), "")}
	}
	var guessed []App
	for _, dir := range s.roots(r.Dir) {
		if within(dir, r.Dir) && !covered(dir) {
			guessed = append(guessed, named(dir, nil))
		}
	}
	for _, dir := range s.declared {
		if within(dir, r.Dir) && !covered(dir) && !s.kustomized(dir) {
			guessed = append(guessed, named(dir, nil))
		}
	}
	declared := func(dir string) bool {
		return slices.ContainsFunc(s.declared, func(d string) bool { return within(dir, d) })
	}
	for _, dir := range slices.Sorted(maps.Keys(s.loose)) {
		// A directory of manifests says nothing of those below it.
		if within(dir, r.Dir) && !covered(dir) && !s.kustomized(dir) && !declared(dir) {
			guessed = append(guessed, named(dir, s.loose[dir]))
		}
	}
	for _, dir := range s.charts {
		switch {
		case !within(dir, r.Dir) || covered(dir) || declared(dir):
		case dir == r.Dir: // it is asked for by name
			guessed = append(guessed, named(dir, nil))
		default:
			f.Charts = append(f.Charts, dir)
		}
	}
	f.Apps = append(f.Apps, guessed...)
}

// within reports whether a path is a directory or lies in it.
func within(p, dir string) bool { return dir == "." || p == dir || strings.HasPrefix(p, dir+"/") }

// Environment is an Environment object that is written in a tree.
type Environment struct{ Name, Namespace, File string }

// Environments are those that are written anywhere in a tree. Files that cannot be read are left out.
func Environments(tree source.Tree) ([]Environment, error) {
	scan, err := newScan(tree, ".")
	if err != nil {
		return nil, err
	}
	var out []Environment
	for _, e := range scan.environments {
		out = append(out, Environment{Name: e.name, Namespace: e.namespace, File: e.file})
	}
	return out, nil
}
