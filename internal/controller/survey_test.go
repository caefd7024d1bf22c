package controller

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/ignore"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// TestSurvey: commit after commit, an app that a survey does not name reads the same as before.
func TestSurvey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := sourcetest.Files{"apps/app/file": "1"}
		commits := 0
		commit := func() head {
			for range rapid.IntRange(0, 3).Draw(t, "edits") {
				edit(t, files)
			}
			if name := rapid.SampledFrom(append(leftOut, "")).Draw(t, "left out"); name != "" {
				if delete(files, name); rapid.Bool().Draw(t, "there") {
					files[name] = rapid.SampledFrom([]string{"*.md", "drafts/"}).Draw(t, "patterns")
				}
			}
			commits++
			tree := sourcetest.New(files)
			return head{Resolved: source.Resolved{Commit: source.Commit(fmt.Sprint(commits))}, snapshot: source.Snapshot{Tree: tree}}
		}
		at := newTip(v1alpha1.Source{Path: "apps/*"}, commit())
		s := &survey{moving: map[*member]bool{}}
		var all []*member
		for i := range rapid.IntRange(1, 6).Draw(t, "apps") {
			m := &member{name: app.Name{App: fmt.Sprint(i)}, roll: newRoll(), place: place{tip: at, dir: "."}}
			m.inputs, m.rendered = reads(t, at.head().snapshot.Tree), true
			s.place(m, false)
			all = append(all, m)
		}
		for range rapid.IntRange(1, 8).Draw(t, "commits") {
			h := commit()
			concerned := maps.Clone(s.moving)
			if !at.concerned(h, concerned) {
				return // all are found anew
			}
			at.at.Store(&h)
			for _, m := range all {
				same, err := m.inputs.Unchanged(h.snapshot.Tree)
				if err != nil {
					t.Fatal(err)
				}
				if !same && !concerned[m] {
					t.Fatalf("app %s reads\n%s\nand is not concerned", m.name.App, m.inputs)
				}
				if !concerned[m] {
					continue
				}
				s.place(m, !same)
				if !same && rapid.Bool().Draw(t, "rendered") {
					m.inputs = reads(t, h.snapshot.Tree)
				}
			}
		}
	})
}

// A commit that comes while an app is rendered, and does not concern it, wakes nobody: who renders it has to.
func TestMovedMeanwhile(t *testing.T) {
	h := head{Resolved: source.Resolved{Commit: "1"}, snapshot: source.Snapshot{Commit: "1", Tree: sourcetest.New(sourcetest.Files{})}}
	at := newTip(v1alpha1.Source{Path: "apps/*"}, h)
	m := &member{name: app.Name{App: "web"}, roll: newRoll(), place: place{tip: at, dir: "apps/web"}}
	if m.take(m.place, h, 1, taken{}) || m.pending {
		t.Error("it is to be rendered again, though nothing moved")
	}
	next := h
	next.snapshot.Commit = "2"
	at.at.Store(&next)
	if !m.take(m.place, h, 1, taken{}) || !m.pending {
		t.Error("its source moved while it was rendered, and it is not rendered again")
	}
}

// leftOut are files that every app looks for above it.
var leftOut = []string{ignore.File, "apps/" + ignore.File}

// reads are the inputs of something that reads a few files and directories.
func reads(t *rapid.T, tree source.Tree) source.Inputs {
	rec := source.NewRecorder(tree)
	for _, name := range leftOut {
		_, _ = rec.ReadFile(name)
	}
	for range rapid.IntRange(1, 4).Draw(t, "reads") {
		if p := somewhere(t); rapid.Bool().Draw(t, "lists") {
			_, _ = rec.ReadDir(p)
		} else {
			_, _ = rec.ReadFile(p)
		}
	}
	return rec.Inputs()
}

func somewhere(t *rapid.T) string {
	p := "shared"
	for range rapid.IntRange(1, 3).Draw(t, "depth") {
		p += "/" + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	}
	return p
}

// edit writes a file or a symlink, or removes what is there.
func edit(t *rapid.T, files sourcetest.Files) {
	p := somewhere(t)
	for _, have := range slices.Sorted(maps.Keys(files)) {
		if have == p || len(have) > len(p) && have[:len(p)+1] == p+"/" || len(p) > len(have) && p[:len(have)+1] == have+"/" {
			delete(files, have)
		}
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
	case 1:
		files[p] = sourcetest.Link(rapid.SampledFrom([]string{"a", "../b", "../../shared/c", "c/a"}).Draw(t, "target"))
	default:
		files[p] = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "content")
	}
}
