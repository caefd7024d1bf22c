package render_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// trap is a network that nobody may use.
type trap struct{ t testing.TB }

func (tr trap) RoundTrip(r *http.Request) (*http.Response, error) {
	tr.t.Errorf("dialled %s", r.URL)
	return nil, errors.New("trapped")
}

// setTraps makes any use of the network or of a program fail the test.
func setTraps(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	marker := filepath.Join(dir, "ran")
	for _, name := range []string{"git", "helm", "helmV3", "docker", "podman", "sh", "bash", "ssh", "kustomize", "kubectl"} {
		script := "#!/bin/sh\necho " + name + " \"$@\" >>" + marker + "\nexit 1\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	was := http.DefaultTransport
	http.DefaultTransport = trap{t}
	t.Cleanup(func() {
		http.DefaultTransport = was
		if ran, err := os.ReadFile(marker); err == nil {
			t.Errorf("ran %s", ran)
		}
	})
}

// TestNothingFetched renders every case while the network and all programs are trapped.
func TestNothingFetched(t *testing.T) {
	setTraps(t)
	for name, ar := range golden.All(t, cases) {
		files, _ := split(ar)
		_, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app"})
		if strings.Contains(name, "error_remote") && err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
}

// TestEveryPathField fails when Kustomize gets a new field: it may take a path, and refs.go has to look at it before Kustomize does.
func TestEveryPathField(t *testing.T) {
	want := map[string]string{
		"Kustomization": "apiVersion bases buildMetadata commonAnnotations commonLabels components configMapGenerator configurations crds " +
			"generatorOptions generators helmChartInflationGenerator helmCharts helmGlobals imageTags images kind labels metadata " +
			"namePrefix nameSuffix namespace openapi patches patchesJson6902 patchesStrategicMerge replacements replicas resources " +
			"secretGenerator sortOptions transformers validators vars",
		"KvPairSources":    "env envs files literals",
		"Patch":            "options patch path target",
		"ReplacementField": "path source sourceValue targets",
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[types.Kustomization](), reflect.TypeFor[types.KvPairSources](),
		reflect.TypeFor[types.Patch](), reflect.TypeFor[types.ReplacementField](),
	} {
		names := fieldNames(typ)
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want[typ.Name()] {
			t.Errorf("fields of %s are now\n%s", typ.Name(), got)
		}
	}
}

func fieldNames(typ reflect.Type) []string {
	var names []string
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" && f.Anonymous {
			names = append(names, fieldNames(f.Type)...)
			continue
		}
		names = append(names, name)
	}
	return names
}

// TestGathered: a kustomization that only lists files gives the same, whether Kustomize is asked or not. A field that does nothing has it asked.
func TestGathered(t *testing.T) {
	objects := []string{
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {on: yes, a: \"yes\", b: 'on', c: null, d: ~, e: 010, f: 0o10, g: 1e3, h: 1_000, i: 2020-01-01, j: 0x1F, k: .5, l: -0, m: 12345678901234567890}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x, labels: {a: b}, annotations: {c: d}}\ndata: {}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: text\ndata:\n  a: |\n    x\n      y\n  b: >-\n    folded\n    text\n  c: \"\\u00e9\\n\"\n  ? key\n  : value\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: anchors}\ndata: &d {a: b}\nmore: *d\n",
		"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l1}}\n- {apiVersion: v1, kind: Secret, metadata: {name: l2}, stringData: {x: 1.0}}\n",
		"apiVersion: v1\nkind: ConfigMapList\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l3}}\n",
		"apiVersion: v1\nkind: ConfigMapList\nitems:\n- {metadata: {name: l4}}\n",
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa, namespace: x}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: rb, namespace: y}\n" +
			"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}\nsubjects: [{kind: ServiceAccount, name: sa}, {kind: ServiceAccount, name: default}, {kind: User, name: u}]\n" +
			"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: y}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: crb}\n" +
			"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: sa}, {kind: ServiceAccount, name: sa, namespace: z}]\n",
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: sa, containers: " +
			"[{name: c, image: \"x:1\", envFrom: [{configMapRef: {name: a}}], env: [], args: [null, 1, true]}], volumes: [{name: v, configMap: {name: missing}}]}}}\n",
		"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\nspec: {empty: {}, list: [], none:, float: 1.0, big: 1e400, inf: .inf, nan: .nan, neg: -1.50}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: generated, annotations: {config.kubernetes.io/local-config: \"true\"}}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tidy, annotations: {}, labels: {}}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hashed, annotations: {kustomize.config.k8s.io/needs-hash: \"true\"}}\n",
		"# nothing\n",
		"{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"json\"}, \"data\": {\"a\": \"\\u00e9\"}}\n",
	}
	rapid.Check(t, func(t *rapid.T) {
		files := sourcetest.Files{"base/kustomization.yaml": "resources: [b.yaml]\n", "base/b.yaml": rapid.SampledFrom(objects).Draw(t, "base")}
		list := ""
		for i := range rapid.IntRange(1, 4).Draw(t, "files") {
			list += fmt.Sprintf("- %d.yaml\n", i)
			for range rapid.IntRange(1, 2).Draw(t, "documents") {
				files[fmt.Sprintf("app/%d.yaml", i)] += "---\n" + rapid.SampledFrom(objects).Draw(t, "object")
			}
		}
		if rapid.Bool().Draw(t, "with base") {
			list += "- ../base\n"
		}
		asked := maps.Clone(files)
		files["app/kustomization.yaml"] = "resources:\n" + list
		asked["app/kustomization.yaml"] = "images: []\nresources:\n" + list
		got, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app"})
		want, wantErr := render.Render(render.Request{Tree: sourcetest.New(asked), Dir: "app"})
		line := regexp.MustCompile(`kustomization.yaml:\d+`)
		if text := func(err error) string { return line.ReplaceAllString(fmt.Sprint(err), "") }; text(err) != text(wantErr) {
			t.Fatalf("error %v, Kustomize says %v\n%v", err, wantErr, files)
		}
		contents := func(objs []object.Object) (out []map[string]any) { // in which order they are listed means nothing
			slices.SortFunc(objs, func(a, b object.Object) int { return a.Key().Compare(b.Key()) })
			for _, o := range objs {
				out = append(out, o.Content())
			}
			return out
		}
		if d := cmp.Diff(contents(want.Objects), contents(got.Objects)); d != "" {
			t.Fatalf("-Kustomize +gathered\n%s", d)
		}
	})
}

// TestMemory: what is remembered of earlier commits changes nothing but the cost.
func TestMemory(t *testing.T) {
	text := func(name, value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {on: " + value + "}\n"
	}
	rapid.Check(t, func(t *rapid.T) {
		var memory render.Memory
		names := rapid.SampledFrom([]string{"a", "b", "c"})
		files := sourcetest.Files{"app/a.yaml": text("a", "yes"), "base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": text("base", "on")}
		for range rapid.IntRange(1, 8).Draw(t, "commits") {
			file := "app/" + names.Draw(t, "file") + ".yaml"
			switch rapid.IntRange(0, 5).Draw(t, "change") {
			case 0, 1:
				files[file] = text(names.Draw(t, "name"), rapid.SampledFrom([]string{"yes", "1", "\"x\"", "{"}).Draw(t, "value"))
			case 2:
				files[file] = files["app/"+names.Draw(t, "copied")+".yaml"]
			case 3:
				delete(files, file)
			case 4:
				files["app/kustomization.yaml"] = "resources: [a.yaml, ../base]\n" + rapid.SampledFrom([]string{"", "namePrefix: x-\n"}).Draw(t, "field")
			case 5:
				delete(files, "app/kustomization.yaml")
			}
			tree := sourcetest.New(maps.Clone(files))
			want, wantErr := render.Render(render.Request{Tree: tree, Dir: "app"})
			got, err := render.Render(render.Request{Tree: tree, Dir: "app", Memory: &memory})
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || got.Inputs.String() != want.Inputs.String() || len(got.Objects) != len(want.Objects) {
				t.Fatalf("got %v, %v; want %v, %v\n%v", got, err, want, wantErr, files)
			}
			for i, o := range got.Objects {
				if w := want.Objects[i]; o.Hash() != w.Hash() || o.Origin() != w.Origin() {
					t.Fatalf("object %d is %s of %s, want %s of %s\n%v", i, o.JSON(), o.Origin(), w.JSON(), w.Origin(), files)
				}
			}
		}
	})
}

// TestConcurrent renders all cases at once, those with a schema of their own among them, and expects of each what it gives alone.
func TestConcurrent(t *testing.T) {
	all := maps.Collect(golden.All(t, cases))
	names := slices.Sorted(maps.Keys(all))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range names {
				name := names[(i*7+worker*11)%len(names)]
				files, want := split(all[name])
				if d := cmp.Diff(want, outcome(t, sourcetest.New(files))); d != "" {
					t.Errorf("%s: -want +got\n%s", name, d)
				}
			}
		})
	}
	wg.Wait()
}

// TestInputsAreAll: whatever is done to a tree, if the inputs are unchanged, so is what comes of it.
func TestInputsAreAll(t *testing.T) {
	for example, ar := range golden.All(t, cases) {
		files, want := split(ar)
		res, _ := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app"})
		for name := range files {
			for what, edit := range map[string]func(sourcetest.Files){
				"removed": func(f sourcetest.Files) { delete(f, name) },
				"emptied": func(f sourcetest.Files) { f[name] = "" },
				"doubled": func(f sourcetest.Files) { f[filepath.Join(filepath.Dir(name), "zz-new.yaml")] = "apiVersion: v1" },
			} {
				edited := maps.Clone(files)
				edit(edited)
				other := sourcetest.New(edited)
				same, err := res.Inputs.Unchanged(other)
				if err != nil {
					t.Fatal(err)
				}
				if got := outcome(t, other); same && cmp.Diff(want, got) != "" {
					t.Errorf("%s: %s %s is said to change nothing:\n%s", example, name, what, cmp.Diff(want, got))
				}
			}
		}
	}
}

// TestLimits: what is too large is refused with a reason.
func TestLimits(t *testing.T) {
	files := sourcetest.Files{}
	for i := range 20 {
		files[fmt.Sprintf("app/%d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a%d}\ndata: {x: %q}\n", i, strings.Repeat("x", 1000))
	}
	// Sixteen layers of two bases each ask for 65,536 builds.
	for i := range 16 {
		for _, side := range []string{"a", "b"} {
			next := fmt.Sprintf("resources: [../a%d, ../b%d]\nnamePrefix: %s-\n", i+1, i+1, side)
			if i == 15 {
				next = "resources: [../app/1.yaml]\n"
			}
			files[fmt.Sprintf("%s%d/kustomization.yaml", side, i)] = next
		}
	}
	tree := sourcetest.New(files)
	for _, c := range []struct {
		dir    string
		limits render.Limits
		want   string
	}{
		{"app", render.Limits{Objects: 10}, "app: renders to more than 10 objects: split the app"},
		{"app", render.Limits{Files: 10}, "app/18.yaml: the app reads more than 10 files"},
		{"app", render.Limits{Bytes: 5000}, "app/12.yaml: the app reads more than 0 MiB"},
		{"a0", render.Limits{}, "more than 2000: a base is built for each kustomization that names it"},
	} {
		_, err := render.Render(render.Request{Tree: tree, Dir: c.dir, Limits: c.limits})
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v, want %s", c.limits, err, c.want)
		}
	}
}

// FuzzRender: no tree panics, dials or runs anything, and what renders once renders the same again.
func FuzzRender(f *testing.F) {
	for _, ar := range golden.All(f, cases) {
		f.Add(txtar.Format(ar))
	}
	http.DefaultTransport = trap{f}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := treeOf(data)
		if tree == nil {
			return
		}
		limits := render.Limits{Objects: 1000, Bytes: 1 << 20}
		res, err := render.Render(render.Request{Tree: tree, Dir: "app", Limits: limits})
		if ok, unchangedErr := res.Inputs.Unchanged(tree); !ok || unchangedErr != nil {
			t.Fatalf("changed inputs in the same tree: %v", unchangedErr)
		}
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "dial") {
				t.Fatalf("%s: %v", fault.KindOf(err), err)
			}
			return
		}
		again, err := render.Render(render.Request{Tree: tree, Dir: "app", Limits: limits})
		if err != nil || string(object.Stream(res.Objects)) != string(object.Stream(again.Objects)) {
			t.Fatalf("rendered otherwise: %v", err)
		}
	})
}

// treeOf makes a tree of an archive, nil if its paths make none.
func treeOf(data []byte) (tree *archive.Tree) {
	defer func() {
		if recover() != nil {
			tree = nil
		}
	}()
	files, _ := split(txtar.Parse(data))
	return sourcetest.New(files)
}

func BenchmarkRender(b *testing.B) {
	for _, name := range []string{"overlay", "links", "plain"} {
		for _, ar := range golden.All(b, "testdata/"+name+".txtar") {
			files, _ := split(ar)
			tree := sourcetest.New(files)
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if _, err := render.Render(render.Request{Tree: tree, Dir: "app"}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
