package health_test

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

var benchmarks = map[string][]string{
	"deployment": {"available", "rolling"},
	"pod":        {"crashloop", "ready"},
	"extend":     {"configmap"},
	"custom":     {"ready"},
	"rules":      {"healthy"},
}

// BenchmarkAssess: one verdict is made for each event of a watch.
func BenchmarkAssess(b *testing.B) {
	for topic, names := range benchmarks {
		rules, objs := health.Rules{}, map[string]object.Object{}
		for _, ar := range golden.All(b, "testdata/"+topic+".txtar") {
			rules = rulesOf(b, ar)
			for _, f := range ar.Files {
				if name, ok := strings.CutSuffix(f.Name, ".yaml"); ok && f.Name != app.DeclarationFile {
					objs[name] = parse(b, f)
				}
			}
		}
		for _, name := range names {
			b.Run(topic+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					rules.Assess(objs[name])
				}
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	rule := app.HealthRule{APIVersion: "example.com/v1", Kind: "Widget", Failed: "object.status.phase == 'Broken'", Healthy: "object.status.phase == 'Ready'"}
	for name, layer := range map[string]app.Health{"none": {}, "one": {Rules: []app.HealthRule{rule}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := health.Compile(layer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
