package render_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// around is what a kustomization that is tried may refer to.
var around = sourcetest.Files{
	"app/all.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\ndata: {theme: light}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, image: \"web:1\"}]}}}\n",
	"app/patch.yaml":           "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\ndata: {theme: dark}\n",
	"app/values.env":           "A=1\nB=2\n",
	"app/config.yaml":          "nameReference: [{kind: ConfigMap, fieldSpecs: [{path: spec/flags, kind: Widget}]}]\n",
	"app/transformer.yaml":     "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: p}\nprefix: p-\n",
	"app/link":                 sourcetest.Link("../base/b.yaml"),
	"base/kustomization.yaml":  "resources: [b.yaml]\n",
	"base/b.yaml":              "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
	"parts/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {a: b}}]\n",
	"away/x.yaml":              "apiVersion: v1\nkind: Secret\nmetadata: {name: away}\n",
}

// FuzzKustomization: whatever a kustomization says, it dials nobody, leaves the tree alone, gives the same each time, and reads nothing that its inputs do
// not tell: a tree that differs elsewhere renders to the same. What is refused is the user's to mend, in a bounded text.
func FuzzKustomization(f *testing.F) {
	for _, ar := range golden.All(f, cases) {
		for _, file := range ar.Files {
			if strings.HasSuffix(file.Name, "kustomization.yaml") {
				f.Add(file.Data)
			}
		}
	}
	for _, text := range []string{
		"resources: [all.yaml, ../base]\ncomponents: [../parts]\nnamePrefix: a-\nnamespace: shop\n",
		"resources: [all.yaml]\npatches: [{path: patch.yaml}, {target: {kind: Deployment}, patch: '[{op: replace, path: /spec/replicas, value: 3}]'}]\n",
		"configMapGenerator: [{name: env, envs: [values.env], files: [f=all.yaml], literals: [a=b]}]\ngeneratorOptions: {disableNameSuffixHash: true}\n",
		"resources: [link, ../away/x.yaml]\nimages: [{name: web, newTag: '2'}]\nreplicas: [{name: web, count: 2}]\n",
		"resources: [all.yaml]\nreplacements: [{source: {kind: ConfigMap, fieldPath: data.theme}, targets: [{select: {kind: Deployment}, fieldPaths: [metadata.name]}]}]\n",
		"resources: [all.yaml]\nconfigurations: [config.yaml]\ntransformers: [transformer.yaml]\nvars: [{name: X, objref: {kind: ConfigMap, name: flags, apiVersion: v1}}]\n",
	} {
		f.Add([]byte(text))
	}
	http.DefaultTransport = trap{f}
	f.Fuzz(func(t *testing.T, data []byte) {
		files := maps.Clone(around)
		files["app/kustomization.yaml"] = string(data)
		tree := treeFrom(files)
		if tree == nil {
			return
		}
		res, err := render.Render(render.Request{Tree: tree, Dir: "app", Limits: render.Limits{Objects: 1000, Files: 100, Bytes: 1 << 20}})
		if ok, unchangedErr := res.Inputs.Unchanged(tree); !ok || unchangedErr != nil {
			t.Fatalf("changed inputs in the same tree: %v", unchangedErr)
		}
		if err != nil && (fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "dial") || len(err.Error()) > 4*len(data)+4000) {
			t.Fatalf("%s: %.5000s", fault.KindOf(err), err)
		}
		want := outcome(t, tree)
		for _, name := range slices.Sorted(maps.Keys(around)) {
			other := maps.Clone(files)
			delete(other, name)
			edited := treeFrom(other)
			if same, err := res.Inputs.Unchanged(edited); err != nil || !same {
				continue
			}
			if d := cmp.Diff(want, outcome(t, edited)); d != "" {
				t.Fatalf("without %s, of which it was said that it changes nothing:\n%s", name, d)
			}
		}
	})
}

// treeFrom makes a tree of files, nil if they make none.
func treeFrom(files sourcetest.Files) (tree *archive.Tree) {
	defer func() {
		if recover() != nil {
			tree = nil
		}
	}()
	return sourcetest.New(files)
}
