package order_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
)

var kinds = []struct{ apiVersion, kind string }{
	{"v1", "Namespace"},
	{"apiextensions.k8s.io/v1", "CustomResourceDefinition"},
	{"v1", "Secret"},
	{"v1", "ServiceAccount"},
	{"storage.k8s.io/v1", "StorageClass"},
	{"apps/v1", "Deployment"},
	{"example.com/v1", "Widget"},
	{"v1", "Service"},
	{"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"},
	{"apiregistration.k8s.io/v1", "APIService"},
}

func drawObjects(t *rapid.T) []object.Object {
	objs := make([]object.Object, rapid.IntRange(0, 30).Draw(t, "count"))
	for i := range objs {
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		o := object.New(map[string]any{"apiVersion": k.apiVersion, "kind": k.kind, "metadata": map[string]any{"name": fmt.Sprint(i)}})
		if wave := rapid.IntRange(-2, 3).Draw(t, "wave"); wave != 3 {
			o = o.With(fmt.Sprint(wave), "metadata", "annotations", "fairlead.dev/wave")
		}
		objs[i] = o
	}
	return objs
}

func TestBatchesLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objs := drawObjects(t)
		batches, err := order.Batches(objs)
		if err != nil {
			t.Fatal(err)
		}
		text := show(batches, nil)

		// The order of the input is irrelevant.
		again, _ := order.Batches(rapid.Permutation(objs).Draw(t, "shuffled"))
		if other := show(again, nil); other != text {
			t.Fatalf("input order matters:\n%s\n%s", text, other)
		}

		// Every object is there exactly once.
		var keys []object.Key
		for _, b := range batches {
			for _, o := range b.Objects() {
				keys = append(keys, o.Key())
			}
		}
		want, _ := object.NewSet(objs...)
		slices.SortFunc(keys, object.Key.Compare)
		if !slices.Equal(keys, want.Keys()) {
			t.Fatalf("objects %v, batches hold %v", want.Keys(), keys)
		}
		checkAscending(t, batches)
	})
}

// checkAscending: early first, waves and tiers strictly ascending, nothing empty.
func checkAscending(t *rapid.T, batches []order.Batch) {
	for i, b := range batches {
		if b.Early != (order.Tier(b.Objects()[0].Key().GroupKind()) == 0) || b.Early && i > 0 {
			t.Fatalf("batch %d is early: %v", i, b.Early)
		}
		if i > 0 && !batches[i-1].Early && batches[i-1].Wave >= b.Wave {
			t.Fatalf("wave %d after %d", b.Wave, batches[i-1].Wave)
		}
		last := -1
		for _, tier := range b.Tiers {
			n := order.Tier(tier[0].Key().GroupKind())
			if n <= last {
				t.Fatalf("tier %d after %d", n, last)
			}
			last = n
			for _, o := range tier {
				if wave, _ := order.Wave(o); order.Tier(o.Key().GroupKind()) != n || !b.Early && wave != b.Wave {
					t.Fatalf("%s is in wave %d, tier %d", o, b.Wave, n)
				}
			}
		}
	}
}

func TestCycle(t *testing.T) {
	for _, c := range []struct{ edges, want string }{
		{"", ""},
		{"a:b b:c a:c", ""},
		{"a:a", "a → a"},
		{"c:a a:b b:c", "a → b → c → a"},
		{"z:y y:x x:y", "x → y → x"},
		{"a:missing", ""},
		{"q:r r:q b:d d:b", "b → d → b"},
	} {
		edges := map[string][]string{}
		for _, e := range strings.Fields(c.edges) {
			from, to, _ := strings.Cut(e, ":")
			edges[from] = append(edges[from], to)
		}
		if got := strings.Join(order.Cycle(edges), " → "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.edges, got, c.want)
		}
	}
}

func TestCycleLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
		edges := rapid.MapOf(name, rapid.SliceOfN(name, 0, 2)).Draw(t, "edges")
		cycle := order.Cycle(edges)
		if (cycle != nil) != cyclic(edges) {
			t.Fatalf("%v: cycle %v", edges, cycle)
		}
		for i := range len(cycle) - 1 {
			if !slices.Contains(edges[cycle[i]], cycle[i+1]) {
				t.Fatalf("%v: %v has no edge %s → %s", edges, cycle, cycle[i], cycle[i+1])
			}
		}
		for _, tos := range edges {
			slices.Reverse(tos)
		}
		if again := order.Cycle(edges); !slices.Equal(again, cycle) {
			t.Fatalf("the order of edges matters: %v, then %v", cycle, again)
		}
	})
}

// cyclic is the obvious other way to see a cycle: take away names without edges until none is left, or none can go.
func cyclic(edges map[string][]string) bool {
	left := maps.Clone(edges)
	for {
		before := len(left)
		maps.DeleteFunc(left, func(_ string, tos []string) bool {
			return !slices.ContainsFunc(tos, func(to string) bool { _, ok := left[to]; return ok })
		})
		if len(left) == before {
			return before > 0
		}
	}
}
