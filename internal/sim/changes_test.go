package sim

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const mergePatch = types.MergePatchType

var (
	patched = metav1.PatchOptions{FieldManager: "kubectl-edit"}
	got     = metav1.GetOptions{}
)

func unquote(s string) string {
	if out, err := strconv.Unquote(s); err == nil {
		return out
	}
	return s
}

// Two environments read one repository, each its own directories.
var appsOf = []string{"apps/web", "apps/api", "apps/data", "lab/one", "lab/two"}

// draw changes some files.
func (x *random) draw() map[string]string {
	out := map[string]string{}
	for range 1 + x.dice.IntN(4) {
		x.tip++
		files := slices.Sorted(maps.Keys(x.files))
		files = slices.DeleteFunc(files, func(p string) bool { return strings.HasSuffix(p, "/keep.yaml") || out[p] != "" })
		pick := func() string {
			if len(files) == 0 {
				return ""
			}
			return files[x.dice.IntN(len(files))]
		}
		app := appsOf[x.dice.IntN(len(appsOf))]
		switch n := x.dice.IntN(20); {
		case n < 7 || len(files) == 0:
			p := fmt.Sprintf("%s/%d.yaml", app, x.tip)
			out[p] = x.manifest(x.tip)
			x.note("new " + p)
		case n < 11: // the same object with other fields
			if p := pick(); !strings.Contains(p, "bad") && !strings.HasSuffix(p, "fairlead.yaml") {
				out[p] = x.manifest(number(p))
				x.note("change " + p)
			}
		case n < 14:
			p := pick()
			out[p] = ""
			x.note("remove " + p)
		case n < 15: // it moves to another app; of a definition, the simulated server would not merge the objects any more
			if p := pick(); !strings.Contains(p, "bad") && !strings.HasSuffix(p, "fairlead.yaml") && number(p)%9 != 6 {
				out[p] = ""
				to := fmt.Sprintf("%s/%d.yaml", app, number(p))
				r := x.w.repo("shop")
				out[to] = r.commits[r.branches["next"]].files[p] // as it is: what is refused of it would be known only once its app was read
				x.note("move " + p + " to " + to)
			}
		case n < 16:
			for _, p := range files {
				if strings.HasPrefix(p, app+"/") {
					out[p] = ""
				}
			}
			x.note("remove app " + app)
		case n < 17:
			p := app + "/bad.yaml"
			out[p] = []string{
				"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: [1]\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n",
				"kind: [broken\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late, namespace: nowhere}\n",
			}[x.dice.IntN(4)]
			x.note("spoil " + p)
		case n < 19:
			for _, p := range files {
				if strings.HasSuffix(p, "bad.yaml") {
					out[p] = ""
				}
			}
			x.note("mend all")
		default:
			other := appsOf[x.dice.IntN(len(appsOf))]
			if other != app && path.Dir(other) == path.Dir(app) {
				out[app+"/fairlead.yaml"] = "dependsOn: [" + path.Base(other) + "]\n"
			} else {
				out[app+"/fairlead.yaml"] = ""
			}
			x.note(app + " depends on " + other)
		}
	}
	for p, text := range out {
		if text == "" && !x.files[p] {
			delete(out, p)
		}
	}
	return out
}

func (x *random) note(text string) { x.did = append(x.did, text) }

// number is that of the object in a file.
func number(file string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(path.Base(file), ".yaml"))
	return n
}

// manifest is the object of a number, which says its kind and name, with some fields.
func (x *random) manifest(n int) string {
	v := x.dice.IntN(4)
	var notes []string
	switch x.dice.IntN(12) {
	case 0:
		notes = append(notes, `fairlead.dev/wave: "1"`)
	case 1:
		notes = append(notes, `fairlead.dev/wave: "-1"`)
	case 2:
		notes = append(notes, "fairlead.dev/prune: never")
	case 3:
		notes = append(notes, "fairlead.dev/prune: confirm")
	case 4:
		notes = append(notes, "fairlead.dev/apply: once")
	case 5, 6:
		notes = append(notes, "fairlead.dev/apply: replace")
	}
	meta := fmt.Sprintf("metadata: {name: o%d, annotations: {%s}}\n", n, strings.Join(notes, ", "))
	switch n % 9 {
	case 0:
		return "apiVersion: v1\nkind: Secret\n" + meta + fmt.Sprintf("stringData: {password: %s-%d}\n", canary, v)
	case 1:
		return "apiVersion: v1\nkind: Service\n" + meta + fmt.Sprintf("spec: {ports: [{port: %d}], selector: {app: o%d}}\n", 80+v, n)
	case 2:
		return "apiVersion: apps/v1\nkind: Deployment\n" + meta + fmt.Sprintf(`spec:
  replicas: %d
  selector: {matchLabels: {app: s%d}}
  template:
    metadata: {labels: {app: s%d}}
    spec: {containers: [{name: c, image: "web:%d"}]}
`, 1+v, v%2, v%2, v)
	case 3:
		return "apiVersion: batch/v1\nkind: Job\n" + meta + fmt.Sprintf("spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: \"job:%d\"}]}}}\n", v)
	case 4:
		return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: space%d}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: inner, namespace: space%d}\ndata: {v: \"%d\"}\n", n, n, v)
	case 5:
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: o%d, annotations: {%s}}\nimmutable: true\ndata: {v: \"%d\"}\n", n, strings.Join(notes, ", "), v)
	case 6:
		return strings.ReplaceAll(crd, "NAME", fmt.Sprintf("n%d", n)) + fmt.Sprintf("---\napiVersion: n%d.test.dev/v1\nkind: Widget\n%sspec: {size: %d}\n", n, meta, v)
	}
	return "apiVersion: v1\nkind: ConfigMap\n" + meta + fmt.Sprintf("data: {v: \"%d\", w: \"%d\"}\n", v, x.dice.IntN(2))
}

// canary must never be seen in a plan.
const canary = "cAnAry"

const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NAME.test.dev}
spec:
  group: NAME.test.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}}}
`

// hand changes something in the cluster by hand: it edits an object, deletes it, or makes one that Git will want later.
func (x *random) hand() {
	kind := []string{"ConfigMap", "Secret", "Service", "Deployment"}[x.dice.IntN(4)]
	space := []string{"shop", "lab-one"}[x.dice.IntN(2)]
	list, err := x.w.people.Resource(served[kind]).Namespace(space).List(context.Background(), metav1.ListOptions{})
	x.must(err)
	if x.dice.IntN(4) == 0 {
		n := 9*(x.tip/9) + 7 + 9*x.dice.IntN(2)
		x.note(fmt.Sprintf("by hand: make ConfigMap o%d", n))
		x.must(x.w.apply([]*unstructured.Unstructured{{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprintf("o%d", n), "namespace": "shop"}, "data": map[string]any{"by": "hand"},
		}}}))
		return
	}
	if len(list.Items) == 0 {
		return
	}
	u := list.Items[x.dice.IntN(len(list.Items))]
	word := space + "/" + u.GetName()
	if u.GetName() == "keep" {
		return
	}
	if x.dice.IntN(4) == 0 {
		x.note("by hand: delete " + kind + " " + word)
		x.must(x.w.remove(kind, word))
		return
	}
	patch := map[string]string{
		"ConfigMap": `{"data": {"v": "by hand"}}`, "Secret": `{"data": {"password": "aGFuZA=="}}`, "Service": `{"spec": {"selector": {"app": "hand"}}}`,
		"Deployment": `{"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}}`,
	}[kind]
	if u.Object["immutable"] == true {
		patch = `{"metadata": {"labels": {"fairlead.dev/app": "nobody"}}}`
	}
	x.note("by hand: edit " + kind + " " + word)
	do, err := edit("kubectl-edit", kind, word, patch)
	x.must(err)
	x.must(do(x.w))
}

// approve approves what is held, here and there.
func (x *random) approve() {
	list, err := x.w.people.Resource(apps).Namespace("team").List(context.Background(), metav1.ListOptions{})
	x.must(err)
	for _, u := range list.Items {
		if hold, _, _ := unstructured.NestedString(u.Object, "status", "holdID"); hold != "" && x.dice.IntN(2) == 0 {
			x.must(x.w.approve("team/" + u.GetName()))
		}
	}
	x.rest()
}
