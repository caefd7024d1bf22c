package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
)

// A file holds pairs: NAME.yaml, and NAME.want with the declaration as text or the error.
func TestParseDeclaration(t *testing.T) {
	golden.Run(t, "testdata/declaration/*.txtar", func(_ *testing.T, ar *txtar.Archive) {
		var pairs []txtar.File
		for _, f := range ar.Files {
			if name, ok := strings.CutSuffix(f.Name, ".yaml"); ok {
				pairs = append(pairs, f, txtar.File{Name: name + ".want", Data: []byte(describe(f.Data))})
			}
		}
		ar.Files = pairs
	})
}

func describe(data []byte) string {
	d, err := app.ParseDeclaration("fairlead.yaml", data)
	if err != nil {
		return fmt.Sprintf("%s: %s\n", fault.KindOf(err), err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "dependsOn %q, deadline %s\n", d.DependsOn, d.Health.Deadline)
	for _, r := range d.Health.Rules {
		fmt.Fprintf(&b, "rule %s %s: failed %q, healthy %q, progressing %q\n", r.APIVersion, r.Kind, r.Failed, r.Healthy, r.Progressing)
	}
	for _, g := range d.Gates {
		text, err := json.Marshal(g)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "gate %s\n", text)
	}
	for _, t := range d.Verify {
		text, err := json.Marshal(t) // all of it, in one line
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "trial %s\n", text)
	}
	if d.Helm != nil {
		text, err := json.Marshal(d.Helm)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "helm %s\n", text)
	}
	if d.Jsonnet != nil {
		text, err := json.Marshal(d.Jsonnet)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "jsonnet %s\n", text)
	}
	return b.String()
}

func FuzzParseDeclaration(f *testing.F) {
	for _, ar := range golden.All(f, "testdata/declaration/*.txtar") {
		for _, part := range ar.Files {
			f.Add(part.Data)
		}
	}

	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := app.ParseDeclaration("fairlead.yaml", data)
		if err == nil {
			return
		}
		if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "fairlead.yaml:") || len(err.Error()) > 1000 {
			t.Errorf("error %v (%s)", err, fault.KindOf(err))
		}
		if !cmp.Equal(d, app.Declaration{}) {
			t.Errorf("an error with a declaration: %v", d)
		}
	})
}
