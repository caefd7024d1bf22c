package engine

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// TestKept looks at an object that does not exist, and that another process's app is about to make: it is left to that one until it lets it go.
func TestKept(t *testing.T) {
	ours, theirs := app.Name{Namespace: "team", Environment: "prod", App: "ours"}, app.Name{Namespace: "team", Environment: "prod", App: "theirs"}
	want := object.New(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"}})
	for name, c := range map[string]struct {
		told, stored app.Claims
		want         string
	}{
		"nobody claims it":              {nil, nil, ""},
		"another one claims it":         {app.Claims{key("x"): {}}, app.Claims{key("x"): {}}, "waits for app team/prod-theirs to let it go"},
		"what was told is old":          {app.Claims{key("x"): {}}, app.Claims{key("x"): {Yielded: true}}, ""},
		"its record is gone":            {app.Claims{key("x"): {}}, nil, ""},
		"another one has let it go":     {app.Claims{key("x"): {Yielded: true}}, nil, ""},
		"another one claims some other": {app.Claims{key("y"): {}}, app.Claims{key("y"): {}}, ""},
	} {
		e := &Engine{Ledger: stored{claims: c.stored}, Neighbours: others{name: theirs}, Now: time.Now}
		e.Told(theirs, c.told)
		l := &look{engine: e, subject: Subject{Name: ours, Rendered: true}}
		got, err := l.kept(t.Context(), key("x"), want, object.Object{})
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// stored is a ledger in which every record claims the same.
type stored struct {
	Ledger
	claims app.Claims
}

func (s stored) Load(context.Context, app.Name) (app.Record, error) {
	return app.Record{Claims: s.claims}, nil
}

// others are neighbours of which one is another process's.
type others struct {
	Neighbours
	name app.Name
}

func (o others) Foreign(by app.Owner) (app.Name, bool) { return o.name, by == o.name.Owner() }
