package test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// gated is a place whose Git server takes pushes, and whose branch main is moved to what got well.
func (w world) gated(t testing.TB, namespace string, o gitserver.Options) place {
	t.Helper()
	o.Push = true
	git := testkit.StartGit(w.home, o)
	p := place{Tenant: w.plane.Tenant(t, namespace, git), t: t, ctl: w.ctl, objs: w.plane.Objects}
	p.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: git-write}\n")
	t.Cleanup(func() {
		if t.Failed() {
			p.explain()
			env, _ := p.objs.Get(context.Background(), p.Namespace, "environments.fairlead.dev/prod")
			if env != nil {
				t.Logf("candidates: %v", env.Object["status"])
			}
		}
	})
	return p
}

// tried has the spec of an environment whose ConfigMaps are healthy unless they say otherwise, and whose candidates are the branches candidate/*.
func tried(more map[string]any) map[string]any {
	set := careful(map[string]any{"deadline": "2s"})
	candidate := map[string]any{"branch": "candidate/*", "secretRef": map[string]any{"name": "git-write"}}
	for k, v := range more {
		if name, ok := strings.CutPrefix(k, "candidate."); ok {
			candidate[name] = v
		} else {
			set[k] = v
		}
	}
	set["sources"] = []any{map[string]any{"repository": testkit.RepoName, "path": "apps/*", "ref": map[string]any{"branch": "main"}, "candidate": candidate}}
	return set
}

// nominate makes a branch of main with one more commit.
func (p place) nominate(name string, changes ...gitserver.Change) source.Commit {
	p.t.Helper()
	head, err := p.Git.Head(p.t.Context(), "main")
	if err != nil {
		p.t.Fatal(err)
	}
	return p.nominateOn(name, head, changes...)
}

func (p place) nominateOn(name string, on source.Commit, changes ...gitserver.Change) source.Commit {
	p.t.Helper()
	if err := p.Git.Reset(p.t.Context(), "candidate/"+name, on); err != nil {
		p.t.Fatal(err)
	}
	return p.Git.Commit(p.t, "candidate/"+name, name, changes...)
}

// candidate waits until a candidate is in a phase, and its reason has the given words.
func (p place) candidate(id source.Commit, phase string, words ...string) v1alpha1.CandidateStatus {
	p.t.Helper()
	var out v1alpha1.CandidateStatus
	testkit.Eventually(p.t, func(ctx context.Context) error {
		u, err := p.objs.Get(ctx, p.Namespace, "environments.fairlead.dev/prod")
		if err != nil {
			return err
		}
		var env v1alpha1.Environment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &env); err != nil {
			return err
		}
		i := slices.IndexFunc(env.Status.Candidates, func(c v1alpha1.CandidateStatus) bool { return c.Commit == string(id) })
		if i < 0 {
			return fmt.Errorf("there is no candidate %s among %+v", id.Short(), env.Status.Candidates)
		}
		if out = env.Status.Candidates[i]; out.Phase != phase {
			return fmt.Errorf("candidate %s %s is %s (%s), want %s", out.Ref, id.Short(), out.Phase, out.Why, phase)
		}
		for _, w := range words {
			if !strings.Contains(out.Why, w) {
				return fmt.Errorf("candidate %s says %q, want it to have %q", id.Short(), out.Why, w)
			}
		}
		return nil
	})
	return out
}

// log is the history of main, the newest first, as Git tells it.
func (p place) log() []string {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), "git", "-C", p.Git.Dir, "log", "--format=%s", "main").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// moved waits until main has the given history.
func (p place) moved(want ...string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(context.Context) error {
		if got := p.log(); !slices.Equal(got, want) {
			return fmt.Errorf("main has %q, want %q", got, want)
		}
		return nil
	})
}

// TestCandidates has commits tried before the branch has them: it shows only those that got well.
func TestCandidates(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.gated(t, "candidate-"+name, gitserver.Options{}))
		})
	}

	run("good", func(_ *testing.T, p place) {
		p.begin(tried(nil), []string{"web"}, write("apps/web", "a"))
		good := p.nominate("one", write("apps/web", "b"), write("apps/api", "c"))
		p.hook()
		p.candidate(good, "Moved")
		p.moved("one", "first")
		p.has("configmap/b")
		p.has("configmap/c")
		p.read("prod", good)
		p.synced("prod-web")
		p.synced("prod-api")
		// What is pushed to the branch is followed as ever, and what a candidate removes goes with the branch.
		p.push(write("apps/web", "d"))
		p.has("configmap/d")
		gone := p.nominate("two", gitserver.Delete("apps/api"))
		p.hook()
		p.candidate(gone, "Moved")
		p.moved("two", "a change", "one", "first")
		p.gone("configmap/c")
	})

	run("bad", func(t *testing.T, p place) {
		p.begin(tried(nil), []string{"web", "api"}, write("apps/web", "a"), write("apps/api", "c"))
		bad := p.nominate("bad", sick("a", "very"), write("apps/api", "d"), write("apps/new", "e"))
		p.hook()
		st := p.candidate(bad, "Refused", "web", "not healthy within 2s")
		if want := []string{"api", "new", "web"}; !slices.Equal(st.Apps, want) {
			t.Errorf("it changes %v, want %v", st.Apps, want)
		}
		p.moved("first")
		p.at("configmap/a", ".data.sick", "")
		p.gone("configmap/d")
		p.gone("configmap/e")
		p.synced("prod-web")
		p.synced("prod-api")
		refused := p.nominate("refused", gitserver.Write("apps/web/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n"))
		broken := p.nominate("broken", gitserver.Write("apps/web/a.yaml", "kind: [\n"))
		p.hook()
		p.candidate(refused, "Refused", "web", "apps/web/a.yaml", "Not_A_Name")
		p.candidate(broken, "Refused", "web", "apps/web/a.yaml")
		p.synced("prod-web")
		p.moved("first")
	})
}
