package git_test

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// world is a server with one repository, and how to reach it.
type world struct {
	testing.TB
	srv  *gitserver.Server
	repo *gitserver.Repo
	url  string
	auth git.Auth
	v0   bool
	asks map[string]int // requests of mirrors, by kind
}

// newWorld starts a server. Format is that of the repository's objects, empty for the default.
func newWorld(t testing.TB, o gitserver.Options, format string) *world {
	t.Helper()
	o.Dir = t.TempDir()
	srv, err := gitserver.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	repo, err := gitserver.CreateRepo(t.Context(), filepath.Join(o.Dir, "shop.git"), format)
	if err != nil {
		t.Fatal(err)
	}
	return &world{TB: t, srv: srv, repo: repo, url: srv.URL("shop"), v0: o.V0, asks: map[string]int{}}
}

// sshWorld is reached by SSH.
func sshWorld(t testing.TB, noEnv bool) *world {
	t.Helper()
	host, user := newKey(t), newKey(t)
	sshd := &gitserver.SSH{HostKey: signer(t, host), Authorized: signer(t, user).PublicKey(), NoEnv: noEnv}
	w := newWorld(t, gitserver.Options{SSH: sshd, Push: true}, "")
	w.url, w.v0 = w.srv.SSHURL("shop"), noEnv
	w.auth = git.Auth{Identity: keyPEM(t, user, ""), KnownHosts: knownLine(w.srv.SSHAddr(), signer(t, host))}
	return w
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signer(t testing.TB, key ed25519.PrivateKey) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keyPEM is the key as a file, locked if there is a passphrase.
func keyPEM(t testing.TB, key ed25519.PrivateKey, passphrase string) []byte {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

func knownLine(addr string, key ssh.Signer) []byte {
	host, port, _ := strings.Cut(addr, ":")
	return fmt.Appendf(nil, "[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(key.PublicKey()))
}

// mirror opens a mirror in a new directory.
func (w *world) mirror() *git.Mirror {
	w.Helper()
	return w.mirrorIn(w.TempDir(), git.Options{})
}

func (w *world) mirrorIn(dir string, o git.Options) *git.Mirror {
	w.Helper()
	o.OnRequest = func(kind string) { w.asks[kind]++ }
	m, err := git.Open(dir, w.url, o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = m.Close() })
	return m
}

// commit is Repo.Commit that cannot fail.
func (w *world) commit(branch, message string, changes ...gitserver.Change) source.Commit {
	w.Helper()
	id, err := w.repo.Commit(w.Context(), branch, message, changes...)
	w.must(err)
	return id
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// pull resolves and fetches what must be there, and returns its snapshots.
func (w *world) pull(m *git.Mirror, refs ...source.Ref) []source.Snapshot {
	w.Helper()
	found, err := m.Resolve(w.Context(), w.auth, refs)
	w.must(err)
	var want []source.Resolved
	for _, f := range found {
		w.must(f.Err)
		want = append(want, f.Resolved)
	}
	fetched, err := m.Fetch(w.Context(), w.auth, want)
	w.must(err)
	var all []source.Snapshot
	for _, f := range fetched {
		w.must(f.Err)
		s, err := m.Snapshot(w.Context(), f.Commit)
		w.must(err)
		all = append(all, s)
	}
	return all
}

// main is the ref that most tests follow.
var main = source.Ref{Branch: "main"}

// head is the snapshot of main.
func (w *world) head(m *git.Mirror) source.Snapshot {
	w.Helper()
	return w.pull(m, main)[0]
}

// read is a file of a snapshot that must be there.
func (w *world) read(s source.Snapshot, path string) string {
	w.Helper()
	data, err := s.Tree.ReadFile(path)
	w.must(err)
	return string(data)
}

// wantErr checks the kind of an error and that it says something.
func (w *world) wantErr(err error, kind fault.Kind, says ...string) {
	w.Helper()
	if err == nil || fault.KindOf(err) != kind {
		w.Fatalf("got %v (%s), want an error of kind %s", err, fault.KindOf(err), kind)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			w.Errorf("error %q does not say %q", err, text)
		}
	}
}

// compareWithClone checks that a tree is what git itself checks out.
func (w *world) compareWithClone(s source.Snapshot) {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "clone")
	w.git("", "clone", "--quiet", "--no-checkout", w.repo.Dir, dir)
	w.git(dir, "checkout", "--quiet", string(s.Commit))
	want, got := map[string]string{}, map[string]string{}
	w.must(fs.WalkDir(os.DirFS(dir), ".", describe(os.DirFS(dir), want)))
	w.must(fs.WalkDir(s.Tree, ".", describe(s.Tree, got)))
	for path, text := range want {
		if got[path] != text {
			w.Errorf("%s: got %q, git has %q", path, got[path], text)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			w.Errorf("%s: git has no such path", path)
		}
	}
	if len(want) < 3 {
		w.Error("git checked out next to nothing")
	}
}

func (w *world) git(dir string, args ...string) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("git %v: %v: %s", args, err, out)
	}
}

// describe puts what is at each path into a map: kind, executable bit, content.
func describe(fsys fs.FS, into map[string]string) fs.WalkDirFunc {
	return func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir():
			into[path] = "directory"
			return nil
		case d.Type() == fs.ModeSymlink:
			text, err := fs.ReadLink(fsys, path)
			into[path] = "symlink " + text
			return err
		}
		data, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		into[path] = fmt.Sprintf("file %v %d %s", info.Mode()&0o100 != 0, info.Size(), data)
		return nil
	}
}
