package render_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/schema"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// TestAsHelm holds what charts render to against Helm's own library: its loader, its engine and its reading of manifests.
func TestAsHelm(t *testing.T) {
	golden.Run(t, "testdata/chart_*.txtar", func(t *testing.T, ar *txtar.Archive) {
		files, _ := split(ar)
		if files["app/Chart.yaml"] == "" || strings.Contains(string(ar.Comment), "file://") {
			return
		}
		dir := t.TempDir()
		for name, data := range files {
			name = filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		res, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range res.Objects {
			got = append(got, string(o.JSON()))
		}
		slices.Sort(got)
		if d := cmp.Diff(asHelm(t, filepath.Join(dir, "app")), got); d != "" {
			t.Errorf("Helm renders something else:\n%s", d)
		}
	})
}

// asHelm renders a chart as `helm template --include-crds` does, but for what only `helm test` runs, and returns the objects as JSON, in order.
func asHelm(t *testing.T, dir string) []string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("Helm: %v", err)
		}
	}
	c, err := loader.Load(dir)
	must(err)
	must(chartutil.ProcessDependencies(c, map[string]any{}))
	latest, err := schema.Builtin("")
	must(err)
	version, err := common.ParseKubeVersion("v" + latest.Version() + ".0")
	must(err)
	caps := common.DefaultCapabilities.Copy()
	caps.KubeVersion, caps.APIVersions = *version, latest.APIs()
	values, err := util.ToRenderValues(c, map[string]any{}, common.ReleaseOptions{Name: "app", Namespace: "default", Revision: 1, IsInstall: true}, caps)
	must(err)
	printed, err := engine.Render(c, values)
	must(err)
	for name := range printed {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(printed, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(printed, nil, releaseutil.InstallOrder)
	must(err)
	var out []string
	add := func(text string, crd bool) {
		var m map[string]any
		must(yaml.Unmarshal([]byte(text), &m))
		if len(m) == 0 {
			return
		}
		items := []any{m}
		if list, ok := m["items"].([]any); ok && m["kind"] == "List" {
			items = list
		}
		for _, item := range items {
			o := object.New(whole(item).(map[string]any))
			if annotations, _ := o.At("metadata", "annotations").(map[string]any); crd && annotations["fairlead.dev/prune"] == nil {
				o = o.With("keep", "metadata", "annotations", "helm.sh/resource-policy") // the one thing that is added
			}
			out = append(out, string(o.JSON()))
		}
	}
	for _, crd := range c.CRDObjects() {
		for _, doc := range releaseutil.SplitManifests(string(crd.File.Data)) {
			add(doc, true)
		}
	}
	for _, m := range manifests {
		add(m.Content, false)
	}
	for _, h := range hooks {
		if slices.ContainsFunc(h.Events, func(e release.HookEvent) bool { return e != release.HookTest }) {
			add(h.Manifest, false)
		}
	}
	slices.Sort(out)
	return out
}

// whole makes integers of the numbers that are.
func whole(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	objs, err := object.Values("helm", data)
	if err != nil || len(objs) != 1 {
		panic(err)
	}
	return objs[0]
}
