package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// owned waits until objects carry the mark of an App.
func (p place) owned(app string, refs ...string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		for _, ref := range refs {
			if err := p.Is(ctx, ref, `.metadata.labels.fairlead\.dev/app`, app); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestHandOver moves objects between apps, environments and tenants: they are never deleted and made anew.
func TestHandOver(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "move-"+name))
		})
	}
	refs := []string{"configmap/ma", "configmap/mb"}

	run("directory", func(t *testing.T, p place) {
		p.begin(nil, []string{"web"}, write("apps/web", "ma", "mb"))
		was := p.uids(refs...)
		p.push(gitserver.Rename("apps/web", "apps/shop"))
		p.gone("apps.fairlead.dev/prod-web")
		p.synced("prod-shop")
		p.owned("prod-shop", refs...)
		p.kept(was)
		p.claimed("shop", 2)
		p.forgotten("web")
	})

	run("object", func(t *testing.T, p place) {
		p.begin(nil, []string{"web", "api"}, write("apps/web", "ma", "mb"), write("apps/api", "mc"))
		was := p.uids(refs...)
		p.push(gitserver.Rename("apps/web/mb.yaml", "apps/api/mb.yaml"))
		p.owned("prod-api", "configmap/mb")
		p.synced("prod-web")
		p.synced("prod-api")
		p.claimed("web", 1)
		p.claimed("api", 2)
		p.kept(was)
	})

	// The app that gives it away takes longer to be read than the one that gets it: that one is not said to have failed meanwhile.
	run("slow", func(t *testing.T, p place) {
		var many strings.Builder
		for i := range 300 {
			many.WriteString("---\n" + config(fmt.Sprintf("many-%d", i), ""))
		}
		p.begin(nil, []string{"slow", "api"}, write("apps/api", "mc"), write("apps/slow", "mb"),
			gitserver.Write("apps/slow/many.yaml", many.String()),
			gitserver.Write("apps/slow/kustomization.yaml", "resources: [many.yaml, mb.yaml]\nnamePrefix: \"\"\n"))
		was := p.uids("configmap/mb")
		p.push(gitserver.Rename("apps/slow/mb.yaml", "apps/api/mb.yaml"), gitserver.Write("apps/slow/kustomization.yaml", "resources: [many.yaml]\nnamePrefix: \"\"\n"))
		p.owned("prod-api", "configmap/mb")
		p.synced("prod-slow")
		p.synced("prod-api")
		p.kept(was)
		if log := p.ctl.Tail(p.Namespace, 1000); strings.Contains(log, `"phase":"Failed"`) {
			t.Errorf("an app failed for a while:\n%s", log)
		}
	})

	// From one environment to another that follows the same branch and puts its objects into the same namespace.
	run("environment", func(t *testing.T, p place) {
		p.Git.Commit(t, "main", "first", write("blue/web", "ma", "mb"), write("blue/rest", "mc"), write("green/rest", "md"))
		p.Environment(t, "blue", "blue/*", nil)
		p.Environment(t, "green", "green/*", nil)
		for _, a := range []string{"blue-web", "blue-rest", "green-rest"} {
			p.synced(a)
		}
		was := p.uids(refs...)
		p.push(gitserver.Rename("blue/web", "green/web"))
		p.gone("apps.fairlead.dev/blue-web")
		p.synced("green-web")
		p.owned("green-web", refs...)
		p.kept(was)
	})

	// From one tenant to another: other namespace, other ServiceAccount, other Repository, whose webhook comes later.
	run("tenant", func(t *testing.T, p place) {
		q := place{Tenant: w.plane.Tenant(t, "move-tenant-to", p.Git), t: t, ctl: p.ctl, objs: p.objs}
		to := map[string]any{"destination": map[string]any{"serviceAccount": "deployer", "namespace": p.Namespace}}
		p.Git.Commit(t, "main", "first", write("blue/web", "ma", "mb"), write("blue/rest", "mc"), write("green/rest", "md"))
		p.Environment(t, "blue", "blue/*", nil)
		q.Environment(t, "green", "green/*", to)
		p.synced("blue-web")
		p.synced("blue-rest")
		q.synced("green-rest")
		was := p.uids(refs...)
		p.push(gitserver.Rename("blue/web", "green/web")) // tells the one that loses it alone
		p.gone("apps.fairlead.dev/blue-web")
		q.synced("green-web")
		p.owned("green-web", refs...)
		p.kept(was)
	})

	// The app that it moves to does not render, at first.
	broken := func(to string, changes ...gitserver.Change) func(*testing.T, place) {
		return func(t *testing.T, p place) {
			p.begin(nil, []string{"web", "rest"}, write("apps/web", "ma", "mb"), write("apps/rest", "mc"))
			was := p.uids(refs...)
			p.push(append([]gitserver.Change{gitserver.Rename("apps/web", "apps/"+to)}, changes...)...)
			p.phase("prod-web", v1alpha1.PhaseHeld, "approve with: ")
			p.guarded("mc")
			p.kept(was)
			p.push(gitserver.Delete("apps/"+to), write("apps/shop", "ma", "mb"))
			p.gone("apps.fairlead.dev/prod-web")
			p.synced("prod-shop")
			p.owned("prod-shop", refs...)
			p.kept(was)
		}
	}
	run("broken", broken("shop", gitserver.Write("apps/shop/fairlead.yaml", "depends: 1\n")))
	run("nameless", broken("shop", gitserver.Write("apps/shop/kustomization.yaml", "namePrefix: [\n"), gitserver.Rename("apps/shop/ma.yaml", "base/ma.yaml")))
	run("misnamed", broken("Web_Shop"))

	// Two sources find an app of one name: neither is used.
	run("clash", func(t *testing.T, p place) {
		from := func(path string) any {
			return map[string]any{"repository": testkit.RepoName, "path": path, "ref": map[string]any{"branch": "main"}}
		}
		p.Git.Commit(t, "main", "first", write("apps/web", "ma", "mb"), write("apps/rest", "mc"), write("more/shop", "md"))
		p.Environment(t, "prod", "", map[string]any{"sources": []any{from("apps/*"), from("more/*")}})
		for _, a := range []string{"prod-web", "prod-rest", "prod-shop"} {
			p.synced(a)
		}
		was := p.uids(append([]string{"configmap/md"}, refs...)...)
		p.push(gitserver.Rename("apps/web", "apps/shop"))
		p.says("environments.fairlead.dev/prod", "is the app shop as well")
		p.phase("prod-web", v1alpha1.PhaseHeld, "approve with: ")
		p.status("prod-shop", func(st v1alpha1.AppStatus) error { return failing(st, "is the app shop as well") })
		p.guarded("mc", "md")
		p.kept(was)
	})

	// The app that it moves to is refused by the API server: it takes over nothing, so the old one lets nothing go.
	run("refused", func(t *testing.T, p place) {
		p.begin(nil, []string{"web", "rest"}, write("apps/web", "ma", "mb"), write("apps/rest", "mc"))
		was := p.uids(refs...)
		p.push(gitserver.Rename("apps/web", "apps/shop"), gitserver.Write("apps/shop/bad.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: [x]\n"))
		p.status("prod-shop", func(st v1alpha1.AppStatus) error { return failing(st, "bad") })
		p.status("prod-web", func(st v1alpha1.AppStatus) error {
			if st.Phase != v1alpha1.PhaseRemoving && st.Phase != v1alpha1.PhaseWaiting {
				return fmt.Errorf("it is %s (%s)", st.Phase, st.Reason)
			}
			return nil
		})
		p.kept(was)
		p.push(gitserver.Delete("apps/shop/bad.yaml"))
		p.gone("apps.fairlead.dev/prod-web")
		p.synced("prod-shop")
		p.kept(was)
	})

	// Two environments whose apps would have one name: "prod" with "eu-web", and "prod-eu" with "web".
	run("names", func(t *testing.T, p place) {
		p.Git.Commit(t, "main", "first", write("one/eu-web", "ma"), write("one/rest", "mc"), write("two/other", "mo"))
		p.Environment(t, "prod", "one/*", nil)
		p.Environment(t, "prod-eu", "two/*", nil)
		for _, a := range []string{"prod-eu-web", "prod-rest", "prod-eu-other"} {
			p.synced(a)
		}
		was := p.uids("configmap/ma", "configmap/mc", "configmap/mo")
		p.push(write("two/web", "mb"))
		p.says("environments.fairlead.dev/prod-eu", "prod-eu-web")
		p.guarded("ma", "mc", "mo")
		p.kept(was)
		// The one that was there first goes, and only that.
		p.push(gitserver.Delete("one/eu-web"))
		p.gone("configmap/ma")
		testkit.Eventually(t, func(ctx context.Context) error {
			return p.Is(ctx, "apps.fairlead.dev/prod-eu-web", "{.spec.environment} {.status.phase}", "prod-eu Synced")
		})
		p.guarded("mb")
	})
}
