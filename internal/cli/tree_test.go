package cli

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/kin/gather"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// TestTree runs testdata/tree/*.txtar.
func TestTree(t *testing.T) {
	golden.Run(t, "testdata/tree/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		objs, err := object.Parse("objects.yaml", ar.Files[1].Data)
		if err != nil {
			t.Fatal(err)
		}
		var all []grown
		for _, a := range parse(t, ar.Files[0].Data).apps {
			g := grown{app: a, place: "shop", nodes: kin.Grow(objs, ownerOf(&a), health.Rules{}.Assess)}
			g.nodes, g.spent = kin.Prune(g.nodes, func(n kin.Node) bool { return !kin.Spent(n.Object) })
			all = append(all, g)
		}
		now := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
		for _, look := range []struct {
			name string
			style
		}{{"drawn", style{}}, {"narrow", style{width: 70}}, {"coloured", style{colours: true}}} {
			var b bytes.Buffer
			if err := drawTree(all, now).print(&b, look.style); err != nil {
				t.Fatal(err)
			}
			golden.Set(ar, look.name, strings.ReplaceAll(b.String(), "\x1b", "^"))
		}
		var b bytes.Buffer
		states := statesOf(all)
		for _, name := range slices.Sorted(maps.Keys(states)) {
			fmt.Fprintf(&b, "%s: %s\n", name, states[name])
		}
		golden.Set(ar, "states", b.String())
		b.Reset()
		note := hidden(all, gather.Found{Unseen: []string{"secrets"}, UnseenBelow: []string{"pods"}})
		if err := output("yaml").print(&b, treeOf(all, note)); err != nil {
			t.Fatal(err)
		}
		golden.Set(ar, "yaml", b.String())
	})
}

func TestTurns(t *testing.T) {
	was := map[string]string{"web": "Progressing", "old": "Healthy", "same": "Healthy"}
	is := map[string]string{"web": "Healthy", "new": "Missing", "same": "Healthy"}
	got := turns(was, is, time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC))
	want := `2026-03-03T10:00:00Z + new: Missing
2026-03-03T10:00:00Z - old
2026-03-03T10:00:00Z   web: Progressing → Healthy
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
