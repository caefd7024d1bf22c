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

// TestHearOfRelease has the App of an app tell of a release. One that this process does not know another one recorded, or nobody: then it is taken over.
func TestHearOfRelease(t *testing.T) {
	n := app.Name{Namespace: "team", Environment: "prod", App: "web"}
	record := func(serial int) app.Record {
		return app.Record{App: n, Version: "1", Digest: "d", Releases: release.State{Current: release.Release{Serial: serial, Phase: release.Succeeded, Want: release.Want{Digest: "d"}}}}
	}
	for name, c := range map[string]struct {
		known, recorded int
		told            release.Release
		want            bool
		serial          int
		digest          string
	}{
		"this process knows it":        {9, 9, release.Release{Serial: 9, Phase: release.Succeeded}, true, 9, "d"},
		"this process knows a newer":   {9, 9, release.Release{Serial: 8, Phase: release.Succeeded}, true, 9, "d"},
		"another one recorded it":      {9, 11, release.Release{Serial: 11, Phase: release.Succeeded}, false, 11, "d"},
		"it changed nothing":           {9, 9, release.Release{Serial: 11, Phase: release.Succeeded}, false, 11, "d"},
		"it could not be begun with":   {9, 9, release.Release{Serial: 10, Phase: release.Planned}, false, 10, "d"},
		"another one recorded a newer": {9, 12, release.Release{Serial: 10, Phase: release.Planned}, false, 12, "d"},
	} {
		e := &Engine{Now: time.Now}
		e.Preload(record(c.known))
		m := e.remember(n)
		m.recall(release.Release{})
		if e.hear(m, n, c.told); m.loaded != c.want {
			t.Errorf("%s: what is known is right: %t", name, m.loaded)
		}
		if !m.loaded {
			e.Preload(record(c.recorded))
		}
		m.recall(c.told)
		if cur := m.releases.Current; cur.Serial != c.serial || cur.Want.Digest != c.digest {
			t.Errorf("%s: the newest release is %d of %q, want %d of %q", name, cur.Serial, cur.Want.Digest, c.serial, c.digest)
		}
	}
}
