package migrate_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/migrate"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// TestFlux runs testdata/flux: "objects" are those of Flux, each line of "options" is one, and the rest is what they mean.
func TestFlux(t *testing.T) { run(t, "testdata/flux/*.txtar", migrate.Flux) }

// TestArgoCD runs testdata/argocd.
func TestArgoCD(t *testing.T) { run(t, "testdata/argocd/*.txtar", migrate.ArgoCD) }

func run(t *testing.T, pattern string, means func([]object.Object, migrate.Options) migrate.Result) {
	t.Helper()
	golden.Run(t, pattern, func(t *testing.T, ar *txtar.Archive) {
		var objs []object.Object
		var o migrate.Options
		var given string
		files := sourcetest.Files{}
		kept := ar.Files[:0]
		for _, f := range ar.Files {
			switch f.Name {
			case "objects.yaml":
				var err error
				if objs, err = object.Parse(f.Name, f.Data); err != nil {
					t.Fatal(err)
				}
			case "options":
				for line := range strings.Lines(string(f.Data)) {
					name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
					if name == "Given" {
						given = value
						continue
					}
					reflect.ValueOf(&o).Elem().FieldByName(name).SetString(value)
				}
			default:
				name, of := strings.CutPrefix(f.Name, "tree/")
				if !of {
					continue
				}
				files[name] = string(f.Data)
			}
			kept = append(kept, f)
		}
		ar.Files = kept
		if len(files) > 0 {
			o.Tree = treeOf(files)
			objs = writtenIn(t, files, given)
		}
		res := means(objs, o)
		golden.Set(ar, "means", string(object.Stream(res.Objects)))
		for _, f := range res.Files {
			golden.Set(ar, "file "+f.Path, f.Text)
		}
		var notes strings.Builder
		for _, n := range res.Notes {
			fmt.Fprintln(&notes, n)
		}
		golden.Set(ar, "notes", notes.String())

		for range 5 {
			rand.Shuffle(len(objs), func(i, j int) { objs[i], objs[j] = objs[j], objs[i] })
			if again := means(objs, o); !reflect.DeepEqual(shown(again), shown(res)) {
				t.Errorf("in another order they mean something else:\n%s\nand not\n%s", shown(again), shown(res))
			}
		}
	})
}

// treeOf is a tree as the command has it.
func treeOf(files sourcetest.Files) *migrate.Tree {
	return &migrate.Tree{
		Files: sourcetest.New(files), Remotes: []string{"https://git.example.com/fleet.git"}, Path: func(file string) string { return file },
		Render: func(b migrate.Build) (migrate.Built, error) {
			all := maps.Clone(files)
			maps.Copy(all, b.Files)
			req := render.Request{Tree: sourcetest.New(all), Dir: b.Dir, Place: render.Place{App: b.App, Namespace: b.Namespace}}
			if b.Values != nil {
				req.Rules.Substitute = &render.Substitute{Values: b.Values, Loose: true}
			}
			res, err := render.Render(req)
			return migrate.Built{Objects: res.Objects, Read: res.Inputs.Files()}, err
		},
	}
}

// writtenIn are the objects in the manifests below a directory.
func writtenIn(t *testing.T, files sourcetest.Files, dir string) []object.Object {
	t.Helper()
	var out []object.Object
	for name, text := range files {
		if !strings.HasPrefix(name, dir) || path.Base(name) == "kustomization.yaml" || path.Ext(name) != ".yaml" {
			continue
		}
		objs, err := object.Parse(name, []byte(text))
		if err != nil {
			continue // a template, or values
		}
		for _, x := range objs {
			if g := x.Key().Group; strings.HasSuffix(g, "toolkit.fluxcd.io") || g == "argoproj.io" {
				out = append(out, x)
			}
		}
	}
	return out
}

func shown(r migrate.Result) string {
	return string(object.Stream(r.Objects)) + fmt.Sprint(r.Files, r.Notes)
}
