package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// rehearsed has the spec of an environment whose candidates are tried in preview namespaces first.
func (p place) rehearsed(more map[string]any) map[string]any {
	set := tried(more)
	source := set["sources"].([]any)[0].(map[string]any)
	source["candidate"].(map[string]any)["rehearsal"] = map[string]any{"namespace": p.Namespace + "-{app}"}
	return set
}

// there waits until an object has a value at a path; "gone": until there is no such object.
func (p place) there(namespace, ref, path, want string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		got, err := p.objs.Field(ctx, namespace, ref, path)
		if want == "gone" && apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil && got != want {
			err = fmt.Errorf("%s of %s/%s is %q, want %q", path, namespace, ref, got, want)
		}
		return err
	})
}

const clusterRole = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NAME}\nrules: []\n"

// TestRehearsals has candidates tried in namespaces that are made for that, before the environment is touched.
func TestRehearsals(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.gated(t, "rehearsal-"+name, gitserver.Options{}))
		})
	}

	// The environment is as it was while a candidate is rehearsed, and for ever if it is refused there; what its author mends gets through.
	run("mended", func(t *testing.T, p place) {
		preview := p.Namespace + "-web"
		role := strings.ReplaceAll(clusterRole, "NAME", p.Namespace)
		p.begin(p.rehearsed(map[string]any{"release.deadline": "1h"}), []string{"web"}, write("apps/web", "a"))
		before, err := p.objs.Field(t.Context(), p.Namespace, "configmap/a", ".metadata.resourceVersion")
		if err != nil {
			t.Fatal(err)
		}
		bad := p.nominate("one", sick("a", "very"), gitserver.Write("apps/web/role.yaml", role),
			gitserver.Write("apps/web/named.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: named, namespace: "+p.Namespace+"}\ndata: {a: b}\n"))
		p.hook()
		p.candidate(bad, "Rehearsing", "in its rehearsal: web: ", "ConfigMap "+preview+"/a is Progressing")
		p.there(preview, "configmap/a", ".data.sick", "very")
		p.there(preview, "configmap/named", ".metadata.name", "named")
		p.gone("configmap/named")
		p.gone("clusterrole/" + p.Namespace)
		p.at("configmap/a", ".metadata.resourceVersion", before)
		mended := p.nominateOn("one", bad, write("apps/web", "a"))
		p.hook()
		p.candidate(bad, "Gone")
		st := p.candidate(mended, "Moved")
		if want := []string{"ClusterRole " + p.Namespace}; !slices.Equal(st.LeftOut, want) {
			t.Errorf("its rehearsal did without %q, want %q", st.LeftOut, want)
		}
		p.has("configmap/named")
		p.there("", "clusterrole/"+p.Namespace, ".metadata.name", p.Namespace)
		p.synced("prod-web")
		p.there("", "namespace/"+preview, "", "gone")
		for _, id := range []string{bad.Short(), mended.Short()} {
			p.there(p.Namespace, "environments.fairlead.dev/prod-"+id, "", "gone")
		}
		p.recorded(mended, map[string]string{
			"Rehearsing": "candidate/one: it is rehearsed in environment prod-" + mended.Short() + ": it changes web",
			"Trying":     "candidate/one: it got well in its rehearsal in environment prod-" + mended.Short() + ", without ClusterRole " + p.Namespace + "; it changes web",
			"Moved":      "candidate/one: main has it",
		})
		p.recorded(bad, map[string]string{"Rehearsing": "prod-" + bad.Short(), "Gone": "candidate/one names " + mended.Short() + " now"})
	})

	run("bad", func(t *testing.T, p place) {
		p.begin(p.rehearsed(map[string]any{"candidate.merge": "WhereApart"}), []string{"web", "api"}, write("apps/web", "a"), write("apps/api", "c"))
		bad := p.nominate("bad", sick("a", "very"), gitserver.Delete("apps/api"), write("apps/new", "e"))
		good := p.nominate("good", write("apps/other", "f"))
		p.hook()
		p.candidate(good, "Moved")
		st := p.candidate(bad, "Refused", "in its rehearsal: web: ", "not healthy within 2s")
		if want := []string{"api", "new", "web"}; !slices.Equal(st.Apps, want) {
			t.Errorf("it changes %v, want %v", st.Apps, want)
		}
		p.moved("good", "first")
		p.at("configmap/a", ".data.sick", "")
		p.has("configmap/c")
		p.gone("configmap/e")
		for _, n := range []string{"web", "new", "other"} {
			p.there("", "namespace/"+p.Namespace+"-"+n, "", "gone")
		}
	})

	// What is there already is nobody's to take, and stays.
	run("taken", func(t *testing.T, p place) {
		preview := p.Namespace + "-web"
		p.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + preview + "}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: precious, namespace: " + preview + "}\ndata: {a: b}\n")
		p.begin(p.rehearsed(nil), []string{"web"}, write("apps/web", "a"))
		taken := p.nominate("taken", write("apps/web", "precious"))
		p.hook()
		p.candidate(taken, "Refused", "in its rehearsal: web: ", "is there already")
		good := p.nominate("good", write("apps/web", "b"))
		p.hook()
		p.candidate(good, "Moved")
		p.there(p.Namespace, "environments.fairlead.dev/prod-"+good.Short(), "", "gone")
		p.there(preview, "configmap/b", "", "gone")
		p.there(preview, "configmap/precious", ".data.a", "b")
		p.there("", "namespace/"+preview, ".status.phase", "Active")
		set := tried(nil)
		set["sources"].([]any)[0].(map[string]any)["candidate"].(map[string]any)["rehearsal"] = map[string]any{"namespace": p.Namespace}
		p.Environment(t, "prod", "apps/*", set)
		where := p.nominate("where", write("apps/web", "c"))
		p.hook()
		p.candidate(where, "Refused", "namespace "+p.Namespace+" is where app web runs")
	})
}

var (
	venueOf = regexp.MustCompile(`prod-[0-9a-f]{8}`)
	// ofVenues are the writes by which a rehearsal comes and goes: what is recorded of candidates, the venue, its namespace.
	ofVenues = regexp.MustCompile(`(environments/prod/status|POST .*/environments|DELETE .*/environments/VENUE|POST .*/namespaces|DELETE .*/namespaces/[^/]*) \d+$`)
)

// TestRehearsalKilled kills the controller, as kill -9 does, before and after writes by which a rehearsal comes and goes: a third of them, or each with
// -every-write. Whoever is started next comes to the same end, and nothing is left of what was made.
func TestRehearsalKilled(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t)})
	w := world{home: t, plane: plane, ctl: ctl}
	g.name = func(path string) string { return venueOf.ReplaceAllString(path, "VENUE") }
	story := func(t *testing.T, namespace, at string, after bool) (writes []string) {
		t.Helper()
		p := w.gated(t, namespace, gitserver.Options{})
		p.begin(p.rehearsed(map[string]any{"candidate.merge": "WhereApart"}), []string{"web", "api"}, write("apps/web", "a"), write("apps/api", "c"))
		good := p.nominate("good", write("apps/web", "b"))
		bad := p.nominate("bad", gitserver.Write("apps/api/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {sick: very}\n"))
		alive, over := g.deadly(t.Context(), ctl, namespace, at, after)
		if err := p.Hook(alive, ctl); err != nil && alive.Err() == nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func(ctx context.Context) error {
			if alive.Err() != nil || !ctl.Running() {
				return nil
			}
			phases, err := p.objs.Field(ctx, p.Namespace, "environments.fairlead.dev/prod", `.status.candidates[*].phase`)
			if err != nil || !strings.Contains(phases, "Moved") || !strings.Contains(phases, "Refused") {
				return fmt.Errorf("the candidates are %q: %w", phases, errors.Join(err, errors.New("not yet")))
			}
			return p.isStruck(ctx, good, bad)
		})
		writes, died := over()
		if died || !ctl.Running() {
			ctl.Start(t)
		} else if at != "" {
			t.Logf("there was no %s this time", at)
		}
		p.candidate(good, "Moved")
		p.candidate(bad, "Refused", "in its rehearsal: api: ", "not healthy within 2s")
		p.moved("good", "first")
		p.has("configmap/b")
		p.at("configmap/c", ".data.sick", "")
		p.synced("prod-web")
		p.synced("prod-api")
		testkit.Eventually(t, func(ctx context.Context) error { return p.isStruck(ctx, good, bad) })
		p.recorded(good, map[string]string{"Rehearsing": "prod-" + good.Short(), "Trying": "it got well in its rehearsal", "Moved": "main has it"})
		p.recorded(bad, map[string]string{"Rehearsing": "prod-" + bad.Short(), "Refused": "in its rehearsal: api: "})
		return writes
	}
	n, tries := 0, 0
	for _, at := range story(t, "venue-never", "", false) {
		if !ofVenues.MatchString(at) {
			continue
		}
		n++
		for _, after := range []bool{true, false} {
			if !after && strings.HasPrefix(at, "PATCH") { // as good as after the one before
				continue
			}
			if tries++; !*everyWrite && tries%3 != 0 {
				continue
			}
			name := fmt.Sprintf("venue-%d-%s", n, map[bool]string{false: "before", true: "after"}[after])
			t.Run(name, func(t *testing.T) { story(t, name, at, after) })
		}
	}
	if n < 8 {
		t.Errorf("a run without a crash made only %d writes by which rehearsals come and go: the test no longer does what it says", n)
	}
}

// recorded waits until the history has phases of a candidate, each once and with the given words.
func (p place) recorded(id source.Commit, want map[string]string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(context.Context) error {
		out, err := p.tries("history", "prod", "--kind", "Candidate", "--limit", "1000", "-o", "json", "--server", "http://"+p.ctl.Addr())
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		var got struct{ Records []history.Record }
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			return err
		}
		says := map[string][]string{}
		for _, r := range got.Records {
			if r.Want.Commit == string(id) {
				says[r.Phase] = append(says[r.Phase], r.Why)
			}
		}
		for phase, words := range want {
			if all := says[phase]; len(all) != 1 || !strings.Contains(all[0], words) {
				return fmt.Errorf("that %s is %s is on record as %q, want once %q", id.Short(), phase, all, words)
			}
		}
		return nil
	})
}

// TestRehearsalShared has three replicas, and kills the one that works on an app while it is rehearsed, and then the one that has the environment. Whoever is left
// brings the rehearsals to their end, says so in the history, and leaves nothing behind.
func TestRehearsalShared(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	w := world{home: t, plane: plane, push: true}
	r := w.replicas(t, "rehearsal-shared", 3)
	r.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: git-write}\n")
	r.begin(r.rehearsed(map[string]any{"candidate.merge": "WhereApart", "release.deadline": "30s"}), []string{"web", "api"}, write("apps/web", "a"), write("apps/api", "c"))
	r.shared(2)
	slow := r.nominate("slow", sick("a", "very"))
	r.hook()
	r.candidate(slow, "Rehearsing", "in its rehearsal: web: ")
	rehearsed := "prod-" + slow.Short() + "-web"
	by := -1
	testkit.Eventually(t, func(context.Context) error {
		var is bool
		if by, is = r.owners()[rehearsed]; !is {
			return fmt.Errorf("nobody works on %s", rehearsed)
		}
		return nil
	})
	r.live()[by].Kill()
	r.ctl = r.live()[0]
	r.there(r.Namespace+"-web", "configmap/a", ".data.sick", "very")
	mended := r.nominateOn("slow", slow, write("apps/web", "a"))
	good := r.nominate("good", write("apps/api", "d"))
	r.hook()
	r.candidate(slow, "Gone")
	r.candidate(mended, "Moved")
	r.candidate(good, "Moved")
	bad := r.nominate("bad", gitserver.Write("apps/api/d.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata: {sick: very}\n"))
	r.hook()
	r.candidate(bad, "Rehearsing", "in its rehearsal: api: ")
	r.live()[0].Kill()
	r.ctl = r.live()[0]
	r.shared(3) // the rehearsed one, too
	if err := r.Git.DeleteBranch(t.Context(), "candidate/bad"); err != nil {
		t.Fatal(err)
	}
	r.hook()
	r.candidate(bad, "Gone", "candidate/bad is gone")
	testkit.Eventually(t, func(ctx context.Context) error { return r.isStruck(ctx, slow, mended, good, bad) })
	r.has("configmap/d")
	r.at("configmap/d", ".data.sick", "")
	r.synced("prod-web")
	r.synced("prod-api")
	if log := strings.Join(r.log(), "\n"); strings.Contains(log, "bad") || !strings.Contains(log, "good") {
		t.Errorf("main has\n%s", log)
	}
	r.recorded(bad, map[string]string{"Gone": "candidate/bad is gone"})
}

// isStruck is an error as long as anything is left of the rehearsals of commits.
func (p place) isStruck(ctx context.Context, ids ...source.Commit) error {
	for _, ref := range []string{"namespace/" + p.Namespace + "-web", "namespace/" + p.Namespace + "-api"} {
		if _, err := p.objs.Get(ctx, "", ref); !apierrors.IsNotFound(err) {
			return fmt.Errorf("%s is still there: %w", ref, errors.Join(err, errors.New("not yet")))
		}
	}
	for _, id := range ids {
		if _, err := p.objs.Get(ctx, p.Namespace, "environments.fairlead.dev/prod-"+id.Short()); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the venue of %s is still there: %w", id.Short(), errors.Join(err, errors.New("not yet")))
		}
	}
	return nil
}
