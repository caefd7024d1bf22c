package git_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// TestPast finds a commit that the mirror never followed, by all or some of its id, and none that the branch does not lead to.
func TestPast(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *world{
		"http_v2": func(t *testing.T) *world { return newWorld(t, gitserver.Options{}, "") },
		"http_v0": func(t *testing.T) *world { return newWorld(t, gitserver.Options{V0: true}, "") },
		"ssh":     func(t *testing.T) *world { return sshWorld(t, false) },
		"sha256":  func(t *testing.T) *world { return newWorld(t, gitserver.Options{}, "sha256") },
	} {
		t.Run(name, func(t *testing.T) { past(open(t)) })
	}
}

func past(w *world) {
	old := w.commit("main", "old", gitserver.Write("a", "old"))
	for range 20 {
		w.commit("main", "more", gitserver.Write("a", "more"))
	}
	aside := w.commit("aside", "aside", gitserver.Write("a", "aside"))
	m := w.mirrorWith(main, source.Ref{Branch: "aside"})
	head, err := w.repo.Head(w.Context(), "main")
	w.must(err)
	for _, id := range []string{string(old), string(old[:10]), string(head)} {
		found, err := m.Past(w.Context(), w.auth, head, id)
		w.must(err)
		if !strings.HasPrefix(string(found), id) {
			w.Errorf("%s is said to be %s", id, found)
		}
		s, err := m.Snapshot(w.Context(), found)
		w.must(err)
		if want := map[bool]string{true: "old", false: "more"}[found == old]; w.read(s, "a") != want {
			w.Errorf("%s is not %s", id, want)
		}
	}
	fetches := w.asks["fetch"]
	_, err = m.Past(w.Context(), w.auth, head, string(aside))
	w.wantErr(err, fault.Invalid, "none in the history of "+head.Short())
	for _, id := range []string{"", "abc", "main", "../..", "ABCDEF", string(old) + "0", "--all", "^" + string(old[:8])} {
		_, err := m.Past(w.Context(), w.auth, head, id)
		w.wantErr(err, fault.Invalid)
	}
	if w.asks["fetch"] != fetches {
		w.Errorf("%d fetches though all of the history is here", w.asks["fetch"]-fetches)
	}
}

// TestPastAmbiguous: digits that may be more than one commit are none.
func TestPastAmbiguous(t *testing.T) {
	w := newWorld(t, gitserver.Options{}, "")
	var script strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&script, "commit refs/heads/main\ncommitter Ada <ada@example.com> %d +0000\ndata 0\n\n", i)
	}
	cmd := exec.CommandContext(t.Context(), "git", "-C", w.repo.Dir, "fast-import", "--quiet")
	cmd.Stdin = strings.NewReader(script.String())
	w.must(cmd.Run())
	out, err := exec.CommandContext(t.Context(), "git", "-C", w.repo.Dir, "rev-list", "main").Output()
	w.must(err)
	seen, id := map[string]bool{}, ""
	for line := range strings.Lines(string(out)) {
		if seen[line[:4]] {
			id = line[:4]
		}
		seen[line[:4]] = true
	}
	m := w.mirror()
	_, err = m.Past(t.Context(), w.auth, w.head(m).Commit, id)
	w.wantErr(err, fault.Invalid, "it may be "+id, "give more digits")
}
