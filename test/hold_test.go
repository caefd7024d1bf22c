package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
)

// failing says whether an App waits for a person to mend it, for the given reason.
func failing(st v1alpha1.AppStatus, words string) error {
	if st.Phase != v1alpha1.PhaseFailed && st.Phase != v1alpha1.PhaseWaiting || !strings.Contains(st.Reason, words) {
		return fmt.Errorf("it is %s (%s), want Failed with %q", st.Phase, st.Reason, words)
	}
	return nil
}

// TestHeld has deletions that wait for a person: each says why and how to let it go, and what it says works.
func TestHeld(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "held-"+name))
		})
	}
	readme := gitserver.Write("apps/README.md", "the apps")

	run("all", func(_ *testing.T, p place) {
		p.begin(nil, []string{"web", "api"}, readme, write("apps/web", "a", "b"), write("apps/api", "c"))
		was := p.uids("configmap/a", "configmap/b", "configmap/c")
		p.push(gitserver.Delete("apps/web"), gitserver.Delete("apps/api"))
		p.phase("prod-web", v1alpha1.PhaseHeld, "no longer has any app", "approve with: ")
		p.phase("prod-api", v1alpha1.PhaseHeld, "no longer has any app", "approve with: ")
		p.kept(was)

		// Reverted in Git, it is as if it had not been.
		p.push(write("apps/web", "a", "b"), write("apps/api", "c"))
		p.synced("prod-web")
		p.synced("prod-api")
		p.kept(was)

		p.push(gitserver.Delete("apps/web"), gitserver.Delete("apps/api"))
		p.phase("prod-api", v1alpha1.PhaseHeld)
		p.approved("prod-web")
		p.gone("configmap/a", "configmap/b", "apps.fairlead.dev/prod-web")
		p.forgotten("web")
		// One approval is not another's.
		p.patch("apps.fairlead.dev/prod-api", "{metadata: {annotations: {fairlead.dev/sync-requested: now}}}")
		p.status("prod-api", func(st v1alpha1.AppStatus) error {
			if st.LastHandledSync != "now" {
				return fmt.Errorf("the sync is not handled")
			}
			return nil
		})
		p.phase("prod-api", v1alpha1.PhaseHeld)
		delete(was, "configmap/a")
		delete(was, "configmap/b")
		p.kept(was)
		p.approved("prod-api")
		p.gone("configmap/c", "apps.fairlead.dev/prod-api")
	})

	run("objects", func(t *testing.T, p place) {
		set := map[string]any{"sync": map[string]any{"prune": map[string]any{"maxObjects": int64(2)}}}
		p.begin(set, []string{"web"}, write("apps/web", "a", "b", "c", "d", "e"))
		was := p.uids("configmap/a", "configmap/b", "configmap/c", "configmap/d", "configmap/e")
		p.push(gitserver.Delete("apps/web/a.yaml"), gitserver.Delete("apps/web/b.yaml"), gitserver.Delete("apps/web/c.yaml"))
		st := p.phase("prod-web", v1alpha1.PhaseHeld, "3 objects of environment prod would be deleted", "maxObjects (2)", "approve with: ")
		if len(st.Held) != 3 {
			t.Errorf("held are %v, want 3 steps", st.Held)
		}
		p.kept(was)
		p.approved("prod-web")
		p.gone("configmap/a", "configmap/b", "configmap/c")
		p.synced("prod-web")
		for _, n := range []string{"a", "b", "c"} {
			delete(was, "configmap/"+n)
		}
		p.kept(was)
	})

	// What one commit deletes is over the budget together: to approve the part of one app must not let the rest slip below it.
	run("parts", func(_ *testing.T, p place) {
		set := map[string]any{"sync": map[string]any{"prune": map[string]any{"maxObjects": int64(2)}}}
		p.begin(set, []string{"web", "api"}, write("apps/web", "a", "b", "e"), write("apps/api", "c", "d", "f"))
		p.push(gitserver.Delete("apps/web/a.yaml"), gitserver.Delete("apps/web/b.yaml"), gitserver.Delete("apps/api/c.yaml"), gitserver.Delete("apps/api/d.yaml"))
		p.phase("prod-web", v1alpha1.PhaseHeld, "4 objects of environment prod")
		p.phase("prod-api", v1alpha1.PhaseHeld, "4 objects of environment prod")
		was := p.uids("configmap/c", "configmap/d", "configmap/e", "configmap/f")
		p.approved("prod-web")
		p.gone("configmap/a", "configmap/b")
		p.synced("prod-web")
		p.guarded("f")
		p.phase("prod-api", v1alpha1.PhaseHeld)
		p.kept(was)
		p.approved("prod-api")
		p.gone("configmap/c", "configmap/d")
	})

	run("percent", func(_ *testing.T, p place) {
		var names, refs []string
		for i := range 14 {
			names = append(names, fmt.Sprintf("c%02d", i))
			refs = append(refs, "configmap/"+names[i])
		}
		p.begin(nil, []string{"web"}, write("apps/web", names...))
		was := p.uids(refs...)
		var changes []gitserver.Change
		for _, n := range names[:11] {
			changes = append(changes, gitserver.Delete("apps/web/"+n+".yaml"))
		}
		p.push(changes...)
		p.phase("prod-web", v1alpha1.PhaseHeld, "11 of the 14 objects", "maxPercent (25)")
		p.kept(was)
		// Ten are within any percentage.
		p.push(write("apps/web", names[0]))
		p.gone(refs[1:11]...)
		p.synced("prod-web")
	})

	run("kinds", func(t *testing.T, p place) {
		p.begin(nil, []string{"web"}, write("apps/web", "a", "b"), gitserver.Write("apps/web/z.yaml", guardedKinds))
		was := p.uids("namespace/held-kinds-extra", "crd/keepers.held.example.com", "pv/held-kinds", "pvc/data", "configmap/a", "configmap/b")
		p.push(gitserver.Delete("apps/web/z.yaml"), gitserver.Delete("apps/web/b.yaml"))
		p.gone("configmap/b") // which no rule holds
		delete(was, "configmap/b")
		st := p.phase("prod-web", v1alpha1.PhaseHeld, "approve with: ")
		for i, word := range []string{"PersistentVolume ", "Namespace ", "CustomResourceDefinition ", "PersistentVolumeClaim "} {
			if len(st.Held) != 4 || !strings.Contains(fmt.Sprint(st.Held), word) {
				t.Errorf("%d: held are %v, want %q among four", i, st.Held, word)
			}
		}
		p.kept(was)
		p.approved("prod-web")
		p.gone("namespace/held-kinds-extra", "crd/keepers.held.example.com", "pv/held-kinds", "pvc/data")
		p.synced("prod-web")
	})

	run("marks", func(_ *testing.T, p place) {
		file := func(name, prune string) gitserver.Change {
			return gitserver.Write("apps/web/"+name+".yaml", config(name, annotated("fairlead.dev/prune", prune)))
		}
		space := "{apiVersion: v1, kind: Namespace, metadata: {name: held-marks-extra, annotations: {fairlead.dev/prune: always}}}\n"
		p.begin(nil, []string{"web"}, write("apps/web", "a"), file("never", "never"), file("ask", "confirm"), file("always", "always"),
			gitserver.Write("apps/web/space.yaml", space))
		was := p.uids("configmap/never", "configmap/ask", "configmap/a")
		p.push(gitserver.Delete("apps/web"), write("apps/web", "a"))
		p.gone("configmap/always", "namespace/held-marks-extra")
		p.phase("prod-web", v1alpha1.PhaseHeld, "ConfigMap held-marks/ask", "only when confirmed", "approve with: ")
		p.kept(was)
		p.approved("prod-web")
		p.gone("configmap/ask")
		p.synced("prod-web")
		p.claimed("web", 1)
		delete(was, "configmap/ask")
		p.kept(was)
	})

	// An approval is of exactly what was held then.
	run("stale", func(t *testing.T, p place) {
		file := func(name string) gitserver.Change {
			return gitserver.Write("apps/web/"+name+".yaml", config(name, annotated("fairlead.dev/prune", "confirm")))
		}
		p.begin(nil, []string{"web"}, write("apps/web", "a"), file("b"), file("c"))
		was := p.uids("configmap/b", "configmap/c")
		p.push(gitserver.Delete("apps/web/b.yaml"))
		first := p.phase("prod-web", v1alpha1.PhaseHeld, "ConfigMap held-stale/b")
		p.push(gitserver.Delete("apps/web/c.yaml"))
		p.status("prod-web", func(st v1alpha1.AppStatus) error {
			if st.HoldID == first.HoldID || len(st.Held) != 2 {
				return fmt.Errorf("held are %v", st.Held)
			}
			return nil
		})
		if err := p.approveAs(first.Reason); err == nil || !strings.Contains(err.Error(), first.HoldID+" is not what is held; it is ") {
			t.Errorf("an approval of an older set: %v, want a refusal that says so", err)
		}
		// Also if it is forced past the command.
		p.patch("apps.fairlead.dev/prod-web", "{metadata: {annotations: {fairlead.dev/approve: "+first.HoldID+", fairlead.dev/sync-requested: x}}}")
		p.status("prod-web", func(st v1alpha1.AppStatus) error {
			if st.LastHandledSync != "x" || st.Phase != v1alpha1.PhaseHeld {
				return fmt.Errorf("it is %s, sync %q", st.Phase, st.LastHandledSync)
			}
			return nil
		})
		p.kept(was)
		p.approved("prod-web")
		p.gone("configmap/b", "configmap/c")
	})

	run("suspended", func(_ *testing.T, p place) {
		p.begin(nil, []string{"web", "api"}, write("apps/web", "a", "b"), write("apps/api", "c"))
		was := p.uids("configmap/a", "configmap/b", "configmap/c")
		p.suspend("prod", "prod-web", true)
		c := p.push(gitserver.Delete("apps/web/b.yaml"), gitserver.Delete("apps/api"))
		p.read("prod", c)
		p.status("prod-web", func(st v1alpha1.AppStatus) error {
			if st.Phase != v1alpha1.PhaseSuspended || st.Wanted.Short != c.Short() {
				return fmt.Errorf("it is %s at %s", st.Phase, st.Wanted.Short)
			}
			return nil
		})
		p.kept(was)
		p.patch("environments.fairlead.dev/prod", "{spec: {sync: {suspend: false}}}")
		p.gone("configmap/b", "configmap/c", "apps.fairlead.dev/prod-api")
		p.synced("prod-web")
	})
}

const guardedKinds = `
apiVersion: v1
kind: Namespace
metadata: {name: held-kinds-extra}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: keepers.held.example.com}
spec:
  group: held.example.com
  names: {kind: Keeper, plural: keepers}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: held-kinds}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  persistentVolumeReclaimPolicy: Retain
  storageClassName: none
  hostPath: {path: /tmp/held-kinds}
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, name: data, namespace: held-kinds}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  storageClassName: none
  volumeName: held-kinds
`
