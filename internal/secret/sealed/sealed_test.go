package sealed_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bitnami-labs/sealed-secrets/pkg/crypto"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/secret/sealed"
)

var now = time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)

// newKey is a key as the controller of Sealed Secrets makes it, in its Secret.
func newKey(t testing.TB, name string, since time.Time, pkcs8 bool) (sealed.Key, *rsa.PublicKey) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := crypto.SignKeyWithNotBefore(rand.Reader, private, since, 24*time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}
	if pkcs8 {
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		block = &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	}
	b64 := func(b *pem.Block) string { return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(b)) }
	keys, err := sealed.KeysOf([]object.Object{
		secretOf(t, "kind: Secret\napiVersion: v1\nmetadata: {name: something-else}\ndata: {}\n"),
		secretOf(t, fmt.Sprintf("kind: Secret\napiVersion: v1\nmetadata:\n  name: %s\n  labels: {%s: active}\ntype: kubernetes.io/tls\ndata:\n  tls.key: %s\n  tls.crt: %s\n",
			name, sealed.Label, b64(block), b64(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))),
	})
	if err != nil || len(keys) != 1 || keys[0].Name != name {
		t.Fatalf("%v, %v", keys, err)
	}
	return keys[0], &private.PublicKey
}

func secretOf(t testing.TB, text string) object.Object {
	t.Helper()
	objs, err := object.Parse("sealed.yaml", []byte(text))
	if err != nil || len(objs) != 1 {
		t.Fatalf("%v", err)
	}
	return objs[0]
}

// seal is what kubeseal does with a value.
func seal(t testing.TB, key *rsa.PublicKey, label, plain string) string {
	t.Helper()
	out, err := crypto.HybridEncrypt(rand.Reader, key, []byte(plain), []byte(label))
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out)
}

func sealedOf(t testing.TB, metadata, value, template string) object.Object {
	t.Helper()
	return secretOf(t, "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {"+metadata+"}\nspec:\n  encryptedData:\n    password: "+value+"\n"+template)
}

func data(o object.Object, key string) string {
	raw, err := base64.StdEncoding.DecodeString(o.Text("data", key))
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func TestUnseal(t *testing.T) {
	older, olderPublic := newKey(t, "older", now.Add(-time.Hour), false)
	newer, newerPublic := newKey(t, "newer", now, true)
	_, otherPublic := newKey(t, "other", now, false)
	open := func(o object.Object) (object.Object, error) {
		op := sealed.Opener{Keys: []sealed.Key{newer, older}, Where: "in namespace shop"}
		return op.Unseal(o, "shop")
	}
	const wide, anywhere = `annotations: {sealedsecrets.bitnami.com/namespace-wide: "true"}`, `annotations: {sealedsecrets.bitnami.com/cluster-wide: "true", sealedsecrets.bitnami.com/namespace-wide: "true"}`
	for _, c := range []struct {
		name, metadata, value string
		want                  string // an error
	}{
		{"strict", "name: db, namespace: shop", seal(t, newerPublic, "shop/db", "canary"), ""},
		{"an older key", "name: db, namespace: shop", seal(t, olderPublic, "shop/db", "canary"), ""},
		{"the namespace is not named", "name: db", seal(t, newerPublic, "shop/db", "canary"), ""},
		{"namespace-wide", "name: any, namespace: shop, " + wide, seal(t, newerPublic, "shop", "canary"), ""},
		{"cluster-wide", "name: any, namespace: other, " + anywhere, seal(t, newerPublic, "", "canary"), ""},
		{"another name", "name: other, namespace: shop", seal(t, newerPublic, "shop/db", "canary"), "does not open for shop/other (scope strict) with any of the 2 keys in namespace shop"},
		{"another namespace", "name: db, namespace: other", seal(t, newerPublic, "shop/db", "canary"), "does not open for other/db (scope strict)"},
		{"wide, another namespace", "name: any, namespace: other, " + wide, seal(t, newerPublic, "shop", "canary"), "does not open for namespace other (scope namespace-wide)"},
		{"a scope that is not said", "name: db, namespace: shop", seal(t, newerPublic, "shop", "canary"), "was sealed for namespace shop (scope namespace-wide), and its annotations say shop/db (scope strict)"},
		{"another key", "name: db, namespace: shop", seal(t, otherPublic, "shop/db", "canary"), "with a key that is not there"},
		{"changed", "name: db, namespace: shop", flip(seal(t, newerPublic, "shop/db", "canary"), -1), "spec.encryptedData.password was changed since it was sealed"},
		{"cut off", "name: db, namespace: shop", seal(t, newerPublic, "shop/db", "canary")[:100], "is cut off"},
		{"no base64", "name: db, namespace: shop", `"%%"`, "is no base64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := sealedOf(t, c.metadata, c.value, "")
			got, err := open(o)
			if c.want == "" {
				if err != nil || got.Kind() != "Secret" || got.Name() != o.Name() || got.Namespace() != o.Namespace() || data(got, "password") != "canary" {
					t.Fatalf("%v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "sealed.yaml:1: ") {
				t.Fatalf("%v\nand wanted: %s", err, c.want)
			}
			if strings.Contains(err.Error(), "canary") || !got.IsZero() {
				t.Errorf("%v: a value, or an object, comes out", err)
			}
		})
	}
	none := sealed.Opener{Where: "in namespace shop"}
	if _, err := none.Unseal(sealedOf(t, "name: db", "AAAA", ""), "shop"); err == nil || !strings.Contains(err.Error(), "there is no key to open it in namespace shop") {
		t.Errorf("without keys: %v", err)
	}
}

// flip changes one byte.
func flip(text string, at int) string {
	raw, _ := base64.StdEncoding.DecodeString(text)
	raw[(at+len(raw))%len(raw)] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}

func TestTemplate(t *testing.T) {
	key, public := newKey(t, "key", now, false)
	value := seal(t, public, "shop/db", "canary")
	unseal := func(template string) (object.Object, error) {
		op := sealed.Opener{Keys: []sealed.Key{key}}
		return op.Unseal(sealedOf(t, `name: db, namespace: shop, annotations: {fairlead.dev/wave: "1", unknown: x}`, value, "  template:\n"+template), "")
	}
	got, err := unseal(`    type: kubernetes.io/basic-auth
    immutable: true
    metadata:
      labels: {app: web}
      annotations: {from: template, sealedsecrets.bitnami.com/managed: "true"}
    data:
      url: 'https://user:{{ .password | upper | b64enc }}@db'
      lines: '{{ range $i := until 3 }}{{ $i }},{{ end }}{{ .absent }}'
`)
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"type":       {got.Text("type"), "kubernetes.io/basic-auth"},
		"url":        {data(got, "url"), "https://user:" + base64.StdEncoding.EncodeToString([]byte("CANARY")) + "@db"},
		"lines":      {data(got, "lines"), "0,1,2,<no value>"},
		"label":      {got.Label("app"), "web"},
		"annotation": {got.Annotation("from"), "template"},
		"wave":       {got.Annotation("fairlead.dev/wave"), "1"},
		"unknown":    {got.Annotation("unknown"), ""},
		"managed":    {got.Annotation("sealedsecrets.bitnami.com/managed"), ""},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, and not %q", what, pair[0], pair[1])
		}
	}
	if got.At("immutable") != true {
		t.Error("it is not immutable")
	}
	const much = "takes more than the templates of a Secret may"
	for source, want := range map[string]string{
		`{{ env "HOME" }}`:                       `function "env" not defined`,
		`{{ expandenv "$HOME" }}`:                `function "expandenv" not defined`,
		`{{ getHostByName "x" }}`:                `function "getHostByName" not defined`,
		`{{ genPrivateKey "rsa" }}`:              `function "genPrivateKey" not defined`,
		`{{ randAlphaNum 5 }}`:                   `function "randAlphaNum" not defined`,
		`{{ derivePassword 1 "l" "p" "u" "s" }}`: `function "derivePassword" not defined`,
		`{{ now }}`:                              `function "now" not defined`,
		`{{ .password`:                           "is no template",
		`{{ index .password 99 }}`:               "does not work with the decrypted values: see its line 1",
		`{{ atoi .password | until }}{{ mustToJson .password | mustFromJson | mustRegexMatch "(" }}`: "does not work",
		`{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`:                              "a template",
		`{{ until 1000000000 }}`:        much,
		`{{ repeat 1000000000 "x" }}`:   much,
		`{{ "x" | indent 1000000000 }}`: much,
		`{{ printf "%1000000d" 1 }}`:    much,
		`{{ printf "%*d" 1000000 1 }}`:  much,
		`{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}`: much,
		`{{ $s := repeat 1000 "x" }}{{ range until 60 }}{{ $s = print $s $s }}{{ end }}`:                much,
		`{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}`:                  much,
		`{{ $s := repeat 10000 "a" }}{{ $s | replace "a" $s | replace "a" $s }}`:                        much,
		`{{ range until 10000 }}{{ repeat 10000 "x" }}{{ end }}`:                                        much,
		`{{ range 1000000000 }}{{ end }}`:                                                               much,
	} {
		got, err := unseal("    data:\n      x: '" + source + "'\n")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") || !got.IsZero() {
			t.Errorf("%s: %v\nand wanted: %s", source, err, want)
		}
	}
}

// TestSeal opens what was sealed here, with the library of Sealed Secrets and with our own.
func TestSeal(t *testing.T) {
	pemKey, pemCert, err := sealed.Generate(now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	public, err := sealed.ParseCertificate("cert.pem", pemCert, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.ParseCertificate("cert.pem", pemCert, now.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired certificate: %v", err)
	}
	block, _ := pem.Decode(pemKey)
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.Seal(secretOf(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {a: \"ENC[AES256_GCM,data:YQ==]\"}\nsops: {mac: a}\n"), "shop", public, sealed.Strict); err == nil || !strings.Contains(err.Error(), "is encrypted by SOPS") {
		t.Errorf("what is encrypted already: %v", err)
	}
	plain := secretOf(t, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  labels: {app: web}\n  annotations: {kubectl.kubernetes.io/last-applied-configuration: canary, a: b}\ntype: Opaque\ndata: {a: Y2FuYXJ5}\nstringData: {b: canary}\n")
	for scope, label := range map[sealed.Scope]string{sealed.Strict: "shop/db", sealed.NamespaceWide: "shop", sealed.ClusterWide: ""} {
		o, err := sealed.Seal(plain, "shop", public, scope)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(o.JSON()), "canary") || sealed.ScopeOf(o) != scope || !sealed.Is(o) {
			t.Errorf("%s: shows a value, or has another scope", scope)
		}
		raw, err := base64.StdEncoding.DecodeString(o.Text("spec", "encryptedData", "a"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := crypto.HybridDecrypt(rand.Reader, map[string]*rsa.PrivateKey{"": private}, raw, []byte(label)); err != nil || string(got) != "canary" {
			t.Errorf("%s: Sealed Secrets opens it to %q, %v", scope, got, err)
		}
		op := sealed.Opener{Keys: []sealed.Key{{Private: private}}}
		got, err := op.Unseal(o, "")
		if err != nil || data(got, "a") != "canary" || data(got, "b") != "canary" || got.Label("app") != "web" || got.Annotation("a") != "b" || got.Namespace() != "shop" {
			t.Errorf("%s: %v, %v", scope, got, err)
		}
	}
	for text, want := range map[string]string{
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n":                     "only a Secret is sealed",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n":                        "has no data",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: '%canary%'}\n": "is no base64",
	} {
		if _, err := sealed.Seal(secretOf(t, text), "shop", public, sealed.Strict); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzUnseal(f *testing.F) {
	key, public := newKey(f, "key", now, false)
	raw, err := base64.StdEncoding.DecodeString(seal(f, public, "shop/db", "canary"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, "{{ .password | upper }}")
	f.Add([]byte{0, 1}, "{{ range until 3 }}x{{ end }}")
	f.Add(raw, `{{ $l := list 1 }}{{ range until 30 }}{{ $l = list $l $l }}{{ end }}{{ toJson $l }}`)
	f.Fuzz(func(t *testing.T, value []byte, source string) {
		o := object.New(map[string]any{
			"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": map[string]any{"name": "db"},
			"spec": map[string]any{
				"encryptedData": map[string]any{"password": base64.StdEncoding.EncodeToString(value)},
				"template":      map[string]any{"data": map[string]any{"x": source}},
			},
		})
		op := sealed.Opener{Keys: []sealed.Key{key}}
		got, err := op.Unseal(o, "shop")
		if err != nil && (fault.KindOf(err) != fault.Invalid || !got.IsZero()) {
			t.Errorf("%v, %v", got, err)
		}
		if found := sealed.Problems(o); err == nil && len(found) > 0 {
			t.Errorf("it opens, and has problems: %v", found)
		}
	})
}
