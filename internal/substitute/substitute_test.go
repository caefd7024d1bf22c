package substitute_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/substitute"
)

// TestText holds expressions to what Flux makes of them.
func TestText(t *testing.T) {
	vars := substitute.Variables{
		"var01": "abcdEFGH28ij", "upper": "ABC", "path": "path/to/file", "file": "bash.string.txt", "z": "abcABC123ABCabc", "slash": "foo/bar/baz", "empty": "", "other": "foo1",
	}
	for text, want := range map[string]string{
		"abcdEFGH28ij": "abcdEFGH28ij", "": "", "$": "$", "a$": "a$", "$var01": "$var01", "$(VAR)": "$(VAR)", "${var01}": "abcdEFGH28ij",
		"a${var01}b${upper}c": "aabcdEFGH28ijbABCc",
		"${#var01}":           "12", "${var01^}": "AbcdEFGH28ij", "${var01^^}": "ABCDEFGH28IJ", "${upper,}": "aBC", "${upper,,}": "abc", "${empty^}": "",
		"${path:5}": "to/file", "${path:5:2}": "to", "${path: -4}": "file", "${path:99}": "", "${path:1:-1}": "ath/to/fil", "${path:0:99}": "path/to/file",
		"${gone:-x}": "x", "${gone:=x}": "x", "${gone=x}": "x", "${empty:-x}": "x", "${upper:-x}": "ABC", "${gone:-}": "", "${gone:-a b: c}": "a b: c",
		"${gone:-${other}}": "foo1", "${gone:-prefix-${other}-suffix}": "prefix-foo1-suffix", "${gone:-${gone:-${gone:-deep}}}": "deep", "${upper:-${gone}}": "ABC",
		"${gone:-${var01^^}}": "ABCDEFGH28IJ",
		"${z/%abc/XYZ}":       "abcABC123ABCXYZ", "${z/#abc/XYZ}": "XYZABC123ABCabc", "${z//abc/x}": "xABC123ABCx", "${z/abc/x}": "xABC123ABCabc", "${slash//\\//-}": "foo-bar-baz",
		"${file/./}": "bashstring.txt", "${path/#/pre-}": "pre-path/to/file", "${path/%/-post}": "path/to/file-post",
		"${file#*.}": "string.txt", "${file##*.}": "txt", "${file%.*}": "bash.string", "${file%%.*}": "bash", "${path##*/}": "file", "${path#*/}": "to/file", "${path%x}": "path/to/file",
		"$${var01}": "${var01}", "$$": "$", "x$${a$${b$var01${upper}": "x${a${b$var01ABC", "$${gone:-${other}}": "${gone:-foo1}",
	} {
		if got, err := substitute.Text(text, vars); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestWrong(t *testing.T) {
	vars := substitute.Variables{"a": "secret-value", "long": strings.Repeat("x", 1<<20)}
	for text, want := range map[string]string{
		"${gone}": "variable gone has no value", "${gone^^}": "variable gone has no value", "${#gone}": "variable gone has no value", "${gone:1}": "variable gone has no value",
		"${x:-${gone}}": "variable gone has no value",
		"${}":           "no name", "${a b}": `' ' is not understood: a name is made of letters, digits and _ alone, and :- := = : ^ , # % or / may follow it; write $${ for the text ${`, "${1a}": "no name", "${a": "the } is missing", "${a:-b": "the } is missing", "${x:-b": "the } is missing",
		"${a-b}": "${a-b}: - is not understood: write ${a:-…} to say what it is without a value; a name is made of letters, digits and _ alone", "${gone-b}": "write ${gone:-…}",
		"${my-app.name}": "write ${my:-…}", "${a-${b}}": "- is not understood", "${a-b": "the } is missing", "${a.b}": "'.' is not understood", "${a+b}": "'+' is not understood", "${a\xff}": "is not understood",
		"${a:+b}": "a : takes numbers, as in ${a:2}", "${a:?b}": "a : takes numbers", "${a:x}": "a : takes numbers", "${a/b}": "/ takes what is replaced, and by what, as in ${a/a/b} with \\/ for a slash",
		"${a//b}": "as in ${a//a/b}", "${a#[}": "# takes a pattern, as in ${a#*.}", "${a%%[}": "%% takes a pattern", "${a^b}": "nothing may follow ^", "${a,,b}": "nothing may follow ,,",
		"${#a:1}": "nothing may follow the name in ${#a}", "${-a}": "no name",
		strings.Repeat("${x:-", 30) + strings.Repeat("}", 30): "too deep",
		strings.Repeat("${long}", 5):                          "4 MiB",
	} {
		got, err := substitute.Text(text, vars)
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "secret-value") {
			t.Errorf("%.40s is %.40q, %v; want an error with %q", text, got, err, want)
		}
		var e *substitute.Error
		if !errors.As(err, &e) {
			t.Errorf("%.40s: %v does not say what is wrong", text, err)
		}
	}
}

// TestObjects reads variables, a line each, and objects, and compares what they become.
func TestObjects(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		vars := substitute.Variables{}
		for line := range strings.Lines(string(ar.Files[0].Data)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			vars[name] = strings.ReplaceAll(value, `\n`, "\n")
		}
		objs, err := object.Parse(ar.Files[1].Name, ar.Files[1].Data)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for i, o := range objs {
			before := string(o.JSON())
			out, err := substitute.Object(o, vars)
			if string(o.JSON()) != before {
				t.Errorf("%s was changed itself", o)
			}
			if i > 0 {
				b.WriteString("---\n")
			}
			if err != nil {
				fmt.Fprintf(&b, "# error: %v\n", err)
				continue
			}
			b.Write(out.YAML())
		}
		ar.Files = append(ar.Files[:2:2], txtar.File{Name: "want", Data: []byte(b.String())})
	})
}

// What has no variables in it is the very same object.
func TestNothingToDo(t *testing.T) {
	objs, err := object.Parse("a.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {price: 5$, n: \"1\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := substitute.Object(objs[0], substitute.Variables{"a": "b"})
	if err != nil || !out.Is(objs[0]) {
		t.Errorf("%v, %v", out, err)
	}
}

// FuzzObject holds what comes out to be an object as YAML can say it, with no other shape where nothing was put in.
func FuzzObject(f *testing.F) {
	for _, s := range []string{"${a}", "$${a}", "${a:-${b}}", "${a//x/${b}}", "x: ${a} # y", "${a", "*.${a}", "${a%%*}", "${#a}${b^^}", "${a:1:-1}"} {
		for _, v := range []string{"3", "true", "[1, 2]", "{a: b}", "\"8080\"", "a: b", "&x y", "x\ny: z", "- a", "!!binary aGk=", ""} {
			f.Add(s, v)
		}
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		o := object.New(map[string]any{
			"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"name": "thing", "labels": map[string]any{"label": text}},
			"spec": map[string]any{"text": text, "list": []any{text, "same"}, "same": int64(1)},
		})
		vars := substitute.Variables{"a": value, "b": text}
		once, err := substitute.Object(o, vars)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v is not the user's to mend", err)
			}
			return
		}
		if _, ok := once.At("metadata", "labels", "label").(string); !ok {
			t.Errorf("the label is %v", once.At("metadata", "labels", "label"))
		}
		if once.At("spec", "same") != int64(1) || len(once.Content()) != 4 || len(once.Content()["spec"].(map[string]any)) != 3 {
			t.Errorf("a value reached beyond its field: %s", once.JSON())
		}
		if list, _ := once.At("spec", "list").([]any); len(list) != 2 || list[1] != "same" {
			t.Errorf("the list is %v", list)
		}
		again, err := substitute.Object(o, vars)
		if err != nil || cmp.Diff(once.Content(), again.Content()) != "" {
			t.Error("the same is something else the second time")
		}
	})
}
