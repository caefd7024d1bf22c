package testkit

import (
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// RepoName is the repository that every Git server of a test has.
const RepoName = "config"

// Git is a Git server with one repository, which can be told to fail.
type Git struct {
	*gitserver.Server
	*gitserver.Repo

	options gitserver.Options
	own     func(http.ResponseWriter, *http.Request) bool

	mu      sync.Mutex
	fault   func(http.ResponseWriter)
	refused int
}

// StartGit starts a Git server for the test. The directory is its own; a fault of the options comes after what Fail says.
func StartGit(t testing.TB, o gitserver.Options) *Git {
	t.Helper()
	g, err := startGit(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func startGit(t testing.TB, o gitserver.Options) (*Git, error) {
	g := &Git{options: o, own: o.Fault}
	g.options.Dir, g.options.Fault = filepath.Join(t.TempDir(), "git"), g.fails
	var err error
	if g.Server, err = gitserver.Start(g.options); err != nil {
		return nil, err
	}
	g.options.Addr = g.Addr()
	t.Cleanup(func() { _ = g.Close() })
	g.Repo, err = g.Create(t.Context(), RepoName)
	return g, err
}

// Stop ends the server: nobody listens at its address any more. Commits can be made all the same.
func (g *Git) Stop(t testing.TB) {
	t.Helper()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// Start lets it listen again, at the same address.
func (g *Git) Start(t testing.TB) {
	t.Helper()
	var err error
	if g.Server, err = gitserver.Start(g.options); err != nil {
		t.Fatal(err)
	}
}

// Commit adds a commit to a branch.
func (g *Git) Commit(t testing.TB, branch, message string, changes ...gitserver.Change) source.Commit {
	t.Helper()
	c, err := g.Repo.Commit(t.Context(), branch, message, changes...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// URL is where HTTP clients find the repository.
func (g *Git) URL() string { return g.Server.URL(RepoName) }

// Fail lets every request be answered with a status and headers, until Serve.
func (g *Git) Fail(status int, headers map[string]string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = func(w http.ResponseWriter) {
		for k, v := range headers {
			w.Header().Set(k, v)
		}
		http.Error(w, http.StatusText(status), status)
	}
}

// Serve ends Fail.
func (g *Git) Serve() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = nil
}

// Count returns how many requests of a kind were served: those of gitserver.Server, and "refused".
func (g *Git) Count(kind string) int {
	if kind == "refused" {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.refused
	}
	return g.Server.Count(kind)
}

func (g *Git) fails(w http.ResponseWriter, r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fault == nil {
		return g.own != nil && g.own(w, r)
	}
	g.refused++
	g.fault(w)
	return true
}
