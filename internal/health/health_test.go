package health_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// A file holds live objects, NAME.yaml each, at most one fairlead.yaml with rules, and verdicts: one line for each object. A line ends in what kstatus
// says where that is something else. A file "in" names the Environment whose apps are judged.
func TestAssess(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		golden.Drop(ar, "verdicts")
		rules := rulesOf(t, ar)
		var b strings.Builder
		for _, f := range ar.Files {
			if f.Name == "in" {
				namespace, name, _ := strings.Cut(strings.TrimSpace(string(f.Data)), "/")
				rules = rules.In(namespace, name)
			} else if f.Name != app.DeclarationFile {
				fmt.Fprintf(&b, "%-28s %s\n", strings.TrimSuffix(f.Name, ".yaml"), judge(t, rules, f))
			}
		}
		golden.Set(ar, "verdicts", b.String())
	})
}

func rulesOf(t testing.TB, ar *txtar.Archive) health.Rules {
	for _, f := range ar.Files {
		if f.Name != app.DeclarationFile {
			continue
		}
		d, err := app.ParseDeclaration(f.Name, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		rules, err := health.Compile(d.Health)
		if err != nil {
			t.Fatal(err)
		}
		return rules
	}
	return health.Rules{}
}

func judge(t *testing.T, rules health.Rules, f txtar.File) string {
	o := parse(t, f)
	v := rules.Assess(o)
	check(t, v)
	text := v.String()
	if theirs := kstatus(o); theirs != v.Status {
		text += fmt.Sprintf("   (kstatus: %s)", theirs)
	}
	return text
}

func parse(t testing.TB, f txtar.File) object.Object {
	objs, err := object.Parse(f.Name, f.Data)
	if err != nil || len(objs) != 1 {
		t.Fatalf("%s: %d objects: %v", f.Name, len(objs), err)
	}
	return objs[0]
}

// kstatus is the judgement of the library that most tools use, in our words.
func kstatus(o object.Object) health.Status {
	res, err := status.Compute(&unstructured.Unstructured{Object: o.Content()})
	if err != nil {
		return health.Unknown
	}
	switch res.Status {
	case status.CurrentStatus:
		return health.Healthy
	case status.FailedStatus:
		return health.Degraded
	case status.NotFoundStatus:
		return health.Missing
	case status.UnknownStatus:
		return health.Unknown
	case status.InProgressStatus, status.TerminatingStatus:
	}
	return health.Progressing
}

// Errors of Compile, as people see them.
func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		rule app.HealthRule
		want string
	}{
		{"syntax", app.HealthRule{Healthy: "object.status.phase == "}, `healthy: line 1, column 24: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`},
		{"second line", app.HealthRule{Healthy: "true &&\n  objct.a"}, `healthy: line 2, column 3: undeclared reference to 'objct'`},
		{"failed too", app.HealthRule{Failed: "nope()", Healthy: "true"}, `failed: line 1, column 5: undeclared reference to 'nope'`},
		{"no regular expressions", app.HealthRule{Healthy: "object.kind.matches('W.*')"}, `healthy: line 1, column 20: undeclared reference to 'matches'`},
		{"too deep", app.HealthRule{Healthy: strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60)}, `healthy: expression recursion limit exceeded: 50`},
		{"no truth", app.HealthRule{Healthy: "'yes'"}, `healthy: line 1, column 1: is a string: write something that is true or false`},
		{"empty", app.HealthRule{Healthy: "  "}, `apiVersion, kind and healthy must not be empty`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.rule.APIVersion, c.rule.Kind = "example.com/v1", "Widget"
			_, err := health.Compile(app.Health{Rules: []app.HealthRule{c.rule}})
			if want := "health rule for example.com/v1 Widget: " + c.want; err == nil || err.Error() != want || fault.KindOf(err) != fault.Invalid {
				t.Errorf("got  %v (%s)\nwant %s", err, fault.KindOf(err), want)
			}
		})
	}
	twice := app.HealthRule{APIVersion: "v1", Kind: "Pod", Healthy: "true"}
	if _, err := health.Compile(app.Health{Rules: []app.HealthRule{twice, twice}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("two rules for one kind: %v", err)
	}
}
