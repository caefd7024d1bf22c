package git_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// TestDraft runs one suite over every way to reach a server.
func TestDraft(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *world{
		"http":   func(t *testing.T) *world { return newWorld(t, gitserver.Options{Push: true}, "") },
		"ssh":    func(t *testing.T) *world { return sshWorld(t, false) },
		"sha256": func(t *testing.T) *world { return newWorld(t, gitserver.Options{Push: true}, "sha256") },
	} {
		t.Run(name, func(t *testing.T) {
			for name, test := range map[string]func(*world){"merged": merged, "merge_not_needed": mergeNotNeeded, "restored": restored} {
				t.Run(name, func(t *testing.T) { test(open(t)) })
			}
		})
	}
}

var when = time.Unix(1700000000, 0)

// parted has a history whose ends are far from where they parted.
func parted(w *world, theirs ...gitserver.Change) (base, head, other source.Commit) {
	w.Helper()
	base = w.commit("main", "base", gitserver.Write("apps/web/x", "1"), gitserver.Write("apps/api/x", "1"))
	w.must(w.repo.Reset(w.Context(), "next", base))
	for range 5 {
		head = w.commit("main", "on main", gitserver.Write("apps/api/x", "main"))
		other = w.commit("next", "on next", gitserver.Write("apps/web/x", "next"))
	}
	if len(theirs) > 0 {
		other = w.commit("next", "more", theirs...)
	}
	return base, head, other
}

// merged: a merge that is made here is the branch's after the move, and what a clone gets.
func merged(w *world) {
	_, head, other := parted(w)
	m := w.mirror()
	w.pull(m, main, source.Ref{Branch: "next"})
	merging := git.Merging{Head: head, Other: other, Message: "Merge next into main", When: when}
	d, err := m.Merge(w.Context(), w.auth, merging)
	w.must(err)
	s, err := m.Snapshot(w.Context(), d.Commit)
	w.must(err)
	if w.read(s, "apps/web/x") != "next" || w.read(s, "apps/api/x") != "main" || s.Author.Name != "Fairlead" || s.Subject != "Merge next into main" || !s.Author.When.Equal(when) {
		w.Errorf("got %+v", s)
	}
	w.must(m.Move(w.Context(), w.auth, git.Move{Branch: "main", From: head, To: d.Commit, Pack: d.Pack}))
	w.isAt("main", d.Commit)
	w.git(w.repo.Dir, "fsck", "--strict", "--no-dangling")
	w.compareWithClone(w.head(w.mirror()))
	for _, parent := range []source.Commit{head, other} {
		if forced, err := m.Forced(w.Context(), parent, d.Commit); err != nil || forced {
			w.Errorf("it does not descend from %s: %v", parent, err)
		}
	}
	again, err := w.mirrorWith(main, source.Ref{Branch: "next"}).Merge(w.Context(), w.auth, merging)
	if w.must(err); again.Commit != d.Commit {
		w.Errorf("made again, it is %s and not %s", again.Commit, d.Commit)
	}
	// What was made for a branch that moved on is refused, and nothing is lost.
	w.must(w.repo.Reset(w.Context(), "main", head))
	three := w.commit("main", "three", gitserver.Write("c", "3"))
	if err := m.Move(w.Context(), w.auth, git.Move{Branch: "main", From: head, To: d.Commit, Pack: d.Pack}); !errors.Is(err, git.ErrMoved) {
		w.Errorf("got %v", err)
	}
	w.isAt("main", three)
}

// mirrorWith is a new mirror that holds these refs alone.
func (w *world) mirrorWith(refs ...source.Ref) *git.Mirror {
	w.Helper()
	m := w.mirror()
	w.pull(m, refs...)
	return m
}

// mergeNotNeeded: what descends is no merge.
func mergeNotNeeded(w *world) {
	base, head, _ := parted(w)
	w.must(w.repo.Reset(w.Context(), "old", base))
	m := w.mirrorWith(main, source.Ref{Branch: "old"})
	for _, c := range []git.Merging{{Head: base, Other: head}, {Head: head, Other: base}} {
		d, err := m.Merge(w.Context(), w.auth, c)
		if w.must(err); d.Commit != head || d.Pack != nil {
			w.Errorf("got %s", d.Commit)
		}
	}
}

// restored: directories are as they were, in a commit on top, on a branch of its own or on the same.
func restored(w *world) {
	good := w.commit("main", "good", gitserver.Write("apps/web/x", "good"), gitserver.Write("apps/web/old", "good"), gitserver.Write("apps/api/x", "1"))
	w.commit("main", "bad", gitserver.Write("apps/web/x", "bad"), gitserver.Delete("apps/web/old"), gitserver.Write("apps/web/new", "bad"))
	head := w.commit("main", "other", gitserver.Write("apps/api/x", "2"))
	m := w.mirrorWith(main, source.Ref{Commit: good})
	restoring := git.Restoring{Head: head, Paths: []string{"apps/web"}, From: good, Message: "Revert web", When: when}
	d, err := m.Restore(w.Context(), restoring)
	w.must(err)
	s, err := m.Snapshot(w.Context(), d.Commit)
	w.must(err)
	if w.read(s, "apps/web/x") != "good" || w.read(s, "apps/web/old") != "good" || w.read(s, "apps/api/x") != "2" {
		w.Errorf("got %+v", s)
	}
	if _, err := s.Tree.ReadFile("apps/web/new"); err == nil {
		w.Error("what is new stayed")
	}
	w.must(m.Move(w.Context(), w.auth, git.Move{Branch: "fairlead/revert", To: d.Commit, Pack: d.Pack}))
	w.isAt("fairlead/revert", d.Commit)
	w.isAt("main", head)
	w.must(m.Move(w.Context(), w.auth, git.Move{Branch: "main", From: head, To: d.Commit, Pack: d.Pack}))
	w.isAt("main", d.Commit)
	w.git(w.repo.Dir, "fsck", "--strict", "--no-dangling")
	restoring.Head = d.Commit
	if again, err := m.Restore(w.Context(), restoring); err != nil || again.Commit != d.Commit || again.Pack != nil {
		w.Errorf("restored again: %v, %v", again.Commit, err)
	}
}

// TestMergeRefused: what cannot be merged is said, and no server is asked for anything.
func TestMergeRefused(t *testing.T) {
	w := newWorld(t, gitserver.Options{Push: true}, "")
	_, head, other := parted(w, gitserver.Write("apps/api/x", "next"))
	lone := w.commit("lone", "lone", gitserver.Write("x", "1"))
	m := w.mirrorWith(main, source.Ref{Branch: "next"}, source.Ref{Branch: "lone"})
	_, err := m.Merge(w.Context(), w.auth, git.Merging{Head: head, Other: other})
	if w.wantErr(err, fault.Invalid, "both sides changed apps/api/x"); !errors.Is(err, git.ErrClash) {
		t.Errorf("%v is not ErrClash", err)
	}
	_, err = m.Merge(w.Context(), w.auth, git.Merging{Head: head, Other: lone})
	w.wantErr(err, fault.Invalid, "no commit in common")
	_, err = m.Merge(w.Context(), w.auth, git.Merging{Head: head, Other: source.Commit(strings.Repeat("1", 40))})
	w.wantErr(err, fault.Transient)
	_, err = m.Restore(w.Context(), git.Restoring{Head: head, Paths: []string{"apps/api/x/y"}, From: other})
	w.wantErr(err, fault.Invalid, "apps/api/x/y")
	if w.asks["push"] != 0 {
		t.Errorf("%d pushes", w.asks["push"])
	}
}

// TestMergeCrosswise: where more than one commit is where two parted, it is not guessed.
func TestMergeCrosswise(t *testing.T) {
	w := newWorld(t, gitserver.Options{Push: true}, "")
	_, head, other := parted(w)
	w.must(w.repo.Reset(w.Context(), "head", head))
	w.must(w.repo.Reset(w.Context(), "other", other))
	if _, err := w.repo.Merge(w.Context(), "main", "other", "one way", gitserver.Write("apps/web/x", "next")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.repo.Merge(w.Context(), "next", "head", "the other way", gitserver.Write("apps/api/x", "main")); err != nil {
		t.Fatal(err)
	}
	m := w.mirror()
	s := w.pull(m, main, source.Ref{Branch: "next"})
	_, err := m.Merge(w.Context(), w.auth, git.Merging{Head: s[0].Commit, Other: s[1].Commit})
	w.wantErr(err, fault.Invalid, "crosswise")
}
