package test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// TestTearDown takes an environment apart in every order. Objects go only if that was asked for, and nothing hangs.
func TestTearDown(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "down-"+name))
		})
	}
	prune := map[string]any{"deletion": "Prune"}
	begin := func(p place, set map[string]any) map[string]string {
		p.begin(set, []string{"web", "api"}, write("apps/web", "da", "db"), write("apps/api", "dc"))
		return p.uids("configmap/da", "configmap/db", "configmap/dc")
	}
	env, apps := "environments.fairlead.dev/prod", []string{"apps.fairlead.dev/prod-web", "apps.fairlead.dev/prod-api"}
	// released waits until nothing of the environment is left but its objects, and that nobody guards them any more.
	released := func(p place, was map[string]string) {
		p.t.Helper()
		p.gone(append([]string{env}, apps...)...)
		p.forgotten("web")
		p.forgotten("api")
		p.kept(was)
	}

	run("release", func(t *testing.T, p place) {
		was := begin(p, nil)
		p.remove(env)
		released(p, was)
		// Made again, it takes up where it was.
		p.Environment(t, "prod", "apps/*", nil)
		p.synced("prod-web")
		p.synced("prod-api")
		p.claimed("web", 2)
		p.kept(was)
	})

	run("prune", func(t *testing.T, p place) {
		was := begin(p, prune)
		p.apply(`{apiVersion: v1, kind: ConfigMap, metadata: {name: foreign, labels: {fairlead.dev/app: prod-web}}, data: {of: somebody}}`)
		foreign := p.uids("configmap/foreign")
		p.remove(env)
		for ref := range was {
			p.gone(ref)
		}
		p.gone(append([]string{env}, apps...)...)
		p.forgotten("web")
		p.kept(foreign)
	})

	// A protected object is held also then; what is said of it works, and so does to change one's mind.
	run("protected", func(t *testing.T, p place) {
		space := gitserver.Write("apps/web/space.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: down-protected-extra}}\n")
		p.begin(prune, []string{"web", "api"}, write("apps/web", "da"), write("apps/api", "dc"), space)
		was := p.uids("namespace/down-protected-extra")
		p.remove(env)
		p.gone("configmap/da", "configmap/dc")
		p.phase("prod-web", v1alpha1.PhaseHeld, "Namespace down-protected-extra", "approve with: ")
		p.says(env, "down-protected-extra")
		p.kept(was)
		p.approved("prod-web")
		p.gone("namespace/down-protected-extra", env)
	})
	run("mind", func(t *testing.T, p place) {
		space := gitserver.Write("apps/web/space.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: down-mind-extra}}\n")
		p.begin(prune, []string{"web"}, write("apps/web", "da"), space)
		was := p.uids("namespace/down-mind-extra")
		p.remove(env)
		p.phase("prod-web", v1alpha1.PhaseHeld, "Namespace down-mind-extra")
		p.patch(env, "{spec: {deletion: Release}}")
		p.gone(env, "apps.fairlead.dev/prod-web")
		p.forgotten("web")
		p.kept(was)
	})

	// Of an object whose owner mark somebody took away nobody can say that it may go: it stays, and holds nothing up.
	run("foreign", func(t *testing.T, p place) {
		begin(p, prune)
		p.suspend("prod", "prod-web", true)
		p.patch("configmap/db", `{metadata: {labels: {fairlead.dev/app: null, fairlead.dev/app-namespace: null}}}`)
		was := p.uids("configmap/db")
		p.remove(env)
		p.patch(env, "{spec: {sync: {suspend: false}}}")
		p.gone("configmap/da", "configmap/dc", env)
		p.kept(was)
	})

	run("suspended", func(t *testing.T, p place) {
		was := begin(p, prune)
		p.suspend("prod", "prod-web", true)
		p.remove(env)
		p.says(env, "suspended")
		p.kept(was)
		p.patch(env, "{spec: {sync: {suspend: false}}}")
		p.gone("configmap/da", "configmap/db", "configmap/dc", env)
	})

	for _, mode := range []string{"Release", "Prune"} {
		set := map[string]any{"deletion": mode}
		name := map[string]string{"Release": "-r", "Prune": "-p"}[mode]
		// kubectl delete -f tenant.yaml, in an order that nobody would choose.
		run("account"+name, func(t *testing.T, p place) {
			was := begin(p, set)
			p.remove("serviceaccount/deployer")
			p.remove(env)
			released(p, was)
		})
		run("rights"+name, func(t *testing.T, p place) {
			was := begin(p, set)
			p.remove("clusterrolebinding/test-" + p.Namespace)
			p.forbidden("configmaps")
			p.remove(env)
			if mode == "Release" {
				released(p, was)
				return
			}
			p.says(env, "may not", "spec.deletion")
			p.kept(was)
			p.patch(env, "{spec: {deletion: Release}}")
			released(p, was)
		})
		// The whole namespace goes: with it the Environment, its ServiceAccount, its Apps. What lives elsewhere stays; the ledger is clean.
		run("namespace"+name, func(t *testing.T, p place) {
			p.apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + p.Namespace + "-target}}")
			q := place{Tenant: &testkit.Tenant{Plane: p.Plane, Namespace: p.Namespace + "-target", Git: p.Git}, t: t, ctl: p.ctl, objs: p.objs}
			p.begin(map[string]any{"deletion": mode, "destination": map[string]any{"serviceAccount": "deployer", "namespace": q.Namespace}},
				[]string{"web", "api"}, write("apps/web", "da", "db"), write("apps/api", "dc"))
			was := q.uids("configmap/da", "configmap/db", "configmap/dc")
			p.remove("namespace/" + p.Namespace)
			p.gone("namespace/" + p.Namespace)
			p.forgotten("web")
			p.forgotten("api")
			q.kept(was)
		})
	}

	// The right to delete goes first, then the object from Git: nothing is forgotten, what is missing is named, and given back it is done.
	run("right", func(t *testing.T, p place) {
		was := begin(p, nil)
		p.remove("clusterrolebinding/test-" + p.Namespace)
		p.forbidden("configmaps")
		p.push(gitserver.Delete("apps/web/db.yaml"), gitserver.Delete("apps/api"))
		p.status("prod-web", func(st v1alpha1.AppStatus) error { return failing(st, "may not") })
		p.status("prod-api", func(st v1alpha1.AppStatus) error { return failing(st, "may not") })
		p.kept(was)
		p.claimed("web", 2)
		p.claimed("api", 1)
		p.apply(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: test-` + p.Namespace + `},
			roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin},
			subjects: [{kind: ServiceAccount, name: deployer, namespace: ` + p.Namespace + `}]}`)
		p.asks("prod", "again")
		p.gone("configmap/db", "configmap/dc", apps[1])
		p.synced("prod-web")
	})

	// The namespace of the objects is deleted while an app goes from Git.
	run("target", func(t *testing.T, p place) {
		target := p.Namespace + "-target"
		p.begin(map[string]any{"destination": map[string]any{"serviceAccount": "deployer", "namespace": target, "createNamespace": true}},
			[]string{"web", "api"}, write("apps/web", "da"), write("apps/api", "dc"))
		p.remove("namespace/" + target)
		p.push(gitserver.Delete("apps/api"))
		p.gone(apps[1])
		p.forgotten("api")
		p.synced("prod-web")
	})
}

// forbidden waits until the environment's ServiceAccount may not read a kind any more.
func (p place) forbidden(kind string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		out, _ := p.Plane.Kubectl(ctx, p.Namespace, "auth", "can-i", "get", kind, "--as", "system:serviceaccount:"+p.Namespace+":deployer")
		if out != "no\n" {
			return fmt.Errorf("can-i says %q", out)
		}
		return nil
	})
}
