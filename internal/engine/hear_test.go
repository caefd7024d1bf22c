package engine

import (
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// TestHear tells what the ledger has of an app that this process has: only if it is not what was written here, and that was not just now, is it read anew.
func TestHear(t *testing.T) {
	n := app.Name{Namespace: "team", Environment: "prod", App: "web"}
	ours, others := app.Claims{key("a"): {}}, app.Claims{key("a"): {}, key("b"): {}}
	for name, c := range map[string]struct {
		told []app.Claims
		ago  time.Duration
		want bool
	}{
		"nothing was told":                  {nil, time.Hour, true},
		"it is what was written here":       {[]app.Claims{ours}, time.Hour, true},
		"it is something else":              {[]app.Claims{others}, time.Hour, false},
		"it is gone":                        {[]app.Claims{nil}, time.Hour, false},
		"it was something else for a while": {[]app.Claims{others, ours}, time.Hour, true},
		"it may be what was there before":   {[]app.Claims{others}, Echo / 2, true},
	} {
		now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		e := &Engine{Now: func() time.Time { return now }}
		e.Preload(app.Record{App: n, Version: "1", Claims: ours})
		m := e.remember(n)
		m.written = now.Add(-c.ago)
		for _, claims := range c.told {
			e.Told(n, claims)
		}
		if e.hear(m, n, release.Release{}); m.loaded != c.want {
			t.Errorf("%s: what is known is right: %t", name, m.loaded)
		}
	}
}

// TestHearOfRelease has the App of an app tell of a release: one that this process does not know another one may have recorded. The record is read for it once.
func TestHearOfRelease(t *testing.T) {
	n := app.Name{Namespace: "team", Environment: "prod", App: "web"}
	e := &Engine{Now: time.Now}
	e.Preload(app.Record{App: n, Version: "1", Releases: release.State{Current: release.Release{Serial: 9, Phase: release.Succeeded}}})
	m := e.remember(n)
	for _, c := range []struct {
		serial int
		want   bool
	}{{8, true}, {9, true}, {11, false}, {11, true}, {10, true}, {12, false}} {
		m.loaded = true
		if e.hear(m, n, release.Release{Serial: c.serial}); m.loaded != c.want {
			t.Errorf("the App tells of release %d: what is known is right: %t", c.serial, m.loaded)
		}
	}
}
