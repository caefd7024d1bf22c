package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// names are few so that paths collide: links lead to each other, files become directories.
var names = rapid.SampledFrom([]string{"a", "b", "c"})

func paths() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		p := names.Draw(t, "name")
		for range rapid.IntRange(0, 2).Draw(t, "depth") {
			p += "/" + names.Draw(t, "name")
		}
		return p
	})
}

func contents() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		target := rapid.SampledFrom([]string{"a", "b", "c", "..", "../a", "../b/c", "a/b", "../../a", "../../..", "."}).Draw(t, "target")
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return sourcetest.Link(target)
		case 1:
			return target // a file with the text of a symlink has its id
		case 2:
			return sourcetest.Executable("1")
		}
		return rapid.SampledFrom([]string{"1", "2"}).Draw(t, "content")
	})
}

// put sets a file and removes what is in its way.
func put(files sourcetest.Files, p, content string) {
	for have := range files {
		if len(have) > len(p) && have[:len(p)+1] == p+"/" || len(p) > len(have) && p[:len(have)+1] == have+"/" {
			delete(files, have)
		}
	}
	files[p] = content
}

type operation struct {
	Do   string
	Path string
}

// render does what a renderer might and prints all that it learnt.
func render(tree source.Tree, ops []operation) string {
	var b bytes.Buffer
	for _, op := range ops {
		fmt.Fprintf(&b, "%s %s: ", op.Do, op.Path)
		var err error
		switch op.Do {
		case "read":
			var data []byte
			data, err = tree.ReadFile(op.Path)
			fmt.Fprintf(&b, "%q", data)
		case "stat", "lstat":
			var info fs.FileInfo
			if op.Do == "stat" {
				info, err = tree.Stat(op.Path)
			} else {
				info, err = tree.Lstat(op.Path)
			}
			if err == nil {
				fmt.Fprintf(&b, "%s %d %s", info.Mode(), info.Size(), info.Name())
			}
		case "list":
			var entries []fs.DirEntry
			entries, err = tree.ReadDir(op.Path)
			fmt.Fprint(&b, entries)
		case "link":
			var target string
			target, err = tree.ReadLink(op.Path)
			fmt.Fprint(&b, target)
		case "id":
			var id source.ID
			id, err = tree.ID(op.Path)
			fmt.Fprint(&b, id)
		}
		fmt.Fprintf(&b, " %t %t\n", err != nil, errors.Is(err, fs.ErrNotExist))
	}
	return b.String()
}

// TestUnchanged is the law that everything rests on: if the inputs are unchanged, another render gives the same bytes.
func TestUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := sourcetest.Files{}
		for range rapid.IntRange(0, 8).Draw(t, "files") {
			put(files, paths().Draw(t, "path"), contents().Draw(t, "content"))
		}
		ops := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) operation {
			do := rapid.SampledFrom([]string{"read", "read", "stat", "lstat", "list", "link", "id"}).Draw(t, "do")
			return operation{do, paths().Draw(t, "path")}
		}), 1, 5).Draw(t, "ops")

		tree := sourcetest.New(files)
		rec := source.NewRecorder(tree)
		before := render(rec, ops)
		if plain := render(tree, ops); plain != before {
			t.Fatalf("the recorder answers\n%s\nthe tree\n%s", before, plain)
		}
		in := restored(t, rec.Inputs())
		if ok, err := in.Unchanged(tree); !ok || err != nil {
			t.Fatalf("the same tree is said to have changed: %v\n%s", err, in)
		}

		edited := maps.Clone(files)
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			p := paths().Draw(t, "edit")
			if rapid.Bool().Draw(t, "remove") {
				delete(edited, p)
			} else {
				put(edited, p, contents().Draw(t, "content"))
			}
		}
		other := sourcetest.New(edited)
		rec = source.NewRecorder(other)
		after := render(rec, ops)
		ok, err := in.Unchanged(other)
		if err != nil {
			t.Fatal(err)
		}
		if ok && before != after {
			t.Fatalf("said to be unchanged:\n%s\nbefore:\n%s\nafter:\n%s", in, before, after)
		}
		diff, err := source.Diff(tree, other)
		if err != nil {
			t.Fatal(err)
		}
		if concerned(in, diff) == 0 && !ok {
			t.Fatalf("changed, in none of the directories that differ:\n%s\nedited: %v", in, diff.Dirs)
		}
		if ok != (in.Digest() == rec.Inputs().Digest()) {
			t.Fatalf("unchanged is %t, but the digests say otherwise:\n%s\n%s", ok, in, rec.Inputs())
		}
	})
}

// concerned counts the directories of inputs that differ.
func concerned(in source.Inputs, diff source.Difference) int {
	n := 0
	for _, d := range in.Dirs(func(string) bool { return false }) {
		if slices.Contains(diff.Dirs, d) {
			n++
		}
	}
	return n
}

func restored(t *rapid.T, in source.Inputs) source.Inputs {
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out source.Inputs
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	if out.String() != in.String() || out.Digest() != in.Digest() {
		t.Fatalf("stored and read back:\n%s\nbecame\n%s", in, out)
	}
	return out
}

// TestUnrelated: what was not read does not matter, or every commit would render every app.
func TestUnrelated(t *testing.T) {
	files := sourcetest.Files{
		"apps/a/kustomization.yaml": "k", "apps/a/notes.md": "n", "apps/b/x.yaml": "x", "base/x.yaml": "b", "base/y.yaml": "y",
		"apps/a/link": sourcetest.Link("../../base/x.yaml"),
	}
	rec := source.NewRecorder(sourcetest.New(files))
	for _, p := range []string{"apps/a/kustomization.yaml", "apps/a/link"} {
		if _, err := rec.ReadFile(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := rec.ReadFile("apps/a/fairlead.yaml"); err == nil {
		t.Fatal("read what is not there")
	}
	if _, err := rec.Stat("base"); err != nil {
		t.Fatal(err)
	}
	in := rec.Inputs()
	want := "apps/a/fairlead.yaml absent\napps/a/kustomization.yaml\napps/a/link link\nbase/x.yaml\n"
	if in.String() != want {
		t.Errorf("inputs are\n%s\nwant\n%s", in, want)
	}
	for edit, want := range map[string]bool{
		"apps/a/notes.md": true, "apps/a/more.yaml": true, "apps/b/x.yaml": true, "base/y.yaml": true, "README": true,
		"apps/a/fairlead.yaml": false, "apps/a/kustomization.yaml": false, "base/x.yaml": false, "apps/a/link": false,
	} {
		edited := maps.Clone(files)
		edited[edit] = "new"
		got, err := in.Unchanged(sourcetest.New(edited))
		if got != want || err != nil {
			t.Errorf("after an edit of %s: unchanged is %t, %v", edit, got, err)
		}
	}
}

func TestZeroInputs(t *testing.T) {
	if ok, err := (source.Inputs{}).Unchanged(sourcetest.New(nil)); ok || err != nil {
		t.Errorf("the zero Inputs are unchanged: %t, %v", ok, err)
	}
}

// broken is a tree that fails for reasons that have nothing to do with content.
type broken struct{ source.Tree }

func (broken) ReadFile(string) ([]byte, error) { return nil, errors.New("disk on fire") }

func TestBrokenTree(t *testing.T) {
	tree := sourcetest.New(sourcetest.Files{"a": "1"})
	rec := source.NewRecorder(broken{tree})
	if _, err := rec.ReadFile("a"); err == nil {
		t.Fatal("read succeeded")
	}
	if ok, _ := rec.Inputs().Unchanged(tree); ok {
		t.Error("a failed read is taken for known content")
	}
}

// FuzzInputsJSON: stored inputs that somebody tampered with never panic.
func FuzzInputsJSON(f *testing.F) {
	f.Add([]byte(`{"dirs":[["a","*id","fid name","- gone"]]}`))
	f.Add([]byte(`{"dirs":[[".",""],["a"]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var in source.Inputs
		if json.Unmarshal(data, &in) != nil {
			return
		}
		if _, err := in.Unchanged(sourcetest.New(sourcetest.Files{"a/name": "1"})); err != nil {
			t.Fatal(err)
		}
		_ = in.Digest() + in.String()
	})
}

// BenchmarkUnchanged asks for 5,000 apps of 10 inputs each what a commit to one of them has changed.
func BenchmarkUnchanged(b *testing.B) {
	files := sourcetest.Files{}
	for i := range 5000 {
		for j := range 6 {
			files[fmt.Sprintf("apps/app-%d/production/file-%d.yaml", i, j)] = fmt.Sprint(i)
		}
	}
	for j := range 4 {
		files[fmt.Sprintf("base/file-%d.yaml", j)] = "base"
	}
	tree := sourcetest.New(files)
	all := make([]source.Inputs, 5000)
	for i := range all {
		rec := source.NewRecorder(tree)
		for j := range 6 {
			_, _ = rec.ReadFile(fmt.Sprintf("apps/app-%d/production/file-%d.yaml", i, j))
		}
		for j := range 4 {
			_, _ = rec.ReadFile(fmt.Sprintf("base/file-%d.yaml", j))
		}
		all[i] = rec.Inputs()
	}
	files["apps/app-7/production/file-1.yaml"] = "edited"
	edited := sourcetest.New(files)
	for b.Loop() {
		changed := 0
		for _, in := range all {
			if ok, _ := in.Unchanged(edited); !ok {
				changed++
			}
		}
		if changed != 1 {
			b.Fatalf("%d apps changed", changed)
		}
	}
}
