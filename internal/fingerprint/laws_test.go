package fingerprint_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// What is not ours does not count: the order of the entries, other managers' entries, status, what the server counts.
func TestPrintCountsOnlyOurs(t *testing.T) {
	foreign := map[string]any{
		"manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "time": "2030-01-01T00:00:00Z",
		"fieldsV1": map[string]any{"f:metadata": map[string]any{"f:annotations": map[string]any{".": map[string]any{}, "f:theirs": map[string]any{}}}},
	}
	for name, r := range recorded(t) {
		for _, o := range []object.Object{r.before, r.after} {
			was := fingerprint.Of(o, app.Manager, nil)
			entries, _ := o.At("metadata", "managedFields").([]any)
			entries = append(slices.Clone(entries), foreign)
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
			o = o.With(entries, "metadata", "managedFields").With("x", "metadata", "annotations", "theirs").With("999", "metadata", "resourceVersion").
				With(int64(99), "metadata", "generation").With(map[string]any{"ok": true}, "status")
			if is := fingerprint.Of(o, app.Manager, nil); is != was {
				t.Errorf("%s: %v became %v", name, was, is)
			}
		}
	}
}

// Whatever we own counts, by value and by being there.
func TestPrintCountsAllOfOurs(t *testing.T) {
	before := recorded(t)["deployment_image"].before
	was := fingerprint.Of(before, app.Manager, nil)
	container := func(edit func(map[string]any)) object.Object {
		return deepEdit(before, func(c map[string]any) {
			edit(at(c, "spec", "template", "spec")["containers"].([]any)[0].(map[string]any))
		})
	}
	for name, o := range map[string]object.Object{
		"label":           before.With("x", "metadata", "labels", app.LabelApp),
		"label removed":   before.With(nil, "metadata", "labels", app.LabelApp),
		"selector":        before.With("x", "spec", "selector", "matchLabels", "app"),
		"image":           container(func(c map[string]any) { c["image"] = "x" }),
		"image removed":   container(func(c map[string]any) { delete(c, "image") }),
		"env value":       container(func(c map[string]any) { c["env"].([]any)[1].(map[string]any)["value"] = "x" }),
		"env removed":     container(func(c map[string]any) { c["env"] = c["env"].([]any)[:1] }),
		"args order":      container(func(c map[string]any) { slices.Reverse(c["args"].([]any)) }),
		"one of two keys": container(func(c map[string]any) { c["ports"].([]any)[1].(map[string]any)["protocol"] = "SCTP" }),
	} {
		if fingerprint.Of(o, app.Manager, nil) == was {
			t.Errorf("%s: the print is the same", name)
		}
	}
	scaled := fingerprint.Of(before.With(int64(9), "spec", "replicas"), app.Manager, nil)
	if scaled == was || scaled.Same(was, false) || !scaled.Same(was, true) {
		t.Errorf("spec.replicas is not told apart: %v, %v", was, scaled)
	}
}

// A pointer to a list's item means the item as Git counts them, whatever others put before it.
func TestIgnoredItems(t *testing.T) {
	r := recorded(t)["deployment_sidecar_first"]
	image := []string{"/spec/template/spec/containers/0/image"}
	edited := deepEdit(r.after, func(c map[string]any) {
		at(c, "spec", "template", "spec")["containers"].([]any)[1].(map[string]any)["image"] = "web:9"
	})
	if fingerprint.Of(r.before, app.Manager, image) != fingerprint.Of(edited, app.Manager, image) {
		t.Error("the ignored image counts")
	}
	if fingerprint.Of(r.before, app.Manager, nil) == fingerprint.Of(edited, app.Manager, nil) {
		t.Error("the image counts for nothing when it is not ignored")
	}
	ceded := fingerprint.Cede(r.applied, edited, app.Manager, image)
	if got := at(ceded.Content(), "spec", "template", "spec")["containers"].([]any)[0].(map[string]any)["image"]; got != "web:9" {
		t.Errorf("the image that is applied is %v, not the live one of the same container", got)
	}
}

// What a person does to a field that Fairlead does not look after is neither drift nor taken away.
func TestIgnoredIsNobodysAddition(t *testing.T) {
	r := recorded(t)["configmap_edit"]
	person := app.Policy{}.IsInteractive
	theme := []string{"/data/theme"}
	if fingerprint.Of(r.before, app.Manager, theme) != fingerprint.Of(r.after, app.Manager, theme) {
		t.Error("the print changed")
	}
	if fingerprint.Added(r.after, app.Manager, person, theme) {
		t.Error("it counts as added")
	}
	ceded := fingerprint.Cede(r.applied, r.after, app.Manager, theme)
	if e := fingerprint.Blame(ceded, r.after, app.Manager, person, theme); len(e.Fields) > 0 || e.Additions {
		t.Errorf("blame: %+v", e)
	}
	if _, ok := fingerprint.Takeover(r.after, app.Manager, "v1", person, theme); ok {
		t.Error("it is taken over")
	}
}

func TestCede(t *testing.T) {
	autoscaler, flags := recorded(t)["deployment_autoscaler"], recorded(t)["configmap_edit"]
	replicas, theme := []string{"/spec/replicas"}, []string{"/data/theme"}
	for name, test := range map[string]struct {
		want, live object.Object
		pointers   []string
		path       []string
		is         any
	}{
		"new objects are created whole":       {flags.applied, object.Object{}, theme, []string{"data", "theme"}, "light"},
		"the owner's field is left out":       {autoscaler.applied, autoscaler.after, replicas, []string{"spec", "replicas"}, nil},
		"our own field keeps its live value":  {flags.applied.With("dark", "data", "theme"), flags.before, theme, []string{"data", "theme"}, "light"},
		"a removed field stays removed":       {flags.applied, flags.before.With(nil, "data", "theme"), theme, []string{"data", "theme"}, nil},
		"a field that Git does not have":      {flags.applied, flags.before, []string{"/data/none", "/none/0/x", "", "/"}, []string{"data", "theme"}, "light"},
		"an escaped name":                     {flags.applied.With("1", "data", "a/b~c"), flags.before, []string{"/data/a~1b~0c"}, []string{"data", "a/b~c"}, nil},
		"others' fields beside it do not":     {flags.applied, flags.after, []string{"/data/limit"}, []string{"data", "limit"}, "10"},
		"pointers to what is not there yet":   {autoscaler.applied, autoscaler.before.With([]any{}, "spec", "template", "spec", "containers"), []string{"/spec/template/spec/containers/0/image"}, []string{"spec", "replicas"}, int64(2)},
		"the other fields are as Git says":    {autoscaler.applied, autoscaler.after, replicas, []string{"metadata", "name"}, "web"},
		"the whole of a map is left to them ": {flags.applied, flags.after, []string{"/data"}, []string{"data"}, nil},
	} {
		got := fingerprint.Cede(test.want, test.live, app.Manager, test.pointers)
		if got.At(test.path...) != test.is {
			t.Errorf("%s: %v is %v, want %v", name, test.path, got.At(test.path...), test.is)
		}
		if got.Key() != test.want.Key() || got.Origin() != test.want.Origin() {
			t.Errorf("%s: it became %v from %v", name, got, got.Origin())
		}
	}
	fresh := autoscaler.before.With([]any{}, "spec", "template", "spec", "containers")
	if got := fingerprint.Cede(autoscaler.applied, fresh, app.Manager, []string{"/spec/template/spec/containers/0/image"}); got.Hash() != autoscaler.applied.Hash() {
		t.Error("a container that is still to be created lost its image")
	}
}

func TestPrintText(t *testing.T) {
	for _, p := range []fingerprint.Print{{}, {Fields: "a", Replicas: "b"}, fingerprint.Of(recorded(t)["widget_edit"].before, app.Manager, nil)} {
		if got := fingerprint.ParsePrint(p.String()); got != p {
			t.Errorf("%v is read back as %v", p, got)
		}
	}
}

func FuzzManagedFields(f *testing.F) {
	for _, r := range recorded(f) {
		for _, o := range []object.Object{r.before, r.after} {
			if !o.IsZero() {
				f.Add(o.JSON(), r.applied.JSON(), "/spec/template/spec/containers/0/image")
			}
		}
	}
	f.Fuzz(func(t *testing.T, live, applied []byte, pointer string) {
		l, a := fromJSON(live), fromJSON(applied)
		anybody := func(string) bool { return true }
		pointers := []string{pointer, "/spec/replicas"}
		if x, y := fingerprint.Of(l, app.Manager, pointers), fingerprint.Of(l, app.Manager, pointers); x != y {
			t.Errorf("two prints of one object: %v, %v", x, y)
		}
		fingerprint.Blame(a, l, app.Manager, anybody, pointers)
		fingerprint.Added(l, app.Manager, anybody, pointers)
		fingerprint.Scaled(l, app.Policy{}.IsInteractive)
		fingerprint.Cede(a, l, app.Manager, pointers)
		fields, ok := fingerprint.Takeover(l, app.Manager, "v1", anybody, pointers)
		if !ok {
			return
		}
		taken := l.With(fields, "metadata", "managedFields")
		if !fingerprint.Applied(taken, app.Manager) {
			t.Error("a take-over leaves nothing that is ours")
		}
		if again, ok := fingerprint.Takeover(taken, app.Manager, "v1", anybody, pointers); ok {
			t.Errorf("a take-over leaves something to take over: %v", again)
		}
	})
}

func fromJSON(data []byte) object.Object {
	var m map[string]any
	if json.Unmarshal(data, &m) != nil || strings.Contains(string(data), "e+") {
		return object.Object{}
	}
	return object.New(m)
}

func at(m map[string]any, path ...string) map[string]any {
	for _, p := range path {
		m = m[p].(map[string]any)
	}
	return m
}

func deepEdit(o object.Object, edit func(map[string]any)) object.Object {
	objs, err := object.Parse("", o.YAML())
	if err != nil {
		panic(err)
	}
	edit(objs[0].Content())
	return objs[0]
}
