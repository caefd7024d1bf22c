package live_test

import (
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/live"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
)

// byHand is a driver whose user brings what the server would.
type byHand struct{ view *live.View }

func (d *byHand) Go(_ live.Kind, f func()) { f() }
func (d *byHand) Look(v *live.View)        { d.view = v }

var volumes = live.Kind{Resource: object.Resource{GVK: object.GVK{Version: "v1", Kind: "PersistentVolume"}, Plural: "persistentvolumes"}}

func volume(resourceVersion int) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": map[string]any{
			"name": "data", "uid": "u", "resourceVersion": strconv.Itoa(resourceVersion),
			"labels": map[string]any{app.LabelApp: "prod-web", app.LabelNamespace: "team"},
		},
	}}
}

// The answer to a request may come after the events that followed it: what is gone by then stays gone, what is newer stays.
func TestLateAnswers(t *testing.T) {
	type world struct {
		*testing.T
		store *live.Store
		view  *live.View
	}
	answer := func(w world, resourceVersion int) { w.store.Put(volumes, object.New(volume(resourceVersion).Object)) }
	for name, c := range map[string]struct {
		happens func(world)
		want    string // the resourceVersion that is remembered; empty if nothing is
	}{
		"of what is listed":            {func(w world) { answer(w, 7) }, "7"},
		"older than the list":          {func(w world) { answer(w, 4) }, "5"},
		"of what was deleted":          {func(w world) { w.view.Drop(volume(8)); answer(w, 7) }, ""},
		"of what was deleted, twice":   {func(w world) { w.view.Drop(volume(8)); answer(w, 7); answer(w, 7) }, ""},
		"of what was made anew":        {func(w world) { w.view.Drop(volume(8)); answer(w, 9) }, "9"},
		"before it was made anew":      {func(w world) { w.view.Drop(volume(8)); w.view.Put(volume(9)); answer(w, 7) }, "9"},
		"of what the list has no more": {func(w world) { w.view.Replace(nil, "8"); answer(w, 7) }, ""},
		"of what the list had not yet": {func(w world) { answer(w, 9); w.view.Replace(nil, "8") }, "9"},
		"of what another event outran": {func(w world) {
			w.view.Drop(volume(6))
			other := volume(9)
			other.SetName("other")
			w.view.Put(other)
			answer(w, 7)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := &byHand{}
			s := live.NewStore(t.Context(), live.Options{
				Client:   func(app.Identity) (dynamic.Interface, error) { return nil, nil },
				Lens:     func(app.Owner) observed.Lens { return observed.Lens{} },
				OnChange: func(live.Change) {}, OnWatch: func(live.Kind, error) {}, Driver: d,
			})
			s.Track(volumes)
			d.view.Replace([]*unstructured.Unstructured{volume(5)}, "5")
			c.happens(world{t, s, d.view})
			if got := s.Entry(volumes, object.New(volume(0).Object).Key()).ResourceVersion; got != c.want {
				t.Errorf("remembered is %q, want %q", got, c.want)
			}
		})
	}
}
