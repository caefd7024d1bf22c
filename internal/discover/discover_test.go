package discover_test

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// TestApps runs testdata/*.txtar: "tree" lists files, each line of "patterns" is tried (path=name is one with a name of its own), "want" is what comes of it. Several patterns on
// a line are sources of one environment.
func TestApps(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(_ *testing.T, ar *txtar.Archive) {
		tree := sourcetest.New(tree(string(ar.Files[0].Data)))
		var b strings.Builder
		for line := range strings.Lines(string(ar.Files[1].Data)) {
			try(&b, tree, strings.Fields(line))
		}
		golden.Set(ar, "want", b.String())
	})
}

func tree(list string) sourcetest.Files {
	files := sourcetest.Files{}
	for line := range strings.Lines(list) {
		name, target, isLink := strings.Cut(strings.TrimSpace(line), " -> ")
		files[name] = "x"
		if isLink {
			files[name] = sourcetest.Link(target)
		}
	}
	return files
}

func try(b *strings.Builder, tree source.Tree, patterns []string) {
	fmt.Fprintln(b, strings.Join(patterns, " "))
	var sources []discover.Source
	for _, p := range patterns {
		dir, name, _ := strings.Cut(p, "=")
		res, err := discover.Named(tree, dir, name)
		if err != nil {
			fmt.Fprintf(b, "  error (%s): %v\n", fault.KindOf(err), err)
			return
		}
		if res.Missing != "" {
			fmt.Fprintf(b, "  missing: %s\n", res.Missing)
		}
		sources = append(sources, discover.Source{Place: p, Result: res})
	}
	all := discover.Merge(sources...)
	for _, a := range all.Found {
		fmt.Fprintf(b, "  %s at %s\n", a.Name, a.Dir)
	}
	for _, p := range all.Problems {
		fmt.Fprintf(b, "  problem: %s\n", p)
	}
}

// TestGone: an app is only gone when that is certain.
func TestGone(t *testing.T) {
	apps := sourcetest.New(sourcetest.Files{"apps/a/x": "", "apps/B/x": "", "more/twice/x": "", "most/twice/x": ""})
	for _, c := range []struct {
		pattern, app string
		want         bool
	}{
		{"apps/*", "a", false},
		{"apps/*", "b", true},
		{"app/*", "a", false},
		{"mo*/twice", "twice", true}, // its name is what the * matched
		{"mo??/*", "twice", false},
	} {
		res, err := discover.Apps(apps, c.pattern)
		if err != nil || res.Gone(c.app) != c.want {
			t.Errorf("%s: %s gone: %t, %v", c.pattern, c.app, res.Gone(c.app), err)
		}
	}
}

// counted is a tree that counts listings.
type counted struct {
	source.Tree
	listed []string
}

func (c *counted) ReadDir(name string) ([]fs.DirEntry, error) {
	c.listed = append(c.listed, name)
	return c.Tree.ReadDir(name)
}

// TestCost: only the directories on the way are listed.
func TestCost(t *testing.T) {
	files := sourcetest.Files{}
	for i := range 50 {
		files[fmt.Sprintf("apps/a%d/production/x/y.yaml", i)] = "x"
		files[fmt.Sprintf("other/a%d/z.yaml", i)] = "x"
	}
	c := &counted{Tree: sourcetest.New(files)}
	res, err := discover.Apps(c, "apps/*/production")
	if err != nil || len(res.Found) != 50 || !res.Gone("b") || res.Gone("a1") {
		t.Fatalf("%d apps, %v", len(res.Found), err)
	}
	if len(c.listed) != 1 || c.listed[0] != "apps" {
		t.Errorf("listed %v", c.listed)
	}
}

// broken fails as a disk does.
type broken struct{ source.Tree }

func (broken) ReadDir(string) ([]fs.DirEntry, error) {
	return nil, fault.Newf(fault.Transient, "disk on fire")
}

// TestFailure: what cannot be read is an error, never an empty answer.
func TestFailure(t *testing.T) {
	res, err := discover.Apps(broken{sourcetest.New(sourcetest.Files{"apps/a/x": "x"})}, "apps/*")
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("got %v, %v", res, err)
	}
}

// FuzzApps: no pattern panics, names are valid and every directory found exists.
func FuzzApps(f *testing.F) {
	for _, p := range []string{"apps/*", "a*b/[a-z]?/*", "*/*/*", `\*`, "[", "team-*-x/apps", "apps/*-*"} {
		f.Add(p)
	}
	tree := sourcetest.New(tree("apps/a/x\napps/b-c/x\nteam-one-x/apps/y\nab/cd/e/f\n.git/x\n"))
	f.Fuzz(func(t *testing.T, pattern string) {
		res, err := discover.Apps(tree, pattern)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		for _, a := range res.Found {
			if info, err := tree.Stat(a.Dir); err != nil || !info.IsDir() || a.Name == "" {
				t.Fatalf("%v: %v", a, err)
			}
		}
	})
}

// FuzzGlobs: what is found, or is a problem, is every directory that the pattern matches, element by element, and nothing else.
func FuzzGlobs(f *testing.F) {
	for _, p := range []string{"apps/*", "a*b/[a-z]?/*", "*/*/*", `\*/x`, "team-*-x/apps", "apps/[^b]*", "./.git/*/", "*/.hidden"} {
		f.Add(p, "apps/a/x\napps/B-c/x\napps/d -> apps/a\nteam-one-x/apps/y\nab/cd/e/f\n.git/x/y\n*/x/z\nother/.hidden/z\n")
	}
	f.Fuzz(func(t *testing.T, pattern, list string) {
		tree := treeOf(list)
		if tree == nil {
			return
		}
		res, err := discover.Apps(tree, pattern)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		dirs := map[string]bool{}
		for _, a := range res.Found {
			dirs[a.Dir] = true
			if res.Gone(a.Name) {
				t.Errorf("%s is found and gone", a.Name)
			}
		}
		for _, p := range res.Problems {
			dirs[p.Dir] = true
			if res.Gone(p.Name) {
				t.Errorf("%s is a problem and gone", p.Name)
			}
		}
		if d := cmp.Diff(matched(t, tree, pattern), slices.Sorted(maps.Keys(dirs))); d != "" {
			t.Errorf("%q in %q: -matched +found\n%s", pattern, list, d)
		}
	})
}

// treeOf makes a tree of a list of files, nil if they make none.
func treeOf(list string) (made *archive.Tree) {
	defer func() {
		if recover() != nil {
			made = nil
		}
	}()
	return sourcetest.New(tree(list))
}

// matched walks over all of a tree. It knows nothing of how to do that quickly.
func matched(t *testing.T, tree source.Tree, pattern string) (dirs []string) {
	t.Helper()
	elems := strings.Split(strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/"), "/")
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		names := strings.Split(name, "/")
		matches := len(names) == len(elems) && name != "."
		for i := 0; matches && i < len(names); i++ {
			ok, err := path.Match(elems[i], names[i])
			if err != nil {
				t.Fatalf("%q is malformed and was let through", pattern)
			}
			matches = ok && (!strings.HasPrefix(names[i], ".") || strings.HasPrefix(elems[i], "."))
		}
		if matches {
			dirs = append(dirs, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(dirs)
	return dirs
}

// TestConcerns: if a pattern is not concerned by what came and went, it finds the same as before.
func TestConcerns(t *testing.T) {
	patterns := []string{"a/*", "*", "a/*/b", "*/b", "[ab]/c", "a/b", "c/?/a*"}
	name := rapid.SampledFrom([]string{"a", "b", "c", "ab", ".d"})
	rapid.Check(t, func(t *rapid.T) {
		files := sourcetest.Files{}
		for range rapid.IntRange(0, 8).Draw(t, "files") {
			put(t, files, name)
		}
		before := sourcetest.New(files)
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			put(t, files, name)
		}
		after := sourcetest.New(files)
		diff, err := source.Diff(before, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range patterns {
			if slices.ContainsFunc(diff.Names, func(changed string) bool { return discover.Concerns(p, changed) }) {
				continue
			}
			was, err := discover.Apps(before, p)
			if err != nil {
				t.Fatal(err)
			}
			is, err := discover.Apps(after, p)
			if d := cmp.Diff(was, is); err != nil || d != "" {
				t.Fatalf("%s is not concerned by %q: -before +after\n%s%v", p, diff.Names, d, err)
			}
		}
	})
}

// put writes a file or a symlink somewhere, or removes what is there, and what is in the way of it.
func put(t *rapid.T, files sourcetest.Files, name *rapid.Generator[string]) {
	p := strings.Join(rapid.SliceOfN(name, 1, 4).Draw(t, "path"), "/")
	maps.DeleteFunc(files, func(have, _ string) bool {
		return have == p || strings.HasPrefix(have, p+"/") || strings.HasPrefix(p, have+"/")
	})
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
	case 1:
		files[p] = sourcetest.Link("a")
	default:
		files[p] = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "content")
	}
}

func TestConcernsNames(t *testing.T) {
	for changed, want := range map[string]bool{
		"README.md": false, "Apps": true, "apps": true, "apps/new": true, "apps/new/x": false, "apps/web/production": true, "apps/web/staging": false,
		"base/new": false, "apps/web/production/new.yaml": false,
	} {
		got := discover.Concerns("apps/*/production", changed)
		if got != want {
			t.Errorf("%s: %t", changed, got)
		}
	}
	if !discover.Concerns("apps/[", "x") {
		t.Error("nobody knows what a malformed pattern finds")
	}
}

func TestClauses(t *testing.T) {
	name := func(dir string) discover.Problem {
		return discover.Problem{Name: path.Base(dir), Dir: dir, Why: "is no name"}
	}
	twice := discover.Problem{Name: "web", Dir: "a/web", Why: "b/web is the app web as well: rename one"}
	for _, c := range []struct {
		problems []discover.Problem
		want     []string
	}{
		{nil, nil},
		{[]discover.Problem{name("a/Up")}, []string{"a/Up: is no name"}},
		{[]discover.Problem{name("a/Up"), twice, name("a/x_y")}, []string{"2 directories cannot be apps, since names must be DNS labels: a/Up and a/x_y", twice.String()}},
		{
			[]discover.Problem{name("a/Up"), name("a/x_y"), name("a/ü"), name("a/-")},
			[]string{"4 directories cannot be apps, since names must be DNS labels: a/Up, a/x_y and 2 more"},
		},
	} {
		if got := discover.Clauses(c.problems); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
