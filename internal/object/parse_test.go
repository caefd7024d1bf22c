package object_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// TestParse runs testdata/parse/*.txtar: each "in" file with the "objects" or the "error" that it gives.
func TestParse(t *testing.T) {
	golden.Run(t, "testdata/parse/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		in := ar.Files[0]
		golden.Drop(ar, "objects", "error")
		objs, err := object.Parse(in.Name, in.Data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v: not fault.Invalid", err)
			}
			golden.Set(ar, "error", err.Error()+"\n")
			return
		}
		var b strings.Builder
		for _, o := range objs {
			fmt.Fprintf(&b, "%s %s\n%s", o.Origin(), o, o.YAML())
		}
		golden.Set(ar, "objects", b.String())
	})
}

// TestLocate runs testdata/locate/*.txtar: lines "Kind[.group] namespace/name path -> line" for the first file.
func TestLocate(t *testing.T) {
	golden.Run(t, "testdata/locate/*.txtar", func(_ *testing.T, ar *txtar.Archive) {
		data, asked := ar.Files[0].Data, ar.Files[1]
		var b strings.Builder
		for line := range strings.Lines(string(asked.Data)) {
			f := strings.Fields(line)
			ns, name, _ := strings.Cut(f[1], "/")
			kind, group, _ := strings.Cut(f[0], ".")
			at, ok := object.Locate(data, object.Key{Group: group, Kind: kind, Namespace: ns, Name: name}, f[2])
			where := "not found"
			if ok {
				where = fmt.Sprintf("%d: %s", at, strings.TrimSpace(strings.Split(string(data), "\n")[at-1]))
			}
			fmt.Fprintf(&b, "%s %s %s -> %s\n", f[0], f[1], f[2], where)
		}
		golden.Set(ar, asked.Name, b.String())
	})
}

// TestParseAsKubectl holds Parse to the decoder that kubectl uses, value by value.
func TestParseAsKubectl(t *testing.T) {
	for _, v := range []string{
		"yes", "No", "ON", "off", "y", "N", "true", "TRUE", "tRUE", `"yes"`, "'on'", "~", "null", "",
		"1", "-1", "+1", "0644", "0o644", "0x1F", "0b11", "1_000", "1.0", "1e3", "1.5", ".5", "-.5e-3", "12e03", "1.", "0.1.2",
		"9223372036854775807", "9223372036854775808", "18446744073709551615", "1e20", "1e-7", "123456789012345678901234567890",
		"2020-01-01", "2001-12-14t21:59:43.10-05:00", "12:30:45", "1:2", "a b", "'a: b'", "|\n    x\n    y\n", ">-\n    x\n    y\n",
		"[a, 1, yes]", "{a: 1, b: {c: d}}", "!!str 5", "!!int '5'", "!!float 5", "&a x", `"\u00e9\x41\n"`,
	} {
		data := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nspec:\n  v: " + v + "\n"
		objs, err := object.Parse("a.yaml", []byte(data))
		if err != nil {
			t.Errorf("%s: %v", v, err)
			continue
		}
		asJSON, err := k8syaml.YAMLToJSON([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal(asJSON, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(objs[0].JSON(), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s: kubectl reads %s, Parse %s", v, asJSON, objs[0].JSON())
		}
	}
}

// FuzzParse: no input panics, and what was parsed prints to something that parses to the same.
func FuzzParse(f *testing.F) {
	for _, ar := range golden.All(f, "testdata/*/*.txtar") {
		f.Add(ar.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		objs, err := object.Parse("f.yaml", data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "f.yaml") {
				t.Fatalf("error without kind or place: %v", err)
			}
			return
		}
		again, err := object.Parse("g.yaml", object.Stream(objs))
		if err != nil || len(again) != len(objs) {
			t.Fatalf("%d objects became %d: %v\n%s", len(objs), len(again), err, object.Stream(objs))
		}
		for i, o := range objs {
			if !reflect.DeepEqual(o.Content(), again[i].Content()) {
				t.Fatalf("%#v\nbecame %#v\n%s", o.Content(), again[i].Content(), o.YAML())
			}
			if string(o.YAML()) != string(again[i].YAML()) {
				t.Fatal("printing is not stable")
			}
			if line, ok := object.Locate(data, o.Key(), ".metadata.name"); ok && line < 1 {
				t.Fatalf("line %d", line)
			}
		}
	})
}

// FuzzText: every text survives printing as a key, a value and an item.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", " ", "a\nb", "\n", "a\n\n", " a\nb", "yes", "1", "1e3", "a: b", "a #b", "- a", "\t", "\x00", "é\u2028", "\U0001F600", "~", "{", "%a", "0x1", "12:30", "<<", "=", "a:", "!a", "&a", "---", "...", "2020-01-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		o := object.New(map[string]any{
			"apiVersion": "v1", "kind": "K", "metadata": map[string]any{"name": "n"},
			"v": map[string]any{s: s, "l": []any{s, []any{s, []any{}}, map[string]any{s: s}, map[string]any{}}},
		})
		got, err := object.Parse("a.yaml", o.YAML())
		if err != nil {
			t.Fatalf("%v\n%s", err, o.YAML())
		}
		if !reflect.DeepEqual(o.Content(), got[0].Content()) {
			t.Fatalf("%q became\n%s\n%#v", s, o.YAML(), got[0].Content())
		}
	})
}
