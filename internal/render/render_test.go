package render_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// outputs are the files of an archive that are expectations; the others are the tree, whose app is the directory "app".
var outputs = []string{"want/objects", "want/error", "want/inputs"}

func readCase(t testing.TB, file string) (*txtar.Archive, *sourcetest.Tree, map[string]string) {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files, want := sourcetest.FromArchive(a), map[string]string{}
	for _, name := range outputs {
		if data, ok := files[name]; ok {
			want[name] = data
			delete(files, name)
		}
	}
	return a, sourcetest.New(files), want
}

// TestRender runs testdata/*.txtar.
func TestRender(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, tree, want := readCase(t, file)
			got := outcome(t, tree)
			if *update {
				rewrite(t, file, a, got)
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func outcome(t *testing.T, tree *sourcetest.Tree) map[string]string {
	t.Helper()
	res, err := render.Render(render.Request{Tree: tree, Dir: "app"})
	got := map[string]string{"want/inputs": res.Inputs.String()}
	if ok, unchangedErr := res.Inputs.Unchanged(tree); !ok || unchangedErr != nil {
		t.Errorf("the inputs have changed in the same tree: %v", unchangedErr)
	}
	if err != nil {
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v is not fault.Invalid", err)
		}
		got["want/error"] = err.Error() + "\n"
		return got
	}
	var b strings.Builder
	for _, o := range res.Objects {
		fmt.Fprintf(&b, "# %s %s\n%s", res.Kind, o.Origin(), o.YAML())
	}
	got["want/objects"] = b.String()
	return got
}

func rewrite(t *testing.T, file string, a *txtar.Archive, got map[string]string) {
	t.Helper()
	out := &txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		if !strings.HasPrefix(f.Name, "want/") {
			out.Files = append(out.Files, f)
		}
	}
	for _, name := range outputs {
		if data, ok := got[name]; ok {
			out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(data)})
		}
	}
	if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
		t.Fatal(err)
	}
}
