package health_test

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// FuzzRules: a rule is refused as the user's to mend, in one line, or it judges every object in one bounded line, twice the same; and no verdict of a Secret
// tells what is in it.
func FuzzRules(f *testing.F) {
	const (
		live   = `{"metadata":{"generation":2},"status":{"observedGeneration":2,"phase":"Ready","replicas":3,"conditions":[{"type":"Ready","status":"True"}]}}`
		hidden = "correct-horse"
	)
	for _, text := range []string{
		"object.status.phase == 'Ready'", "object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", "size(object.data.key) > 3",
		"object.status.replicas / 0 == 1", "object.data.key + 1 == 'x'", "int(object.data.key) > 0", "[1,2,3].map(x, [1,2,3].map(y, x*y)).size() > 0",
		"object.metadata.generation == object.status.observedGeneration", "timestamp(object.data.key) > timestamp('2020-01-01T00:00:00Z')",
		"object", "object.status.replicas", "'a' in object.status", "object.?a.orValue(true)", "duration('1h') > duration(object.data.key)",
	} {
		f.Add(text, "", []byte(live))
		f.Add("has(object.status)", text, []byte(live))
	}
	for _, ar := range golden.All(f, "testdata/*.txtar") {
		for _, part := range ar.Files {
			d, err := app.ParseDeclaration("fairlead.yaml", part.Data)
			if part.Name != app.DeclarationFile || err != nil {
				continue
			}
			for _, r := range d.Health.Rules {
				f.Add(r.Healthy, r.Failed, []byte(live))
			}
		}
	}
	f.Fuzz(func(t *testing.T, healthy, failed string, data []byte) {
		const longest = 4096 // of an expression: an Environment and fairlead.yaml have no longer ones
		content, ok := decode(data)
		if !ok || len(healthy) > longest || len(failed) > longest || strings.Contains(healthy+failed+string(data), hidden) {
			return
		}
		rule := app.HealthRule{Healthy: healthy, Failed: failed}
		for _, kind := range []string{"Widget", "Secret"} {
			rule.APIVersion, rule.Kind = "v1", kind
			rules, err := health.Compile(app.Health{Rules: []app.HealthRule{rule}})
			if err != nil {
				if fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
					t.Fatalf("%s: %q", fault.KindOf(err), err)
				}
				return
			}
			o := object.New(content).With("v1", "apiVersion").With(kind, "kind").With(hidden, "data", "key")
			v := rules.Assess(o)
			check(t, v)
			if again := rules.Assess(o); again != v {
				t.Errorf("judged twice: %s, %s", v, again)
			}
			if kind == "Secret" && strings.Contains(v.Message, hidden) {
				t.Errorf("it tells a Secret's value: %s", v)
			}
		}
	})
}
