package discover_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// TestApps runs testdata/*.txtar: "tree" lists files, each line of "patterns" is tried, "want" is what comes of it. Several patterns on
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
		res, err := discover.Apps(tree, p)
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
