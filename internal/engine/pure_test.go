package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/contest"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
)

func key(name string) object.Key { return object.Key{Kind: "ConfigMap", Namespace: "shop", Name: name} }

func TestTiers(t *testing.T) {
	var got []string
	for _, tier := range tiers([]plan.Step{{Key: key("b"), Tier: 2}, {Key: key("a")}, {Key: key("first"), Tier: -7}, {Key: key("c"), Tier: 2}}) {
		text := ""
		for _, s := range tier {
			text += s.Key.Name
		}
		got = append(got, text)
	}
	if want := []string{"first", "a", "bc"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if tiers(nil) != nil {
		t.Error("no steps have tiers")
	}
}

func TestResultError(t *testing.T) {
	refused := Result{Err: fmt.Errorf("apply: %w", &plan.Refusal{Message: "no"})}
	transient := Result{Err: fault.Newf(fault.Transient, "later")}
	ok := Result{}
	if err := resultError([]Result{ok, refused}); err != nil {
		t.Errorf("a refusal is retried: %v", err)
	}
	if err := resultError([]Result{refused, transient}); fault.KindOf(err) != fault.Transient {
		t.Errorf("%v", err)
	}
	if progressed(nil) || progressed([]Result{ok, refused}) || !progressed([]Result{ok}) {
		t.Error("progress is made where steps ran and none failed")
	}
}

func TestContested(t *testing.T) {
	for want, edit := range map[string]fingerprint.Edit{
		"operator keeps changing spec.a back; next try in 10s; to leave the field to it, set the annotation fairlead.dev/ignore on the object in Git":     {Manager: "operator", Fields: []fingerprint.Path{"spec.a", "spec.b"}},
		"somebody keeps changing the fields back; next try in 10s; to leave the field to it, set the annotation fairlead.dev/ignore on the object in Git": {},
	} {
		if got := contested(edit, 10*time.Second+time.Millisecond); got != want {
			t.Errorf("%s", got)
		}
	}
}

// finish looks again at the first deadline, and not before a tenth of a second.
func TestFinish(t *testing.T) {
	now := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	e := &Engine{Now: func() time.Time { return now }}
	fight := contest.Record{}
	for range 6 {
		fight = fight.Repaired(now)
	}
	progressing := health.Verdict{Status: health.Progressing}
	for name, x := range map[string]struct {
		m     memory
		out   Outcome
		waits bool
		again time.Duration
	}{
		"nothing":       {},
		"a namespace":   {waits: true, again: 2 * time.Second},
		"a deadline":    {m: memory{deadline: time.Minute, since: map[object.Key]time.Time{key("a"): now.Add(-50 * time.Second)}}, out: Outcome{Health: map[object.Key]health.Verdict{key("a"): progressing}}, again: 10 * time.Second},
		"one that past": {m: memory{deadline: time.Minute, since: map[object.Key]time.Time{key("a"): now.Add(-time.Hour)}}, out: Outcome{Health: map[object.Key]health.Verdict{key("a"): progressing}}, again: 100 * time.Millisecond},
		"one of before": {m: memory{deadline: time.Minute, since: map[object.Key]time.Time{key("a"): now}}, out: Outcome{Health: map[object.Key]health.Verdict{}}},
		"a fight":       {m: memory{fights: map[object.Key]contest.Record{key("a"): fight}}, out: Outcome{Plan: plan.Plan{Contested: []plan.Note{{Key: key("a")}}}}, again: 10 * time.Second},
	} {
		out := x.out
		e.finish(&x.m, &out, x.waits)
		if out.Again != x.again {
			t.Errorf("%s: again in %s, want %s", name, out.Again, x.again)
		}
	}
}

// When a gate opens is not forgotten over what is kept meanwhile.
func TestGateOpens(t *testing.T) {
	now := time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC)
	e := &Engine{Now: func() time.Time { return now }}
	s := Subject{Rendered: true, Releasing: Releasing{Ruled: true, Gates: func(release.Want) []release.Gate {
		return []release.Gate{{Waits: "waits for the window", Until: now.Add(time.Hour)}}
	}}}
	good, git := release.Want{Digest: "old"}, release.Want{Digest: "new"}
	m := &memory{releases: release.State{Current: release.Release{Serial: 1, Want: good, Phase: release.Succeeded}, Released: good, Good: good}}
	for _, looked := range []release.Want{git, good, good} {
		m.placed.bundle = looked.Digest
		e.decide(m, s, plan.Plan{}, &look{m: m}, git)
		if got := m.releases.Current; got.Phase != release.Gated || got.Why != "waits for the window" || !m.look.Equal(now.Add(time.Hour)) {
			t.Errorf("after a look at %s: %s, %q, again at %s", looked.Digest, got.Phase, got.Why, m.look)
		}
	}
	s.Releasing.Gates, m.placed.bundle = nil, git.Digest
	if e.decide(m, s, plan.Plan{}, &look{m: m}, git); m.releases.Current.Phase == release.Gated || !m.look.IsZero() {
		t.Errorf("without gates: %s, again at %s", m.releases.Current.Phase, m.look)
	}
}

// What an API server writes is not applied, and a Secret is as the server would store it.
func TestClean(t *testing.T) {
	o := object.New(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "status": map[string]any{}, "stringData": map[string]any{"a": "text"}, "data": map[string]any{"a": "b2xk", "b": "Yg=="},
		"metadata": map[string]any{"name": "x", "uid": "u", "resourceVersion": "1", "creationTimestamp": nil, "managedFields": []any{}, "generation": int64(1)},
	})
	want := object.New(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"a": "dGV4dA==", "b": "Yg=="}, "metadata": map[string]any{"name": "x"},
	})
	if got := clean(o); got.Hash() != want.Hash() {
		t.Errorf("%s", got.YAML())
	}
	other := object.New(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "stringData": map[string]any{"a": "text"}})
	if got := clean(other); got.Hash() != other.Hash() {
		t.Errorf("%s", got.YAML())
	}
}
