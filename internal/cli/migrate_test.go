package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/migrate"
)

// TestOrdered: a chart that only speaks of an engine's groups keeps nobody from migrating; one that makes objects of it is named. Else, what cannot be read is an error.
func TestOrdered(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("apps/web.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web}\n")
	write("charts/rollouts/Chart.yaml", "name: rollouts\n")
	write("charts/rollouts/templates/role.yaml", "{{- if .Values.rbac }}\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nrules: [{apiGroups: [argoproj.io]}]\n{{- end }}\n")
	write("charts/rollouts/templates/more/app.yaml", "{{- range .Values.apps }}\napiVersion: argoproj.io/v1alpha1\nkind: Application\n{{- end }}\n")
	write("apps/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n- patch: |\n    apiVersion: argoproj.io/v1alpha1\n    kind: Application\n")
	write("apps/values.yaml", "extra:\n- apiVersion: argoproj.io/v1alpha1\n  kind: Application\n")
	objs, templates, err := ordered(dir, *delivererOf("argocd"))
	if err != nil || len(objs) != 1 || objs[0].Name() != "web" {
		t.Errorf("%v, %v", objs, err)
	}
	if len(templates) != 1 || filepath.Base(templates[0]) != "app.yaml" {
		t.Errorf("templates: %v", templates)
	}
	write("apps/broken.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: [\n")
	if _, _, err := ordered(dir, *delivererOf("argocd")); err == nil {
		t.Error("what cannot be read is taken for nothing")
	}
}

// TestFolded: what is said of many is said once.
func TestFolded(t *testing.T) {
	got := folded([]migrate.Note{
		{About: "Application a/x", Field: "spec", Text: "t"},
		{About: "Application a/y", Text: "t"},
		{About: "Application a/z", Field: "spec", Text: "t"},
		{About: "ApplicationSet a/x", Field: "spec", Text: "t"},
	})
	want := []migrate.Note{{About: "Application a/x, a/z", Field: "spec", Text: "t"}, {About: "Application a/y", Text: "t"}, {About: "ApplicationSet a/x", Field: "spec", Text: "t"}}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
