package push_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/git/push"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
)

func serve(t *testing.T, o gitserver.Options) (*gitserver.Server, *gitserver.Repo) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	o.Dir, o.Push = t.TempDir(), true
	srv, err := gitserver.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	repo, err := srv.Create(t.Context(), "config")
	if err != nil {
		t.Fatal(err)
	}
	return srv, repo
}

// short is a directory whose path leaves room for a socket.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "push-") //nolint:usetesting // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func open(t *testing.T, url, branch string, auth git.Auth) (*push.Branch, error) {
	t.Helper()
	b, err := push.Open(t.Context(), push.Options{Dir: short(t), URL: url, Branch: branch, Auth: auth})
	if err == nil {
		t.Cleanup(b.Close)
	}
	return b, err
}

// add opens a branch, adds a file and pushes it, and returns the commit as the server has it.
func add(t *testing.T, url string, repo *gitserver.Repo, auth git.Auth, file, text string) {
	t.Helper()
	b, err := open(t, url, "main", auth)
	if err != nil {
		t.Fatal(err)
	}
	commit, changed, err := b.Commit(t.Context(), map[string]string{file: text}, "adds "+file)
	if err != nil || !changed {
		t.Fatalf("changed %t, %v", changed, err)
	}
	if err := b.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	if head, err := repo.Head(t.Context(), "main"); err != nil || head != commit {
		t.Errorf("main is at %s, %v: want %s", head, err, commit)
	}
}

func show(t *testing.T, repo *gitserver.Repo, what string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", repo.Dir, "show", what).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestPush: an empty repository gets its first commit, a branch its next, with all other files as they were; what is there already is no commit.
func TestPush(t *testing.T) {
	srv, repo := serve(t, gitserver.Options{})
	url := srv.URL("config")
	add(t, url, repo, git.Auth{}, "a/one.yaml", "one\n")
	add(t, url, repo, git.Auth{}, `b/t "w" ö.yaml`, "two\n")
	add(t, url, repo, git.Auth{}, "a/one.yaml", "changed\n")
	if one, two := show(t, repo, "main:a/one.yaml"), show(t, repo, `main:b/t "w" ö.yaml`); one != "changed\n" || two != "two\n" {
		t.Errorf("the files are %q and %q", one, two)
	}
	if n := strings.Count(show(t, repo, "main"), "Author: fairlead <fairlead@localhost>"); n != 1 {
		t.Errorf("the author is not fairlead:\n%s", show(t, repo, "main"))
	}
	b, err := open(t, url, "main", git.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	tree, end, err := b.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	if data, err := fs.ReadFile(tree, "a/one.yaml"); err != nil || string(data) != "changed\n" {
		t.Errorf("the tree has %q, %v", data, err)
	}
	commit, changed, err := b.Commit(t.Context(), map[string]string{"a/one.yaml": "changed\n"}, "nothing")
	if err != nil || changed || commit != b.Tip() || b.Push(t.Context()) != nil {
		t.Errorf("nothing changes: commit %s, changed %t, %v", commit, changed, err)
	}
}

// TestMoved: somebody who was faster is never overwritten.
func TestMoved(t *testing.T) {
	srv, repo := serve(t, gitserver.Options{})
	for _, empty := range []bool{true, false} {
		b, err := open(t, srv.URL("config"), "main", git.Auth{})
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := repo.Commit(t.Context(), "main", "faster", gitserver.Write("theirs", fmt.Sprint(empty)))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Commit(t.Context(), map[string]string{"ours": "x"}, "slower"); err != nil {
			t.Fatal(err)
		}
		if err := b.Push(t.Context()); !errors.Is(err, push.ErrMoved) {
			t.Errorf("empty %t: %v", empty, err)
		}
		if head, err := repo.Head(t.Context(), "main"); err != nil || head != theirs {
			t.Errorf("empty %t: main is at %s, %v", empty, head, err)
		}
	}
}

const word = "a word that nobody may see"

// TestCredentials: by each way in; and what is wrong is said without them.
func TestCredentials(t *testing.T) {
	t.Run("basic", func(t *testing.T) {
		srv, repo := serve(t, gitserver.Options{Username: "ann", Password: word})
		add(t, srv.URL("config"), repo, git.Auth{Username: "ann", Password: word}, "a", "1")
		refused(t, srv.URL("config"), git.Auth{Username: "ann", Password: word + "!"}, "")
		refused(t, srv.URL("config"), git.Auth{}, "")
	})
	t.Run("bearer", func(t *testing.T) {
		srv, repo := serve(t, gitserver.Options{BearerToken: "tok-" + strings.ReplaceAll(word, " ", "-")})
		add(t, srv.URL("config"), repo, git.Auth{BearerToken: "tok-" + strings.ReplaceAll(word, " ", "-")}, "a", "1")
		refused(t, srv.URL("config"), git.Auth{BearerToken: "other"}, "")
	})
	t.Run("ssh", func(t *testing.T) {
		_, host, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, user, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		hostKey, err := ssh.NewSignerFromKey(host)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(user)
		if err != nil {
			t.Fatal(err)
		}
		locked, err := ssh.MarshalPrivateKeyWithPassphrase(user, "", []byte(word))
		if err != nil {
			t.Fatal(err)
		}
		srv, repo := serve(t, gitserver.Options{SSH: &gitserver.SSH{HostKey: hostKey, Authorized: signer.PublicKey()}})
		known := []byte(knownhosts.Line([]string{knownhosts.Normalize(srv.SSHAddr())}, hostKey.PublicKey()) + "\n")
		auth := git.Auth{Identity: pem.EncodeToMemory(locked), Passphrase: []byte(word), KnownHosts: known}
		add(t, srv.SSHURL("config"), repo, auth, "a", "1")
		add(t, srv.SSHURL("config"), repo, auth, "a", "2")
		other := auth
		other.KnownHosts = []byte("elsewhere.example.com ssh-ed25519 AAAA\n")
		refused(t, srv.SSHURL("config"), other, "Host key verification failed")
		other = auth
		other.Passphrase = nil
		refused(t, srv.SSHURL("config"), other, "it has a passphrase, which is missing")
		other.Passphrase = []byte("wrong")
		refused(t, srv.SSHURL("config"), other, "the passphrase is wrong")
	})
}

func refused(t *testing.T, url string, auth git.Auth, want string) {
	t.Helper()
	_, err := open(t, url, "main", auth)
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), word) {
		t.Errorf("%v, want an error with %q and without what is secret", err, want)
	}
}

// TestRefused: what cannot be is said as it is.
func TestRefused(t *testing.T) {
	down := false
	srv, repo := serve(t, gitserver.Options{Fault: func(w http.ResponseWriter, _ *http.Request) bool {
		if down {
			http.Error(w, "later", http.StatusServiceUnavailable)
		}
		return down
	}})
	url := srv.URL("config")
	if _, err := repo.Commit(t.Context(), "trunk", "first", gitserver.Write("a", "1")); err != nil {
		t.Fatal(err)
	}
	for branch, want := range map[string]string{"main": "has no branch main: it has trunk", "a..b": `"a..b" cannot be the name of a branch`} {
		if _, err := open(t, url, branch, git.Auth{}); err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", branch, err, want)
		}
	}
	refused(t, "https://ann:"+strings.ReplaceAll(word, " ", "")+"@git.example.com/config", git.Auth{}, "it holds credentials")
	refused(t, "ext::sh -c true", git.Auth{}, "parse repository URL")
	b, err := open(t, url, "trunk", git.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Commit(t.Context(), map[string]string{"b": "2"}, "b"); err != nil {
		t.Fatal(err)
	}
	down = true
	if err := b.Push(t.Context()); err == nil || errors.Is(err, push.ErrMoved) || !strings.Contains(err.Error(), "503") {
		t.Errorf("the server is down: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := push.Open(ctx, push.Options{Dir: short(t), URL: url, Branch: "trunk"}); !errors.Is(err, context.Canceled) {
		t.Errorf("with the context over: %v", err)
	}
}
