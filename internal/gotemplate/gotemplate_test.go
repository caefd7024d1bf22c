package gotemplate

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"helm.sh/helm/v4/pkg/chart/common"
	helm "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/engine"
)

var since = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func draw(secret string) *Draw {
	return &Draw{For: "web", Keys: &Keys{}, Secret: func(int) ([]byte, time.Time, error) { return []byte(secret), since, nil }}
}

func one(t *testing.T, text string, values map[string]any, o Options) (string, error) {
	t.Helper()
	out, err := Render([]File{{Name: "a/templates/a.yaml", Text: text, Values: values}}, o)
	return out["a/templates/a.yaml"].Text, err
}

// TestFunctionsAreHelms calls each function that Helm adds to Sprig's, ours and the original.
func TestFunctionsAreHelms(t *testing.T) {
	values := map[string]any{
		"m": map[string]any{"b": []any{1.0, "x", nil, true}, "a": map[string]any{"k": "v: w"}}, "n": nil, "t": "1h30m", "f": 2.5, "i": 90, "s": "text",
		"nested": map[string]any{"l": []any{map[string]any{"x": 1.0}}},
	}
	for _, text := range []string{
		`{{ toYaml .m }}|{{ toYaml .n }}|{{ toYaml .nested }}`, `{{ mustToYaml .m }}`, `{{ toYamlPretty .nested }}`, `{{ toJson .m }}{{ mustToJson .s }}`, `{{ toToml .nested }}`, `{{ mustToToml .nested }}`, `{{ toToml .s }}`,
		`{{ fromYaml "a: {b: [1]}" }}`, `{{ (fromYaml "a: b: c").Error }}`, `{{ fromYaml "" }}`, `{{ fromYaml "- a" }}`, `{{ fromYamlArray "- a\n- 1" }}`, `{{ fromYamlArray "a: b" }}`,
		`{{ fromJson "{\"a\": 1e3}" }}`, `{{ fromJson "null" }}`, `{{ fromJson "[" }}`, `{{ fromJsonArray "[1]" }}`, `{{ fromJsonArray "{" }}`, `{{ fromToml "a = 1" }}`, `{{ fromToml "=" }}`,
		`{{ mustToDuration .t }} {{ mustToDuration .f }} {{ mustToDuration .i }} {{ mustToDuration "15" }}`, `{{ mustToDuration "x" }}`, `{{ mustToDuration .n }}`, `{{ mustToDuration .m }}`, `{{ mustToDuration 1e300 }}`,
		`{{ durationSeconds .t }} {{ durationMilliseconds .t }} {{ durationMicroseconds .i }} {{ durationNanoseconds .f }} {{ durationMinutes .t }} {{ durationHours .t }} {{ durationDays .t }} {{ durationWeeks .t }}`,
		`{{ durationSeconds "x" }} {{ durationDays .n }}`, `{{ durationRoundTo .t "1h" }} {{ durationTruncateTo .t "1h" }} {{ durationRoundTo "x" "1h" }} {{ durationRoundTo .t "x" }}`,
		`{{ required "no" .s }}`, `{{ required "no" .n }}`, `{{ required "no" "" }}`, `{{ fail "no" }}`, `{{ lookup "v1" "Secret" "a" "b" }}`, `{{ getHostByName "localhost" }}`,
		`{{ tpl "{{ .s }}-{{ .nothing }}" . }}`, `{{ include "x" . }}`, `{{ define "x" }}{{ .s }}{{ end }}{{ include "x" . | upper }}`, `{{ env "HOME" }}`, `{{ expandenv "$HOME" }}`,
		`{{ .nothing }}|{{ .m.nothing }}|{{ .n }}|{{ .m }}|{{ .f }}|{{ .i }}`, `{{ print .m nil 1 "a" "b" }} {{ println 1 }} {{ printf "%v %5.2f %s" .m .f .s }} {{ html "<a>" }} {{ js "'" }} {{ urlquery "a b" }}`,
		`{{ with .nothing }}a{{ else }}b{{ end }}{{ range .nothing }}a{{ else }}c{{ end }}{{ if .n }}d{{ else if .s }}e{{ end }}`, `{{ $x := 1 }}{{ $x = add $x 2 }}{{ range $i, $v := .m.b }}{{ $i }}={{ $v }};{{ end }}{{ $x }}`,
		`{{ block "b" .m }}{{ .a.k }}{{ end }}{{ (index .m.b 1) | quote }}{{ len .m }}{{ index .m "a" "k" }}{{ slice .s 1 2 }}{{ eq .s "text" }}{{ and .s .n }}`, `{{ (dict "a" (list 1 2)).a }}{{ (.m).a.k }}`,
	} {
		ours, err := one(t, text, values, Options{})
		c := &helm.Chart{Metadata: &helm.Metadata{Name: "a", Version: "1.0.0", APIVersion: "v2"}, Templates: []*common.File{{Name: "templates/a.yaml", Data: []byte(text)}}}
		var theirs map[string]string
		var original error
		// The original hands its values on below .Values alone: the text is asked there.
		wrapped := &helm.Chart{Metadata: c.Metadata, Templates: []*common.File{{Name: "templates/a.yaml", Data: []byte(`{{ with .Values }}` + text + `{{ end }}`)}}}
		if !strings.Contains(text, "define") && !strings.Contains(text, "block") {
			theirs, original = engine.Render(wrapped, common.Values{"Values": values})
		} else {
			ours, err = one(t, text, map[string]any{"s": nil}, Options{})
			theirs, original = engine.Render(c, common.Values{"Values": map[string]any{}})
		}
		if (err == nil) != (original == nil) {
			t.Errorf("%s: %v, and Helm says %v", text, err, original)
		} else if err == nil && ours != theirs["a/templates/a.yaml"] {
			t.Errorf("%s is\n%s\nand Helm's\n%s", text, ours, theirs["a/templates/a.yaml"])
		}
	}
}

// TestBudget: each of these would take hours or gigabytes.
func TestBudget(t *testing.T) {
	for _, text := range []string{
		`{{ range 1000000000 }}{{ end }}`, `{{ range until 100000000 }}a{{ end }}`, `{{ untilStep 0 100000000 1 }}`, `{{ untilStep 0 100000000 -1 }}`, `{{ seq 100000000 }}`, `{{ seq 1 1 100000000 }}`,
		`{{ define "a" }}{{ range 100 }}{{ include "a" . }}{{ end }}{{ end }}{{ include "a" . }}`,
		`{{ define "a" }}{{ range 100 }}{{ template "b" . }}{{ end }}{{ end }}{{ define "b" }}{{ range 100 }}{{ template "a" . }}{{ end }}{{ end }}{{ template "a" . }}`,
		`{{ repeat 1000000000 "abc" }}`, `{{ indent 1000000000 "a\nb" }}`, `{{ nindent 1000000000 "a" }}`, `{{ randAlphaNum 1000000000 }}`, `{{ randBytes 1000000000 }}`,
		`{{ $a := repeat 100000 "a" }}{{ replace "" $a $a }}`, `{{ $a := repeat 100000 "a" }}{{ regexReplaceAll "a?" $a $a }}`, `{{ $a := repeat 100000 "a" }}{{ wrapWith 1 $a $a }}`, `{{ $a := repeat 100000 "a" }}{{ join $a (until 100000) }}`,
		`{{ $a := repeat 10000000 "a" }}{{ range 1000 }}{{ splitList "" $a | len }}{{ end }}`, `{{ printf "%1000000000d" 1 }}`, `{{ printf "%*d" 1000000000 1 }}`, `{{ printf "%.*f" 1000000000 1.0 }}`,
		`{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}`, `{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ deepCopy $x }}`, `{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ quote $x }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toToml $d }}`, `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ print $d }}`, `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ merge $d $d }}`, `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ if (print $d) }}{{ end }}`,
		`{{ range 100000 }}{{ genPrivateKey "rsa" }}{{ end }}`,
		`{{ $x := "{{ range 1000 }}{{ end }}" }}{{ range 1000000 }}{{ tpl $x . }}{{ end }}`,
		"{{ fromYaml \"a: &a [x,x,x,x,x,x,x,x,x,x]\\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\" }}",
	} {
		_, err := one(t, text, nil, Options{Limits: Limits{Steps: 2_000_000, Bytes: 32 << 20}, Draw: draw("secret")})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, "the templates take") && !strings.Contains(e.Message, "the templates make") && !strings.Contains(e.Message, "nested deeper") && !strings.Contains(e.Message, "without an end") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestReserved(t *testing.T) {
	for _, text := range []string{`{{ fairleadTemplateLeave 1 }}`, `{{ tpl "{{ fairleadTemplateLeave 1 }}" . }}`} {
		if _, err := one(t, text, nil, Options{}); err == nil {
			t.Errorf("%s can be called", text)
		}
	}
}

const everyDraw = `{{ randAlphaNum 20 }} {{ randAlphaNum 20 }} {{ randAlpha 8 }} {{ randNumeric 8 }} {{ randAscii 8 }} {{ randBytes 9 }} {{ randInt 0 1000000000 }} {{ uuidv4 }} {{ shuffle "abcdefghijklmnopqrstuvwxyz" }}
{{ htpasswd "a" "b" }} {{ bcrypt "b" }} {{ encryptAES "key" "text" }} {{ genPrivateKey "ecdsa" }} {{ genPrivateKey "ed25519" }}
{{ $ca := genCA "ca" 365 }}{{ $ca.Cert }}{{ $ca.Key }}{{ (genSignedCert "web" (list "10.0.0.1") (list "web.shop.svc") 90 $ca).Cert }}{{ now }} {{ date "2006" nil }} {{ ago now }} {{ (genSelfSignedCertWithKey "x" nil nil 3 $ca.Key).Cert }}`

// TestDraw: what is generated is the same each time, another one for another secret and another app, and none of it twice.
func TestDraw(t *testing.T) {
	first, err := one(t, everyDraw, nil, Options{Draw: draw("one")})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := one(t, everyDraw, nil, Options{Draw: draw("one")}); err != nil || again != first {
		t.Errorf("everyDraw again it is something else: %v\n%s\n%s", err, first, again)
	}
	other, err := one(t, everyDraw, nil, Options{Draw: draw("two")})
	if err != nil {
		t.Fatal(err)
	}
	away := draw("one")
	away.For = "api"
	elsewhere, err := one(t, `{{ randAlphaNum 20 }}`, nil, Options{Draw: away})
	if err != nil {
		t.Fatal(err)
	}
	words, others := strings.Fields(first), strings.Fields(other)
	if words[0] == words[1] || words[0] == others[0] || words[0] == elsewhere {
		t.Errorf("what is everyDraw is not told apart: %q %q %q %q", words[0], words[1], others[0], elsewhere)
	}
	if before, err := one(t, `{{ randAlphaNum 7 }}{{ randBytes 3 }}|{{ randAlphaNum 20 }}`, nil, Options{Draw: draw("one")}); err != nil || !strings.HasSuffix(before, "|"+words[0]) {
		t.Errorf("a password changes when others are everyDraw before it: %s, %v", before, err)
	}
	if _, err := one(t, `{{ randAlphaNum 20 }}`, nil, Options{}); err == nil {
		t.Error("a password is everyDraw from nothing")
	}
}

// TestRemembered: certificates are the same whether their keys are found or remembered.
func TestRemembered(t *testing.T) {
	const text = `{{ $ca := genCA "ca" 365 }}{{ $c := genSignedCert "web" nil (list "web.shop.svc") 90 $ca }}{{ $ca.Cert }}{{ $c.Cert }}{{ $c.Key }}`
	known := draw("one")
	first, err := one(t, text, nil, Options{Draw: known})
	if err != nil {
		t.Fatal(err)
	}
	alone := draw("one")
	alone.Keys = nil
	for name, d := range map[string]*Draw{"remembered": known, "found anew": draw("one"), "by who remembers none": alone} {
		if again, err := one(t, text, nil, Options{Draw: d}); err != nil || again != first {
			t.Errorf("%s: it is something else: %v", name, err)
		}
	}
}

func TestBcrypted(t *testing.T) {
	hash, err := bcrypted("correct horse", []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte("correct horse")); err != nil {
		t.Errorf("%s: %v", hash, err)
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte("wrong horse")) == nil {
		t.Error("any password will do")
	}
}

func TestCertificates(t *testing.T) {
	text, err := one(t, `{{ $ca := genCA "ca" 365 }}{{ $c := genSignedCert "web" (list "10.0.0.1") (list "web.shop.svc") 90 $ca }}{{ $b := buildCustomCert (b64enc $c.Cert) (b64enc $c.Key) }}{{ $ca.Cert | b64enc }} {{ $b.Cert | b64enc }} {{ genPrivateKey "rsa" | b64enc }}`, nil, Options{Draw: draw("x")})
	if err != nil {
		t.Fatal(err)
	}
	var ders [][]byte
	for _, word := range strings.Fields(text) {
		data, err := base64.StdEncoding.DecodeString(word)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		ders = append(ders, block.Bytes)
	}
	ca, err := x509.ParseCertificate(ders[0])
	if err != nil {
		t.Fatal(err)
	}
	web, err := x509.ParseCertificate(ders[1])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	if _, err := web.Verify(x509.VerifyOptions{Roots: roots, DNSName: "web.shop.svc", CurrentTime: since.Add(80 * 24 * time.Hour)}); err != nil {
		t.Error(err)
	}
	if _, err := web.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: since.Add(91 * 24 * time.Hour)}); err == nil {
		t.Error("a certificate for 90 days is good after 91")
	}
	key, err := x509.ParsePKCS1PrivateKey(ders[2])
	if err != nil || key.N.BitLen() != 4096 {
		t.Errorf("a key of 4096 bits: %v", err)
	}
}

func TestErrors(t *testing.T) {
	files := []File{
		{Name: "a/templates/_h.tpl", Text: "\n{{ define \"x\" }}\n{{ fail \"no\" }}{{ end }}"},
		{Name: "a/templates/a.yaml", Text: "a\n\n{{ include \"x\" . }}"},
	}
	_, err := Render(files, Options{})
	var e *Error
	if !errors.As(err, &e) || e.File != files[0].Name || e.Line != 3 || e.From != files[1].Name || e.FromLine != 3 || e.Message != "no" {
		t.Errorf("%+v", err)
	}
}

func TestYAMLBeyond(t *testing.T) {
	ten := func(s string) string { return "[" + strings.Repeat(s+",", 10) + "]" }
	bomb := "# made by hand\na: &a " + ten("x") + "\nb: &b " + ten("*a") + "\nc:\n  d: &d\n" + strings.Repeat("  - *b\n", 10) + "e: " + ten("*d") + "\n"
	for text, want := range map[string]int{
		bomb:                            14, // the ninth of d
		"a: 1\n":                        0,
		strings.Repeat("x", 9000):       1,
		"a: &a [x]\nb: *a\n":            0,
		"a: &a\n  b:\n  - *a\n":         3,
		"a: &a [x]\n---\nb: &b {c: *b}": 3,
		"a: &a [x]\nb: {{ *a }\n":       0, // no YAML
	} {
		if got := YAMLBeyond([]byte(text), 8000); got != want {
			t.Errorf("%.60q: line %d, want %d", text, got, want)
		}
	}
}

func FuzzRender(f *testing.F) {
	for _, text := range []string{everyDraw, `{{ range $i, $v := .l }}{{ $v | quote }}{{ end }}`, `{{ tpl .s . }}`, `{{ with .m }}{{ .k }}{{ end }}{{ define "x" }}{{ template "x" }}{{ end }}`, `{{ regexMatch "(a*)*b" .s }}`} {
		f.Add(text, "x")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if strings.Contains(text, "gen") || strings.Contains(text, "bcrypt") || strings.Contains(text, "htpasswd") || strings.Contains(text, "derive") {
			return // they take a while
		}
		values := func() map[string]any {
			return map[string]any{"s": value, "l": []any{value, 1.0}, "m": map[string]any{"k": value}}
		}
		o := Options{Limits: Limits{Steps: 100_000, Bytes: 1 << 20}, Draw: draw("x")}
		first, err := one(t, text, values(), o)
		if e := (*Error)(nil); err != nil && (!errors.As(err, &e) || len(err.Error()) > 2000) {
			t.Fatalf("%T %.3000s", err, err)
		}
		if again, e := one(t, text, values(), o); again != first || fmt.Sprint(e) != fmt.Sprint(err) {
			t.Fatalf("the same makes %q, %v and then %q, %v", first, err, again, e)
		}
	})
}
