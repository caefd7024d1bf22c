package demo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// repository is the name of the sample repository, of its Repository object and of that one's Secret.
const repository = "shop-config"

// gitSide is the Git server and a clone of its repository, in which a person works.
type gitSide struct {
	server *gitserver.Server
	clone  string
	token  string // the secret that signs webhooks

	mu     sync.Mutex
	hook   string // where webhooks go; empty: nowhere yet
	pushed map[source.Commit]time.Time
	err    error // of the last webhook
}

// openGit starts a Git server in dir with the shop as its one commit, and clones it.
func openGit(ctx context.Context, dir, token string, files map[string]string) (*gitSide, error) {
	g := &gitSide{clone: filepath.Join(dir, "clone"), token: token, pushed: map[source.Commit]time.Time{}}
	var err error
	g.server, err = gitserver.Start(gitserver.Options{Dir: filepath.Join(dir, "git"), Push: true, OnPush: g.onPush})
	if err != nil {
		return nil, err
	}
	repo, err := g.server.Create(ctx, repository)
	if err == nil {
		_, err = repo.Commit(ctx, "main", "Open the shop", gitserver.Files(files))
	}
	if err == nil {
		_, err = g.git(ctx, dir, "clone", "--quiet", g.url(), g.clone)
	}
	if err != nil {
		_ = g.server.Close()
		return nil, err
	}
	return g, nil
}

func (g *gitSide) url() string { return g.server.URL(repository) }

func (g *gitSide) close() {
	if g != nil {
		_ = g.server.Close()
	}
}

// onPush notes when a commit arrived, and tells Fairlead as any forge does: after the push, by a signed request.
func (g *gitSide) onPush(p gitserver.Push) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pushed[p.New] = time.Now()
	if g.hook == "" {
		return
	}
	go func(hook string) {
		err := send(hook, g.token, map[string]string{"ref": p.Ref, "url": g.url()})
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err = err
	}(g.hook)
}

// notify sets where webhooks go.
func (g *gitSide) notify(hook string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hook = hook
}

// webhookError is why the last webhook was not taken.
func (g *gitSide) webhookError() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// send sends a webhook of the generic form.
func send(hook, token string, payload map[string]string) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook, bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Fairlead-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := local.Do(req)
	if err != nil {
		return fmt.Errorf("send webhook: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("send webhook: %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return nil
}

// local asks this machine, never a proxy.
var local = &http.Client{Transport: &http.Transport{}}

// A change is one thing that a commit does to the files.
type change func(ctx context.Context, g *gitSide) error

// replace replaces a text that occurs once in a file.
func replace(path, old, now string) change {
	return func(_ context.Context, g *gitSide) error {
		file := filepath.Join(g.clone, filepath.FromSlash(path))
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.Count(string(data), old) != 1 {
			return fmt.Errorf("%s does not hold %q once", path, old)
		}
		return os.WriteFile(file, []byte(strings.Replace(string(data), old, now, 1)), 0o600)
	}
}

// remove removes directories.
func remove(paths ...string) change {
	return func(ctx context.Context, g *gitSide) error {
		_, err := g.git(ctx, g.clone, append([]string{"rm", "-r", "--quiet", "--"}, paths...)...)
		return err
	}
}

// A push is a commit that is on the server.
type push struct {
	commit source.Commit
	at     time.Time     // when the server had it
	took   time.Duration // how long git push ran
}

// push commits changes and pushes them.
func (g *gitSide) push(ctx context.Context, message string, changes ...change) (push, error) {
	for _, c := range changes {
		if err := c(ctx, g); err != nil {
			return push{}, fmt.Errorf("change files of the clone: %w", err)
		}
	}
	if _, err := g.git(ctx, g.clone, "commit", "--quiet", "--all", "--message", message); err != nil {
		return push{}, err
	}
	return g.send(ctx)
}

// revert takes back the newest commit, by another.
func (g *gitSide) revert(ctx context.Context) (push, error) {
	if _, err := g.git(ctx, g.clone, "revert", "--no-edit", "HEAD"); err != nil {
		return push{}, err
	}
	return g.send(ctx)
}

func (g *gitSide) send(ctx context.Context) (push, error) {
	began := time.Now()
	if _, err := g.git(ctx, g.clone, "push", "--quiet", "origin", "main"); err != nil {
		return push{}, err
	}
	p := push{took: time.Since(began)}
	head, err := g.git(ctx, g.clone, "rev-parse", "HEAD")
	p.commit = source.Commit(head)
	g.mu.Lock()
	defer g.mu.Unlock()
	var told bool
	if p.at, told = g.pushed[p.commit]; err == nil && !told {
		err = fmt.Errorf("git push: the server did not see commit %s", p.commit.Short())
	}
	return p, err
}

// git runs git as Ada, whatever the user's own configuration says, and returns what it printed.
func (g *gitSide) git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "NO_PROXY=*",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
