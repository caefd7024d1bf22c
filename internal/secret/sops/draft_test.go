package sops

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

var edited = time.Date(2027, 3, 3, 10, 0, 0, 0, time.UTC)

func draft(t *testing.T, name string) (*Draft, []byte) {
	t.Helper()
	data := readFile(t, realDir, name)
	f, err := Read(name, data)
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Draft(realKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	return d, data
}

// TestDraftUnchanged: what is saved as it was is no change, and neither is what says the same in other words.
func TestDraftUnchanged(t *testing.T) {
	for _, name := range realFiles(t) {
		if name == "other.yaml" {
			continue
		}
		d, _ := draft(t, name)
		if want := readFile(t, realDir, name+".plain"); !bytes.Equal(d.Plain, want) {
			t.Errorf("%s is to be edited as\n%s", name, d.Plain)
		}
		if out, changed, err := d.Seal(bytes.Clone(d.Plain), edited); out != nil || changed || err != nil {
			t.Errorf("%s: %t, %v", name, changed, err)
		}
	}
	d, _ := draft(t, "secret.yaml")
	if _, changed, err := d.Seal(bytes.Replace(d.Plain, []byte("password: correct horse battery staple"), []byte("password: 'correct horse battery staple'"), 1), edited); changed || err != nil {
		t.Errorf("quoted: %t, %v", changed, err)
	}
}

// TestDraft changes one thing of each file. Its other lines stay as they are, but for the time and the MAC. With -update it writes the files to testdata/ours.
func TestDraft(t *testing.T) {
	for _, c := range []struct{ file, old, by, lines string }{
		{"secret.yaml", "correct horse battery staple", "other", "password"},
		{"secret.yaml", `port: "5432"`, "port: 5433", "port"},
		{"secret.yaml", "stringData:\n", "stringData:\n    added: new\n", "added"},
		{"secret.yaml", "app: web", "app: shop", "app"},
		{"secret.yaml", "type: Opaque\n", "", ""},
		{"secret.yaml", "mode = \"strict\"", "mode = \"lax\"", "config"},
		{"whole.yaml", "- one\n", "- one\n    - one\n", "-"},
		{"whole.yaml", "number: 42", "number: 43", "number"},
		{"whole.yaml", "ratio: 0.5", "ratio: 0.25", "ratio"},
		{"whole.yaml", "nothing: null", "nothing: something", "nothing"},
		{"several.yaml", "dmFsdWU=", "b3RoZXI=", "key"},
		{"several.yaml", "    name: second\n", "    name: third\n", "name"},
		{"unencrypted_regex.yaml", "correct horse battery staple", "other", "password"},
		{"encrypted_suffix.yaml", "b: two", "b: three", "b"},
		{"encrypted_suffix.yaml", "a_secret: one", "a_secret: two", "a_secret"},
		{"unencrypted_suffix.yaml", "b: two", "b: three", "b"},
		{"encrypted_comment.yaml", "b: two", "b: three", "b"},
		{"unencrypted_comment.yaml", "b: two", "b: three", "b"},
		{"mac_only.yaml", "correct horse battery staple", "other", "password"},
		{"hybrid.yaml", "correct horse battery staple", "other", "password"},
		{"pgp.yaml", "correct horse battery staple", "other", "password"},
		{"either.yaml", "correct horse battery staple", "other", "password"},
		{"shared.yaml", "correct horse battery staple", "other", "password"},
		{"secret.json", `"n": "2"`, `"n": "3"`, `"n"`},
		{"whole.json", `"n": "2"`, `"n": "3"`, `"n"`},
		{"settings.env", "PASSWORD=correct horse", "PASSWORD=other", "PASSWORD"},
		{"settings.env", "EMPTY=\n", "EMPTY=\nADDED=value\n", "ADDED"},
		{"shared.env", "PASSWORD=correct horse", "PASSWORD=other", "PASSWORD"},
		{"settings.ini", "mode  = strict", "mode  = lax", "mode"},
		{"settings.ini", "= correct = horse", "= `other # horse`", "password"},
		{"binary.txt", "", "more\n", `"data"`},
	} {
		t.Run(c.file+" "+c.lines, func(t *testing.T) {
			d, data := draft(t, c.file)
			want := bytes.Replace(d.Plain, []byte(c.old), []byte(c.by), 1)
			if bytes.Equal(want, d.Plain) {
				t.Fatalf("there is no %q in\n%s", c.old, d.Plain)
			}
			out, changed, err := d.Seal(want, edited)
			if err != nil || !changed {
				t.Fatalf("%t, %v", changed, err)
			}
			opensTo(t, c.file, out, realKeys(t), want)
			otherLines(t, string(data), string(out), c.lines)
			oursIs(t, "edited_"+c.file, out, want) // the last change of each
			f, err := Read(c.file, readFile(t, oursDir, "edited_"+c.file))
			if err == nil {
				err = f.open(realKeys(t))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// otherLines holds that no line differs but those of the metadata that have to, and those that begin with a key.
func otherLines(t *testing.T, was, is, key string) {
	t.Helper()
	old := map[string]int{}
	for line := range strings.SplitSeq(was, "\n") {
		old[line]++
	}
	for line := range strings.SplitSeq(is, "\n") {
		if old[line]--; old[line] >= 0 {
			continue
		}
		begin := strings.TrimLeft(strings.TrimSpace(line), `"`)
		meta := false
		for _, field := range []string{"mac", "lastmodified", "sops_mac", "sops_lastmodified"} {
			meta = meta || strings.HasPrefix(begin, field)
		}
		if !meta && (key == "" || !strings.HasPrefix(begin, strings.Trim(key, `"`))) {
			t.Errorf("another line is changed: %s", line)
		}
	}
}

// TestDraftIndent: a file that is indented otherwise, as the configuration of SOPS can have it, stays so.
func TestDraftIndent(t *testing.T) {
	for name, change := range map[string][2]string{"secret.yaml": {"kind: Secret", "kind: Other"}, "secret.json": {`"Secret"`, `"Other"`}} {
		f, err := Read(name, readFile(t, realDir, name))
		if err != nil {
			t.Fatal(err)
		}
		f.style = style{2, "  "}
		data, err := f.Rotate(realKeys(t), Creation{Now: edited}, false)
		if err != nil {
			t.Fatal(err)
		}
		if f, err = Read(name, data); err != nil {
			t.Fatal(err)
		}
		d, err := f.Draft(realKeys(t))
		if err != nil {
			t.Fatal(err)
		}
		out, changed, err := d.Seal(bytes.Replace(d.Plain, []byte(change[0]), []byte(change[1]), 1), edited)
		if err != nil || !changed {
			t.Fatalf("%s: %t, %v", name, changed, err)
		}
		otherLines(t, string(data), string(out), "kind")
	}
}

// TestDraftRefused: what cannot be read says its line and no value, and the draft can be sealed all the same afterwards.
func TestDraftRefused(t *testing.T) {
	for _, c := range []struct{ file, old, by, want string }{
		{"secret.yaml", "password: correct", "password: [correct", "secret.yaml:"},
		{"secret.yaml", "password: correct horse battery staple", "password: &a correct\n    again: *a", "secret.yaml:12: an alias"},
		{"secret.yaml", "stringData:", "plainData:", "nothing in it would be encrypted by the rule of the file encrypted_regex: ^(data|stringData)$"},
		{"secret.yaml", "kind: Secret", "kind: Secret\nkind: Secret", `the key "kind" is there twice`},
		{"secret.yaml", "kind: Secret", "sops: {}\nkind: Secret", "secret.yaml:2: the key sops is that of the metadata"},
		{"secret.yaml", "    labels:", "    annotations: {kubectl.kubernetes.io/last-applied-configuration: correct}\n    labels:", "the annotation kubectl"},
		{"secret.json", `"n": "2"`, `"n": "2`, "secret.json:9: it is no JSON"},
		{"settings.env", "PASSWORD=correct horse", "PASSWORD correct horse", "settings.env:2: the line has no ="},
		{"settings.env", "PASSWORD=correct horse", "sops_mac=correct", "the key sops_mac is that of the metadata"},
		{"settings.ini", "mode  = strict", "mode  correct", "settings.ini:2: the line is no key with a value"},
		{"settings.ini", "mode  = strict", "mode  = `correct", "settings.ini:2: the value of mode is quoted, and its quote does not end"},
	} {
		t.Run(c.want, func(t *testing.T) {
			d, _ := draft(t, c.file)
			bad := bytes.Replace(d.Plain, []byte(c.old), []byte(c.by), 1)
			out, changed, err := d.Seal(bad, edited)
			if err == nil || out != nil || changed || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "correct") || fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v\nand wanted: %s", err, c.want)
			}
			good := append(bytes.Clone(d.Plain), "\n"...)
			if c.file == "secret.json" {
				good = bytes.Replace(d.Plain, []byte(`"2"`), []byte(`"3"`), 1)
			}
			if _, _, err := d.Seal(good, edited); err != nil {
				t.Errorf("and then: %v", err)
			}
		})
	}
}

// TestDraftINI: what SOPS would quote is read as SOPS reads it.
func TestDraftINI(t *testing.T) {
	for text, want := range map[string]string{
		"`a # b`": "a # b", `" a "`: " a ", `'a'`: "a", `"""a "b" c"""`: `a "b" c`, "\"\"\"one\ntwo\n\"\"\"": "one\ntwo\n", "`one\ntwo`": "one\ntwo", `a "b"`: `a "b"`, "": "",
	} {
		d, _ := draft(t, "settings.ini")
		out, _, err := d.Seal(append(bytes.Clone(d.Plain), "\nadded = "+text+"\nlast = 1\n"...), edited)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		f, err := Read("settings.ini", out)
		if err == nil {
			err = f.open(realKeys(t))
		}
		section, _ := f.docs[0].value("last").(branch)
		if got := section.text("added"); err != nil || got != want || section.text("last") != "1" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// TestDraftKeys: without its key a file is not open, and a changed one is not either.
func TestDraftKeys(t *testing.T) {
	data := readFile(t, realDir, "secret.yaml")
	for i, c := range []struct {
		data []byte
		keys Keys
		want string
	}{
		{data, Keys{}, "no private key is here"},
		{bytes.Replace(data, []byte("app: web"), []byte("app: x"), 1), realKeys(t), "the MAC of the file is another"},
	} {
		f, err := Read("secret.yaml", c.data)
		if err == nil {
			_, err = f.Draft(c.keys)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Error(fmt.Sprint(i), err)
		}
	}
	if _, err := Read("a.yaml", []byte("a: b\n")); !errors.Is(err, ErrPlain) {
		t.Error(err)
	}
}
