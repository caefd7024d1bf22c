package kin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
)

var web = app.Owner{Namespace: "shop", Name: "prod-web"}

// TestGrow: a file holds the objects of a cluster, and how those of the app shop/prod-web hang together.
func TestGrow(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		objs, err := object.Parse("objects.yaml", ar.Files[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		nodes := kin.Grow(objs, web, health.Rules{}.Assess)
		var b strings.Builder
		for depth, n := range kin.All(nodes) {
			spent := ""
			if kin.Spent(n.Object) {
				spent = " (spent)"
			}
			fmt.Fprintf(&b, "%s%s: %s%s\n", strings.Repeat("  ", depth), n.Object, n.Health, spent)
		}
		golden.Set(ar, "tree", b.String())
		kept, left := kin.Prune(nodes, func(n kin.Node) bool { return !kin.Spent(n.Object) })
		golden.Set(ar, "counts", fmt.Sprintf("%d objects, %d spent\n", kin.Count(kept...), left))
	})
}

// TestGrowLaws: whatever refers to what, every object is there once at most, what is claimed is on top, and the rest is below one of its owners.
func TestGrowLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "objects")
		var objs []object.Object
		claimed := 0
		for i := range n {
			is := rapid.Bool().Draw(t, "claimed")
			refs := rapid.SliceOfN(rapid.IntRange(0, n), 0, 3).Draw(t, "owners")
			if is {
				claimed++
			}
			objs = append(objs, made(i, is, refs))
		}
		nodes := kin.Grow(objs, web, health.Rules{}.Assess)
		if len(nodes) != claimed {
			t.Fatalf("%d roots, %d are claimed", len(nodes), claimed)
		}
		seen := map[string]bool{}
		check(t, nodes, seen)
		again := kin.Grow(append(slices.Clone(objs), objs...), web, health.Rules{}.Assess)
		if kin.Count(again...) != kin.Count(nodes...) {
			t.Fatalf("what is listed twice makes %d of %d", kin.Count(again...), kin.Count(nodes...))
		}
	})
}

func check(t *rapid.T, nodes []kin.Node, seen map[string]bool) {
	for _, n := range nodes {
		if seen[n.Object.UID()] {
			t.Fatalf("%s is there twice", n.Object)
		}
		seen[n.Object.UID()] = true
		for _, m := range n.Made {
			if !slices.ContainsFunc(kin.Refs(m.Object), func(r kin.Ref) bool { return r.UID == n.Object.UID() }) {
				t.Fatalf("%s is below %s, which is no owner of it", m.Object, n.Object)
			}
		}
		check(t, n.Made, seen)
	}
}

func made(i int, claimed bool, owners []int) object.Object {
	meta := map[string]any{"name": fmt.Sprint("o", i), "uid": fmt.Sprint(i)}
	if claimed {
		meta["labels"] = map[string]any{app.LabelApp: web.Name, app.LabelNamespace: web.Namespace}
		meta["managedFields"] = []any{map[string]any{"manager": "fairlead", "operation": "Apply"}}
	}
	var refs []any
	for _, owner := range owners {
		refs = append(refs, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": fmt.Sprint("o", owner), "uid": fmt.Sprint(owner)})
	}
	meta["ownerReferences"] = refs
	return object.New(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
}
