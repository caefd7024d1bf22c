package workload_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]workload.Workload{
		"1": {Apps: 1, Sets: 1}, "100": {Apps: 100, Sets: 1}, "1x2000": {Apps: 1, Sets: 400}, "3x10": {Apps: 3, Sets: 2},
	} {
		got, err := workload.Parse(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: got %+v, printed %s, error %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "x", "1x", "1x3", "1x7", "many", "100000"} {
		if got, err := workload.Parse(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

// TestFiles shows the smallest workload as people can read it.
func TestFiles(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		ar.Files = nil
		files := workload.Workload{Apps: 1, Sets: 1}.Files()
		for _, p := range slices.Sorted(maps.Keys(files)) {
			golden.Set(ar, p, files[p])
		}
	})
}

// TestRendered: what Fairlead makes of the files is what the bare loop sends.
func TestRendered(t *testing.T) {
	for _, w := range []workload.Workload{{Apps: 3, Sets: 1}, {Apps: 2, Sets: 2}} {
		raw, err := w.Objects()
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) != w.Total() {
			t.Errorf("%s: %d objects, want %d", w, len(raw), w.Total())
		}
		sent := map[string]map[string]any{}
		for _, o := range raw {
			var content map[string]any
			if err := json.Unmarshal(o.JSON, &content); err != nil {
				t.Fatal(err)
			}
			if sent[o.Path] != nil {
				t.Errorf("%s: two objects at %s", w, o.Path)
			}
			sent[o.Path] = content
		}
		for path, content := range rendered(t, w, w.Files()) {
			if diff := cmp.Diff(sent[path], content); diff != "" {
				t.Errorf("%s: %s (-sent +rendered):\n%s", w, path, diff)
			}
			delete(sent, path)
		}
		for path := range sent {
			t.Errorf("%s: %s is sent, but not rendered", w, path)
		}
	}
}

// rendered is what Fairlead makes of the files, by the path in the API server.
func rendered(t *testing.T, w workload.Workload, files map[string]string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for i := range w.Apps {
		res, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "apps/" + workload.App(i)})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range res.Objects {
			for _, k := range workload.Kinds() {
				if strings.ToLower(o.Kind())+"s" != k.Resource {
					continue
				}
				var content map[string]any
				if err := json.Unmarshal(o.JSON(), &content); err != nil {
					t.Fatal(err)
				}
				content["metadata"].(map[string]any)["namespace"] = workload.App(i)
				all[k.Collection(workload.App(i))+"/"+o.Name()] = content
			}
		}
	}
	return all
}

// TestShared: the variant with a base renders to the same objects, and a removed file to one less.
func TestShared(t *testing.T) {
	w := workload.Workload{Apps: 2, Sets: 1}
	files := w.Files()
	before := rendered(t, w, files)
	p, text := w.Kustomization(0, map[int]workload.Source{0: workload.Shared})
	files[p] = text
	if diff := cmp.Diff(before, rendered(t, w, files)); diff != "" {
		t.Errorf("the base changes the objects (-own +shared):\n%s", diff)
	}
	p, text = workload.Base("goodbye")
	files[p] = text
	data := rendered(t, w, files)["/api/v1/namespaces/app-0000/configmaps/pages"]["data"].(map[string]any)
	if data[workload.TextKey] != "goodbye" {
		t.Errorf("the base has changed, the object has %v", data)
	}
	p, text = w.Kustomization(1, map[int]workload.Source{0: workload.None})
	files[p] = text
	if got := len(rendered(t, w, files)); got != w.Total()-1 {
		t.Errorf("%d objects are left, want %d", got, w.Total()-1)
	}
}

func TestDependents(t *testing.T) {
	for size, want := range map[string]int{"1": 1, "3": 1, "100": 20, "1000": 200, "5000": 200, "1x2000": 0} {
		w, err := workload.Parse(size)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Dependents(); got != want {
			t.Errorf("%s: %d dependents, want %d", size, got, want)
		}
	}
}

// TestSpots: each set is met once.
func TestSpots(t *testing.T) {
	w := workload.Workload{Apps: 3, Sets: 4}
	met := map[string]bool{}
	for i := range w.Spots() {
		met[w.Spot(i).App()+"/"+w.Spot(i).SettingsName()] = true
	}
	if len(met) != 12 {
		t.Errorf("met %d sets, want 12: %v", len(met), met)
	}
}

// TestRenders: each overlay and each chart renders to four objects, and one line of a file is in those of its own app alone.
func TestRenders(t *testing.T) {
	r := workload.Renders{Overlays: 3, Bases: 2, Charts: 2}
	if r.Over(0) != 2 || r.Over(1) != 1 {
		t.Errorf("the bases are shared by %d and %d overlays", r.Over(0), r.Over(1))
	}
	files := r.Files()
	said := func(dir string) string {
		t.Helper()
		res, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: dir, Place: render.Place{App: "web", Namespace: "web"}})
		if err != nil || len(res.Objects) != 4 {
			t.Fatalf("%s: %d objects, %v", dir, len(res.Objects), err)
		}
		all := ""
		for _, o := range res.Objects {
			all += string(o.JSON())
		}
		return all
	}
	for _, k := range []struct {
		mine, other string
		file        func(int, string) (string, string)
	}{{r.Overlay(1), r.Overlay(0), r.OverlayFile}, {r.Chart(1), r.Chart(0), r.ValuesFile}, {r.Overlay(1), r.Overlay(0), r.BaseFile}} {
		mine, other := said(k.mine), said(k.other)
		file, text := k.file(1, "seven")
		files[file] = text
		if said(k.mine) == mine || said(k.other) != other {
			t.Errorf("a change of %s is not one of %s alone", file, k.mine)
		}
	}
}
