package render

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/restart"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// TestConceal holds that no error shows what a variable has out of a Secret, wherever it is made, whatever the expression made of the value, and however much of it
// is left. What is in no Secret stays.
func TestConceal(t *testing.T) {
	const token = "Correct-Horse-of-a-battery-staple-that-is-longer-than-any-error-shows-of-it"
	c := &cluster{seed: "a", objects: map[Question]map[string]any{
		about("Secret", "shop", "variables"): {"apiVersion": "v1", "kind": "Secret", "data": map[string]any{
			"TOKEN": base64.StdEncoding.EncodeToString([]byte(token)),
			"LINES": base64.StdEncoding.EncodeToString([]byte("Cor\nrect-\nHorse\n")),
			"PIN":   base64.StdEncoding.EncodeToString([]byte("48151623")),
			"PLACE": base64.StdEncoding.EncodeToString([]byte("production")),
			"DATA":  base64.StdEncoding.EncodeToString([]byte("c: " + base64.StdEncoding.EncodeToString([]byte(token)))),
		}},
	}}
	rules := Rules{Substitute: &Substitute{From: []From{{Kind: "Secret", Name: "variables"}}}}
	annotated := func(name, value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  annotations: {" + name + ": '" + value + "'}\n"
	}
	const where = "apps/production/web.yaml:1: "
	for _, x := range []struct{ text, want string }{
		{annotated("fairlead.dev/prune", "${TOKEN}"), where + `ConfigMap web: annotation fairlead.dev/prune is "•••": it takes one of always, confirm, never`},
		{annotated("fairlead.dev/prune", "x${TOKEN^^}"), where + `ConfigMap web: annotation fairlead.dev/prune is "x•••"`},
		{annotated("fairlead.dev/prune", "${TOKEN:8:20}"), `is "•••"`},
		{annotated("fairlead.dev/prune", "${TOKEN%%-*}-Horse-of-a"), `is "•••"`},
		{annotated("fairlead.dev/prune", "${PIN}"), `is "•••"`},
		{annotated("fairlead.dev/prune", "${LINES}"), `is "•••"`},
		{annotated("fairlead.dev/prune", "${DATA:3}"), `is "•••"`},
		{annotated("fairlead.dev/ignore", "${TOKEN}"), `fairlead.dev/ignore has "•••": write JSON pointers`},
		{annotated("fairlead.dev/wave", "${TOKEN}"), where + `ConfigMap web: annotation fairlead.dev/wave is "•••": write a whole number`},
		{annotated("argocd.argoproj.io/sync-wave", "${PIN}x"), `sync-wave is "•••x"`},
		{annotated("\"fairlead.dev/${TOKEN}\"", "x"), `annotation fairlead.dev/••• is not known`},
		{annotated("fairlead.dev/prune", "correct"), `fairlead.dev/prune is "correct"`},
		{annotated("a", "x") + "---\n" + strings.Replace(annotated("a", "x"), "name: web", "name: production", 1) + "---\n" + strings.Replace(annotated("a", "x"), "name: web", "name: ${PLACE}", 1), "ConfigMap •••"},
	} {
		_, err := Render(Request{
			Tree: sourcetest.New(sourcetest.Files{"apps/production/web.yaml": x.text}), Dir: "apps/production", Rules: rules,
			Place: Place{App: "web", Environment: "prod", Home: "shop"}, Outside: c,
		})
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s\n  is %v\nwanted %s", x.text, err, x.want)
		}
		if err == nil {
			continue
		}
		for _, part := range []string{"rect-horse", "battery", "8151", "q29ycmvj"} {
			if strings.Contains(strings.ToLower(err.Error()), part) {
				t.Errorf("%s\n  shows %s: %v", x.text, part, err)
			}
		}
	}
}

// keyed is a cluster that has a key for hashes as well.
type keyed struct{ *cluster }

func (k keyed) Ask(q Question) (Answer, error) {
	if q.About == AboutKey {
		return Answer{ID: "1", Key: []byte("key")}, nil
	}
	return k.cluster.Ask(q)
}

// TestVeiled: a field that shows a value of a Secret is marked as one that nobody may show, and no other is.
func TestVeiled(t *testing.T) {
	secret := func(key, text string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]any{key: base64.StdEncoding.EncodeToString([]byte(text))}}
	}
	c := &cluster{seed: "a", objects: map[Question]map[string]any{
		about("Secret", "shop", "variables"): secret("KEY", "correct-horse"),
		about("Secret", "shop", "values"):    secret("values.yaml", "key: battery-staple\nport: 48151\n"),
		about("Secret", "shop", "settings"):  secret("LEVEL", "debug-all"),
	}}
	files := sourcetest.Files{
		"apps/plain/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, annotations: {note: 'x ${KEY}'}}\nspec: {template: {spec: {containers: [" +
			"{name: web, args: [a, '${KEY^^}'], env: [{name: KEY, value: '${KEY}'}, {name: LEVEL, value: debug-all}], envFrom: [{secretRef: {name: settings}}]}]}}}\n" +
			"---\napiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {key: '${KEY}'}\n",
		"apps/chart/Chart.yaml":    "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
		"apps/chart/fairlead.yaml": "helm: {valuesFrom: [{kind: Secret, name: values}]}\n",
		"apps/chart/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: '{{ .Values.key | b64enc }}', port: '{{ .Values.port }}', c: plain, " +
			"user: '{{ printf \"user:%s\" .Values.key | b64enc }}', begins: '{{ trunc 5 .Values.key }}', loud: '{{ upper .Values.key }}', sum: '{{ sha256sum .Values.key }}'}\n",
	}
	for app, want := range map[string]string{
		"plain": "[metadata.annotations.note spec.template.spec.containers[web].args spec.template.spec.containers[web].env[KEY].value]",
		"chart": "[data.a data.begins data.loud data.port data.user]",
	} {
		res, err := Render(Request{
			Tree: sourcetest.New(files), Dir: "apps/" + app, Place: Place{App: "web", Environment: "prod", Home: "shop", Namespace: "shop"}, Outside: keyed{c},
			Rules: Rules{Substitute: &Substitute{From: []From{{Kind: "Secret", Name: "variables"}}}, Restart: restart.All},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range res.Objects {
			if got := fmt.Sprint(o.Veiled()); o.Kind() == "Secret" && got != "[]" || o.Kind() != "Secret" && got != want {
				t.Errorf("%s: %s, wanted %s", o, got, want)
			}
		}
	}
}

// TestElsewhere: variables out of the cluster are put into objects that were rendered without it, and however little of a Secret a field shows, it is marked.
func TestElsewhere(t *testing.T) {
	of := func(kind, text string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": kind, "data": map[string]any{"V_" + kind: text}}
	}
	c := &cluster{seed: "a", objects: map[Question]map[string]any{
		about("Secret", "shop", "s"):    of("Secret", base64.StdEncoding.EncodeToString([]byte("correct-horse"))),
		about("ConfigMap", "shop", "c"): of("ConfigMap", "battery"),
	}}
	req := Request{
		Tree: sourcetest.New(sourcetest.Files{"app/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  one: '${V_Secret:0:1}'\n  b: ${V_ConfigMap}\n  c: $${V_Secret}\n  d: ${D}\n"}),
		Dir:  "app", Place: Place{App: "web", Environment: "prod", Home: "shop", Namespace: "shop"}, Outside: c,
		Rules: Rules{Substitute: &Substitute{Values: map[string]string{"D": "staple"}, From: []From{{Kind: "Secret", Name: "s"}, {Kind: "ConfigMap", Name: "c"}}}},
	}
	here, err := Render(req)
	if err != nil {
		t.Fatal(err)
	}
	there := req
	there.Outside, there.Rules = nil, req.Rules.Elsewhere()
	res, err := Render(there)
	if err != nil {
		t.Fatal(err)
	}
	objs, err := Complete(req, res.Objects)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"b":"battery","c":"${V_Secret}","d":"staple","one":"c"}`
	for _, o := range []object.Object{here.Objects[0], objs[0]} {
		if got, _ := json.Marshal(o.At("data")); string(got) != want || fmt.Sprint(o.Veiled()) != "[data.one]" {
			t.Errorf("%s, veiled %v", got, o.Veiled())
		}
	}
	req.Rules.Substitute.From = append(req.Rules.Substitute.From, From{Kind: "Secret", Name: "none"})
	if _, err := Complete(req, res.Objects); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
	req.Rules.Substitute.From = req.Rules.Substitute.From[1:2]
	if _, err := Complete(req, res.Objects); err == nil || !strings.Contains(err.Error(), "app/a.yaml:1: ConfigMap a: variable V_Secret has no value") {
		t.Error(err)
	}
}

// TestConcealedFiles: of a file of values in a Secret the values are kept out of errors, and not the names of its fields.
func TestConcealedFiles(t *testing.T) {
	c := concealed{exact: map[string]bool{}}
	c.entry("replicaCountOfThat: 31415926\npassword:\n  of-the-database: battery-staple\nshort: abc\n")
	for in, want := range map[string]string{
		"unknown field replicaCountOfThat": "unknown field replicaCountOfThat",
		"replicaCountOfThat: 31415926":     "•••",
		"of-the-database is 'battery-sta'": "of-the-database is 'battery-sta'", // shorter than a stretch
		"it is battery-staples":            "it is •••s",
		"cannot unmarshal `battery...`":    "cannot unmarshal `•••`",
		"31415926 is too many of abc":      "••• is too many of abc",
		"BATTERY-STAPLE":                   "•••",
	} {
		if got := c.out(in); got != want {
			t.Errorf("%q is %q, wanted %q", in, got, want)
		}
	}
}

// FuzzConceal: whatever a Secret holds, what is left of an error has no long part of it.
func FuzzConceal(f *testing.F) {
	f.Add("correct-horse-battery", "the value correct-horse-battery is wrong")
	f.Add("a: [correct-horse-battery, {b: 12345678}]", "correct-horse-battery 12345678")
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaa", strings.Repeat("a", 100))
	f.Add("\xff\xfe\xfd\xfc\xfb", "\xff\xfe\xfd\xfc\xfb")
	f.Fuzz(func(t *testing.T, secret, text string) {
		c := concealed{exact: map[string]bool{}}
		c.text(secret)
		c.entry(secret)
		shown := c.out(text)
		for i := 0; i+stretch <= len(secret); i++ {
			part := secret[i : i+stretch]
			if strings.Contains(part, "•") || strings.TrimSpace(part) != part || strings.TrimSpace(secret) != secret {
				continue
			}
			if strings.Contains(shown, part) {
				t.Errorf("%q shows %q", shown, part)
			}
		}
	})
}
