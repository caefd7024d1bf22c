package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/render/chart"
)

// bounds are small enough to be reached.
func bounds() *chart.Bounds { return &chart.Bounds{Files: 100, Bytes: 1 << 20} }

// mended holds that an error is one that the user can mend, in a bounded text.
func mended(t *testing.T, err error, input int) {
	t.Helper()
	if err != nil && (fault.KindOf(err) != fault.Invalid || len(err.Error()) > 4*input+4000) {
		t.Fatalf("%s: %.5000s", fault.KindOf(err), err)
	}
}

// packed is an archive of files, each a name and how many bytes of "a" it has.
func packed(t testing.TB, files ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for i := 0; i < len(files); i += 2 {
		name, data := files[i].(string), []byte(nil)
		switch v := files[i+1].(type) {
		case string:
			data = []byte(v)
		case int:
			data = bytes.Repeat([]byte("a"), v)
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const web = "apiVersion: v2\nname: web\nversion: 1.0.0\n"

// TestBombs: what is small and would be large is refused with the reason.
func TestBombs(t *testing.T) {
	many := []any{"web/Chart.yaml", web}
	for i := range 200 {
		many = append(many, fmt.Sprintf("web/templates/%d.yaml", i), "")
	}
	for name, data := range map[string][]byte{
		"a large file": packed(t, "web/Chart.yaml", web, "web/large", 8<<20), "many files": packed(t, many...),
		"several that are large together": packed(t, "web/Chart.yaml", web, "web/a", 600<<10, "web/b", 600<<10),
	} {
		_, err := chart.Unpack(chart.File{Name: "web.tgz", At: "charts/web.tgz", Data: data}, bounds())
		if err == nil || fault.KindOf(err) != fault.Invalid || err.Error() != "charts/web.tgz: the archives of the app unpack to more than it may read" {
			t.Errorf("%s, of %d bytes: %v", name, len(data), err)
		}
	}
	laughs := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'i'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 10), ", "))
	}
	for _, name := range []string{"values.yaml", "Chart.yaml"} {
		f := chart.File{Name: name, At: "web/" + name, Data: []byte(laughs)}
		var err error
		if name == "values.yaml" {
			_, err = chart.Layer(nil, f)
		} else {
			_, err = chart.Load([]chart.File{f}, bounds())
		}
		if err == nil || fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "web/"+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzValues: whatever a file of values says, it is read or refused, and reading it again is the same.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"a: 1\nb: {c: null}\n", "a: &a [x]\nb: *a\n", "- a\n", "a: 1\na: 2\n", "<<: {a: 1}\n", "? [a]\n: b\n", "a: !!binary aa==\n", "\xff\xfe", "a:\n\tb: c\n", "1: a\ntrue: b\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := chart.File{Name: "values.yaml", At: "values.yaml", Data: data}
		one, err := chart.Layer(map[string]any{"a": map[string]any{"b": "c"}}, file)
		mended(t, err, len(data))
		again, againErr := chart.Layer(map[string]any{"a": map[string]any{"b": "c"}}, file)
		if fmt.Sprint(one, err) != fmt.Sprint(again, againErr) {
			t.Fatalf("%v, %v, and then %v, %v", one, err, again, againErr)
		}
	})
}

// FuzzLoad: whatever the files of a chart say, it is loaded or refused, and what is loaded can be rendered or is refused.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(web), []byte("a: b\n"), []byte("{{ .Values.a }}"))
	f.Add([]byte("apiVersion: v1\nname: web\nversion: 1.0.0\ndependencies: [{name: a, version: 1, repository: file://../a}]\n"), []byte(""), []byte("a: b"))
	f.Add([]byte("name: ../web\nversion: x\ntype: library\nkubeVersion: '>=1'\n"), []byte("{}"), []byte("{{ include \"a\" . }}"))
	f.Fuzz(func(t *testing.T, about, values, template []byte) {
		n := len(about) + len(values) + len(template)
		files := []chart.File{
			{Name: "Chart.yaml", At: "web/Chart.yaml", Data: about},
			{Name: "values.yaml", At: "web/values.yaml", Data: values},
			{Name: "templates/a.yaml", At: "web/templates/a.yaml", Data: template},
		}
		c, err := chart.Load(files, bounds())
		mended(t, err, n)
		if err != nil {
			return
		}
		mended(t, c.Supply(bounds(), func(chart.Dependency) ([]chart.File, error) { return nil, fault.Newf(fault.Invalid, "none") }), n)
	})
}

// FuzzUnpack: whatever an archive is, what it unpacks to is within bounds.
func FuzzUnpack(f *testing.F) {
	f.Add(packed(f, "web/Chart.yaml", web, "web/templates/a.yaml", "a: b\n"))
	f.Add(packed(f, "web/Chart.yaml", web, "web/large", 4<<20))
	f.Add(packed(f, "../web/Chart.yaml", web, "/etc/passwd", "x"))
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := chart.Unpack(chart.File{Name: "web.tgz", At: "web.tgz", Data: data}, bounds())
		mended(t, err, len(data))
		total := 0
		for _, file := range files {
			total += len(file.Data)
		}
		if total > 1<<20 || len(files) > 100 {
			t.Fatalf("%d files of %d bytes", len(files), total)
		}
	})
}
