package health_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// statuses, from best to worst.
var statuses = []health.Status{health.Healthy, health.Suspended, health.Progressing, health.Missing, health.Degraded, health.Unknown}

// check: a verdict has a known status and one bounded, printable line.
func check(t testing.TB, v health.Verdict) {
	t.Helper()
	if !slices.Contains(statuses, v.Status) {
		t.Errorf("%q is no status", v.Status)
	}
	if len(v.Message) > 300 || strings.ContainsFunc(v.Message, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("not one bounded line: %q", v.Message)
	}
	if v.Message == "" && v.Status != health.Healthy {
		t.Errorf("%s does not say why", v.Status)
	}
}

func TestWorstLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOf(rapid.SampledFrom(statuses)).Draw(t, "statuses")
		worst := health.Worst(some...)
		if other := health.Worst(rapid.Permutation(some).Draw(t, "shuffled")...); other != worst {
			t.Fatalf("order matters: %s, then %s", worst, other)
		}
		if len(some) > 0 && !slices.Contains(some, worst) {
			t.Fatalf("%s is none of %v", worst, some)
		}
		for _, s := range some {
			if s.Worse(worst) {
				t.Fatalf("%s is worse than %s", s, worst)
			}
		}
		i := rapid.IntRange(0, len(some)).Draw(t, "cut")
		if parts := health.Worst(health.Worst(some[:i]...), health.Worst(some[i:]...)); parts != worst {
			t.Fatalf("parts matter: %s, whole %s", parts, worst)
		}
	})
	if health.Worst() != health.Healthy || health.Worst("Great") != "Great" {
		t.Error("nothing is healthy; an unknown word is the worst")
	}
}

func TestAtLaws(t *testing.T) {
	start := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		v := health.Verdict{Status: rapid.SampledFrom(statuses).Draw(t, "status"), Message: rapid.StringMatching(`[a-z ]{0,300}`).Draw(t, "message")}
		deadline := time.Duration(rapid.IntRange(0, 100).Draw(t, "deadline")) * time.Second
		a, b := rapid.IntRange(-10, 200).Draw(t, "a"), rapid.IntRange(-10, 200).Draw(t, "b")
		early, late := start.Add(time.Duration(min(a, b))*time.Second), start.Add(time.Duration(max(a, b))*time.Second)
		before, after := v.At(start, early, deadline), v.At(start, late, deadline)
		if before.Status.Worse(after.Status) {
			t.Fatalf("%s at %s, %s at %s", before, early, after, late)
		}
		if v.Status != health.Progressing && after != v {
			t.Fatalf("%s became %s", v, after)
		}
		if again := before.At(start, early, deadline); again != before {
			t.Fatalf("twice is not once: %s, %s", before, again)
		}
		if v.At(time.Time{}, late, deadline) != v {
			t.Fatal("an unknown beginning has a deadline")
		}
		if len(after.Message) > 300 {
			t.Fatalf("message of %d bytes", len(after.Message))
		}
	})
	got := health.Verdict{Status: health.Progressing, Message: "1 of 3 replicas updated"}.At(start, start.Add(601*time.Second), 10*time.Minute).String()
	if want := "Degraded: not ready after 10m0s: 1 of 3 replicas updated"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLayers(t *testing.T) {
	widget := object.New(map[string]any{"apiVersion": "v1", "kind": "Widget"})
	gadget := object.New(map[string]any{"apiVersion": "v1", "kind": "Gadget"})
	rule := func(kind, healthy string) app.HealthRule {
		return app.HealthRule{APIVersion: "v1", Kind: kind, Healthy: healthy}
	}
	environment := app.Health{Deadline: time.Minute, Rules: []app.HealthRule{rule("Widget", "false"), rule("Gadget", "false")}}
	own := app.Health{Rules: []app.HealthRule{rule("Widget", "true")}}
	rules, err := health.Compile(environment, own)
	if err != nil {
		t.Fatal(err)
	}
	if w, g := rules.Assess(widget).Status, rules.Assess(gadget).Status; w != health.Healthy || g != health.Progressing {
		t.Errorf("the later layer must win for its kinds only: widget %s, gadget %s", w, g)
	}
	if rules.Deadline() != time.Minute || (health.Rules{}).Deadline() != health.DefaultDeadline {
		t.Errorf("deadlines %s, %s", rules.Deadline(), health.Rules{}.Deadline())
	}
	if alone, _ := health.Compile(environment); alone.Assess(widget).Status != health.Progressing {
		t.Error("compiling changed a layer")
	}
}

// Expressions that would run or grow for ever end, soon and small.
func TestCostly(t *testing.T) {
	long := make([]any, 1000)
	for i := range long {
		long[i] = strings.Repeat("x", 1000)
	}
	o := object.New(map[string]any{"apiVersion": "v1", "kind": "Widget", "list": long, "text": strings.Repeat("x", 1<<20)})
	for _, healthy := range []string{
		"object.list.all(a, object.list.all(b, object.list.all(c, a == b || true)))",
		"object.list.map(x, x + x)" + strings.Repeat(".map(x, x + x + x + x)", 40) + ".size() > 0",
		"object.list.all(a, object.list.all(b, object.text.size() > 0))",
		"object.list.all(a, object == object)",
	} {
		rules, err := health.Compile(app.Health{Rules: []app.HealthRule{{APIVersion: "v1", Kind: "Widget", Healthy: healthy}}})
		if err != nil {
			t.Fatal(err)
		}
		if v := rules.Assess(o); v.Status != health.Unknown || !strings.Contains(v.Message, "cost limit") {
			t.Errorf("%.60s: %s", healthy, v)
		}
	}
}

// FuzzAssess: no shape of an object makes any rule panic, and every verdict is well formed.
func FuzzAssess(f *testing.F) {
	for _, ar := range golden.All(f, "testdata/*.txtar") {
		for _, part := range ar.Files {
			if objs, err := object.Parse(part.Name, part.Data); err == nil && len(objs) == 1 {
				f.Add(objs[0].JSON())
			}
		}
	}
	rules, err := health.Compile(app.Health{Rules: []app.HealthRule{{
		APIVersion: "example.com/v1", Kind: "Widget",
		Failed:  "object.status.conditions.exists(c, c.type == 'Failed' && c.status == 'True')",
		Healthy: "object.status.replicas >= object.spec.replicas && object.status.names[0].startsWith('a')",
	}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		content, ok := decode(data)
		if !ok {
			return
		}
		o := object.New(content)
		for range 2 { // as it says what it is, and as the kind that a user's rule judges
			check(t, rules.Assess(o))
			o = o.With("example.com/v1", "apiVersion").With("Widget", "kind")
		}
	})
}

// decode reads JSON as objects hold it: int64 where a number is whole.
func decode(data []byte) (map[string]any, bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var content map[string]any
	if dec.Decode(&content) != nil || content == nil {
		return nil, false
	}
	return numbers(content).(map[string]any), true
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}
