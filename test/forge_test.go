package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/forge"
	"github.com/fairlead-cd/fairlead/internal/forge/forgetest"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// forgePlace is a place whose repository is at a forge.
type forgePlace struct {
	place
	forge *forgetest.Server
}

// atForge lets a forge be told of commits.
func (p place) atForge(token string) forgePlace {
	p.t.Helper()
	f := &forgetest.Server{Kind: forge.Gitea, Repo: "shop/config", Token: "t0ken", Knows: func(string) bool { return true }}
	h := httptest.NewServer(f)
	p.t.Cleanup(h.Close)
	p.apply(fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: forge}, stringData: {token: %q}}", token))
	p.patch("repositories.fairlead.dev/config", fmt.Sprintf(
		"{spec: {commitStatus: {forge: Gitea, repository: shop/config, api: %q, secretRef: {name: forge}, link: 'https://example.com/{namespace}/{environment}/{app}?at={commit}'}}}", h.URL+"/api/v1"))
	return forgePlace{p, f}
}

// told waits until a commit has a status of an app, and returns its description.
func (p forgePlace) told(c source.Commit, app, state string) forgetest.Told {
	p.t.Helper()
	var last forgetest.Told
	testkit.Eventually(p.t, func(context.Context) error {
		for _, x := range p.forge.Told() {
			if x.Commit == string(c) && x.Context == "fairlead/prod/"+app {
				last = x
			}
		}
		if last.State != state {
			return fmt.Errorf("commit %s of %s is %q: %s; want %q", c.Short(), app, last.State, last.Description, state)
		}
		return nil
	})
	return last
}

// inOrder fails the test if something was told twice, or pending after something else, of any commit.
func (p forgePlace) inOrder() {
	p.t.Helper()
	states := map[string][]string{}
	for _, x := range p.forge.Told() {
		of := x.Context + " of " + x.Commit
		if before := states[of]; slices.Contains(before, x.State) || slices.Contains(before, "success") || x.State == "pending" && len(before) > 0 {
			p.t.Errorf("%s: %q after %q", of, x.State, before)
		}
		states[of] = append(states[of], x.State)
	}
}

// TestCommitStatuses has a forge told how commits fare.
func TestCommitStatuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	t.Run("states", func(t *testing.T) {
		p := w.place(t, "forge-states").atForge("t0ken")
		one := p.push(write("apps/web", "a"), write("apps/api", "b"))
		p.Environment(t, "prod", "apps/*", nil)
		if x := p.told(one, "web", "success"); x.Description != "applied and healthy" || x.Link != "https://example.com/forge-states/prod/web?at="+string(one) {
			t.Errorf("told %+v", x)
		}
		p.told(one, "api", "success")
		two := p.push(gitserver.Write("apps/web/a.yaml", "kind: [\n"))
		if x := p.told(two, "web", "failure"); !strings.HasPrefix(x.Description, "apps/web/a.yaml:") {
			t.Errorf("told %+v", x)
		}
		three := p.push(gitserver.Write("README.md", "no app reads it"))
		four := p.push(write("apps/web", "a"))
		p.told(four, "web", "success")
		p.guarded("a") // that somebody edits an object is no matter of a commit
		p.inOrder()
		for _, x := range p.forge.Told() {
			if x.Commit == string(three) || x.Context == "fairlead/prod/api" && x.Commit != string(one) {
				t.Errorf("told of a commit that changed nothing: %+v", x)
			}
		}
	})

	t.Run("refused", func(t *testing.T) {
		p := w.place(t, "forge-refused").atForge("wrong")
		c := p.push(write("apps/web", "a"))
		p.Environment(t, "prod", "apps/*", nil)
		p.synced("prod-web") // an app does not wait for a forge
		testkit.Eventually(t, func(ctx context.Context) error {
			events, err := p.objs.List(ctx, p.Namespace, "events.events.k8s.io")
			for _, e := range events {
				note, _ := testkit.Field(&e, ".note")
				if strings.Contains(note, "tell Gitea of commit "+c.Short()) || strings.Contains(note, "does not accept the token (401)") {
					return err
				}
			}
			return errors.Join(err, fmt.Errorf("no Event among %d says that the token is not accepted", len(events)))
		})
		if log := w.ctl.Tail("forge-refused", 1000); strings.Contains(log, "wrong\"") {
			t.Error("the log has the token")
		}
	})

	// Answers are lost, requests fail, and the controller is killed. Whatever was said was said once.
	t.Run("faults", func(t *testing.T) {
		p := w.place(t, "forge-faults").atForge("t0ken")
		p.push(write("apps/web", "a"))
		p.Environment(t, "prod", "apps/*", nil)
		var n atomic.Int64
		p.forge.Answer(func(rw http.ResponseWriter, r *http.Request) {
			switch n.Add(1) % 4 {
			case 0: // not done
				rw.WriteHeader(http.StatusBadGateway)
			case 1: // done, but nobody hears of it
				p.forge.Forge(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			default:
				p.forge.Forge(rw, r)
			}
		})
		for i := range 8 {
			text := config("a")
			if i%2 == 1 {
				text = "kind: [\n"
			}
			c := p.push(gitserver.Write("apps/web/a.yaml", text+fmt.Sprintf("# %d\n", i)))
			if i%3 == 2 {
				testkit.Eventually(t, func(context.Context) error {
					for _, x := range p.forge.Told() {
						if x.Commit == string(c) {
							return nil
						}
					}
					return fmt.Errorf("nothing is told of %s", c.Short())
				})
				w.ctl.Kill()
				w.ctl.Start(t)
			}
			p.told(c, "web", []string{"success", "failure"}[i%2])
		}
		p.inOrder()
	})
}
