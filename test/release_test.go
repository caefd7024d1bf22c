package test

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// careful is how an environment releases whose ConfigMaps are healthy as long as they do not say otherwise.
func careful(release map[string]any) map[string]any {
	return map[string]any{
		"release": release,
		"health": map[string]any{"rules": []any{map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "progressing": "true",
			"healthy": "!has(object.data.sick) && !(has(object.metadata.annotations) && 'sick-of' in object.metadata.annotations && object.metadata.annotations['sick-of'] == object.metadata.labels['of'])",
		}}},
	}
}

func sick(name, value string) gitserver.Change {
	return gitserver.Write("apps/web/"+name+".yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "+name+"\ndata: {of: git, sick: '"+value+"'}\n")
}

// TestRollback has releases that fail, or that a person takes back: what was good is there again, and stays until something newer comes.
func TestRollback(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "rollback-"+name))
		})
	}
	short := map[string]any{"deadline": "2s"}

	run("deadline", func(t *testing.T, p place) {
		p.begin(careful(short), []string{"web"}, write("apps/web", "a", "b"))
		was := p.uids("configmap/a", "configmap/b")
		bad := p.push(sick("a", "very"), write("apps/web", "new"))
		st := p.phase("prod-web", v1alpha1.PhaseRolledBack, "not healthy within 2s", "ConfigMap "+p.Namespace+"/a is Progressing")
		p.at("configmap/a", ".data.sick", "")
		p.gone("configmap/new")
		p.kept(was)
		if !strings.Contains(st.Wanted.Revision, string(bad)) || strings.Contains(st.Applied.Revision, string(bad)) || st.Pinned == "" {
			t.Errorf("it wants %s, has %s applied, and is pinned at %q", st.Wanted.Revision, st.Applied.Revision, st.Pinned)
		}
		p.status("prod-web", phaseOf("RolledBack"))

		// It is kept at what was good.
		p.patch("configmap/b", "{data: {of: somebody}}")
		p.at("configmap/b", ".data.of", "git")
		// Something newer goes on, and what was rolled back is not tried again for a commit that changes nothing of it.
		p.push(gitserver.Write("README.md", "something else"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack)
		p.push(write("apps/web", "a"))
		p.has("configmap/new")
		p.synced("prod-web")
		if st := p.status("prod-web", phaseOf("Succeeded")); st.Pinned != "" || len(st.Releases) != 2 || st.Releases[0].Phase != "RolledBack" || st.Releases[1].Phase != "Succeeded" {
			t.Errorf("pinned at %q after %+v", st.Pinned, st.Releases)
		}
	})

	// Which image cannot be had is known to Pods alone.
	run("image", func(_ *testing.T, p place) {
		web := func(image, more string) gitserver.Change {
			return gitserver.Write("apps/web/web.yaml", `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {`+more+`}}
    spec: {containers: [{name: web, image: "`+image+`"}]}
`)
		}
		p.begin(careful(map[string]any{"deadline": "5s"}), []string{"web"}, web("web:1.4", ""))
		p.push(web("web:1.5", "devcluster/fail: ImagePullBackOff"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "not healthy within 5s", "container web cannot have image web:1.5: ImagePullBackOff")
		p.at("deployment/web", ".spec.template.spec.containers[0].image", "web:1.4")
	})

	// Who would take away something of a CustomResourceDefinition is told first; what goes back by itself says so.
	run("definitions", func(t *testing.T, p place) {
		crd := func(properties string) gitserver.Change {
			return gitserver.Write("apps/web/crd.yaml", `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.`+p.Namespace+`.example.com}
spec:
  group: `+p.Namespace+`.example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {`+properties+`}}}}]
`)
		}
		loses := "CustomResourceDefinition things." + p.Namespace + ".example.com: v1 loses more"
		p.begin(careful(short), []string{"web"}, crd("size: {type: integer}"), write("apps/web", "a"))
		p.push(crd("size: {type: integer}, more: {type: string}"))
		p.synced("prod-web")
		out, err := p.tries("rollback", "prod/web")
		if err == nil || !strings.Contains(out, "app prod/web: going back takes away: "+loses) || !strings.Contains(out, "use --yes") {
			t.Errorf("%v: %s", err, out)
		}
		p.synced("prod-web")
		if out := p.fairlead("rollback", "prod/web", "--yes"); !strings.Contains(out, "app prod/web goes back from") {
			t.Error(out)
		}
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "going back takes away: "+loses)
		p.push(crd("size: {type: integer}, more: {type: string}"), sick("a", "very"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "not healthy within 2s", "going back takes away: "+loses)
	})

	// What a release found there is not deleted because the release is taken back.
	run("adopted", func(_ *testing.T, p place) {
		p.begin(careful(short), []string{"web"}, write("apps/web", "a"))
		p.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\ndata: {of: somebody}\n")
		was := p.uids("configmap/mine")
		p.push(sick("a", "very"), write("apps/web", "mine", "new"))
		p.phase("prod-web", v1alpha1.PhaseHeld, "ConfigMap "+p.Namespace+"/mine", "it was there before the release that is rolled back")
		p.gone("configmap/new")
		p.kept(was)
		p.at("configmap/a", ".data.sick", "")
		p.push(write("apps/web", "a"))
		p.synced("prod-web")
		p.kept(was)
	})

	run("fixed", func(t *testing.T, p place) {
		p.begin(careful(map[string]any{"deadline": "1h"}), []string{"web"}, write("apps/web", "a"))
		p.push(sick("a", "very"))
		p.status("prod-web", phaseOf("Progressing"))
		p.push(write("apps/web", "a", "b"))
		p.synced("prod-web")
		if st := p.status("prod-web", phaseOf("Succeeded")); len(st.Releases) != 2 || st.Releases[0].Phase != "Superseded" {
			t.Errorf("before it there were %+v", st.Releases)
		}
	})

	run("reverted", func(t *testing.T, p place) {
		p.begin(careful(short), []string{"web"}, write("apps/web", "a"))
		p.push(sick("a", "very"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack)
		p.push(write("apps/web", "a"))
		p.synced("prod-web")
		if st := p.status("prod-web", phaseOf("Succeeded")); st.Pinned != "" {
			t.Errorf("pinned at %q", st.Pinned)
		}
	})

	run("halted", func(_ *testing.T, p place) {
		p.begin(careful(map[string]any{"deadline": "2s", "onFailure": "Halt"}), []string{"web"}, write("apps/web", "a"))
		p.push(sick("a", "very"))
		p.phase("prod-web", v1alpha1.PhaseFailed, "not healthy within 2s")
		p.at("configmap/a", ".data.sick", "very")
	})

	run("first", func(_ *testing.T, p place) {
		p.Git.Commit(p.t, "main", "first", sick("a", "very"))
		p.Environment(p.t, "prod", "apps/*", careful(short))
		p.phase("prod-web", v1alpha1.PhaseFailed, "there is nothing good to go back to")
	})

	run("watched", func(_ *testing.T, p place) {
		labelled := func(of string) gitserver.Change {
			return gitserver.Write("apps/web/a.yaml", config("a", "  labels: {of: "+of+"}\n"))
		}
		p.begin(careful(map[string]any{"deadline": "2s", "watchFor": "1h"}), []string{"web"}, labelled("first"))
		p.status("prod-web", phaseOf("Succeeded"))
		p.push(labelled("second"))
		p.at("configmap/a", ".metadata.labels.of", "second")
		p.status("prod-web", phaseOf("Succeeded"))
		if err := p.objs.Patch(p.t.Context(), "operator", p.Namespace, "configmap/a", `{metadata: {annotations: {sick-of: second}}}`, ""); err != nil {
			p.t.Fatal(err)
		}
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "after it succeeded")
		p.at("configmap/a", ".metadata.labels.of", "first")
	})

	trial := map[string]any{
		"name": "says-yes", "interval": "1s", "forgiven": int64(1),
		"cel": map[string]any{"of": map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "a"}, "expressions": []any{"object.metadata.labels.says == 'well'"}},
	}
	says := func(word string) gitserver.Change {
		return gitserver.Write("apps/web/a.yaml", config("a", "  labels: {says: "+word+"}\n"))
	}
	run("refuted", func(_ *testing.T, p place) {
		p.begin(map[string]any{"release": map[string]any{"verify": []any{trial}}}, []string{"web"}, says("well"))
		p.status("prod-web", phaseOf("Succeeded"))
		p.push(says("ill"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "says-yes", "ConfigMap")
		p.at("configmap/a", ".metadata.labels.says", "well")
		p.push(says("well"))
		p.synced("prod-web")
	})

	run("overtaken", func(_ *testing.T, p place) {
		trial := maps.Clone(trial)
		trial["forgiven"] = int64(1000)
		p.begin(map[string]any{"release": map[string]any{"verify": []any{trial}}}, []string{"web"}, says("well"))
		p.status("prod-web", phaseOf("Succeeded"))
		p.push(says("ill"))
		p.phase("prod-web", v1alpha1.PhaseVerifying, "says-yes")
		p.push(says("well"), write("apps/web", "b"))
		p.synced("prod-web")
		p.status("prod-web", phaseOf("Succeeded"))
	})

	// By hand, in an environment without any rules.
	// A release that failed does not make what was good before forgotten, and what is gone cannot be gone back to.
	run("further", func(t *testing.T, p place) {
		of := func(value string) gitserver.Change {
			return gitserver.Write("apps/web/a.yaml", strings.ReplaceAll(config("a"), "git", value))
		}
		p.begin(careful(short), []string{"web"}, of("first"))
		for _, value := range []string{"second", "third"} {
			p.push(of(value))
			p.at("configmap/a", ".data.of", value)
			p.synced("prod-web")
		}
		p.push(sick("a", "very"))
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "not healthy within 2s")
		for _, value := range []string{"second", "first"} {
			p.fairlead("rollback", "prod/web")
			p.at("configmap/a", ".data.of", value)
			p.phase("prod-web", v1alpha1.PhaseRolledBack)
		}
		if out, err := p.tries("rollback", "prod/web"); err == nil || !strings.Contains(out, "there is nothing else that was good before") {
			t.Errorf("%v: %s", err, out)
		}
		p.push(of("fourth"))
		p.at("configmap/a", ".data.of", "fourth")
		p.synced("prod-web")
		p.spoil("web")
		if out, err := p.tries("rollback", "prod/web"); err == nil || !strings.Contains(out, "cannot be had") || !strings.Contains(out, "--to names any other commit") {
			t.Errorf("what is kept is gone: %v: %s", err, out)
		}
		p.at("configmap/a", ".data.of", "fourth")
		p.synced("prod-web")
	})

	run("asked", func(t *testing.T, p place) {
		p.begin(nil, []string{"web", "api"}, write("apps/web", "a"), write("apps/api", "c"))
		first := p.push(gitserver.Write("apps/web/a.yaml", config("a", "  labels: {of: first}\n")))
		p.at("configmap/a", ".metadata.labels.of", "first")
		p.synced("prod-web")
		p.push(gitserver.Write("apps/web/a.yaml", config("a", "  labels: {of: second}\n")))
		p.at("configmap/a", ".metadata.labels.of", "second")
		p.synced("prod-web")

		out := p.fairlead("rollback", "prod/web", "--because", "it is slow")
		if !strings.Contains(out, "goes back from") || !strings.Contains(out, first.Short()) {
			t.Errorf("it says %q", out)
		}
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "it is slow", "fairlead rollback prod/web --lift")
		p.at("configmap/a", ".metadata.labels.of", "first")
		p.patch("configmap/a", "{metadata: {labels: {of: somebody}}}")
		p.at("configmap/a", ".metadata.labels.of", "first")

		p.fairlead("rollback", "prod/web", "--lift")
		p.at("configmap/a", ".metadata.labels.of", "second")
		p.synced("prod-web")
		for range 3 { // what is tried again is tried at once
			p.fairlead("rollback", "prod/web")
			p.at("configmap/a", ".metadata.labels.of", "first")
			p.fairlead("rollback", "prod/web", "--lift")
			p.at("configmap/a", ".metadata.labels.of", "second")
			p.synced("prod-web")
		}
		if log := p.ctl.Tail(p.Namespace, 100); strings.Contains(log, `"phase":"Failed"`) {
			t.Errorf("nothing failed, and it says so in\n%s", log)
		}

		if out, err := p.tries("rollback", "prod/web", "--to", "0000"); err == nil || !strings.Contains(out, "there is none in the history of") || !strings.Contains(out, "; kept are main@") {
			t.Errorf("a commit that there is not: %v: %s", err, out)
		}
		p.synced("prod-web")
		if out, err := p.tries("rollback", "prod/api"); err == nil || !strings.Contains(out, "there is nothing else that was good before") {
			t.Errorf("an app that was released once: %v: %s", err, out)
		}
		if out, err := p.tries("rollback", "prod/web", "--lift"); err == nil || !strings.Contains(out, "prod/web stays as it is: nothing of it was rolled back") {
			t.Errorf("what was not rolled back is lifted: %v: %s", err, out)
		}
		// What cannot go back keeps no other from that, and what is said is said of each.
		if out, err := p.tries("rollback", "prod"); err == nil || !strings.Contains(out, "prod/api stays as it is") || !strings.Contains(out, "prod/web goes back from") {
			t.Errorf("of an environment with one that cannot go back it says: %v: %s", err, out)
		}
		p.phase("prod-web", v1alpha1.PhaseRolledBack, "rolled back to "+first.Short())
		if out, err := p.tries("rollback", "prod", "--lift"); err == nil || !strings.Contains(out, "prod/api stays as it is") || !strings.Contains(out, "prod/web: ") {
			t.Errorf("of an environment with one that was not rolled back it says: %v: %s", err, out)
		}
		p.synced("prod-web")
		for _, to := range []string{"", "HEAD~1", "abc", "main"} {
			if out, err := p.tries("rollback", "prod/web", "--to", to); err == nil || !strings.Contains(out, "is no commit: want its id") {
				t.Errorf("--to %q: %v: %s", to, err, out)
			}
		}
	})
}

// spoil takes all bundles of an app away but the one that was applied last.
func (p place) spoil(name string) {
	p.t.Helper()
	secrets := p.Plane.Kube.CoreV1().Secrets(testkit.Namespace)
	list, err := secrets.List(p.t.Context(), metav1.ListOptions{LabelSelector: ledger.Heads})
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range list.Items {
		s := &list.Items[i]
		if s.Annotations["fairlead.dev/app"] != p.Namespace+"/prod-"+name {
			continue
		}
		r, err := ledger.Read(s)
		if err != nil {
			p.t.Fatal(err)
		}
		maps.DeleteFunc(s.Data, func(key string, _ []byte) bool {
			return strings.HasPrefix(key, "bundle-") && key != "bundle-"+r.Digest
		})
		if _, err := secrets.Update(p.t.Context(), s, metav1.UpdateOptions{}); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	p.t.Fatalf("app %s has no record", name)
}

// TestRollbackTo goes back to commits that nothing is kept of: they are read from Git, stored, and then the app needs Git no more.
func TestRollbackTo(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "rollback-to-"+name))
		})
	}
	labelled := func(of string) gitserver.Change {
		return gitserver.Write("apps/web/a.yaml", config("a", "  labels: {of: "+of+"}\n"))
	}
	// history is an app at several commits, the newest of which is applied: before is one of which nothing is kept.
	history := func(p place, before ...gitserver.Change) (old source.Commit) {
		p.t.Helper()
		old = p.Git.Commit(p.t, "main", "old", append(before, labelled("old"), write("apps/web", "gone"), gitserver.Write("apps/api/c.yaml", config("c", "")))...)
		p.Git.Commit(p.t, "main", "two", labelled("two"), gitserver.Delete("apps/web/gone.yaml"))
		p.Git.Commit(p.t, "main", "three", labelled("three"))
		p.Environment(p.t, "prod", "apps/*", nil)
		p.synced("prod-web")
		p.at("configmap/a", ".metadata.labels.of", "three")
		return old
	}

	run("commit", func(t *testing.T, p place) {
		old := history(p)
		out := p.fairlead("rollback", "prod/web", "--to", string(old[:9]), "--because", "it was fine then")
		if !strings.Contains(out, "goes back from") || !strings.Contains(out, "to "+old.Short()) {
			t.Errorf("it says %q", out)
		}
		st := p.phase("prod-web", v1alpha1.PhaseRolledBack, "it was fine then")
		p.at("configmap/a", ".metadata.labels.of", "old")
		p.has("configmap/gone")
		if !strings.Contains(st.Applied.Revision, string(old)) || st.Pinned == "" {
			t.Errorf("%s is applied, pinned at %q", st.Applied.Revision, st.Pinned)
		}
		// It is kept at that, and can be gone back to after something newer.
		p.patch("configmap/a", "{metadata: {labels: {of: somebody}}}")
		p.at("configmap/a", ".metadata.labels.of", "old")
		p.push(labelled("four"))
		p.at("configmap/a", ".metadata.labels.of", "four")
		p.gone("configmap/gone")
		p.synced("prod-web")
		p.fairlead("rollback", "prod/web", "--to", string(old))
		p.at("configmap/a", ".metadata.labels.of", "old")
	})

	// A commit that took everything away, and was held and reverted, is no state to go back to.
	run("emptied", func(t *testing.T, p place) {
		api := gitserver.Write("apps/api/c.yaml", config("c", ""))
		history(p, gitserver.Write("apps/README.md", "the apps"))
		p.push(gitserver.Delete("apps/web"), gitserver.Delete("apps/api"))
		p.phase("prod-web", v1alpha1.PhaseHeld, "no longer has any app")
		p.push(labelled("three"), api)
		p.synced("prod-web")
		if out, err := p.tries("rollback", "prod/web"); err == nil || !strings.Contains(out, "there is nothing else that was good before") {
			t.Errorf("%v: %s", err, out)
		}
		p.synced("prod-web")
		p.push(labelled("four"))
		p.at("configmap/a", ".metadata.labels.of", "four")
		p.synced("prod-web")
		p.fairlead("rollback", "prod/web")
		p.at("configmap/a", ".metadata.labels.of", "three")

		// Nor does it make what was good before it forgotten.
		p.push(labelled("five"))
		p.synced("prod-web")
		p.push(labelled("six"))
		p.at("configmap/a", ".metadata.labels.of", "six")
		p.synced("prod-web")
		p.push(gitserver.Delete("apps/web"), gitserver.Delete("apps/api"))
		p.phase("prod-web", v1alpha1.PhaseHeld, "no longer has any app")
		p.push(labelled("six"), api)
		p.synced("prod-web")
		for _, of := range []string{"five", "three"} { // each time a step further
			p.fairlead("rollback", "prod/web")
			p.at("configmap/a", ".metadata.labels.of", of)
			p.phase("prod-web", v1alpha1.PhaseRolledBack)
		}
	})

	// What there is to go back to is said, or why there is nothing: and nothing changes.
	run("refused", func(t *testing.T, p place) {
		broken := p.Git.Commit(t, "main", "broken", labelled("broken"), gitserver.Write("apps/web/b.yaml", "a: b: c\n"))
		before := p.Git.Commit(t, "main", "none", gitserver.Delete("apps/web"), gitserver.Write("apps/api/c.yaml", config("c", "")))
		history(p, gitserver.Write("README.md", "x"))
		aside := p.Git.Commit(t, "aside", "aside", labelled("aside"), write("apps/web", "b"))
		was := p.uids("configmap/a")
		for _, c := range []struct{ to, says string }{
			{strings.Repeat("0", 40), "there is none in the history of"},
			{string(aside), "there is none in the history of"},
			{string(before), "app web was not there at main@sha1:" + string(before)},
			{string(broken), "app web does not render at main@sha1:" + string(broken)},
		} {
			if out, err := p.tries("rollback", "prod/web", "--to", c.to); err == nil || !strings.Contains(out, c.says) || !strings.Contains(out, "stays as it is") {
				t.Errorf("%s: %v: %s", c.to, err, out)
			}
			p.synced("prod-web")
		}
		p.at("configmap/a", ".metadata.labels.of", "three")
		p.kept(was)
		if st := p.status("prod-web", phaseOf("Succeeded")); st.Rollback == nil || !strings.Contains(st.Rollback.Error, "does not render") || len(st.Releases) > 1 {
			t.Errorf("it says %+v after %d releases", st.Rollback, len(st.Releases))
		}
	})
}

// TestGates has releases that wait at a gate: what is released is kept true meanwhile, and nothing of what is new is there before it opens.
func TestGates(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "gates-"+name))
		})
	}
	gates := func(gate map[string]any) map[string]any {
		return map[string]any{"release": map[string]any{"gates": []any{gate}}}
	}

	run("approval", func(t *testing.T, p place) {
		first := p.Git.Commit(t, "main", "first", write("apps/web", "a", "b"))
		p.Environment(t, "prod", "apps/*", gates(map[string]any{"approval": map[string]any{"required": int64(1)}}))
		p.phase("prod-web", v1alpha1.PhaseHeld, "waits for an approval")
		p.gone("configmap/a")
		p.approves("prod", first)
		p.synced("prod-web")
		p.has("configmap/a")
		was := p.uids("configmap/a", "configmap/b")

		next := p.push(gitserver.Delete("apps/web/b.yaml"), gitserver.Write("apps/web/a.yaml", config("a", "  labels: {of: next}\n")), write("apps/web", "c"))
		p.phase("prod-web", v1alpha1.PhaseHeld, "waits for an approval", next.Short())
		p.guarded("a", "b") // by what is released
		p.gone("configmap/c")
		p.kept(was)
		p.at("configmap/a", ".metadata.labels.of", "")
		if st := p.status("prod-web", phaseOf("Gated")); st.Health != "Healthy" || st.Objects != 2 {
			t.Errorf("health is %s, and it has %d objects, while it waits", st.Health, st.Objects)
		}
		p.approves("prod", next)
		p.synced("prod-web")
		p.has("configmap/c")
		p.gone("configmap/b")
		p.at("configmap/a", ".metadata.labels.of", "next")
	})

	// As long as it waits, nothing of what is claimed is let go.
	run("claims", func(t *testing.T, p place) {
		never := gitserver.Write("apps/web/b.yaml", config("b", annotated("fairlead.dev/prune", "never")))
		first := p.Git.Commit(t, "main", "first", write("apps/web", "a"), never)
		p.Environment(t, "prod", "apps/*", gates(map[string]any{"approval": map[string]any{"required": int64(1)}}))
		p.approves("prod", first)
		p.synced("prod-web")
		next := p.push(gitserver.Delete("apps/web/b.yaml"))
		p.phase("prod-web", v1alpha1.PhaseHeld, next.Short())
		record := func() string {
			r, err := ledger.Open(p.Plane.Kube.CoreV1().Secrets(testkit.Namespace)).Load(t.Context(), app.Name{Namespace: p.Namespace, Environment: "prod", App: "web"})
			if err != nil || len(r.Claims) != 2 {
				t.Fatalf("it claims %v: %v", r.Claims.Keys(), err)
			}
			return r.Version
		}
		was := record()
		p.guarded("a", "b")
		if is := record(); is != was {
			t.Errorf("its record was written while it waits: %s, then %s", was, is)
		}
		p.approves("prod", next)
		p.synced("prod-web")
		p.claimed("web", 1)
		p.has("configmap/b")
	})

	// What waits is overtaken by what is newer, and what was approved is no more.
	run("overtaken", func(t *testing.T, p place) {
		first := p.Git.Commit(t, "main", "first", write("apps/web", "a"))
		p.Environment(t, "prod", "apps/*", gates(map[string]any{"approval": map[string]any{"required": int64(1)}}))
		p.approves("prod", first)
		p.synced("prod-web")
		old := p.push(write("apps/web", "b"))
		p.phase("prod-web", v1alpha1.PhaseHeld, old.Short())
		next := p.push(write("apps/web", "c"))
		p.phase("prod-web", v1alpha1.PhaseHeld, next.Short())
		p.approves("prod", old)
		p.guarded("a")
		p.gone("configmap/b", "configmap/c")
		p.approves("prod", next)
		p.synced("prod-web")
		p.has("configmap/b")
	})
}

// approves is the word of a person that a commit may be released. An Environment that was made just now may not be known yet to who vouches for that word.
func (p place) approves(environment string, c source.Commit) {
	p.t.Helper()
	text := fmt.Sprintf("apiVersion: fairlead.dev/v1alpha1\nkind: Approval\nmetadata: {name: of-%s}\nspec: {environment: %s, commit: %s, by: {user: %s}, expires: %q}\n",
		c.Short(), environment, c, "kubernetes-admin", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	testkit.Eventually(p.t, func(ctx context.Context) error { return p.objs.Apply(ctx, p.Namespace, text) })
}

// phaseOf is how an App's newest release has to be.
func phaseOf(want string) func(v1alpha1.AppStatus) error {
	return func(st v1alpha1.AppStatus) error {
		if r := st.Release; r == nil || r.Phase != want {
			return fmt.Errorf("its release is %+v, want it %s", r, want)
		}
		return nil
	}
}

// at waits until a field of an object is as given; empty: it is not there.
func (p place) at(ref, path, want string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error { return p.Is(ctx, ref, path, want) })
}

// has waits until an object is there.
func (p place) has(ref string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		_, err := p.objs.Get(ctx, p.Namespace, ref)
		return err
	})
}

// tries runs a command in the place's namespace.
func (p place) tries(args ...string) (string, error) {
	p.t.Helper()
	args = append(args, "-n", p.Namespace, "--kubeconfig", p.Plane.Kubeconfig)
	out, err := exec.CommandContext(p.t.Context(), testkit.Binary(p.t, "fairlead"), args...).CombinedOutput()
	return string(out), err
}

// fairlead runs a command in the place's namespace, which must work.
func (p place) fairlead(args ...string) string {
	p.t.Helper()
	out, err := p.tries(args...)
	if err != nil {
		p.t.Fatalf("fairlead %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}
