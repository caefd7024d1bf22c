package render_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/secret/sealed"
	"github.com/fairlead-cd/fairlead/internal/secret/sops"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

const canary = "canary-7f3a"

// vault is an Outside that has Secrets.
type vault map[string]object.Object

func (v vault) Ask(q render.Question) (render.Answer, error) {
	if q.About == render.AboutCluster {
		return render.Answer{ID: "1", Cluster: render.Cluster{Version: "v1.36.0"}}, nil
	}
	if q.GVK.Kind != "Secret" || q.Namespace == "forbidden" {
		return render.Answer{}, fault.Newf(fault.Denied, "read it: forbidden")
	}
	a := render.Answer{ID: "1"}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if q.About == render.AboutObjects && strings.HasPrefix(name, q.Namespace+"/") && v[name].Label(q.Label) != "" || name == q.Namespace+"/"+q.Name {
			a.Objects = append(a.Objects, v[name])
		}
	}
	return a, nil
}

func secretObject(t *testing.T, meta map[string]any, data map[string][]byte) object.Object {
	t.Helper()
	encoded := map[string]any{}
	for k, v := range data {
		encoded[k] = base64.StdEncoding.EncodeToString(v)
	}
	return object.New(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded})
}

// keyring is keys of each sort, and what encrypts for them.
type keyring struct {
	t         *testing.T
	recipient string
	vault     vault
	keys      sops.Keys
	cert      []byte
	now       time.Time
}

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k := &keyring{t: t, recipient: id.Recipient().String(), now: time.Now()}
	if err := k.keys.AddAge("key", []byte(id.String())); err != nil {
		t.Fatal(err)
	}
	key, cert, err := sealed.Generate(k.now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	k.cert = cert
	k.vault = vault{
		"shop/sops": secretObject(t, map[string]any{"name": "sops", "namespace": "shop"}, map[string][]byte{"fairlead.agekey": []byte(id.String())}),
		"shop/none": secretObject(t, map[string]any{"name": "none", "namespace": "shop"}, map[string][]byte{"other": []byte("x")}),
		"shop/sealing": secretObject(t, map[string]any{"name": "sealing", "namespace": "shop", "labels": map[string]any{sealed.Label: sealed.Active}},
			map[string][]byte{"tls.key": key, "tls.crt": cert}),
	}
	return k
}

func (k *keyring) encrypt(name, text string) string {
	k.t.Helper()
	rule := map[string]string{}
	if strings.Contains(text, "kind: ") {
		rule["encrypted_regex"] = "^(data|stringData)$"
	}
	out, err := sops.Encrypt(name, []byte(text), sops.Creation{Age: []string{k.recipient}, Rule: rule, Now: k.now})
	if err != nil {
		k.t.Fatal(err)
	}
	return string(out)
}

func (k *keyring) seal(namespace, text string) string {
	k.t.Helper()
	objs, err := object.Parse("secret.yaml", []byte(text))
	if err != nil {
		k.t.Fatal(err)
	}
	block, _ := pem.Decode(k.cert)
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		k.t.Fatal(err)
	}
	public, err := sealed.ParseCertificate("cert", k.cert, k.now)
	if err != nil {
		k.t.Fatal(err)
	}
	o, err := sealed.Seal(objs[0], namespace, public, sealed.Strict)
	if err != nil {
		k.t.Fatal(err)
	}
	return string(o.YAML())
}

const plainSecret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: " + canary + "\n  lines: |\n    one\n    " + canary + "\n"

// secretOf is a Secret in Jsonnet, with the value of an expression.
func secretOf(value string) string {
	return "{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'db' }, stringData: { password: " + value + " } }"
}

func TestEncrypted(t *testing.T) {
	k := newKeyring(t)
	charted := func(values, template string, more ...string) sourcetest.Files {
		f := sourcetest.Files{"app/fairlead.yaml": "helm:\n  chart: ../chart\n  valueFiles: [secrets.yaml]\n", "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n"}
		f["app/secrets.yaml"], f["chart/templates/a.yaml"] = k.encrypt("secrets.yaml", values), template
		for i := 0; i < len(more); i += 2 {
			f[more[i]] = more[i+1]
		}
		return f
	}
	const inSecret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: {{ .Values.password | quote }}}\n"
	const inConfig = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\ndata: {a: \"see {{ .Values.password }}\"}\n"
	configMap := strings.ReplaceAll(strings.ReplaceAll(plainSecret, "Secret", "ConfigMap"), "stringData", "data")
	encrypted := k.encrypt("db.yaml", plainSecret)
	for _, c := range []struct {
		name  string
		files sourcetest.Files
		how   render.Decryption
		want  string // of the error; else the canary is in the objects
	}{
		{"a manifest", sourcetest.Files{"app/db.yaml": encrypted}, render.Decryption{Secret: "sops"}, ""},
		{"with keys at hand", sourcetest.Files{"app/db.yaml": encrypted}, render.Decryption{Keys: k.keys}, ""},
		{"a resource of a kustomization with a prefix", sourcetest.Files{"app/kustomization.yaml": "namePrefix: a-\nnamespace: shop\nresources: [db.yaml]\n", "app/db.yaml": encrypted}, render.Decryption{Secret: "sops"}, ""},
		{"a patch", sourcetest.Files{
			"app/kustomization.yaml": "resources: [db.yaml]\npatches: [{path: patch.yaml}]\n", "app/db.yaml": strings.ReplaceAll(plainSecret, canary, "x"), "app/patch.yaml": encrypted,
		}, render.Decryption{Secret: "sops"}, ""},
		{"files of a secretGenerator", sourcetest.Files{
			"app/kustomization.yaml": "secretGenerator: [{name: db, files: [all.txt, more.yaml], envs: [db.env]}]\n",
			"app/all.txt":            k.encrypt("all.txt", "line\n"+canary+"\n"), "app/db.env": k.encrypt("db.env", "PASSWORD="+canary+"\n"), "app/more.yaml": k.encrypt("more.yaml", "a: |\n    one\n    "+canary+"\n"),
		}, render.Decryption{Secret: "sops"}, ""},
		{"a SealedSecret", sourcetest.Files{"app/db.yaml": k.seal("place", plainSecret)}, render.Decryption{}, ""},
		{"a SealedSecret that gets its namespace", sourcetest.Files{
			"app/kustomization.yaml": "namespace: other\nresources: [db.yaml]\n", "app/db.yaml": strings.Replace(k.seal("other", plainSecret), "  namespace: other\n", "", 1),
		}, render.Decryption{}, ""},

		{"a file that Jsonnet imports", sourcetest.Files{
			"app/main.jsonnet": "local s = std.parseYaml(importstr 'db.yaml'); [s + { metadata+: { labels: { a: 'b' } } }]", "app/db.yaml": encrypted,
		}, render.Decryption{Secret: "sops"}, ""},
		{"a text that Jsonnet imports", sourcetest.Files{
			"app/main.jsonnet": secretOf("importstr 'all.txt'"), "app/all.txt": k.encrypt("all.txt", "line\n"+canary+"\n"),
		}, render.Decryption{Secret: "sops"}, ""},

		{"values of a chart", charted("password: "+canary+"\n", inSecret), render.Decryption{Secret: "sops"}, ""},
		{"the values of a chart itself", sourcetest.Files{
			"app/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "app/values.yaml": k.encrypt("values.yaml", "password: "+canary+"\n"), "app/templates/a.yaml": inSecret,
		}, render.Decryption{Secret: "sops"}, ""},
		{"values of a chart that shows them", charted("password: "+canary+"\n", inConfig), render.Decryption{Secret: "sops"}, "chart/templates/a.yaml:1: ConfigMap db shows password of app/secrets.yaml, which is encrypted"},
		{"values of a chart that shows them as base64", charted("password: "+canary+"\n", strings.Replace(inConfig, "password }}", "password | b64enc }}", 1)), render.Decryption{Secret: "sops"}, "ConfigMap db shows password of"},
		{"values of a chart that shows them within base64", charted("password: "+canary+"\n", strings.Replace(inConfig, ".Values.password }}", "printf \"user:%s\" .Values.password | b64enc }}", 1)), render.Decryption{Secret: "sops"}, "chart/templates/a.yaml:1: a ConfigMap shows in data.a what is encrypted in app/secrets.yaml"},
		{"values of a chart that shows how they begin", charted("password: "+canary+"\n", strings.Replace(inConfig, "password }}", "password | upper | trunc 6 }}", 1)), render.Decryption{Secret: "sops"}, "a ConfigMap shows in data.a what is encrypted in app/secrets.yaml"},
		{"a replacement that copies it", sourcetest.Files{
			"app/kustomization.yaml": "resources: [db.yaml, web.yaml]\nreplacements:\n- source: {kind: Secret, name: db, fieldPath: stringData.password}\n  targets: [{select: {kind: ConfigMap, name: web}, fieldPaths: [data.a]}]\n",
			"app/db.yaml":            encrypted, "app/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: b, c: d}\n",
		}, render.Decryption{Secret: "sops"}, "app/web.yaml:1: a ConfigMap shows in data.a what is encrypted in app/db.yaml"},
		{"values of a chart that shows a line", charted("password: |\n  first\n  second "+canary+"\n", strings.Replace(inConfig, "{{ .Values.password }}", "{{ .Values.password | splitList \"\\n\" | join \" \" }}", 1)), render.Decryption{Secret: "sops"}, "ConfigMap db shows password of"},
		{"values of a chart that names an object so", charted("password: "+canary+"\n", strings.Replace(inConfig, "name: db", "name: {{ .Values.password }}", 1)), render.Decryption{Secret: "sops"}, "chart/templates/a.yaml:1: a ConfigMap shows password of"},
		{"values of a chart that fails with them", charted("password: "+canary+"\n", "{{ fail .Values.password }}"), render.Decryption{Secret: "sops"}, "•••"},
		{"a file of a chart", sourcetest.Files{
			"app/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "app/all.txt": k.encrypt("all.txt", canary),
			"app/templates/a.yaml": strings.Replace(inConfig, "{{ .Values.password }}", "{{ .Files.Get \"all.txt\" }}", 1),
		}, render.Decryption{Secret: "sops"}, "ConfigMap db shows data of app/all.txt, which is encrypted"},
		{"values of helmCharts", sourcetest.Files{
			"app/kustomization.yaml": "helmCharts: [{name: web, valuesFile: secrets.yaml}]\n", "app/charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
			"app/secrets.yaml": k.encrypt("secrets.yaml", "password: "+canary+"\n"), "app/charts/web/templates/a.yaml": inConfig,
		}, render.Decryption{Secret: "sops"}, "app/charts/web/templates/a.yaml:1: ConfigMap db shows password of app/secrets.yaml"},
		{"a custom resource", sourcetest.Files{"app/a.yaml": k.encrypt("a.yaml", "apiVersion: example.com/v1\nkind: Web\nmetadata: {name: a}\ndata: {a: "+canary+"}\n")}, render.Decryption{Secret: "sops"}, "app/a.yaml:1: encrypted values of a Web"},
		{"an INI file that is none", sourcetest.Files{
			"app/kustomization.yaml": "secretGenerator: [{name: db, files: [db.ini]}]\n",
			"app/db.ini":             "[a]\nb = ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]\n`c` = d\n\n[sops]\nmac = ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]\n",
		}, render.Decryption{Secret: "sops"}, "app/db.ini:3: the line is no key with a value, or its key is quoted, which is not read: encrypt the file with `sops encrypt --input-type binary`"},
		{"an INI file that is encrypted as a whole", sourcetest.Files{
			"app/kustomization.yaml": "secretGenerator: [{name: db, files: [db.ini]}]\n", "app/db.ini": k.encrypt("db.ini", "[a]\nb = "+canary+"\n"),
		}, render.Decryption{Secret: "sops"}, ""},

		{"Jsonnet that shows it", sourcetest.Files{
			"app/main.jsonnet": "[" + secretOf("importstr 'all.txt'") + ", { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: std.md5(importstr 'all.txt') } }]", "app/all.txt": k.encrypt("all.txt", canary),
		}, render.Decryption{Secret: "sops"}, "app/main.jsonnet:1:"},
		{"Jsonnet whose objects depend on it", sourcetest.Files{
			"app/main.jsonnet": "[" + secretOf("importstr 'all.txt'") + "] + (if (importstr 'all.txt')[0] == '" + canary[:1] + "' then [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'odd' } }] else [])",
			"app/all.txt":      k.encrypt("all.txt", canary),
		}, render.Decryption{Secret: "sops"}, "all.txt, which is encrypted"},
		{"Jsonnet that says it in an error", sourcetest.Files{
			"app/main.jsonnet": "error importstr 'all.txt'", "app/all.txt": k.encrypt("all.txt", canary),
		}, render.Decryption{Secret: "sops"}, "app/main.jsonnet:1:1: (encrypted)"},
		{"Jsonnet that says it in an error, and nothing else", sourcetest.Files{
			"app/main.jsonnet": "if (importstr 'all.txt')[0] == '(' then " + secretOf("'a'") + " else error importstr 'all.txt'", "app/all.txt": k.encrypt("all.txt", canary),
		}, render.Decryption{Secret: "sops"}, "cannot be evaluated with what is in app/all.txt, and why is not shown"},
		{"Jsonnet that is not encrypted alike", sourcetest.Files{
			"app/main.jsonnet": secretOf("if (importstr 'all.txt')[0] == '(' then error 'no' else importstr 'all.txt'"), "app/all.txt": k.encrypt("all.txt", canary),
		}, render.Decryption{Secret: "sops"}, "with a placeholder for each value"},
		{"nothing is configured", sourcetest.Files{"app/db.yaml": encrypted}, render.Decryption{}, "app/db.yaml: encrypted by SOPS, and the Environment names no keys"},
		{"the Secret is not there", sourcetest.Files{"app/db.yaml": encrypted}, render.Decryption{Secret: "absent"}, "there is no Secret shop/absent, which spec.render.decryption names"},
		{"the Secret has no keys", sourcetest.Files{"app/db.yaml": encrypted}, render.Decryption{Secret: "none"}, "Secret shop/none has no keys"},
		{"another kind", sourcetest.Files{"app/db.yaml": k.encrypt("db.yaml", configMap)}, render.Decryption{Secret: "sops"}, "app/db.yaml:1: encrypted values of a ConfigMap"},
		{"a configMapGenerator", sourcetest.Files{
			"app/kustomization.yaml": "configMapGenerator:\n- name: db\n  envs:\n  - db.env\n", "app/db.env": k.encrypt("db.env", "PASSWORD="+canary+"\n"),
		}, render.Decryption{Secret: "sops"}, "app/kustomization.yaml:4: app/db.env is encrypted, and a ConfigMap shows what it holds"},
		{"lines that are no text", sourcetest.Files{
			"app/kustomization.yaml": "secretGenerator: [{name: db, envs: [all.txt]}]\n", "app/all.txt": k.encrypt("all.txt", "A=b\n"+canary+"\xff\n"),
		}, render.Decryption{Secret: "sops"}, "app/all.txt:2: the line is no text in UTF-8"},
		{"a SealedSecret that holds a list", sourcetest.Files{
			"app/db.yaml": "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: db}\nspec: [a]\n",
		}, render.Decryption{}, "app/db.yaml:1: SealedSecret place/db: spec is no map: make it of a Secret with `fairlead secret seal`"},
		{"a SealedSecret that holds a list, for who looks", sourcetest.Files{
			"app/db.yaml": "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: db}\nspec: [a]\n",
		}, render.Decryption{Look: true}, "app/db.yaml:1: SealedSecret place/db: spec is no map"},
		{"no word of metadata", sourcetest.Files{"app/db.yaml": encrypted[:strings.Index(encrypted, "sops:\n")]}, render.Decryption{Secret: "sops"}, "has not the metadata to decrypt it"},
		{"no metadata for who looks", sourcetest.Files{"app/db.yaml": encrypted[:strings.Index(encrypted, "sops:\n")]}, render.Decryption{Look: true}, "has not the metadata to decrypt it"},
		{"no metadata", sourcetest.Files{"app/db.yaml": "# sops\n" + encrypted[:strings.Index(encrypted, "sops:\n")]}, render.Decryption{Secret: "sops"}, "has not the metadata to decrypt it"},
		{"changed", sourcetest.Files{"app/db.yaml": strings.Replace(encrypted, "name: db", "name: web", 1)}, render.Decryption{Secret: "sops"}, "the MAC of the file is another"},
		{"another name", sourcetest.Files{"app/db.yaml": strings.ReplaceAll(k.seal("place", plainSecret), "name: db", "name: web")}, render.Decryption{}, "does not open for place/web (scope strict) with any of the 1 keys in namespace shop"},
		{"no right", sourcetest.Files{"app/db.yaml": k.seal("place", plainSecret)}, render.Decryption{SealedKeys: "forbidden"}, "the keys in namespace forbidden cannot be read: read it: forbidden"},
		{"no key", sourcetest.Files{"app/db.yaml": k.seal("place", plainSecret)}, render.Decryption{SealedKeys: "empty"}, "namespace empty has no key with the label"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var memory render.Memory
			req := render.Request{Tree: sourcetest.New(c.files), Dir: "app", Place: render.Place{Home: "shop", Namespace: "place"}, Decryption: c.how, Outside: k.vault, Memory: &memory}
			for range 2 { // the second time it remembers
				res, err := render.Render(req)
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Fatalf("the error shows what is encrypted: %v", err)
				}
				if c.want != "" {
					if err == nil || !strings.Contains(err.Error(), c.want) || len(res.Objects) > 0 {
						t.Fatalf("%v\nand wanted: %s", err, c.want)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				opened(t, res.Objects)
			}
		})
	}
}

// TestEncryptedSum holds that a workload may have a checksum of what is encrypted: how charts have it restarted.
func TestEncryptedSum(t *testing.T) {
	k := newKeyring(t)
	res, err := render.Render(render.Request{Dir: "app", Decryption: render.Decryption{Secret: "sops"}, Place: render.Place{Home: "shop"}, Outside: k.vault, Tree: sourcetest.New(sourcetest.Files{
		"app/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "app/values.yaml": k.encrypt("values.yaml", "password: "+canary+"\non: true\nshort: abc\nport: 8080\n"),
		"app/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: abc, annotations: {sum: {{ .Values.password | sha256sum }}, on: \"{{ .Values.on }}\", port: \"{{ .Values.port }}\"}}\n",
	})})
	if err != nil || len(res.Objects) != 1 {
		t.Errorf("%d objects, %v", len(res.Objects), err)
	}
}

// opened holds that objects are Secrets with the canary in each value, and nothing encrypted.
func opened(t *testing.T, objs []object.Object) {
	t.Helper()
	for _, o := range objs {
		text := string(o.JSON())
		if o.Kind() != "Secret" || strings.Contains(text, "ENC[") || strings.Contains(text, `"sops"`) || strings.Contains(fmt.Sprintf("%v %+v %#v", o, o, o), canary) {
			t.Errorf("%s: is no Secret, or encrypted, or shows itself", o)
		}
		n := 0
		for _, field := range []string{"data", "stringData"} {
			m, _ := o.At(field).(map[string]any)
			for key, v := range m {
				value, _ := v.(string)
				if raw, err := base64.StdEncoding.DecodeString(value); field == "data" && err == nil {
					value = string(raw)
				}
				if n++; !strings.Contains(value, canary) {
					t.Errorf("%s: %s is another value", o, key)
				}
				if key == "more.yaml" && value != "a: |\n    one\n    "+canary+"\n" {
					t.Errorf("%s: the file is not what was encrypted: %q", o, value)
				}
			}
		}
		if n == 0 {
			t.Errorf("%s has no values", o)
		}
	}
}

// TestSubstituteDecrypted holds that an expression in a password is not told.
func TestSubstituteDecrypted(t *testing.T) {
	k := newKeyring(t)
	files := sourcetest.Files{"app/a.yaml": k.encrypt("a.yaml", strings.Replace(plainSecret, "password: "+canary, "password: a${canary_part}b", 1))}
	_, err := render.Render(render.Request{
		Tree: sourcetest.New(files), Dir: "app", Place: render.Place{Home: "shop"}, Decryption: render.Decryption{Secret: "sops"}, Outside: k.vault,
		Rules: render.Rules{Substitute: &render.Substitute{}},
	})
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "a decrypted value has an expression") {
		t.Errorf("%v", err)
	}
}

// TestLook holds that who has no keys sees placeholders, and who keeps SealedSecrets has them.
func TestLook(t *testing.T) {
	k := newKeyring(t)
	files := sourcetest.Files{"app/a.yaml": k.encrypt("a.yaml", plainSecret), "app/b.yaml": strings.ReplaceAll(k.seal("place", plainSecret), "name: db", "name: sealed")}
	res, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app", Decryption: render.Decryption{Look: true}})
	if err != nil || len(res.Closed) != 2 || len(res.Objects) != 2 {
		t.Fatalf("%v, %v", res.Closed, err)
	}
	if got := res.Objects[0].Text("stringData", "password"); got != render.Placeholder {
		t.Errorf("a placeholder is %q", got)
	}
	if got := res.Objects[1].Text("data", "password"); got != base64.StdEncoding.EncodeToString([]byte(render.Placeholder)) || res.Objects[1].Kind() != "Secret" {
		t.Errorf("a placeholder is %q", got)
	}
	for _, o := range res.Objects {
		if strings.Contains(string(o.JSON()), canary) || strings.Contains(string(o.JSON()), "ENC[") {
			t.Errorf("%s has its values", o)
		}
	}
	files["app/a.yaml"] = strings.Replace(files["app/a.yaml"], "name: db", "name: web", 1)
	if _, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app", Decryption: render.Decryption{Look: true, Keys: k.keys}}); err == nil || !strings.Contains(err.Error(), "the MAC of the file is another") {
		t.Errorf("who looks with the key sees what was changed: %v", err)
	}
	delete(files, "app/a.yaml")
	res, err = render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app", Decryption: render.Decryption{KeepSealed: true}, Outside: k.vault})
	if err != nil || res.Objects[0].Kind() != "SealedSecret" || len(res.Asked.Questions()) != 0 {
		t.Errorf("a SealedSecret that is to be kept: %v, %v", res.Objects, err)
	}
}

// TestAskedForKeys holds that keys are inputs: another key is another render.
func TestAskedForKeys(t *testing.T) {
	k := newKeyring(t)
	files := sourcetest.Files{"app/a.yaml": k.encrypt("a.yaml", plainSecret), "app/b.yaml": k.encrypt("b.yaml", strings.ReplaceAll(plainSecret, "db", "other"))}
	res, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app", Place: render.Place{Home: "shop"}, Decryption: render.Decryption{Secret: "sops"}, Outside: k.vault})
	if err != nil || len(res.Asked.Questions()) != 1 {
		t.Fatalf("%v, %v", res.Asked.Questions(), err)
	}
	if q := res.Asked.Questions()[0]; q.Namespace != "shop" || q.Name != "sops" || q.About != render.AboutObject {
		t.Errorf("asked %+v", q)
	}
}

// TestLookAt: a file that nobody here can open, and that is refused by whoever can.
func TestLookAt(t *testing.T) {
	k := newKeyring(t)
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: " + canary + "}\n"
	for want, text := range map[string]string{
		"a.yaml:1: encrypted values of a ConfigMap":       k.encrypt("a.yaml", config),
		"stringData.b is not encrypted, and has to be by": strings.Replace(k.encrypt("a.yaml", plainSecret), "stringData:\n", "stringData:\n    b: "+canary+"\n", 1),
	} {
		if _, err := render.LookAt("a.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%v, wanted %s", err, want)
		}
	}
	if res, err := render.LookAt("a.yaml", []byte(k.encrypt("a.yaml", plainSecret))); err != nil || len(res.Objects) != 1 {
		t.Errorf("%d objects, %v", len(res.Objects), err)
	}
}

// TestEncryptedNames: a generated Secret is named by what it holds, and whoever refers to it names it so, too.
func TestEncryptedNames(t *testing.T) {
	k := newKeyring(t)
	res, err := render.Render(render.Request{Dir: "app", Decryption: render.Decryption{Secret: "sops"}, Place: render.Place{Home: "shop"}, Outside: k.vault, Tree: sourcetest.New(sourcetest.Files{
		"app/kustomization.yaml": "resources: [web.yaml]\nsecretGenerator: [{name: db, envs: [db.env]}]\n", "app/db.env": k.encrypt("db.env", "PASSWORD="+canary+"\n"),
		"app/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, envFrom: [{secretRef: {name: db}}]}]}}}\n",
	})})
	if err != nil || len(res.Objects) != 2 {
		t.Errorf("%d objects, %v", len(res.Objects), err)
	}
}
