package survey

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/check"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/schema"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Rendered is an app, and what it depends on.
type Rendered struct {
	check.App
	// Touches reports whether a change of a file bears on the app.
	Touches func(path string) bool
	// Closed are the files and objects whose values are encrypted: placeholders stand for them.
	Closed []object.Origin
}

// Render renders apps side by side, in their order. What is wrong with one is part of it; an error is one of the tree itself.
// Fetch is asked for charts and bases that are not in the tree; nil: nobody is.
func Render(ctx context.Context, tree source.Tree, apps []App, fetch render.Outside) ([]Rendered, error) {
	out := make([]Rendered, len(apps))
	files := origin.NewFiles(tree)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, a := range apps {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			out[i], err = rendered(tree, files, a, fetch)
			return err
		})
	}
	return out, group.Wait()
}

func rendered(tree source.Tree, files *origin.Files, a App, fetch render.Outside) (Rendered, error) {
	r := Rendered{App: check.App{
		Name: a.Name, Environment: a.Environment, Group: a.Group, Dir: a.Dir, Namespace: a.Namespace, Hidden: a.Hidden, Origins: origin.New(files, a.Dir),
		Open: a.Environment == "" || a.rules.Substitute != nil && a.rules.Substitute.Loose,
	}}
	if a.Files != nil {
		r.Guessed = true
		r.loose(tree, a.Files)
		r.Touches = func(p string) bool { return path.Dir(p) == a.Dir }
		return r, nil
	}
	res, err := render.Render(render.Request{
		Tree: tree, Dir: a.Dir, Place: render.Place{App: a.Name, Environment: a.Environment, Namespace: a.Namespace}, Rules: a.rules,
		Decryption: render.Decryption{Look: true}, Fetch: fetch,
	})
	for _, c := range res.Charts {
		if !c.Pinned() {
			r.Unpinned = append(r.Unpinned, unpinned(c))
		}
	}
	r.Doubled = doubled(tree, a.Dir, res.Values)
	r.Objects, r.Sealed, r.Touches, r.Closed = res.Objects, res.Sealed, res.Inputs.Touches, res.Closed
	if err == nil {
		return r, nil
	}
	if fault.KindOf(err) != fault.Invalid && fetch == nil {
		return r, fmt.Errorf("render %s: %w", a.Dir, err)
	}
	if res.Kind != render.Helm && res.Kind != render.Jsonnet { // whose texts need not be YAML
		r.Broken = broken(tree, res.Inputs.Files())
	}
	if len(r.Broken) == 0 {
		t := trouble(err, a.Dir)
		t.Elsewhere = errors.Is(err, render.ErrNotFetched)
		r.Broken = []check.Trouble{t}
	}
	return r, nil
}

// unpinned is a chart that may be another one tomorrow.
func unpinned(c render.ChartNamed) check.Trouble {
	what := c.Version
	if what == "" {
		what = "the newest"
	}
	return trouble(fault.Newf(fault.Invalid, "%s: the version of chart %s of %s is %s, a range: what is delivered changes when a newer chart is published", c.At, c.Name, c.URL, what), c.At)
}

// doubled are the keys that stand twice in the values that an app gives a chart: in files of them, or in its declaration. Of a file that is no YAML, the render says so.
func doubled(tree source.Tree, dir string, files []string) []check.Trouble {
	var out []check.Trouble
	look := func(name string, within ...string) {
		data, err := tree.ReadFile(name)
		if err != nil {
			return
		}
		docs, _ := object.Documents(name, data)
		for _, d := range docs {
			for _, t := range object.TwiceIn(below(d, within...)) {
				out = append(out, check.Trouble{
					Place:   origin.Place{File: name, Line: t.Line, Column: t.Column},
					Message: fmt.Sprintf("%s is written twice, first on line %d: the last one counts", object.Object{}.Show(append(object.PathOf(within...), t.Path...)), t.First),
				})
			}
		}
	}
	files = slices.Clone(files)
	slices.Sort(files)
	for _, name := range slices.Compact(files) {
		look(name)
	}
	look(path.Join(dir, app.DeclarationFile), "helm", "values")
	return out
}

// below is the value at some keys of a map; an empty node if there is none.
func below(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		next := &yaml.Node{}
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}

// loose reads manifests of which it is not known how they are rendered. What is no object is left out.
func (r *Rendered) loose(tree source.Tree, files []string) {
	for _, name := range files {
		data, err := tree.ReadFile(name)
		if err != nil {
			r.Broken = append(r.Broken, check.Trouble{Place: origin.Place{File: name}, Message: err.Error()})
			continue
		}
		found, err := render.LookAt(name, data)
		r.Closed = append(r.Closed, found.Closed...)
		if err == nil {
			// A template of some other program can be YAML all the same.
			template := func(o object.Object) bool { return strings.Contains(o.Name(), "{{") }
			r.Objects = append(r.Objects, slices.DeleteFunc(found.Objects, template)...)
			r.Sealed = append(r.Sealed, slices.DeleteFunc(found.Sealed, template)...)
			continue
		}
		if strings.Contains(err.Error(), "{{ … }} is a template") {
			continue // of some other program
		}
		docs, syntax := object.Documents(name, data)
		if syntax != nil {
			t := trouble(syntax, name)
			t.Syntax = true
			r.Broken = append(r.Broken, t)
		} else if manifests(docs) {
			r.Broken = append(r.Broken, trouble(err, name))
		}
	}
}

// manifests reports whether all documents of a file are meant to be objects: they have what all objects have, or are of a kind of Kubernetes. Configurations
// of programs have an apiVersion and a kind as well.
func manifests(docs []*yaml.Node) bool {
	for _, d := range docs {
		if d.ShortTag() == "!!null" {
			continue
		}
		said := map[string]string{}
		for i := 0; d.Kind == yaml.MappingNode && i+1 < len(d.Content); i += 2 {
			said[d.Content[i].Value] = d.Content[i+1].Value
		}
		_, hasVersion := said["apiVersion"]
		_, hasKind := said["kind"]
		_, hasMetadata := said["metadata"]
		if hasVersion && hasKind && hasMetadata {
			continue
		}
		if _, known := kubernetes().Namespaced(object.ParseGVK(said["apiVersion"], said["kind"]).GroupKind()); !known {
			return false
		}
	}
	return true
}

// kubernetes is the kinds of the latest version: enough to tell whether a kind is one of Kubernetes' own.
var kubernetes = sync.OnceValue(func() *schema.Catalog {
	c, err := schema.Builtin("")
	if err != nil {
		panic(err) // Invariant: the latest version is known.
	}
	return c
})

// broken are the files that are no YAML, of those that a render has read.
func broken(tree source.Tree, files []string) []check.Trouble {
	var out []check.Trouble
	for _, name := range files {
		if slices.Contains(kustomizationNames, path.Base(name)) {
			// A render ends at the first file that is wrong: the others of the list are looked at all the same.
			for _, p := range (&scan{tree: tree}).read(name).refers {
				files = append(files, path.Join(path.Dir(name), p))
			}
		}
	}
	slices.Sort(files)
	for _, name := range slices.Compact(files) {
		if !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)) && !slices.Contains(kustomizationNames, path.Base(name)) {
			continue
		}
		data, err := tree.ReadFile(name)
		if err != nil {
			continue
		}
		if _, err := object.Documents(name, data); err != nil {
			t := trouble(err, name)
			t.Syntax = true
			out = append(out, t)
		}
	}
	return out
}

var placed = regexp.MustCompile(`^([^\s:]+):(\d+): `)

// trouble takes the place out of an error.
func trouble(err error, otherwise string) check.Trouble {
	text := err.Error()
	t := check.Trouble{Place: origin.Place{File: otherwise}, Message: text}
	if m := placed.FindStringSubmatch(text); m != nil {
		t.Place.File = m[1]
		t.Place.Line, _ = strconv.Atoi(m[2])
		t.Place.Column = 1
		t.Message = text[len(m[0]):]
	} else if name, rest, ok := strings.Cut(text, ": "); ok && !strings.Contains(name, " ") && strings.Contains(name, otherwise) {
		t.Place.File, t.Message = name, rest
	}
	return t
}
