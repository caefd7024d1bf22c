package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/engine"
)

// TestTake takes an app: it claims what was heard last, until its record is read. A record that is gone by then is not written again.
func TestTake(t *testing.T) {
	n := app.Name{Namespace: "team", Environment: "prod", App: "web"}
	e := &engine.Engine{Ledger: empty{}, Now: time.Now}
	e.Told(n, app.Claims{{Kind: "ConfigMap", Name: "one"}: {}})
	for range 2 {
		e.Take(n)
		if got := e.Claims(n); len(got) != 1 {
			t.Errorf("taken, it claims %v", got)
		}
	}
	if err := e.Release(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if got := e.Claims(n); len(got) != 0 {
		t.Errorf("its record is gone, and it claims %v", got)
	}
}

// empty is a ledger that has no record and takes none.
type empty struct{ engine.Ledger }

func (empty) Load(context.Context, app.Name) (app.Record, error) { return app.Record{}, nil }

// TestGive gives an app away: what is known of its claims is what this process wrote, unless it heard of something later.
func TestGive(t *testing.T) {
	n := app.Name{Namespace: "team", Environment: "prod", App: "web"}
	one, two := app.Claims{{Kind: "ConfigMap", Name: "one"}: {}}, app.Claims{{Kind: "ConfigMap", Name: "two"}: {}}
	for name, c := range map[string]struct {
		told []app.Claims
		want string
	}{
		"nothing was told":                      {nil, "one"},
		"another one wrote while nobody looked": {[]app.Claims{two}, "two"},
		"another one had it and it is gone":     {[]app.Claims{two, nil}, ""},
	} {
		e := &engine.Engine{Now: time.Now}
		e.Preload(app.Record{App: n, Version: "1", Claims: one})
		for _, claims := range c.told {
			e.Told(n, claims)
		}
		e.Give(n)
		got := ""
		for k := range e.Claims(n) {
			got += k.Name
		}
		if got != c.want {
			t.Errorf("%s: it claims %q, want %q", name, got, c.want)
		}
		if e.Give(n); len(e.Claims(n)) != len(c.want)/3 {
			t.Errorf("%s: given again, it claims %v", name, e.Claims(n))
		}
	}
}
