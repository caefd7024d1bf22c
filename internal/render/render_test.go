package render_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

const cases = "testdata/*.txtar"

// outputs are the files of an archive that are expectations; the others are the tree, whose app is the directory "app".
var outputs = []string{"want/objects", "want/error", "want/inputs"}

// split tells the files of the tree from the expectations.
func split(ar *txtar.Archive) (files sourcetest.Files, want map[string]string) {
	files, want = sourcetest.FromArchive(ar), map[string]string{}
	for _, name := range outputs {
		if data, ok := files[name]; ok {
			want[name] = data
			delete(files, name)
		}
	}
	return files, want
}

// TestRender runs testdata/*.txtar.
func TestRender(t *testing.T) {
	golden.Run(t, cases, func(t *testing.T, ar *txtar.Archive) {
		files, _ := split(ar)
		got := outcome(t, sourcetest.New(files))
		golden.Drop(ar, outputs...)
		for _, name := range outputs {
			if data, ok := got[name]; ok {
				golden.Set(ar, name, data)
			}
		}
	})
}

func outcome(t *testing.T, tree *archive.Tree) map[string]string {
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
