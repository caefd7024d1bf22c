package fleet_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// model is the fleet told again, the slow way.
type model struct {
	known, pending, removed, broken map[app.Name]bool
	wants                           map[app.Name][]object.Key
	stale                           bool
}

// Whatever is told in whatever order, the counters say what a count of everything says.
func TestCountersAgree(t *testing.T) {
	apps := names("a", "b", "c")
	pool := keys("k", 15)
	rapid.Check(t, func(t *rapid.T) {
		w := open()
		m := model{map[app.Name]bool{}, map[app.Name]bool{}, map[app.Name]bool{}, map[app.Name]bool{}, map[app.Name][]object.Key{}, false}
		draw := func() app.Name { return rapid.SampledFrom(apps).Draw(t, "app") }
		some := func() []object.Key {
			return rapid.SliceOfDistinct(rapid.SampledFrom(pool), rapid.ID[object.Key]).Draw(t, "keys")
		}
		budget := fleet.Budget{MaxObjects: rapid.IntRange(-1, 12).Draw(t, "objects"), MaxPercent: rapid.IntRange(-1, 100).Draw(t, "percent")}
		alive := func(n app.Name) bool { return m.known[n] && !m.removed[n] }
		t.Repeat(map[string]func(*rapid.T){
			"claim": func(*rapid.T) {
				n := draw()
				w.claims[n] = nil
				w.claim(n, false, some()...)
				w.claim(n, true, some()...)
			},
			"stale": func(*rapid.T) { w.Stale(prod); m.stale = true },
			"found": func(*rapid.T) {
				n := draw()
				w.Found(prod, budget, []app.Name{n}, []app.Name{n}, nil)
				m.stale, m.known[n], m.pending[n], m.removed[n] = false, true, true, false
			},
			"removed": func(*rapid.T) {
				n := draw()
				w.Found(prod, budget, nil, nil, []app.Name{n})
				m.stale, m.known[n], m.pending[n], m.removed[n], m.broken[n], m.wants[n] = false, true, false, true, false, nil
			},
			"wants": func(*rapid.T) {
				n, list := draw(), some()
				w.read(n, list...)
				if alive(n) {
					m.pending[n], m.broken[n], m.wants[n] = false, false, list
				}
			},
			"broken": func(*rapid.T) {
				n := draw()
				w.Broken(n, w.Round(n), "bad", nil)
				if alive(n) {
					m.pending[n], m.broken[n] = false, true
				}
			},
			"gone": func(*rapid.T) {
				n := draw()
				w.Gone(n)
				m.known[n], m.pending[n], m.removed[n], m.broken[n], m.wants[n] = false, false, false, false, nil
			},
			"": func(t *rapid.T) { m.agrees(t, w, budget) },
		})
	})
}

func (m model) agrees(t *rapid.T, w *world, b fleet.Budget) {
	unread := m.stale
	wanted := map[object.Key]bool{}
	for n := range m.known {
		unread = unread || m.pending[n]
		for _, k := range m.wants[n] {
			wanted[k] = true
		}
	}
	claimed, gone, staying := 0, 0, 0
	for n, known := range m.known {
		if !known {
			continue
		}
		claimed += len(w.claims[n])
		if !m.removed[n] {
			staying++
		}
		for k, c := range w.claims[n] {
			if !m.broken[n] && !c.Confirmed && !wanted[k] {
				gone++
			}
		}
	}
	over := !unread && gone > 0 && (staying == 0 || b.MaxObjects >= 0 && gone > b.MaxObjects || b.MaxPercent >= 0 && gone > 10 && gone*100 > b.MaxPercent*claimed)
	c := w.Census(name("a"), nil)
	if (c.Waiting != "") != unread || w.Idle() == unread {
		t.Fatalf("waiting %q, want %t", c.Waiting, unread)
	}
	if (c.Over != "") != over {
		t.Fatalf("over %q, want %t: %d of %d, %d stay, %+v", c.Over, over, gone, claimed, staying, b)
	}
	if strings.Contains(c.Over, "%!") {
		t.Fatal(c.Over)
	}
}
