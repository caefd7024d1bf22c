package app_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the expectations")

// A file holds pairs: NAME.yaml, and NAME.want with the declaration as text or the error.
func TestParseDeclaration(t *testing.T) {
	files, err := filepath.Glob("testdata/declaration/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files", err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, out := map[string]string{}, &txtar.Archive{Comment: ar.Comment}
		for _, f := range ar.Files {
			want[f.Name] = string(f.Data)
		}
		for _, f := range ar.Files {
			name, ok := strings.CutSuffix(f.Name, ".yaml")
			if !ok {
				continue
			}
			got := describe(f.Data)
			out.Files = append(out.Files, f, txtar.File{Name: name + ".want", Data: []byte(got)})
			if diff := cmp.Diff(want[name+".want"], got); diff != "" && !*update {
				t.Errorf("%s: %s: -want +got\n%s", file, name, diff)
			}
		}
		if *update {
			if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
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
	return b.String()
}

func FuzzParseDeclaration(f *testing.F) {
	files, _ := filepath.Glob("testdata/declaration/*.txtar")
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
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
