package gitserver_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

func start(t *testing.T, o gitserver.Options) (*gitserver.Server, *gitserver.Repo) {
	t.Helper()
	o.Dir = t.TempDir()
	srv, err := gitserver.Start(o)
	must(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	repo, err := srv.Create(t.Context(), "shop")
	must(t, err)
	return srv, repo
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// git runs the user's git.
func git(t *testing.T, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=Bo", "-c", "user.email=bo@example.com"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0"), env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestPush: git itself clones, commits and pushes; the hook hears of each ref.
func TestPush(t *testing.T) {
	for name, v0 := range map[string]bool{"v2": false, "v0": true} {
		t.Run(name, func(t *testing.T) {
			var pushes []gitserver.Push
			srv, repo := start(t, gitserver.Options{Push: true, V0: v0, Username: "ada", Password: "hunter2", OnPush: func(p gitserver.Push) { pushes = append(pushes, p) }})
			first, err := repo.Commit(t.Context(), "main", "first", gitserver.Write("a", "1"))
			must(t, err)
			pushAndCheck(t, strings.Replace(srv.URL("shop"), "http://", "http://ada:hunter2@", 1), nil, repo, first, &pushes)
			if srv.Count("fetch") != 1 || srv.Count("push") != 2 || v0 == (srv.Count("ls-refs") > 0) {
				t.Errorf("fetch %d, push %d, ls-refs %d", srv.Count("fetch"), srv.Count("push"), srv.Count("ls-refs"))
			}
		})
	}
}

// pushAndCheck clones, pushes a commit to main and deletes the branch old.
func pushAndCheck(t *testing.T, url string, env []string, repo *gitserver.Repo, first source.Commit, pushes *[]gitserver.Push) {
	t.Helper()
	must(t, repo.Reset(t.Context(), "old", first))
	dir := filepath.Join(t.TempDir(), "clone")
	for _, args := range [][]string{
		{"clone", "--quiet", url, dir},
		{"-C", dir, "commit", "--quiet", "--allow-empty", "-m", "second"},
		{"-C", dir, "push", "--quiet"},
		{"-C", dir, "push", "--quiet", "origin", ":old"},
	} {
		if out, err := git(t, "", env, args...); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	now, err := repo.Head(t.Context(), "main")
	must(t, err)
	want := []gitserver.Push{{Repo: "shop", Ref: "refs/heads/main", Old: first, New: now}, {Repo: "shop", Ref: "refs/heads/old", Old: first}}
	if fmt.Sprint(*pushes) != fmt.Sprint(want) {
		t.Errorf("the hook heard of %v, want %v", *pushes, want)
	}
}

// TestSSHPush is TestPush with the user's ssh.
func TestSSHPush(t *testing.T) {
	hostPublic, host, err := ed25519.GenerateKey(nil)
	must(t, err)
	userPublic, user, err := ed25519.GenerateKey(nil)
	must(t, err)
	hostKey, err := ssh.NewSignerFromKey(host)
	must(t, err)
	authorized, err := ssh.NewPublicKey(userPublic)
	must(t, err)
	known, err := ssh.NewPublicKey(hostPublic)
	must(t, err)
	var pushes []gitserver.Push
	srv, repo := start(t, gitserver.Options{Push: true, SSH: &gitserver.SSH{HostKey: hostKey, Authorized: authorized}, OnPush: func(p gitserver.Push) { pushes = append(pushes, p) }})
	first, err := repo.Commit(t.Context(), "main", "first", gitserver.Write("a", "1"))
	must(t, err)
	dir := t.TempDir()
	block, err := ssh.MarshalPrivateKey(user, "")
	must(t, err)
	host0, port, _ := strings.Cut(srv.SSHAddr(), ":")
	must(t, os.WriteFile(filepath.Join(dir, "id"), pem.EncodeToMemory(block), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "known"), fmt.Appendf(nil, "[%s]:%s %s", host0, port, ssh.MarshalAuthorizedKey(known)), 0o600))
	env := []string{fmt.Sprintf("GIT_SSH_COMMAND=ssh -F none -i %s/id -o IdentitiesOnly=yes -o UserKnownHostsFile=%s/known", dir, dir)}
	pushAndCheck(t, srv.SSHURL("shop"), env, repo, first, &pushes)
}

// TestPushRefused: nobody pushes unless that was asked for.
func TestPushRefused(t *testing.T) {
	srv, repo := start(t, gitserver.Options{})
	_, err := repo.Commit(t.Context(), "main", "first", gitserver.Write("a", "1"))
	must(t, err)
	dir := filepath.Join(t.TempDir(), "clone")
	if out, err := git(t, "", nil, "clone", "--quiet", srv.URL("shop"), dir); err != nil {
		t.Fatal(out)
	}
	if out, err := git(t, dir, nil, "push", "origin", "main:other"); err == nil {
		t.Errorf("pushed: %s", out)
	}
	if head, err := repo.Head(t.Context(), "other"); err != nil || head != "" {
		t.Errorf("other is at %q, %v", head, err)
	}
}

func TestRequests(t *testing.T) {
	srv, repo := start(t, gitserver.Options{BearerToken: "hunter2", Fault: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Break") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
		return r.Header.Get("X-Break") != ""
	}})
	_, err := repo.Commit(t.Context(), "main", "first", gitserver.Write("a", "1"))
	must(t, err)
	const refs = "/info/refs?service=git-upload-pack"
	for _, c := range []struct {
		path, token, header string
		want                int
	}{
		{"/shop.git" + refs, "hunter2", "X-Other", 200},
		{"/shop" + refs, "hunter2", "X-Other", 200},
		{"/shop.git" + refs, "wrong", "X-Other", 401},
		{"/shop.git" + refs, "hunter2", "X-Break", 418},
		{"/nothing.git" + refs, "hunter2", "X-Other", 404},
		{"/../shop.git" + refs, "hunter2", "X-Other", 404},
		{"/shop.git/config", "hunter2", "X-Other", 404},
		{"/shop.git/info/refs", "hunter2", "X-Other", 403},
		{"/shop.git/info/refs?service=git-receive-pack", "hunter2", "X-Other", 403},
		{"/", "hunter2", "X-Other", 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(srv.URL("shop"), "/shop.git")+c.path, nil)
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+c.token)
		req.Header.Set(c.header, "1")
		resp, err := http.DefaultTransport.RoundTrip(req)
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", c.path, resp.Status, c.want)
		}
	}
	if srv.Count("info/refs") != 2 {
		t.Errorf("%d requests for refs", srv.Count("info/refs"))
	}
}

// TestRepo: what git says of the commits.
func TestRepo(t *testing.T) {
	ctx := context.Background()
	repo, err := gitserver.CreateRepo(ctx, t.TempDir(), "")
	must(t, err)
	if head, err := repo.Head(ctx, "main"); err != nil || head != "" {
		t.Errorf("an empty repository has the head %q, %v", head, err)
	}
	first, err := repo.Commit(ctx, "main", "first", gitserver.Files(map[string]string{"b": "2", "a/x": "1", "with space": "", `q"uote`: "q"}),
		gitserver.WriteExec("run", "#!"), gitserver.Link("l", "a/x"), gitserver.Submodule("sub", source.Commit(strings.Repeat("1", 40))))
	must(t, err)
	second, err := repo.Commit(ctx, "main", "second\n\nbody", gitserver.Rename("a", "c"), gitserver.Delete("b"), gitserver.Delete("sub"), gitserver.Archive([]byte("-- t --\ntext\n")))
	must(t, err)
	list := func(id source.Commit) string {
		out, err := git(t, repo.Dir, nil, "ls-tree", "-r", "--format=%(objectmode) %(path)", string(id))
		must(t, err)
		return strings.ReplaceAll(out, "\n", ", ")
	}
	if got, want := list(first), `100644 a/x, 100644 b, 120000 l, 100644 "q\"uote", 100755 run, 160000 sub, 100644 with space`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := list(second), `100644 c/x, 120000 l, 100644 "q\"uote", 100755 run, 100644 t, 100644 with space`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	must(t, repo.Tag(ctx, "v1", first))
	must(t, repo.AnnotatedTag(ctx, "v2", "two", second))
	must(t, repo.Reset(ctx, "main", first))
	third, err := repo.Commit(ctx, "main", "third", gitserver.Clear(), gitserver.Write("only", "1"))
	must(t, err)
	if got := list(third); got != "100644 only" {
		t.Errorf("got %s", got)
	}
	if out, err := git(t, repo.Dir, nil, "fsck", "--no-dangling"); err != nil {
		t.Errorf("fsck: %s", out)
	}
	if out, err := git(t, repo.Dir, nil, "rev-parse", string(third)+"^", "v2^{commit}", "v2^{commit}^"); err != nil || out != fmt.Sprintf("%s\n%s\n%s", first, second, first) {
		t.Errorf("got %s, %v", out, err)
	}
	must(t, repo.DeleteBranch(ctx, "main"))
	if head, err := repo.Head(ctx, "main"); err != nil || head != "" {
		t.Errorf("a deleted branch is at %q, %v", head, err)
	}
}
