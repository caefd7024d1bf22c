package odb

import (
	"strings"
	"testing"
)

// FuzzTree: no tree object makes the parser panic, and no name that is not refused can lead out of its directory.
func FuzzTree(f *testing.F) {
	id := string(make([]byte, 20))
	f.Add([]byte("100644 a\x00" + id + "40000 b\x00" + id))
	f.Add([]byte("120000 .git\x00" + id))
	f.Add([]byte("160000 sub\x00" + id + "100755 x\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parseTree(data, 20, 1000)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for i := range d.places {
			e := d.entry(i)
			if i > 0 && d.name(i-1) > e.name {
				t.Errorf("%q is out of order", e.name)
			}
			if e.refused != nil {
				continue
			}
			folded := strings.ToLower(e.name)
			if e.name == "" || e.name == "." || e.name == ".." || folded == ".git" || strings.ContainsAny(e.name, "/\\\x00\n") || seen[folded] {
				t.Errorf("%q is not refused", e.name)
			}
			seen[folded] = true
			if found, ok := d.find(e.name); !ok || found.id != e.id || !isID(string(e.id)) {
				t.Errorf("%q is not found", e.name)
			}
		}
	})
}

// FuzzCommit: no commit object makes the parser panic, and what it yields can be printed.
func FuzzCommit(f *testing.F) {
	f.Add([]byte("tree " + strings.Repeat("1", 40) + "\nparent " + strings.Repeat("2", 40) + "\nauthor A <a@b> 1 +0000\n\nsubject\n\nbody"))
	f.Add([]byte("tree x\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCommit(data)
		if err != nil {
			return
		}
		if !isID(string(c.Tree)) || strings.ContainsAny(c.Subject+c.Author.Name+c.Author.Email, "\n\x00\x1b") {
			t.Errorf("got %+v", c)
		}
		for _, p := range c.Parents {
			if !isID(string(p)) {
				t.Errorf("parent %q", p)
			}
		}
	})
}
