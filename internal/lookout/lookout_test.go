package lookout_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/lookout"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// world is a cluster with ConfigMaps, and who looks at it.
type world struct {
	t       *testing.T
	objects map[string]map[string]any // by namespace/name
	denied  bool
	silent  bool
	apis    []string

	l        *lookout.Lookout
	requests int
	watched  map[lookout.View]bool
	told     []app.Owner
	now      time.Time
}

var settings = object.Resource{GVK: object.GVK{Version: "v1", Kind: "ConfigMap"}, Plural: "configmaps", Namespaced: true}

func newWorld(t *testing.T) *world {
	w := &world{t: t, objects: map[string]map[string]any{}, watched: map[lookout.View]bool{}, now: time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC), apis: []string{"v1"}}
	w.l = lookout.New(lookout.Options{
		Connect: func(app.Identity) (lookout.Session, error) { return w, nil },
		Kinds:   w, Watches: w, Now: func() time.Time { return w.now },
		Changed: func(o app.Owner) { w.told = append(w.told, o) },
	})
	return w
}

func (w *world) Find(_ context.Context, gvk object.GVK) (object.Resource, error) {
	if gvk != settings.GVK {
		return object.Resource{}, fault.Newf(fault.Invalid, "the cluster does not know %s", gvk.Kind)
	}
	return settings, nil
}

func (w *world) Served(context.Context) (string, []string, error) { return "v1.36.0", w.apis, nil }

func (w *world) ask() error {
	w.requests++
	switch {
	case w.denied:
		return fault.Newf(fault.Denied, "deployer may not get configmaps")
	case w.silent:
		return fault.Newf(fault.Transient, "no answer")
	}
	return nil
}

func (w *world) Look(_ context.Context, _ object.Resource, namespace, name string) (object.Object, error) {
	if err := w.ask(); err != nil {
		return object.Object{}, err
	}
	if c := w.objects[namespace+"/"+name]; c != nil {
		return object.New(c), nil
	}
	return object.Object{}, nil
}

func (w *world) List(_ context.Context, _ object.Resource, namespace string) ([]object.Object, error) {
	if err := w.ask(); err != nil {
		return nil, err
	}
	var out []object.Object
	for _, name := range slices.Sorted(maps.Keys(w.objects)) {
		if strings.HasPrefix(name, namespace+"/") {
			out = append(out, object.New(w.objects[name]))
		}
	}
	return out, nil
}

func (w *world) Begin(v lookout.View) { w.watched[v] = true }
func (w *world) End(v lookout.View)   { delete(w.watched, v) }

func (w *world) Versions(v lookout.View) (map[object.Key]string, bool) {
	out := map[object.Key]string{}
	for _, c := range w.objects {
		o := object.New(c)
		if o.Namespace() == v.Namespace && (v.Name == "" || o.Name() == v.Name) {
			out[o.Key()] = o.ResourceVersion()
		}
	}
	return out, w.watched[v] && !w.silent
}

// put changes an object, and lets the watches see it.
func (w *world) put(name, version, value string) {
	w.objects["shop/"+name] = map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "shop", "name": name, "resourceVersion": version, "uid": name},
		"data": map[string]any{"key": value},
	}
	for v := range maps.Clone(w.watched) {
		w.l.Seen(v)
	}
}

var (
	web, api = app.Owner{Namespace: "team", Name: "prod-web"}, app.Owner{Namespace: "team", Name: "prod-api"}
	deployer = app.Identity{Namespace: "team", ServiceAccount: "deployer"}
)

func about(name string) render.Question {
	return render.Question{About: render.AboutObject, GVK: settings.GVK, Namespace: "shop", Name: name}
}

// asks lets an app ask, and hold what it is told; it returns what identifies the answers.
func (w *world) asks(o app.Owner, questions ...render.Question) []string {
	w.t.Helper()
	a := w.l.For(w.t.Context(), deployer, nil)
	var ids []string
	for _, q := range questions {
		answer, err := a.Ask(q)
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, answer.ID)
	}
	w.l.Hold(o, a, questions)
	return ids
}

func (w *world) doubts(o app.Owner) bool {
	doubts, _ := w.l.Doubts(o)
	return doubts
}

func TestWhatIsHeldCostsNothing(t *testing.T) {
	w := newWorld(t)
	w.put("flags", "1", "light")
	first := w.asks(web, about("flags"), about("absent"))
	if again := w.asks(web, about("flags"), about("absent")); !slices.Equal(first, again) || w.requests != 2 {
		t.Errorf("asked again: %q is %q, after %d requests", first, again, w.requests)
	}
	w.asks(api, about("flags"))
	if w.requests != 2 || len(w.watched) != 2 {
		t.Errorf("another app that asks the same costs %d requests and %d watches", w.requests, len(w.watched))
	}
	w.l.Release(web)
	if len(w.watched) != 1 {
		t.Errorf("%d watches: what nobody holds is not to be watched", len(w.watched))
	}
	w.l.Release(api)
	w.put("flags", "2", "dark")
	if len(w.watched) != 0 || len(w.told) != 0 {
		t.Errorf("%d watches, %v told, though nobody holds anything", len(w.watched), w.told)
	}
}

func TestChangesAreTold(t *testing.T) {
	w := newWorld(t)
	w.put("flags", "1", "light")
	first := w.asks(web, about("flags"), about("keys"))
	w.asks(api, about("keys"))
	w.put("flags", "2", "dark")
	if !slices.Equal(w.told, []app.Owner{web}) || !w.doubts(web) || w.doubts(api) {
		t.Errorf("told: %v", w.told)
	}
	if again := w.asks(web, about("flags"), about("keys")); again[0] == first[0] || again[1] != first[1] || w.doubts(web) {
		t.Errorf("after the change, %q is %q", first, again)
	}
	w.told = nil
	w.put("keys", "3", "it was not there before")
	if !slices.Equal(w.told, []app.Owner{api, web}) {
		t.Errorf("told that something came: %v", w.told)
	}
}

// What changes between the reading of an object and the first list of its watch must not be missed.
func TestChangeBeforeTheWatch(t *testing.T) {
	w := newWorld(t)
	w.put("flags", "1", "light")
	a := w.l.For(t.Context(), deployer, nil)
	if _, err := a.Ask(about("flags")); err != nil {
		t.Fatal(err)
	}
	w.put("flags", "2", "dark")
	w.l.Hold(web, a, []render.Question{about("flags")})
	if !w.doubts(web) || len(w.told) != 1 {
		t.Errorf("the answer was old already, and nobody says so: %v", w.told)
	}
}

// A write that changes nothing which anybody asked for has the same answer.
func TestSameAnswer(t *testing.T) {
	w := newWorld(t)
	w.put("flags", "1", "light")
	first := w.asks(web, about("flags"))
	w.put("flags", "2", "light")
	if again := w.asks(web, about("flags")); !slices.Equal(first, again) {
		t.Errorf("the same object, written again, is another answer")
	}
}

func TestOneRenderSeesOneWorld(t *testing.T) {
	w := newWorld(t)
	w.put("flags", "1", "light")
	a := w.l.For(t.Context(), deployer, nil)
	before, _ := a.Ask(about("flags"))
	w.put("flags", "2", "dark")
	if after, _ := a.Ask(about("flags")); after.ID != before.ID {
		t.Error("what changes during a render shows in its second half")
	}
}

// An error is never an answer.
func TestTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*world)
		kind    fault.Kind
		q       render.Question
	}{
		"denied":          {func(w *world) { w.denied = true }, fault.Denied, about("flags")},
		"unreachable":     {func(w *world) { w.silent = true }, fault.Transient, about("flags")},
		"an unknown kind": {func(*world) {}, fault.Invalid, render.Question{About: render.AboutObject, GVK: object.GVK{Version: "v1", Kind: "Sprocket"}, Namespace: "shop", Name: "a"}},
		"no namespace":    {func(*world) {}, fault.Invalid, render.Question{About: render.AboutObject, GVK: settings.GVK, Name: "a"}},
		"no charts":       {func(*world) {}, fault.Invalid, render.Question{About: render.AboutChart, URL: "https://charts.example.com", Chart: "redis"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.happens(w)
			a := w.l.For(t.Context(), deployer, nil)
			if answer, err := a.Ask(c.q); err == nil || fault.KindOf(err) != c.kind || a.Trouble() == nil {
				t.Errorf("%+v, %v, trouble: %v", answer, err, a.Trouble())
			}
		})
	}
}

// While a watch does not run, what is held is not believed.
func TestSilence(t *testing.T) {
	w := newWorld(t)
	w.put("flags", "1", "light")
	w.asks(web, about("flags"))
	w.silent = true
	if _, err := w.l.For(t.Context(), deployer, nil).Ask(about("flags")); fault.KindOf(err) != fault.Transient {
		t.Errorf("nobody can be asked: %v", err)
	}
	w.silent = false
	w.put("flags", "1", "light")
	if w.requests != 2 || w.doubts(web) {
		t.Errorf("%d requests; doubts: %v: nothing changed", w.requests, w.doubts(web))
	}
}

func TestWhatCannotBeWatched(t *testing.T) {
	w := newWorld(t)
	w.put("flags", "1", "light")
	w.asks(web, about("flags"))
	w.l.Blind(lookout.View{By: deployer, Resource: settings, Namespace: "shop", Name: "flags"})
	if len(w.watched) != 0 || len(w.told) != 1 || !w.doubts(web) {
		t.Fatalf("%d watches, %v told", len(w.watched), w.told)
	}
	w.asks(web, about("flags"))
	if doubts, again := w.l.Doubts(web); doubts || again != lookout.BlindAgain || len(w.watched) != 0 {
		t.Errorf("doubts %v, again in %s, %d watches", doubts, again, len(w.watched))
	}
	w.now = w.now.Add(lookout.BlindAgain)
	if !w.doubts(web) {
		t.Error("nobody reads it again")
	}
	w.asks(web, about("flags"))
	if len(w.watched) != 1 {
		t.Error("that it may be watched by now is not found out")
	}
	w.told = nil
	w.l.Blind(lookout.View{By: deployer, Resource: settings, Namespace: "shop", Name: "flags"})
	if doubts, again := w.l.Doubts(web); doubts || again != lookout.BlindAgain || len(w.told) != 0 {
		t.Errorf("it may still not: doubts %v, again in %s, told %v", doubts, again, w.told)
	}
}

func TestCluster(t *testing.T) {
	w := newWorld(t)
	q := render.Question{About: render.AboutCluster}
	first := w.asks(web, q)
	w.asks(api, about("flags"))
	w.l.KindsChanged()
	if !slices.Equal(w.told, []app.Owner{web}) {
		t.Errorf("told: %v: who did not ask what is served is not concerned", w.told)
	}
	if again := w.asks(web, q); !slices.Equal(first, again) {
		t.Error("it serves what it did, and the answer is another one")
	}
	w.apis = []string{"apps/v1", "v1"}
	w.l.KindsChanged()
	if again := w.asks(web, q); slices.Equal(first, again) {
		t.Error("it serves more than before, and the answer is the same")
	}
}

func TestBeyond(t *testing.T) {
	w := newWorld(t)
	q := render.Question{About: render.AboutChart, URL: "https://charts.example.com", Chart: "redis", Version: "^1"}
	version := "1.0.0"
	a := w.l.For(t.Context(), deployer, func(_ context.Context, got render.Question) (render.Answer, error) {
		return render.Answer{ID: version, Version: version}, nil
	})
	if answer, err := a.Ask(q); err != nil || answer.Version != version {
		t.Fatal(answer, err)
	}
	w.l.Hold(web, a, []render.Question{q})
	w.l.Told(q)
	if !slices.Equal(w.told, []app.Owner{web}) || !w.doubts(web) {
		t.Errorf("told: %v", w.told)
	}
}
