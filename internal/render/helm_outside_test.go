package render

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// cluster is an Outside with objects, and a seed.
type cluster struct {
	objects map[Question]map[string]any
	seed    string
	days    []int
	down    bool
	charts  map[Question]sourcetest.Files
}

func (c *cluster) Ask(q Question) (Answer, error) {
	if c.down && q.About != AboutCluster {
		return Answer{}, fault.Newf(fault.Transient, "nobody answers")
	}
	switch q.About {
	case AboutCluster:
		return Answer{ID: "1", Cluster: Cluster{Version: "v1.34.2-eks", APIs: []string{"v1", "apps/v1", "example.com/v1/Widget"}}}, nil
	case AboutSeed:
		c.days = append(c.days, q.Days)
		return Answer{ID: c.seed, Seed: []byte(strings.Repeat(c.seed, 32)), Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, nil
	case AboutChart:
		if files, ok := c.charts[q]; ok {
			return Answer{ID: "1", Tree: sourcetest.New(files), Version: "1.2.3"}, nil
		}
		return Answer{}, fault.Newf(fault.Invalid, "there is no such chart")
	case AboutObjects:
		return Answer{ID: "1", Objects: []object.Object{object.New(map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": "one"}})}}, nil
	case AboutObject, AboutSetting:
		q.About = AboutObject
		if m := c.objects[q]; m != nil {
			return Answer{ID: "1", Objects: []object.Object{object.New(m)}}, nil
		}
		return Answer{ID: "0"}, nil
	default:
	}
	return Answer{}, errors.New("asked for something else")
}

func about(kind, namespace, name string) Question {
	return Question{About: AboutObject, GVK: object.GVK{Version: "v1", Kind: kind}, Namespace: namespace, Name: name}
}

func secret(data string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"values.yaml": base64.StdEncoding.EncodeToString([]byte(data)), "password": base64.StdEncoding.EncodeToString([]byte("hunter22"))}}
}

const chartYAML = "apiVersion: v2\nname: web\nversion: 0.1.0\n"

func renderWith(t *testing.T, c *cluster, files sourcetest.Files) (Result, error) {
	t.Helper()
	return Render(Request{Tree: sourcetest.New(files), Dir: "apps/web/production", Place: Place{App: "web", Environment: "production", Home: "shop", Namespace: "web"}, Outside: c})
}

func TestHelmAsks(t *testing.T) {
	c := &cluster{seed: "a", objects: map[Question]map[string]any{
		about("Secret", "web", "old"):          secret(""),
		about("Secret", "shop", "web-values"):  secret("color: green\nsize: 2\n"),
		about("ConfigMap", "shop", "settings"): {"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"region": "eu"}},
	}}
	files := sourcetest.Files{
		"apps/web/production/fairlead.yaml": `helm:
  valuesFrom:
  - {kind: Secret, name: web-values}
  - {kind: ConfigMap, name: settings, valuesKey: region, targetPath: global.region}
  - {kind: ConfigMap, name: none, optional: true}
  values: {size: 3}
`,
		"apps/web/production/Chart.yaml":  chartYAML,
		"apps/web/production/values.yaml": "color: red\n",
		"apps/web/production/templates/a.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}
data:
  color: {{ .Values.color }}
  size: "{{ .Values.size }}"
  region: {{ .Values.global.region }}
  old: {{ (lookup "v1" "Secret" .Release.Namespace "old").data.password | b64dec }}
  none: "{{ lookup "v1" "Secret" "web" "none" }}"
  all: "{{ range (lookup "v1" "Namespace" "" "").items }}{{ .metadata.name }}{{ end }}"
  cluster: {{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.APIVersions.Has "example.com/v1/Widget" }}
  {{- $ca := genCA "ca" 100 }}
  password: {{ randAlphaNum 12 }}
  sum: {{ sha256sum $ca.Cert }}
`,
	}
	res, err := renderWith(t, c, files)
	if err != nil {
		t.Fatal(err)
	}
	o := res.Objects[0]
	for path, want := range map[string]string{"color": "green", "size": "3", "region": "eu", "old": "hunter22", "none": "map[]", "all": "one", "cluster": "v1.34.2-eks true"} {
		if got := o.Text("data", path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if o.Name() != "web" || o.Namespace() != "web" {
		t.Errorf("the release is %s/%s", o.Namespace(), o.Name())
	}
	if n := len(res.Asked.Questions()); n != 9 {
		t.Errorf("%d questions are noted, and not 9", n)
	}
	again, err := renderWith(t, c, files)
	if err != nil || again.Objects[0].Hash() != o.Hash() {
		t.Errorf("it renders to something else the second time: %v", err)
	}
	c.seed = "b"
	if other, err := renderWith(t, c, files); err != nil || other.Objects[0].Text("data", "password") == o.Text("data", "password") {
		t.Errorf("another seed makes the same password: %v", err)
	}
	c.down = true
	if _, err := renderWith(t, c, files); fault.KindOf(err) != fault.Transient {
		t.Errorf("that nobody answers is %s: %v", fault.KindOf(err), err)
	}
	delete(files, "apps/web/production/fairlead.yaml")
	files["apps/web/production/templates/a.yaml"] = `{{ if not (lookup "v1" "Secret" "web" "old") }}{{ fail "no" }}{{ end }}`
	if _, err := renderWith(t, c, files); fault.KindOf(err) != fault.Transient {
		t.Errorf("that nobody answers a template is %s: %v", fault.KindOf(err), err)
	}
}

// TestHelmConceals: what is in Secrets is in no error.
func TestHelmConceals(t *testing.T) {
	c := &cluster{seed: "a", objects: map[Question]map[string]any{
		about("Secret", "web", "old"):         secret(""),
		about("Secret", "shop", "web-values"): secret("password: correct-horse\nlist: [battery-staple]\nbegin: correct\npin: 48151623\nlines: |\n  first-of-two-lines\n  second-of-two-lines\nquoted: 'a\"b-quoted'\n"),
	}}
	declared := "helm:\n  valuesFrom: [{kind: Secret, name: web-values}]\n"
	for _, template := range []string{
		`{{ fail .Values.password }}`, `{{ fail (index .Values.list 0) }}`, `{{ fail (toYaml .Values) }}`, `{{ required .Values.password nil }}`, `{{ mustToDate "x" .Values.password }}`,
		`{{ fail ((lookup "v1" "Secret" "web" "old").data.password | b64dec) }}`, `{{ fail (lookup "v1" "Secret" "web" "old").data.password }}`,
		`{{ fail (b64enc .Values.password) }}`, `{{ fail (b64enc (b64enc .Values.password)) }}`, `{{ fail (printf "%x" .Values.password) }}`, `{{ fail (toString .Values.pin) }}`,
		`{{ fail (index (splitList "\n" .Values.lines) 1) }}`, `{{ fail (toJson .Values.quoted) }}`, `{{ fail (quote .Values.quoted) }}`,
		"a: {{ .Values.password }}\n b: {{ .Values.password }}", "{{ .Values.password }}", "apiVersion: {{ .Values.password }}\nkind: {{ .Values.password }}: x",
	} {
		_, err := renderWith(t, c, sourcetest.Files{
			"apps/web/production/fairlead.yaml": declared, "apps/web/production/Chart.yaml": chartYAML, "apps/web/production/templates/a.yaml": template,
		})
		if err == nil {
			t.Errorf("%s is no error", template)
			continue
		}
		for _, word := range []string{"correct-horse", "-horse", "battery-staple", "48151623", "second-of", "b-quoted", "Y29ycmVjdC1ob3JzZQ", "WTI5eWNtVmpkQzFvYjNKelpR", "636f72726563742d686f727365", "hunter22", base64.StdEncoding.EncodeToString([]byte("hunter22"))} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error says it: %v", template, err)
			}
		}
	}
	_, err := renderWith(t, c, sourcetest.Files{
		"apps/web/production/fairlead.yaml": declared, "apps/web/production/Chart.yaml": chartYAML, "apps/web/production/values.schema.json": `{"properties": {"password": {"pattern": "^x"}}}`,
	})
	if err == nil || strings.Contains(err.Error(), "correct-horse") {
		t.Errorf("a schema says it: %v", err)
	}
}

func TestHelmFetches(t *testing.T) {
	q := Question{About: AboutChart, URL: "oci://ghcr.io/example/charts", Chart: "web", Version: "^1.0.0"}
	dep := Question{About: AboutChart, URL: "https://charts.example.com", Chart: "db", Version: "2.x"}
	c := &cluster{seed: "a", charts: map[Question]sourcetest.Files{
		q: {
			"Chart.yaml":       chartYAML + "dependencies: [{name: db, version: 2.x, repository: \"https://charts.example.com\"}]\n",
			"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {color: {{ .Values.color }}, db: {{ .Values.db.size | quote }}}\n",
		},
		dep: {"Chart.yaml": "apiVersion: v2\nname: db\nversion: 2.1.0\n", "values.yaml": "size: 9\n", "templates/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ fail \"no\" }}}\n"},
	}}
	files := sourcetest.Files{
		"apps/web/production/fairlead.yaml": "helm:\n  chart: {repository: \"oci://ghcr.io/example/charts\", name: web, version: ^1.0.0}\n",
		"apps/web/production/values.yaml":   "color: blue\n",
	}
	_, err := renderWith(t, c, files)
	if err == nil || !strings.HasPrefix(err.Error(), "db-1.2.3:templates/b.yaml:3: no") {
		t.Errorf("the error does not name the file of the chart: %v", err)
	}
	c.charts[dep]["templates/b.yaml"] = ""
	res, err := renderWith(t, c, files)
	if err != nil {
		t.Fatal(err)
	}
	if o := res.Objects[0]; o.Text("data", "color") != "blue" || o.Text("data", "db") != "9" || o.Origin().String() != "web-1.2.3:templates/a.yaml:1" {
		t.Errorf("%s from %s", o.YAML(), o.Origin())
	}
	c.down = true
	if _, err := renderWith(t, c, files); fault.KindOf(err) != fault.Transient {
		t.Errorf("that nobody answers is %s: %v", fault.KindOf(err), err)
	}
}

// TestUnread: where nobody can be asked, it is said what was not read; where somebody can, nothing is.
func TestUnread(t *testing.T) {
	req := Request{Dir: "app", Place: Place{App: "web", Home: "shop", Namespace: "shop"}, Tree: sourcetest.New(sourcetest.Files{
		"app/Chart.yaml":       "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"app/fairlead.yaml":    "helm:\n  valuesFrom:\n  - {kind: ConfigMap, name: settings, optional: true}\n",
		"app/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n{{ range list 1 2 }}  a{{ . }}: {{ len (lookup \"v1\" \"Secret\" \"shop\" \"db\") | quote }}\n{{ end }}",
	})}
	for _, world := range []Outside{nil, &cluster{seed: "a"}} {
		req.Outside = world
		res, err := Render(req)
		if err != nil {
			t.Fatal(err)
		}
		want := []string(nil)
		if world == nil {
			want = []string{"app/fairlead.yaml:3: values of ConfigMap settings", `app: lookup of "Secret db"`}
		}
		if !slices.Equal(res.Unread, want) {
			t.Errorf("%q", res.Unread)
		}
	}
}
