package sops

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
)

// testdata/real was written by the library of SOPS: see the module test/sopsfiles.
const realDir = "testdata/real"

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func realKeys(t testing.TB) Keys {
	t.Helper()
	var k Keys
	if err := k.AddAge("age.agekey", readFile(t, realDir, "age.agekey")); err != nil {
		t.Fatal(err)
	}
	if err := k.AddPGP("pgp.asc", readFile(t, realDir, "pgp.asc")); err != nil {
		t.Fatal(err)
	}
	return k
}

func realFiles(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(realDir, "*.plain"))
	if err != nil || len(names) < 15 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(filepath.Base(name), ".plain")
	}
	return names
}

func TestReal(t *testing.T) {
	keys := realKeys(t)
	for _, name := range realFiles(t) {
		t.Run(name, func(t *testing.T) {
			f, err := Read(name, readFile(t, realDir, name))
			if err != nil {
				t.Fatal(err)
			}
			opened, err := f.Open(keys)
			if name == "other.yaml" {
				if err == nil || !strings.Contains(err.Error(), "add the private key of one recipient") {
					t.Fatalf("a file for somebody else: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := readFile(t, realDir, name+".plain")
			if !bytes.Equal(opened.Exact, want) {
				t.Errorf("opens to another file than SOPS has:\n%s", opened.Exact)
			}
			if f.format == YAML {
				sameValues(t, opened.Lines, want)
				sameLines(t, opened.Lines, readFile(t, realDir, name))
			}
		})
	}
}

func sameValues(t *testing.T, got, want []byte) {
	t.Helper()
	var a, b any
	if err := errors.Join(yaml.Unmarshal(got, &a), yaml.Unmarshal(want, &b)); err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%v: other values:\n%s", err, got)
	}
}

// sameLines holds that every line of what was decrypted begins as the encrypted one does, up to the metadata of the first document.
func sameLines(t *testing.T, plain, encrypted []byte) {
	t.Helper()
	was := strings.Split(string(encrypted), "\n")
	for i, line := range strings.Split(strings.TrimSpace(string(plain)), "\n") {
		if was[i] == "sops:" {
			return
		}
		if key, _, ok := strings.Cut(line, ":"); ok && !strings.Contains(key, "#") && !strings.HasPrefix(was[i], key+":") {
			t.Errorf("line %d is %q, and was %q", i+1, key, was[i])
		}
	}
}

// TestRefused changes real files, each in one place.
func TestRefused(t *testing.T) {
	keys := realKeys(t)
	cut := func(old, by string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, by, 1) }
	}
	swap := func(s string) string { // two values change places
		a, b := token(s, "password: "), token(s, "port: ")
		return strings.NewReplacer(a, b, b, a).Replace(s)
	}
	for _, c := range []struct {
		name, file string
		change     func(string) string
		want       string
	}{
		{"a name that is not encrypted", "secret.yaml", cut("name: database", "name: other"), "the MAC of the file is another"},
		{"a label more", "secret.yaml", cut("app: web", "app: web\n        tier: x"), "the MAC of the file is another"},
		{"a value that moved", "secret.yaml", swap, "secret.yaml:11: stringData.password does not open: it was changed"},
		{"a value that was added", "secret.yaml", cut("stringData:\n", "stringData:\n    plain: text\n"), "stringData.plain is not encrypted"},
		{"a number that was added", "secret.yaml", cut("stringData:\n", "stringData:\n    plain: 5\n"), "stringData.plain is not encrypted"},
		{"a value that is gone", "secret.yaml", func(s string) string { return dropLine(s, "    port:") }, "the MAC of the file is another"},
		{"another order", "unencrypted_suffix.yaml", func(s string) string {
			lines := strings.Split(s, "\n")
			lines[0], lines[1] = lines[1], lines[0]
			return strings.Join(lines, "\n")
		}, "the MAC of the file is another"},
		{"another time", "secret.yaml", func(s string) string { return strings.Replace(s, `lastmodified: "20`, `lastmodified: "19`, 1) }, "sops.mac does not open"},
		{"no MAC", "secret.yaml", func(s string) string { return dropLine(s, "    mac:") }, "the MAC of the file is another"},
		{"a MAC over less", "secret.yaml", cut("    mac: ", "    mac_only_encrypted: true\n    mac: "), "the MAC of the file is another"},
		{"two rules", "secret.yaml", cut("    mac: ", "    encrypted_suffix: x\n    mac: "), "only one of encrypted_suffix and encrypted_regex can be"},
		{"no rule", "secret.yaml", func(s string) string { return dropLine(s, "    encrypted_regex:") }, "is not encrypted, and has to be"},
		{"a key twice", "secret.yaml", cut("kind: Secret", "kind: Secret\nkind: Secret"), `the key "kind" is there twice`},
		{"nobody", "secret.yaml", cut("    age:", "    nobody:"), "encrypted for nobody"},
		{"an alias", "secret.yaml", cut("type: Opaque", "type: &a Opaque\nx: *a"), "an alias, which an encrypted file cannot have"},
		{"a damaged key", "secret.yaml", cut("-----BEGIN AGE ENCRYPTED FILE-----", "-----BEGIN AGE ENCRYPTED FILE-----\n            AAAA"), "does not open, though its private key is here"},
		{"no YAML", "secret.yaml", cut("kind: Secret", "kind: [Secret"), "it is no YAML"},
		{"no JSON", "secret.json", cut("{", "{{"), "it is no JSON"},
		{"JSON behind it", "secret.json", func(s string) string { return s + "{}" }, "there is more behind the object"},
		{"a document that is a list", "several.yaml", func(s string) string { return s + "---\n- x\n" }, "is a map of keys"},
		{"one document less", "several.yaml", func(s string) string { return s[:strings.Index(s, "\n---\n")+1] }, "the MAC of the file is another"},
		{"a cloud", "secret.yaml", func(s string) string {
			i, j := strings.Index(s, "    age:\n"), strings.Index(s, "    encrypted_regex:")
			return s[:i] + "    kms:\n        - arn: arn:aws:kms:eu-west-1:1:key/x\n          enc: AAAA\n" + s[j:]
		}, "encrypted for AWS KMS arn:aws:kms:eu-west-1:1:key/x alone, and Fairlead asks no cloud"},
		{"plain", "secret.yaml", func(string) string { return "a: ENC[AES256_GCM,\nsops: {}\n" }, "it is not encrypted by SOPS"},
		{"a parts less", "shared.yaml", cut("shamir_threshold: 2", "shamir_threshold: 3"), "2 of the 3 groups of keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := c.change(string(readFile(t, realDir, c.file)))
			f, err := Read(c.file, []byte(data))
			if err == nil {
				var out Opened
				out, err = f.Open(keys)
				if err != nil && out.Exact != nil {
					t.Errorf("something comes out:\n%s", out.Exact)
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v\nand wanted: %s", err, c.want)
			}
			if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), c.file) {
				t.Errorf("%v: is not said of the file", err)
			}
			if strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), "ENC[") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

func token(s, after string) string {
	i := strings.Index(s, after) + len(after)
	return s[i : i+strings.IndexByte(s[i:], ']')+1]
}

func dropLine(s, prefix string) string {
	i := strings.Index(s, prefix)
	return s[:i] + s[i+strings.IndexByte(s[i:], '\n')+1:]
}

// TestOurs encrypts what SOPS encrypted, opens it again, and with -update writes it to testdata/ours for `sopsfiles open`, which is SOPS itself.
func TestOurs(t *testing.T) {
	keys := realKeys(t)
	how := Creation{Age: keys.Names()[:2], Now: time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)}
	for _, name := range realFiles(t) {
		if name == "other.yaml" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f, err := Read(name, readFile(t, realDir, name))
			if err != nil {
				t.Fatal(err)
			}
			how := how
			how.Rule = f.meta.rules()
			switch name {
			case "pgp.yaml", "shared.env":
				how = Creation{PGP: keys.Names()[2:], Public: keys.Public(), Rule: how.Rule, Now: edited}
			case "either.yaml":
				how.PGP, how.Public, how.Now = keys.Names()[2:], keys.Public(), edited
			}
			want := readFile(t, realDir, name+".plain")
			out, err := Encrypt(name, want, how)
			if err != nil {
				t.Fatal(err)
			}
			opensTo(t, name, out, keys, want)
			oursIs(t, name, out, want)
			opensTo(t, name, readFile(t, oursDir, name), keys, want)
			if _, err := Encrypt(name, out, how); err == nil || !strings.Contains(err.Error(), "encrypted already") {
				t.Errorf("what is encrypted is encrypted again: %v", err)
			}
		})
	}
}

// testdata/ours is what we encrypted: see TestOurs and TestDraft.
const oursDir = "testdata/ours"

// oursIs writes a file to testdata/ours, with the keys that open it, if the test is to.
func oursIs(t *testing.T, name string, data, plain []byte) {
	t.Helper()
	if !golden.Updating() {
		return
	}
	err := errors.Join(os.MkdirAll(oursDir, 0o755), os.WriteFile(filepath.Join(oursDir, name), data, 0o644), os.WriteFile(filepath.Join(oursDir, name+".plain"), plain, 0o644))
	for _, key := range []string{"age.agekey", "pgp.asc"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(oursDir, key), readFile(t, realDir, key), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func opensTo(t *testing.T, name string, data []byte, keys Keys, want []byte) {
	t.Helper()
	f, err := Read(name, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.open(keys); err != nil {
		t.Fatal(err)
	}
	got, err := f.write(f.docs, false)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("opens to another file: %v\n%s", err, got)
	}
}

func TestRotate(t *testing.T) {
	keys := realKeys(t)
	var only Keys // the second key alone
	only.age = keys.age[1:]
	how := Creation{Age: only.Names(), Now: time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)}
	data := readFile(t, realDir, "secret.yaml")
	want := readFile(t, realDir, "secret.yaml.plain")
	f, err := Read("secret.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(only); err == nil {
		t.Fatal("it opens with a key that it is not for")
	}
	out, err := f.Rotate(keys, how, false)
	if err != nil {
		t.Fatal(err)
	}
	opensTo(t, "secret.yaml", out, only, want)
	if f, err = Read("secret.yaml", out); err != nil || f.meta.raw.text("encrypted_regex") == "" {
		t.Fatalf("the rule is lost: %v", err)
	}
	changed := bytes.Replace(data, []byte("name: database"), []byte("name: other"), 1)
	for _, accept := range []bool{false, true} {
		if f, err = Read("secret.yaml", changed); err != nil {
			t.Fatal(err)
		}
		out, err = f.Rotate(keys, how, accept)
		if accept != (err == nil) {
			t.Fatalf("accepting changes %t: %v", accept, err)
		}
	}
	opensTo(t, "secret.yaml", out, only, bytes.Replace(want, []byte("name: database"), []byte("name: other"), 1))
}

// TestRotateAdded: a value that somebody added in plain text is encrypted with the rest, if he says that it is meant so.
func TestRotateAdded(t *testing.T) {
	keys := realKeys(t)
	key, _, err := Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	var other Keys
	if err := other.AddAge("other", key); err != nil {
		t.Fatal(err)
	}
	added := "    added: correct-horse\n    number: 7\n"
	data := bytes.Replace(readFile(t, realDir, "secret.yaml"), []byte("stringData:\n"), []byte("stringData:\n"+added), 1)
	f, err := Read("secret.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(other); !errors.Is(err, ErrNoKey) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := f.Open(keys); err == nil || errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "stringData.added is not encrypted") || !strings.Contains(err.Error(), "--accept-changes") {
		t.Errorf("%v", err)
	}
	if f, err = Read("secret.yaml", data); err != nil {
		t.Fatal(err)
	}
	out, err := f.Rotate(keys, Creation{Now: time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)}, true)
	if err != nil || bytes.Contains(out, []byte("correct-horse")) {
		t.Fatalf("%v:\n%s", err, out)
	}
	opensTo(t, "secret.yaml", out, keys, bytes.Replace(readFile(t, realDir, "secret.yaml.plain"), []byte("stringData:\n"), []byte("stringData:\n"+added), 1))
}

// TestIntact: what is wrong with a file that nobody here can open, and that nothing is with those that sops wrote.
func TestIntact(t *testing.T) {
	for _, name := range []string{"secret.yaml", "settings.ini"} {
		f, err := Read(name, readFile(t, realDir, name))
		if err == nil {
			err = f.Intact()
		}
		if err != nil {
			t.Error(err)
		}
	}
	for want, change := range map[string]func(string) string{
		"stringData.added is not encrypted": func(s string) string {
			return strings.Replace(s, "stringData:\n", "stringData:\n    added: correct-horse\n", 1)
		},
		"stringData.number is not encrypted": func(s string) string { return strings.Replace(s, "stringData:\n", "stringData:\n    number: 7\n", 1) },
		"does not open: it has not the form": func(s string) string {
			return strings.Replace(s, "stringData:\n", "stringData:\n    cut: ENC[AES256_GCM,data:YQ==\n", 1)
		},
		"sops.mac does not open": func(s string) string { return strings.Replace(s, "mac: ENC[", "mac: EN[", 1) },
	} {
		f, err := Read("secret.yaml", []byte(change(string(readFile(t, realDir, "secret.yaml")))))
		if err == nil {
			err = f.Intact()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "correct-horse") {
			t.Errorf("%v, wanted %s", err, want)
		}
	}
}

// TestEncryptApplied: what kubectl apply noted down holds all values, and would stay as it is.
func TestEncryptApplied(t *testing.T) {
	how := Creation{Age: realKeys(t).Names()[:1], Rule: map[string]string{"encrypted_regex": "^(data|stringData)$"}}
	file := "kind: Secret\nmetadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{}'\nstringData: {a: b}\n"
	if _, err := Encrypt("a.yaml", []byte(file), how); err == nil || !strings.HasPrefix(err.Error(), "a.yaml:4: the annotation kubectl.kubernetes.io/last-applied-configuration") {
		t.Errorf("%v", err)
	}
	how.Rule = nil // all is encrypted
	if _, err := Encrypt("a.yaml", []byte(file), how); err != nil {
		t.Error(err)
	}
}

// TestRotateINI: a file of SOPS stays one of the same format.
func TestRotateINI(t *testing.T) {
	keys := realKeys(t)
	f, err := Read("settings.ini", readFile(t, realDir, "settings.ini"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Rotate(keys, Creation{Now: time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)}, false)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("[sops]\nage__list_0__map_enc")) || bytes.Contains(out, []byte("battery")) {
		t.Errorf("rotated it is\n%s", out)
	}
	opensTo(t, "settings.ini", out, keys, readFile(t, realDir, "settings.ini.plain"))
}

// TestRotatePGP: OpenPGP recipients stay, if their public keys are here, and others can be named.
func TestRotatePGP(t *testing.T) {
	keys := realKeys(t)
	want := readFile(t, realDir, "pgp.yaml.plain")
	rotate := func(file string, how Creation) ([]byte, error) {
		f, err := Read(file, readFile(t, realDir, file))
		if err != nil {
			t.Fatal(err)
		}
		how.Now = edited
		return f.Rotate(keys, how, false)
	}
	var public Public
	names, err := public.Add("pgp.asc", append(readFile(t, realDir, "pgp.asc"), readFile(t, realDir, "pgp.asc")...))
	if err != nil || len(names) != 2 || names[0] != keys.Names()[2] || names[1] != names[0] {
		t.Fatal(names, err)
	}
	var only Keys
	only.pgp = keys.pgp
	out, err := rotate("pgp.yaml", Creation{Public: public})
	if err != nil {
		t.Fatal(err)
	}
	opensTo(t, "pgp.yaml", out, only, want)
	if out, err = rotate("secret.yaml", Creation{PGP: names[:1], Public: public}); err != nil {
		t.Fatal(err)
	}
	opensTo(t, "secret.yaml", out, only, want)
	if _, err = rotate("pgp.yaml", Creation{}); err == nil || !strings.Contains(err.Error(), "pgp.yaml: the public key of OpenPGP "+names[0]+" is not here: write it with `gpg --export --armor") {
		t.Error(err)
	}
	f, err := Read("pgp.yaml", readFile(t, realDir, "pgp.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	early := Creation{Public: public, Now: time.Date(2020, 3, 3, 10, 0, 0, 0, time.UTC)}
	if _, err = f.Rotate(keys, early, false); err == nil || !strings.Contains(err.Error(), "nothing can be encrypted for OpenPGP "+names[0]) {
		t.Error(err)
	}
	if _, err := public.Add("none.asc", []byte("-----BEGIN PGP canary")); err == nil || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

func TestPlaceholders(t *testing.T) {
	f, err := Read("secret.json", readFile(t, realDir, "secret.json"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Placeholders(func(path []string) any { return "at " + strings.Join(path, ".") })
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{"a": "at stringData.a", "n": "at stringData.n"}; !reflect.DeepEqual(got["stringData"], want) || got["sops"] != nil {
		t.Errorf("got %v", got)
	}
}

func TestKeys(t *testing.T) {
	for name, add := range map[string]func(*Keys, string, []byte) error{"age": (*Keys).AddAge, "pgp": (*Keys).AddPGP} {
		for _, text := range []string{"AGE-SECRET-KEY-1QQQ canary", "-----BEGIN canary", "canary"} {
			var k Keys
			if err := add(&k, "keys", []byte(text)); err == nil || strings.Contains(err.Error(), "canary") || fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: %q is taken for a key, or shown: %v", name, text, err)
			}
		}
	}
	for text, ok := range map[string]bool{realKeys(t).Names()[0]: true, realKeys(t).Names()[1]: true, "age1x": false, "AGE-SECRET-KEY-1": false, "ssh-rsa x": false} {
		if err := CheckRecipient(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	keys := realKeys(f)
	for _, name := range realFiles(f) {
		f.Add(name, readFile(f, realDir, name))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		file, err := Read(name, data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v is not fault.Invalid", err)
			}
			return
		}
		file.Kinds()
		out, err := file.Open(keys)
		if err != nil && (out.Exact != nil || fault.KindOf(err) != fault.Invalid) {
			t.Errorf("%v, and %d bytes come out", err, len(out.Exact))
		}
	})
}
