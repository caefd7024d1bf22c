package migrate_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/migrate"
	"github.com/fairlead-cd/fairlead/internal/object"
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
					reflect.ValueOf(&o).Elem().FieldByName(name).SetString(value)
				}
			default:
				continue
			}
			kept = append(kept, f)
		}
		ar.Files = kept
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

func shown(r migrate.Result) string {
	return string(object.Stream(r.Objects)) + fmt.Sprint(r.Files, r.Notes)
}
