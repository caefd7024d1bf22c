package test

import (
	"context"
	"net/http"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestSourceGone takes away, one after the other, all that an environment is read from. Nothing may be deleted, and what is there stays guarded.
func TestSourceGone(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "gone-"+name))
		})
	}
	two := []gitserver.Change{write("apps/web", "a", "b"), write("apps/api", "c")}
	both := []string{"web", "api"}
	all := []string{"configmap/a", "configmap/b", "configmap/c"}

	run("repository", func(t *testing.T, p place) {
		p.begin(nil, both, two...)
		was := p.uids(all...)
		p.remove("repositories.fairlead.dev/config")
		p.says("environments.fairlead.dev/prod", "Repository gone-repository/config does not exist")
		p.guarded("a", "b", "c")
		p.kept(was)

		// Back again, with a commit that retires an app meanwhile: now that is done.
		p.Git.Commit(t, "main", "retire api", gitserver.Delete("apps/api"))
		p.apply(`{apiVersion: fairlead.dev/v1alpha1, kind: Repository, metadata: {name: config}, spec: {url: "` + p.Git.URL() + `", secretRef: {name: git}}}`)
		p.gone("configmap/c", "apps.fairlead.dev/prod-api")
		p.synced("prod-web")
	})

	run("secret", func(_ *testing.T, p place) {
		p.begin(nil, both, two...)
		was := p.uids(all...)
		p.remove("secret/git")
		p.asks("prod", "1")
		p.says("repositories.fairlead.dev/config", "Secret gone-secret/git of spec.secretRef does not exist")
		p.says("environments.fairlead.dev/prod", "Secret gone-secret/git of spec.secretRef does not exist")
		p.guarded("a", "b", "c")
		p.kept(was)
	})

	run("server", func(t *testing.T, p place) {
		p.begin(nil, both, two...)
		was := p.uids(all...)
		p.Git.Commit(t, "main", "retire api", gitserver.Delete("apps/api"))
		p.Git.Fail(http.StatusInternalServerError, nil)
		p.hook()
		p.says("environments.fairlead.dev/prod", "500")
		p.guarded("a", "b", "c")
		p.kept(was)
		p.Git.Serve()
		p.hook()
		p.gone("configmap/c", "apps.fairlead.dev/prod-api")
	})

	run("branch", func(t *testing.T, p place) {
		p.begin(nil, both, two...)
		was := p.uids(all...)
		if err := p.Git.DeleteBranch(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
		p.hook()
		p.says("environments.fairlead.dev/prod", "main")
		p.guarded("a", "b", "c")
		p.kept(was)
	})

	run("base", func(t *testing.T, p place) {
		p.begin(nil, both, two...)
		was := p.uids(all...)
		p.push(gitserver.Rename("apps", "services"))
		p.says("environments.fairlead.dev/prod", "directory apps does not exist", "none is removed")
		p.guarded("a", "b", "c")
		p.kept(was)
		// The pattern that follows makes it well, without anything being made anew.
		p.Environment(t, "prod", "services/*", nil)
		testkit.Eventually(t, func(ctx context.Context) error {
			return p.Is(ctx, "apps.fairlead.dev/prod-web", ".spec.path", "services/web")
		})
		p.synced("prod-web")
		p.synced("prod-api")
		p.kept(was)
	})

	run("tree", func(_ *testing.T, p place) {
		p.begin(nil, both, two...)
		was := p.uids(all...)
		p.push(gitserver.Clear(), gitserver.Write("README.md", "nothing here"))
		p.says("environments.fairlead.dev/prod", "directory apps does not exist")
		p.guarded("a", "b", "c")
		p.kept(was)
	})

	// Two sources, and a typo in the path of one: what was found by the old path is not retired by a source that cannot be read.
	run("pattern", func(t *testing.T, p place) {
		p.Git.Commit(t, "main", "first", write("apps/web", "a", "b"), write("base/dns", "c"))
		from := func(path string) any {
			return map[string]any{"repository": testkit.RepoName, "path": path, "ref": map[string]any{"branch": "main"}}
		}
		p.Environment(t, "prod", "", map[string]any{"sources": []any{from("apps/*"), from("base/*")}})
		p.synced("prod-web")
		p.synced("prod-dns")
		was := p.uids(all...)
		p.Environment(t, "prod", "", map[string]any{"sources": []any{from("apps/*"), from("bsae/*")}})
		p.says("environments.fairlead.dev/prod", "directory bsae does not exist", "none is removed")
		p.guarded("a", "b", "c")
		p.kept(was)
	})
}

// TestBrokenApp breaks an app in ways that could look as if it wanted nothing.
func TestBrokenApp(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		changes  []gitserver.Change
		says     string
		readable bool // Git says that b is to go, but nothing of the commit may be applied
	}{
		"empty":         {[]gitserver.Change{gitserver.Delete("apps/web"), gitserver.Write("apps/web/README.md", "soon")}, "renders to no objects", false},
		"blank":         {[]gitserver.Change{gitserver.Delete("apps/web/b.yaml"), gitserver.Write("apps/web/a.yaml", "# nothing\n---\n")}, "renders to no objects", false},
		"resources":     {[]gitserver.Change{gitserver.Write("apps/web/kustomization.yaml", "resources: []\n")}, "apps/web", false},
		"kustomization": {[]gitserver.Change{gitserver.Write("apps/web/kustomization.yaml", "")}, "apps/web", false},
		"syntax":        {[]gitserver.Change{gitserver.Delete("apps/web/b.yaml"), gitserver.Write("apps/web/a.yaml", "a: [")}, "apps/web/a.yaml", false},
		"missing":       {[]gitserver.Change{gitserver.Delete("apps/web/b.yaml"), gitserver.Write("apps/web/kustomization.yaml", "resources: [a.yaml, b.yaml]\n")}, "b.yaml", false},
		"declaration":   {[]gitserver.Change{gitserver.Delete("apps/web/b.yaml"), gitserver.Write("apps/web/fairlead.yaml", "dependOn: [x]\n")}, "fairlead.yaml", false},
		"refused":       {[]gitserver.Change{gitserver.Delete("apps/web/b.yaml"), gitserver.Write("apps/web/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {n: 1}\n")}, "a", true},
		"kind":          {[]gitserver.Change{gitserver.Delete("apps/web/b.yaml"), gitserver.Write("apps/web/w.yaml", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n")}, "Widget", true},
		"twice":         {[]gitserver.Change{gitserver.Delete("apps/web/b.yaml"), gitserver.Write("apps/web/d.yaml", config("a"))}, "a", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := w.place(t, "broken-"+name)
			p.begin(nil, []string{"web"}, write("apps/web", "a", "b"))
			was := p.uids("configmap/a", "configmap/b")
			p.push(c.changes...)
			p.status("prod-web", func(st v1alpha1.AppStatus) error { return failing(st, c.says) })
			p.guarded("a")
			if !c.readable {
				p.guarded("b")
			}
			p.kept(was)

			// Mended, the file that is gone is gone for good.
			p.push(gitserver.Delete("apps/web"), write("apps/web", "a"))
			p.gone("configmap/b")
			p.synced("prod-web")
			delete(was, "configmap/b")
			p.kept(was)
		})
	}
}
