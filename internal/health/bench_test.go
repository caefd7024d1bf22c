package health_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/app"
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
		ar, err := txtar.ParseFile(filepath.Join("testdata", topic+".txtar"))
		if err != nil {
			b.Fatal(err)
		}
		var rules health.Rules
		objs := map[string]object.Object{}
		for _, f := range ar.Files {
			switch {
			case f.Name == app.DeclarationFile:
				d, err := app.ParseDeclaration(f.Name, f.Data)
				if err != nil {
					b.Fatal(err)
				}
				if rules, err = health.Compile(d.Health); err != nil {
					b.Fatal(err)
				}
			case strings.HasSuffix(f.Name, ".yaml"):
				objs[strings.TrimSuffix(f.Name, ".yaml")] = parse(b, f)
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
