package diff_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// A file holds from.yaml, to.yaml, and changes: how they differ.
func TestBetween(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		var b strings.Builder
		for _, c := range diff.Between(read(t, ar.Files[0]), read(t, ar.Files[1])) {
			fmt.Fprintln(&b, c)
		}
		golden.Set(ar, "changes", b.String())
	})
}

func read(t *testing.T, f txtar.File) object.Object {
	t.Helper()
	objs, err := object.Parse(f.Name, f.Data)
	if err != nil {
		t.Fatal(err)
	}
	if len(objs) == 0 {
		return object.Object{}
	}
	return objs[0]
}

// value draws any JSON value; texts hold the canary.
func value(canary string) *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Map(rapid.SampledFrom([]string{"", "a", "b", strings.Repeat("ä", 200)}), func(s string) any { return canary + s }),
		rapid.Map(rapid.Int64Range(0, 3), func(i int64) any { return i }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
	)
	v := scalar
	for range 3 {
		inner := v
		v = rapid.OneOf(
			scalar,
			rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "name", "c.d/e"}), inner, 0, 3), func(m map[string]any) any { return m }),
			rapid.Map(rapid.SliceOfN(inner, 0, 3), func(l []any) any { return l }),
			rapid.Map(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID[string]), func(names []string) any {
				var l []any
				for _, n := range names {
					l = append(l, map[string]any{"name": n})
				}
				return l
			}),
		)
	}
	return v
}

func drawObject(t *rapid.T, kind, canary string) object.Object {
	o := object.New(map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "x"}})
	for _, field := range []string{"data", "stringData", "spec"} {
		if v := value(canary).Draw(t, field); rapid.Bool().Draw(t, "has "+field) {
			o = o.With(v, field)
		}
	}
	return o.With(map[string]any{"note": value(canary).Draw(t, "annotation")}, "metadata", "annotations")
}

// Equal objects have no changes, different ones have; changes are in order, and the way back has the same paths.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawObject(t, "ConfigMap", ""), drawObject(t, "ConfigMap", "")
		if changes := diff.Between(a, a); changes != nil {
			t.Fatalf("an object differs from itself: %v", changes)
		}
		there, back := diff.Between(a, b), diff.Between(b, a)
		if same := a.Hash() == b.Hash(); same != (len(there) == 0) || same != diff.Equal(a, b) {
			t.Fatalf("equal %t, changes %v\n%s\n%s", same, there, a.JSON(), b.JSON())
		}
		paths := func(list []diff.Change) (out []string) {
			for _, c := range list {
				out = append(out, c.Path)
				if len(c.From) > 170 || len(c.To) > 170 || c.From == "" && c.To == "" {
					t.Fatalf("%q to %q", c.From, c.To)
				}
			}
			return out
		}
		if !slices.IsSorted(paths(there)) || !slices.Equal(paths(there), paths(back)) {
			t.Fatalf("there %v\nback %v", there, back)
		}
	})
}

// Whatever is in a Secret, and wherever, it is not shown.
func TestSecretsStaySecret(t *testing.T) {
	const canary = "hunter2"
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SampledFrom([][2]string{{"Secret", "Secret"}, {"Secret", "ConfigMap"}, {"ConfigMap", "Secret"}}).Draw(t, "kinds")
		a, b := drawObject(t, kinds[0], canary), drawObject(t, kinds[1], canary)
		shown := slices.Concat(diff.Between(a, b), diff.Between(b, a))
		for _, o := range []object.Object{a, b} {
			if o.Kind() == "Secret" {
				shown = slices.Concat(shown, diff.Between(object.Object{}, o), diff.Between(o, object.Object{}))
			}
		}
		for _, c := range shown {
			if strings.Contains(c.String(), canary) {
				t.Fatal(c)
			}
		}
	})
}

// Of an object that is no Secret, nothing is shown that is veiled, wherever it is, on either side.
func TestVeiledStaysVeiled(t *testing.T) {
	const canary = "hunter2"
	rapid.Check(t, func(t *rapid.T) {
		veiled := func(o object.Object) object.Object {
			var paths []string
			for _, l := range diff.Leaves(o) {
				if strings.Contains(l.Text, canary) {
					paths = append(paths, l.Path)
				}
			}
			return o.WithVeiled(paths)
		}
		a, b := veiled(drawObject(t, "ConfigMap", canary)), veiled(drawObject(t, "ConfigMap", canary))
		for _, c := range slices.Concat(diff.Between(a, b), diff.Between(b, a), diff.Between(object.Object{}, a), diff.Between(a, object.Object{})) {
			if strings.Contains(c.String(), canary) {
				t.Fatal(c)
			}
		}
		if (a.Hash() == b.Hash()) != diff.Equal(a, b) {
			t.Fatal("a change of what is veiled is a change")
		}
	})
}

// What is beside a veiled field is shown as ever.
func TestBesideVeiled(t *testing.T) {
	of := func(key, level string) object.Object {
		env := func(name, value string) any { return map[string]any{"name": name, "value": value} }
		return object.New(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "x"}, "spec": map[string]any{
			"containers": []any{map[string]any{"name": "web", "env": []any{env("KEY", key), env("LEVEL", level)}}},
		}})
	}
	got := diff.Between(of("old", "info"), of("new", "debug").WithVeiled([]string{"spec.containers[web].env[KEY].value"}))
	want := "[spec.containers[web].env[KEY].value: (secret) → (secret) spec.containers[web].env[LEVEL].value: info → debug]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}
