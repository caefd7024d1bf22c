package ignore_test

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/ignore"
)

func TestIgnored(t *testing.T) {
	for _, x := range []struct {
		text  string
		name  string
		isDir bool
		want  bool
	}{
		{"", "a.yaml", false, false},
		{"# a.yaml\n\n   \n", "a.yaml", false, false},
		{"a.yaml", "a.yaml", false, true},
		{"a.yaml\r\n", "deep/below/a.yaml", false, true},
		{"a.yaml  ", "a.yaml", false, true},
		{"*.yaml\n!keep.yaml", "a/keep.yaml", false, false},
		{"!keep.yaml\n*.yaml", "a/keep.yaml", false, true},
		{"/a.yaml", "a.yaml", false, true},
		{"/a.yaml", "below/a.yaml", false, false},
		{"tests/", "apps/tests/a.yaml", false, true},
		{"tests/", "apps/tests", true, true},
		{"tests/", "apps/tests", false, false},
		{"apps/tests", "apps/tests/deep/a.yaml", false, true},
		{"apps/tests", "more/apps/tests/a.yaml", false, false},
		{"/*\n!/deploy", "deploy/a.yaml", false, false},
		{"/*\n!/deploy", "other/a.yaml", false, true},
		{"apps/\n!apps/keep.yaml", "apps/keep.yaml", false, false}, // otherwise than Git, and as Flux
		{"**/tests", "a/b/tests/x.yaml", false, true},
		{"a/**/z.yaml", "a/z.yaml", false, true},
		{"a/**/z.yaml", "a/b/c/z.yaml", false, true},
		{"a/**", "a/b/c", false, true},
		{"a/*/c", "a/b/b/c", false, false},
		{"[", "[", false, false},
		{`\#a`, "#a", false, true},
		{`\!a`, "!a", false, true},
		{"a?[0-9].yaml", "ab7.yaml", false, true},
		{"/", "a", false, false},
		{"!", "a", false, false},
	} {
		p, err := ignore.Patterns{}.With(".", ignore.File, []byte(x.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Ignored(x.name, x.isDir); got != x.want {
			t.Errorf("%q: %s: %t", x.text, x.name, got)
		}
	}
}

// TestBelow: a file further down is about what is below it, and wins.
func TestBelow(t *testing.T) {
	root, err := ignore.Patterns{}.With(".", ignore.File, []byte("*.yaml\n"))
	if err != nil {
		t.Fatal(err)
	}
	both, err := root.With("apps/web", "apps/web/"+ignore.File, []byte("!/a.yaml\nb.json\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a.yaml": true, "apps/web/a.yaml": false, "apps/web/deep/a.yaml": true, "apps/web/deep/b.json": true, "apps/b.json": false} {
		if got := both.Ignored(name, false); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if file, line, left := both.By("apps/web/b.json", false); file != "apps/web/"+ignore.File || line != 2 || !left {
		t.Errorf("it is %s:%d that leaves it out: %t", file, line, left)
	}
	if root.Ignored("apps/web/b.json", false) {
		t.Error("what was added changed what it was added to")
	}
}

func TestBounds(t *testing.T) {
	for _, text := range []string{strings.Repeat("a\n", 1001), strings.Repeat("#", 65<<10)} {
		if _, err := (ignore.Patterns{}).With(".", ignore.File, []byte(text)); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), ignore.File) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}

func FuzzIgnored(f *testing.F) {
	f.Add("/*\n!/deploy\n", "deploy/a.yaml")
	f.Add("a/**/b[\n", "a/b")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := (ignore.Patterns{}).With("a", ignore.File, []byte(text))
		if err != nil || strings.Contains(text, "!") { // then what is in a directory that is left out may be taken in again
			return
		}
		if p.Ignored(name, true) && !p.Ignored(name+"/x", false) {
			t.Errorf("%q leaves out the directory %q, and not what is in it", text, name)
		}
	})
}
