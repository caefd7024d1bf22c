package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/migrate"
)

// TestTreeAround: from a directory within a repository, all of that is rendered, with files besides it.
func TestTreeAround(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		".git/config":            "[core]\n\turl = no\n[remote \"origin\"]\n\turl = git@git.example.com:fleet.git\n",
		"clusters/one/apps.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: root}\n",
		"charts/apps/Chart.yaml": "apiVersion: v2\nname: apps\nversion: 0.1.0\n",

		"charts/apps/templates/app.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\n" +
			"metadata: {name: \"{{ .Values.name }}\"}\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(root, "clusters"))
	for given, file := range map[string]string{".": "one/apps.yaml", "one": "one/apps.yaml", "./one/": "one/apps.yaml", "../clusters/one": "../clusters/one/apps.yaml"} {
		tree, done, err := treeAround(given)
		if err != nil {
			t.Fatal(err)
		}
		if got := tree.Path(file); got != "clusters/one/apps.yaml" {
			t.Errorf("from %s, %s is %q", given, file, got)
		}
		if want := []string{"git@git.example.com:fleet.git"}; !slices.Equal(tree.Remotes, want) {
			t.Errorf("remotes: %q", tree.Remotes)
		}
		res, err := tree.Render(migrate.Build{Dir: "x/web", Files: map[string]string{"x/web/fairlead.yaml": "helm: {chart: /charts/apps, values: {name: web}}\n"}})
		if err != nil || len(res.Objects) != 1 || res.Objects[0].Name() != "web" || !slices.Contains(res.Read, "charts/apps/templates/app.yaml") {
			t.Errorf("%v, %v", res, err)
		}
		done()
	}
}
