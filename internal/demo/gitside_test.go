package demo

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/webhook"
)

// A push is timed by the server and told by a webhook that Fairlead accepts.
func TestPush(t *testing.T) {
	const token = "secret"
	got := make(chan webhook.Push, 1)
	forge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p, err := webhook.Parse(r.Header, body, []byte(token))
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		got <- p
	}))
	defer forge.Close()
	files, err := shopFiles()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	g, err := openGit(t.Context(), dir, token, files)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	g.notify(forge.URL)

	began := time.Now()
	p, err := g.push(t.Context(), "web: new", replace("apps/web/staging/kustomization.yaml", quoted(versions[0]), quoted(versions[1])))
	if err != nil {
		t.Fatal(err)
	}
	if p.at.Before(began) || p.at.After(time.Now()) {
		t.Errorf("the server had the push at %s, which was not between %s and now", p.at, began)
	}
	if hook := <-got; len(hook.Refs) != 1 || hook.Refs[0] != "refs/heads/main" {
		t.Errorf("the webhook told of %v", hook.Refs)
	}
	if _, err := g.push(t.Context(), "again", replace("apps/web/staging/kustomization.yaml", quoted(versions[0]), "x")); err == nil {
		t.Error("a text that is not there was replaced")
	}
	if p, err = g.revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	head, err := g.server.Repo(repository).Head(t.Context(), "main")
	if err != nil || head != p.commit {
		t.Errorf("main is %s, the revert is %s: %v", head, p.commit, err)
	}
	<-got
	if _, err := g.push(t.Context(), "mistakes", mistakes()...); err != nil {
		t.Errorf("the mistakes of the tour do not fit the sample: %v", err)
	}
	<-got
}

func TestRemoveDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	if err := removeDir(t.Context(), dir); err != nil {
		t.Errorf("one that is not there: %v", err)
	}
	if err := removeDir(t.Context(), ""); err != nil {
		t.Errorf("none: %v", err)
	}
}
