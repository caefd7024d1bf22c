package git_test

import (
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// TestKilled: a process that is killed in the middle of a pack leaves a mirror that the next one uses.
func TestKilled(t *testing.T) {
	half := make(chan struct{})
	w, heal := tampered(t, func(rw http.ResponseWriter, b []byte) {
		_, _ = rw.Write(b[:len(b)/2])
		rw.(http.Flusher).Flush()
		close(half)
		<-t.Context().Done()
	})
	dir := t.TempDir()
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), "VICTIM_DIR="+dir, "VICTIM_URL="+w.url)
	w.must(victim.Start())
	<-half
	w.must(victim.Process.Kill())
	if err := victim.Wait(); err == nil {
		t.Error("the victim ended by itself")
	}
	heal()
	w.compareWithClone(w.head(w.mirrorIn(dir, git.Options{})))
}

// TestVictim is the process that TestKilled kills; on its own it does nothing.
func TestVictim(t *testing.T) {
	dir, url := os.Getenv("VICTIM_DIR"), os.Getenv("VICTIM_URL")
	if dir == "" {
		return
	}
	m, err := git.Open(dir, url, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := m.Resolve(t.Context(), git.Auth{}, []source.Ref{main})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Fetch(t.Context(), git.Auth{}, []source.Resolved{found[0].Resolved})
	t.Fatal(err)
}
