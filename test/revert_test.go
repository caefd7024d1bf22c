package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// reverting has the spec of an environment that has Git agree with what was rolled back.
func reverting(to, secret string) map[string]any {
	set := careful(map[string]any{"deadline": "2s", "revert": to})
	src := map[string]any{"repository": testkit.RepoName, "path": "apps/*", "ref": map[string]any{"branch": "main"}}
	if secret != "" {
		src["writeSecretRef"] = map[string]any{"name": secret}
	}
	set["sources"] = []any{src}
	return set
}

// show prints a commit or a file of the place's repository.
func (p place) show(args ...string) string {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), "git", append([]string{"-C", p.Git.Dir}, args...)...).Output()
	if err != nil {
		p.t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}

// head waits until a branch names something else than a commit.
func (p place) head(branch string, was source.Commit) (is source.Commit) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) (err error) {
		if is, err = p.Git.Head(ctx, branch); err == nil && is == was {
			err = fmt.Errorf("branch %s is still at %q", branch, was)
		}
		return err
	})
	return is
}

// TestRevert has Git agree with what was rolled back, or says why it does not.
func TestRevert(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.gated(t, "revert-"+name, gitserver.Options{}))
		})
	}
	two := []string{"web", "api"}

	run("commit", func(t *testing.T, p place) {
		p.begin(reverting("Commit", "git-write"), two, write("apps/web", "a", "b"), write("apps/api", "c"))
		bad := p.push(sick("a", "very"), gitserver.Delete("apps/web/b.yaml"), write("apps/web", "new"))
		is := p.head("main", bad)
		text := p.show("log", "-1", "--format=%an%n%P%n%B", string(is))
		for _, words := range []string{"Fairlead\n" + string(bad), "Revert web of prod to ", "Release 2, of commit " + bad.Short(), "not healthy within 2s", "This restores apps/web as it was at commit "} {
			if !strings.Contains(text, words) {
				t.Errorf("the commit does not say %q:\n%s", words, text)
			}
		}
		if diff := p.show("diff", "--name-status", string(bad)+"^", string(is)); diff != "" {
			t.Errorf("it is not as before:\n%s", diff)
		}
		p.synced("prod-web")
		st := p.status("prod-web", phaseOf("Succeeded"))
		if st.Pinned != "" || !strings.Contains(st.Wanted.Revision, string(is)) || st.Releases[0].Phase != "RolledBack" {
			t.Errorf("it wants %s, is pinned at %q, and was %s", st.Wanted.Revision, st.Pinned, st.Releases[0].Phase)
		}
		p.has("configmap/b")
		p.gone("configmap/new")
		testkit.Eventually(t, func(context.Context) error {
			if out, err := p.tries("history", "prod/web", "--limit", "100", "--server", "http://"+p.ctl.Addr()); err != nil || !strings.Contains(out, "reverted in Git by commit "+string(is)) {
				return fmt.Errorf("the history has no revert: %v: %s", err, out) //nolint:errorlint // there may be none
			}
			return nil
		})
		if n := p.Git.Count("push"); n != 1 {
			t.Errorf("%d pushes for one revert", n)
		}
		if now := p.head("main", ""); now != is {
			t.Errorf("main went on to %s", now)
		}
	})

	run("branch", func(t *testing.T, p place) {
		p.begin(reverting("Branch", "git-write"), two, write("apps/web", "a"), write("apps/api", "c"))
		bad := p.push(sick("a", "very"))
		branch := "fairlead/revert-prod-web-" + bad.Short()
		is := p.head(branch, "")
		st := p.phase("prod-web", v1alpha1.PhaseRolledBack, "reverted in Git by "+is.Short()+" on branch "+branch)
		if r := st.Revert; r == nil || r.Commit != string(is) || r.Branch != branch || r.Error != "" || st.Pinned == "" {
			t.Errorf("status.revert is %+v, pinned at %q", r, st.Pinned)
		}
		if now := p.head("main", ""); now != bad {
			t.Errorf("main was moved to %s", now)
		}
		p.patch("configmap/a", "{data: {of: somebody}}")
		p.at("configmap/a", ".data.of", "git")
		// Somebody takes it in, and the app is not kept back any more.
		if err := p.Git.Reset(t.Context(), "main", is); err != nil {
			t.Fatal(err)
		}
		p.hook()
		p.synced("prod-web")
		if st := p.status("prod-web", phaseOf("Succeeded")); st.Pinned != "" || st.Revert != nil {
			t.Errorf("pinned at %q, %+v", st.Pinned, st.Revert)
		}
		if n := p.Git.Count("push"); n != 1 {
			t.Errorf("%d pushes for one revert", n)
		}
	})

	// What a process pushed that was killed before it could say so is found, and not pushed again.
	run("found", func(t *testing.T, p place) {
		p.begin(reverting("Branch", "git-write"), []string{"web"}, write("apps/web", "a"))
		bad := p.Git.Commit(t, "main", "bad", sick("a", "very"))
		branch := "fairlead/revert-prod-web-" + bad.Short()
		if err := p.Git.Reset(t.Context(), branch, bad); err != nil {
			t.Fatal(err)
		}
		is := p.Git.Commit(t, branch, "the revert", write("apps/web", "a"))
		p.hook()
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "reverted in Git by "+is.Short()+" on branch "+branch)
		if now := p.head(branch, ""); now != is || p.Git.Count("push") != 0 {
			t.Errorf("%s is at %s, after %d pushes", branch, now, p.Git.Count("push"))
		}
	})

	// By hand, too; and what people made of the rest of the repository meanwhile stays.
	run("asked", func(t *testing.T, p place) {
		p.begin(reverting("Commit", "git-write"), two, write("apps/web", "a"), write("apps/api", "c"))
		p.push(write("apps/web", "b"))
		p.has("configmap/b")
		p.synced("prod-web")
		p.status("prod-web", phaseOf("Succeeded"))
		bad := p.push(write("apps/api", "d"))
		p.has("configmap/d")
		p.fairlead("rollback", "prod/web", "--because", "orders are lost")
		is := p.head("main", bad)
		if text := p.show("log", "-1", "--format=%B", string(is)); !strings.Contains(text, "orders are lost") {
			t.Errorf("the commit says:\n%s", text)
		}
		p.gone("configmap/b")
		p.has("configmap/d")
		p.synced("prod-web")
		p.synced("prod-api")
	})

	// What is outside of the app's directory is left to people.
	run("shared", func(t *testing.T, p place) {
		base := func(sick string) gitserver.Change {
			return gitserver.Write("base/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {of: git"+sick+"}\n")
		}
		p.begin(reverting("Commit", "git-write"), []string{"web"}, base(""), gitserver.Write("base/kustomization.yaml", "resources: [a.yaml]\n"),
			gitserver.Write("apps/web/kustomization.yaml", "resources: [../../base]\n"))
		bad := p.push(base(", sick: very"))
		st := p.phase("prod-web", v1alpha1.PhaseRolledBack, "not reverted in Git: with apps/web as it was at", "has to be reverted by hand")
		if now := p.head("main", ""); now != bad || p.Git.Count("push") != 0 || st.Revert.Commit != "" {
			t.Errorf("main is at %s, %+v", now, st.Revert)
		}
	})

	run("refused", func(t *testing.T, p place) {
		hooks := filepath.Join(p.Git.Dir, "hooks")
		if err := os.MkdirAll(hooks, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(hooks, "pre-receive"), []byte("#!/bin/sh\necho main is protected >&2\nexit 1\n"), 0o755); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
		p.begin(reverting("Commit", "git-write"), []string{"web"}, write("apps/web", "a"))
		bad := p.push(sick("a", "very"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "not reverted in Git: ", "main is protected")
		if now := p.head("main", ""); now != bad {
			t.Errorf("main is at %s", now)
		}
		p.at("configmap/a", ".data.sick", "")
	})

	run("secret", func(_ *testing.T, p place) {
		p.begin(reverting("Branch", ""), []string{"web"}, write("apps/web", "a"))
		p.push(sick("a", "very"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "not reverted in Git: ", "has no writeSecretRef")
		p.Environment(p.t, "prod", "apps/*", reverting("Branch", "nowhere"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "not reverted in Git: ", "nowhere of spec.sources.writeSecretRef does not exist")
	})
}
