package test

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestTampered changes by hand what Fairlead goes by. What it undoes is not made anew, and what is no longer its own it does not delete.
func TestTampered(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "tamper-"+name))
		})
	}
	strip := `{metadata: {labels: {fairlead.dev/app: null, fairlead.dev/app-namespace: null}}}`
	begin := func(p place) map[string]string {
		p.begin(nil, []string{"web", "api"}, write("apps/web", "ta", "tb"), write("apps/api", "tc"))
		return p.uids("configmap/ta", "configmap/tb", "configmap/tc")
	}

	run("strip", func(t *testing.T, p place) {
		was := begin(p)
		p.patch("configmap/tb", strip)
		p.owned("prod-web", "configmap/tb")
		p.kept(was)
	})

	run("relabel", func(t *testing.T, p place) {
		was := begin(p)
		p.patch("configmap/tb", `{metadata: {labels: {fairlead.dev/app: prod-api}}}`)
		p.owned("prod-web", "configmap/tb")
		p.patch("configmap/tb", `{metadata: {labels: {fairlead.dev/app: prod-nobody, fairlead.dev/app-namespace: elsewhere}}}`)
		p.owned("prod-web", "configmap/tb")
		p.kept(was)
		p.claimed("api", 1)
	})

	// While nobody may repair it, the mark goes; then the object goes from Git.
	away := func(patch string) func(*testing.T, place) {
		return func(t *testing.T, p place) {
			was := begin(p)
			p.suspend("prod", "prod-web", true)
			p.patch("configmap/tb", patch)
			c := p.push(gitserver.Delete("apps/web/tb.yaml"))
			p.read("prod", c)
			p.suspend("prod", "prod-web", false)
			p.status("prod-web", func(st v1alpha1.AppStatus) error {
				if st.Applied.Short != c.Short() {
					return fmt.Errorf("it has applied %s, want %s", st.Applied.Short, c.Short())
				}
				return nil
			})
			p.guarded("ta")
			p.kept(was)
		}
	}
	run("stripped", func(t *testing.T, p place) {
		away(strip)(t, p)
		p.phase("prod-web", v1alpha1.PhaseHeld, "its owner mark was removed by hand", "delete it with kubectl, or put the labels")
		// One of the ways that it names.
		p.remove("configmap/tb")
		p.patch("apps.fairlead.dev/prod-web", "{metadata: {annotations: {fairlead.dev/sync-requested: now}}}")
		p.synced("prod-web")
		p.claimed("web", 1)
	})
	run("remarked", func(t *testing.T, p place) {
		away(strip)(t, p)
		p.patch("configmap/tb", `{metadata: {labels: {fairlead.dev/app: prod-web, fairlead.dev/app-namespace: tamper-remarked}}}`)
		p.patch("apps.fairlead.dev/prod-web", "{metadata: {annotations: {fairlead.dev/sync-requested: now}}}")
		p.gone("configmap/tb")
		p.synced("prod-web")
	})
	run("given", func(t *testing.T, p place) {
		away(`{metadata: {labels: {fairlead.dev/app: prod-api}}}`)(t, p)
		p.claimed("web", 1)
		p.synced("prod-web")
	})

	// Somebody deletes it and makes it anew, with the labels, then it goes from Git.
	run("replaced", func(t *testing.T, p place) {
		begin(p)
		p.suspend("prod", "prod-web", true)
		text := config("tb", "  labels: {fairlead.dev/app: prod-web, fairlead.dev/app-namespace: tamper-replaced}\n")
		p.replace(text)
		was := p.uids("configmap/tb")
		p.read("prod", p.push(gitserver.Delete("apps/web/tb.yaml")))
		p.patch("environments.fairlead.dev/prod", "{spec: {sync: {suspend: false}}}")
		p.phase("prod-web", v1alpha1.PhaseHeld, "somebody replaced the object", "delete it with kubectl")
		p.guarded("ta")
		p.kept(was)
	})

	run("app", func(t *testing.T, p place) {
		was := begin(p)
		id := p.uid("apps.fairlead.dev/prod-web")
		p.remove("apps.fairlead.dev/prod-web")
		testkit.Eventually(t, func(ctx context.Context) error {
			u, err := p.objs.Get(ctx, p.Namespace, "apps.fairlead.dev/prod-web")
			if err == nil && string(u.GetUID()) == id {
				err = fmt.Errorf("it is still the old one")
			}
			return err
		})
		p.synced("prod-web")
		p.guarded("ta", "tb")
		p.kept(was)
		p.claimed("web", 2)
	})

	run("ledger", func(t *testing.T, p place) {
		was := begin(p)
		secrets := p.Plane.Kube.CoreV1().Secrets(testkit.Namespace)
		list, err := secrets.List(t.Context(), metav1.ListOptions{LabelSelector: "fairlead.dev/ledger"})
		if err != nil {
			t.Fatal(err)
		}
		dropped := 0
		for _, s := range list.Items {
			if s.Annotations["fairlead.dev/app"] == "tamper-ledger/prod-web" {
				dropped++
				if err := secrets.Delete(t.Context(), s.Name, metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if dropped != 1 {
			t.Fatalf("deleted %d Secrets of the ledger, want 1", dropped)
		}
		// It comes back when it is needed, and nothing was forgotten: what goes from Git goes.
		p.push(gitserver.Delete("apps/web/tb.yaml"), gitserver.Write("apps/web/td.yaml", config("td")))
		p.gone("configmap/tb")
		p.synced("prod-web")
		p.claimed("web", 2)
		delete(was, "configmap/tb")
		p.kept(was)
	})
}

// replace does what `kubectl replace --force` does.
func (p place) replace(text string) {
	p.t.Helper()
	path := p.t.TempDir() + "/object.yaml"
	if err := writeFile(path, text); err != nil {
		p.t.Fatal(err)
	}
	if out, err := p.Plane.Kubectl(p.t.Context(), p.Namespace, "replace", "--force", "-f", path); err != nil {
		p.t.Fatalf("kubectl replace: %v: %s", err, out)
	}
}
