package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
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
	set := careful(nil)
	candidate := map[string]any{"branch": "candidate/*", "secretRef": map[string]any{"name": "git-write"}}
	release := map[string]any{"deadline": "2s"}
	set["release"] = release
	for k, v := range more {
		if name, ok := strings.CutPrefix(k, "candidate."); ok {
			candidate[name] = v
		} else if name, ok := strings.CutPrefix(k, "release."); ok {
			release[name] = v
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
		slices.Reverse(env.Status.Candidates) // the newest counts
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

	// All at once, and what fails among them is not in the branch.
	run("several", func(t *testing.T, p place) {
		p.begin(tried(map[string]any{"candidate.merge": "WhereApart"}), []string{"web", "api", "db"}, write("apps/web", "a"), write("apps/api", "b"), write("apps/db", "c"))
		ids := map[string]source.Commit{
			"web-good": p.nominate("web-good", write("apps/web", "web-good")),
			"api-bad":  p.nominate("api-bad", sick("a", "very"), write("apps/api", "api-bad")),
			"db-good":  p.nominate("db-good", write("apps/db", "db-good"), gitserver.Delete("apps/db/c.yaml")),
			"new":      p.nominate("new", write("apps/new", "new")),
			"readme":   p.nominate("readme", gitserver.Write("README.md", "hello")),
		}
		p.hook()
		for name, id := range ids {
			if name != "api-bad" {
				p.candidate(id, "Moved")
			}
		}
		p.candidate(ids["api-bad"], "Refused")
		got := strings.Join(p.log(), "\n")
		for _, name := range []string{"web-good", "db-good", "new", "readme"} {
			if !strings.Contains(got, name) {
				t.Errorf("main does not have %s: %s", name, got)
			}
		}
		if strings.Contains(got, "api-bad") {
			t.Errorf("main has what was refused: %s", got)
		}
		p.has("configmap/web-good")
		p.has("configmap/db-good")
		p.has("configmap/new")
		p.gone("configmap/c")
		p.gone("configmap/api-bad")
		p.at("configmap/a", ".data.sick", "")
		for _, a := range []string{"web", "api", "db", "new"} {
			p.synced("prod-" + a)
		}
	})

	// Two change the same app: who was first goes first.
	run("turns", func(_ *testing.T, p place) {
		p.begin(tried(map[string]any{"candidate.merge": "WhereApart", "release.deadline": "20s"}), []string{"web"}, write("apps/web", "a"))
		slow := p.nominate("slow", sick("a", "very"))
		p.hook()
		p.candidate(slow, "Trying")
		quick := p.nominate("quick", write("apps/web", "b"))
		other := p.nominate("other", write("apps/api", "c"))
		p.hook()
		p.candidate(other, "Moved")
		p.candidate(quick, "Waiting", "candidate/slow came first, and changes web too")
		// Its author mends it: what was tried first is let go, and what came meanwhile is next.
		mended := p.nominateOn("slow", slow, write("apps/web", "a"))
		p.hook()
		p.candidate(slow, "Gone", "candidate/slow names "+mended.Short())
		p.candidate(quick, "Moved")
		p.candidate(mended, "Moved")
		p.synced("prod-web")
		p.has("configmap/b")
		p.at("configmap/a", ".data.sick", "")
	})

	run("deleted", func(t *testing.T, p place) {
		p.begin(tried(map[string]any{"release.deadline": "1h"}), []string{"web"}, write("apps/web", "a"))
		id := p.nominate("one", sick("a", "very"), write("apps/new", "fresh"))
		p.hook()
		p.candidate(id, "Trying")
		p.at("configmap/a", ".data.sick", "very")
		if err := p.Git.DeleteBranch(t.Context(), "candidate/one"); err != nil {
			t.Fatal(err)
		}
		p.hook()
		p.candidate(id, "Gone", "candidate/one is gone")
		p.at("configmap/a", ".data.sick", "")
		p.gone("configmap/fresh")
		p.synced("prod-web")
		p.moved("first")
	})

	// Somebody pushes to the branch: a candidate without that has to be rebased.
	run("behind", func(_ *testing.T, p place) {
		p.begin(tried(map[string]any{"release.deadline": "1h"}), []string{"web"}, write("apps/web", "a"))
		id := p.nominate("one", sick("a", "very"))
		p.hook()
		p.candidate(id, "Trying")
		head := p.push(write("apps/api", "b"))
		p.candidate(id, "Refused", "main is at "+head.Short(), "rebase it on main")
		p.at("configmap/a", ".data.sick", "")
		p.synced("prod-web")
		p.synced("prod-api")
		p.moved("a change", "first")
	})

	// Somebody pushes to the branch what the candidate changes too.
	run("clash", func(_ *testing.T, p place) {
		p.begin(tried(map[string]any{"candidate.merge": "WhereApart", "release.deadline": "1h"}), []string{"web"}, write("apps/web", "a"))
		id := p.nominate("one", sick("a", "very"))
		p.hook()
		p.candidate(id, "Trying")
		p.push(gitserver.Write("apps/web/a.yaml", config("a", "  labels: {of: main}\n")))
		p.candidate(id, "Refused", "apps/web/a.yaml", "rebase it on main")
		p.at("configmap/a", ".metadata.labels.of", "main")
		p.at("configmap/a", ".data.sick", "")
		p.synced("prod-web")
	})

	run("protected", func(t *testing.T, p place) {
		p.begin(tried(nil), []string{"web"}, write("apps/web", "a"))
		hooks := filepath.Join(p.Git.Dir, "hooks")
		if err := os.MkdirAll(hooks, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(hooks, "pre-receive"), []byte("#!/bin/sh\necho main is protected >&2\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		id := p.nominate("one", write("apps/web", "b"))
		p.hook()
		st := p.candidate(id, "Refused", "main could not be moved", "pre-receive hook declined")
		p.gone("configmap/b")
		p.synced("prod-web")
		p.moved("first")
		// What it says is to be done once the server lets the branch be moved.
		if err := os.Remove(filepath.Join(hooks, "pre-receive")); err != nil {
			t.Fatal(err)
		}
		_, command, _ := strings.Cut(st.Why, "tries it again: fairlead ")
		if out, err := p.tries(strings.Fields(command)...); err != nil || !strings.Contains(out, "moved: main has it") {
			t.Errorf("%q: %v: %s", command, err, out)
		}
		p.moved("one", "first")
	})

	// A server that cannot be asked for a moment is asked again soon, and not when everything is looked at again anyway.
	t.Run("again", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		var tries []time.Time
		p := w.gated(t, "candidate-again", gitserver.Options{Fault: func(rw http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if !strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
				return false
			}
			if tries = append(tries, time.Now()); len(tries) < 3 {
				rw.WriteHeader(http.StatusServiceUnavailable)
			}
			return len(tries) < 3
		}})
		p.begin(tried(nil), []string{"web"}, write("apps/web", "a"))
		id := p.nominate("one", write("apps/web", "b"))
		p.hook()
		p.candidate(id, "Moved")
		mu.Lock()
		defer mu.Unlock()
		if took := tries[2].Sub(tries[0]); took > 12*time.Second {
			t.Errorf("it was asked for the third time %s after the first", took)
		}
	})

	// What a person asks for while an app is tried is carried out, each time; and once, however many candidates come later.
	run("steered", func(t *testing.T, p place) {
		p.begin(tried(map[string]any{"release.deadline": "1h"}), []string{"web"}, write("apps/web", "a"))
		asks := func(want string, args ...string) {
			t.Helper()
			if out, _ := p.tries(append([]string{"rollback", "prod/web"}, args...)...); !strings.Contains(out, want) {
				t.Fatalf("rollback %q says %q, want %q", args, out, want)
			}
		}
		slow := p.nominate("slow", sick("a", "very"))
		p.hook()
		p.candidate(slow, "Trying", "ConfigMap")
		asks("none in the history", "--to", "00000000")
		asks("none in the history", "--to", "11111111")
		asks("goes back from "+slow.Short(), "--because", "it is slow")
		p.candidate(slow, "Refused", "web: rolled back: by ", "it is slow")
		p.at("configmap/a", ".data.sick", "")
		for i := range 12 {
			id := p.nominate(fmt.Sprintf("next-%d", i), write("apps/web", fmt.Sprintf("next-%d", i)))
			p.hook()
			p.candidate(id, "Moved")
		}
		p.at("apps.fairlead.dev/prod-web", ".status.release.phase", "Succeeded")
	})

	// What is nominated again after it was gone is tried again, whatever was tried in between.
	run("anew", func(t *testing.T, p place) {
		p.begin(tried(map[string]any{"release.deadline": "1h"}), []string{"web"}, write("apps/web", "a"))
		one, two := p.nominate("one", sick("a", "very")), p.nominate("two", sick("a", "most"))
		for _, id := range []source.Commit{one, two, one} {
			for _, name := range []string{"one", "two"} {
				_ = p.Git.DeleteBranch(t.Context(), "candidate/"+name)
			}
			p.hook()
			p.at("configmap/a", ".data.sick", "")
			if err := p.Git.Reset(t.Context(), "candidate/one", id); err != nil {
				t.Fatal(err)
			}
			p.hook()
			p.candidate(id, "Trying", "ConfigMap")
		}
	})

	// Gates bind candidates; the way back is free.
	run("gated", func(_ *testing.T, p place) {
		set := tried(map[string]any{"release.gates": []any{map[string]any{"approval": map[string]any{"required": int64(1)}}}})
		first := p.Git.Commit(p.t, "main", "first", write("apps/web", "a"), write("apps/api", "c"))
		p.Environment(p.t, "prod", "apps/*", set)
		p.approves("prod", first)
		p.synced("prod-web")
		p.synced("prod-api")
		id := p.nominate("one", sick("a", "very"), write("apps/api", "d"))
		p.hook()
		p.candidate(id, "Trying", "waits for an approval")
		p.gone("configmap/d")
		p.approves("prod", id)
		p.candidate(id, "Refused", "not healthy within 2s")
		p.gone("configmap/d")
		p.at("configmap/a", ".data.sick", "")
		p.synced("prod-web")
		p.synced("prod-api")
		// What got well before one of them failed is tried again with the next.
		next := p.nominate("two", write("apps/api", "d"))
		p.hook()
		p.candidate(next, "Trying", "waits for an approval")
		p.approves("prod", next)
		p.candidate(next, "Moved")
		p.has("configmap/d")
		p.moved("two", "first")
	})

	// The forge is told of the whole, beside each app, also of what no app ever heard of; and the history keeps it.
	run("told", func(t *testing.T, place place) {
		p := place.atForge("t0ken")
		p.begin(tried(nil), []string{"web"}, write("apps/web", "a"))
		says := func(c source.Commit, state, word string) {
			testkit.Eventually(t, func(context.Context) error {
				last := "nothing"
				for _, x := range p.forge.Told() {
					if x.Commit == string(c) && x.Context == "fairlead/prod" {
						last = x.State + ": " + x.Description
					}
				}
				if !strings.HasPrefix(last, state) || !strings.Contains(last, word) {
					return fmt.Errorf("of %s it was told %s, want %s and %q", c.Short(), last, state, word)
				}
				return nil
			})
		}
		broken := p.nominate("broken", gitserver.Write("apps/web/a.yaml", "kind: [\n"))
		bad := p.nominate("bad", sick("a", "very"))
		p.hook()
		says(broken, "failure", "apps/web/a.yaml")
		says(bad, "failure", "not healthy within 2s")
		good := p.nominate("good", write("apps/web", "b"))
		p.hook()
		says(good, "success", "moved")
		p.told(good, "web", "success")
		p.inOrder()
		testkit.Eventually(t, func(context.Context) error {
			out, err := p.tries("history", "prod", "--kind", "Candidate", "--server", "http://"+p.ctl.Addr())
			if err == nil && (!strings.Contains(out, "Candidate Moved") || !strings.Contains(out, "Candidate Refused")) {
				err = fmt.Errorf("the history has\n%s", out)
			}
			return err
		})
	})

	// CI asks for a commit that no branch of a candidate names, and is told how it fares.
	run("asked", func(t *testing.T, p place) {
		p.begin(tried(nil), []string{"web"}, write("apps/web", "a"))
		deploy := func(id source.Commit, more ...string) (string, int) {
			out, err := p.tries(append([]string{"deploy", "--environment", "prod", "--commit", string(id), "--wait"}, more...)...)
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return out, exit.ExitCode()
			}
			return out, 0
		}
		head, err := p.Git.Head(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		feature := func(name string, changes ...gitserver.Change) source.Commit {
			if err := p.Git.Reset(t.Context(), name, head); err != nil {
				t.Fatal(err)
			}
			return p.Git.Commit(t, name, name, changes...)
		}
		good, bad := feature("feature", write("apps/web", "b")), feature("other", sick("a", "very"))
		out, code := deploy(bad)
		if code != 1 || !strings.Contains(out, "is refused, and main stays: web: rolled back") {
			t.Errorf("exit code %d: %s", code, out)
		}
		p.at("configmap/a", ".data.sick", "")
		// Again, as it was asked for: it is tried anew, and fails anew.
		if out, code = deploy(bad); code != 1 || !strings.Contains(out, "trying: it changes web") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if out, code = deploy(good); code != 0 || !strings.Contains(out, "moved: main has it") {
			t.Errorf("exit code %d: %s", code, out)
		}
		p.moved("feature", "first")
		p.has("configmap/b")
		if out, code = deploy(good); code != 0 || !strings.Contains(out, "moved: main has it") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if out, code = deploy(source.Commit(strings.Repeat("1", 40))); code != 1 || !strings.Contains(out, "not in the repository") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if out, code = deploy("main"); code != 2 {
			t.Errorf("exit code %d: %s", code, out)
		}
		slow := feature("slow", gitserver.Write("apps/web/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {sick: very}\n"))
		p.Environment(t, "prod", "apps/*", tried(map[string]any{"release.deadline": "1h", "candidate.merge": "WhereApart"}))
		if out, code = deploy(slow, "--timeout", "3s"); code != 3 || !strings.Contains(out, "still on its way") {
			t.Errorf("exit code %d: %s", code, out)
		}
		p.moved("feature", "first")
	})
}

// TestCandidateUnread has a Git server that names a candidate and does not hand it over. Nobody can tell what it changes, so it is none yet: people are told.
func TestCandidateUnread(t *testing.T) {
	t.Parallel()
	var off atomic.Bool
	p := newWorld(t).gated(t, "candidate-unread", gitserver.Options{Fault: func(w http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err != nil || !off.Load() || !bytes.Contains(body, []byte("command=fetch")) {
			return false
		}
		http.Error(w, "the disks are away", http.StatusServiceUnavailable)
		return true
	}})
	p.begin(tried(nil), []string{"web"}, write("apps/web", "a"))
	off.Store(true)
	late := p.nominate("late", write("apps/web", "b"))
	p.hook()
	const what = "Environment/prod CandidateUnread"
	var said []eventsv1.Event
	testkit.Eventually(t, func(ctx context.Context) error {
		events, err := p.events(ctx)
		if said = events[what]; err == nil && len(said) == 0 {
			err = errors.New("nobody is told of a candidate that cannot be read")
		}
		return err
	})
	if note := said[0].Note; !strings.HasPrefix(note, "candidate/late "+late.Short()+" cannot be read") || !strings.Contains(note, "503") {
		t.Errorf("it is told: %s", note)
	}
	off.Store(false)
	p.candidate(late, "Moved")
	p.moved("late", "first")
	if events, err := p.events(t.Context()); err != nil || len(events[what]) != 1 {
		t.Errorf("it is told %d times, want once (%v)", len(events[what]), err)
	}
}

// TestCandidatesShared has three replicas that share the apps, and one that dies while candidates are tried: the branch shows only what got well.
func TestCandidatesShared(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	w := world{home: t, plane: plane, push: true}
	r := w.replicas(t, "shared", 3)
	r.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: git-write}\n")
	var first []gitserver.Change
	for i := range 9 {
		first = append(first, write(fmt.Sprintf("apps/a%d", i), fmt.Sprintf("a%d", i)))
	}
	// Who dies has begun releases: whoever takes them over does so within the time of a Lease, and has to have some of the deadline left.
	r.begin(tried(map[string]any{"candidate.merge": "WhereApart", "release.deadline": "20s"}), nil, first...)
	r.shared(9)
	for i := range 9 {
		r.synced(fmt.Sprintf("prod-a%d", i))
	}
	var good, bad []source.Commit
	for i := range 3 {
		one, two := fmt.Sprintf("apps/a%d", 2*i), fmt.Sprintf("apps/a%d", 2*i+1)
		good = append(good, r.nominate(fmt.Sprintf("good%d", i), write(one, fmt.Sprintf("new%d", i)), write(two, fmt.Sprintf("other%d", i))))
		last := fmt.Sprintf("a%d", 6+i)
		bad = append(bad, r.nominate(fmt.Sprintf("bad%d", i), gitserver.Write("apps/"+last+"/"+last+".yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+last+"}\ndata: {sick: very}\n")))
	}
	r.hook()
	testkit.Eventually(t, func(ctx context.Context) error {
		got, err := r.objs.Field(ctx, r.Namespace, "environments.fairlead.dev/prod", `{.status.candidates[0].apps}`)
		if err == nil && got == "" {
			err = errors.New("nothing is tried yet")
		}
		return err
	})
	r.all[0].Kill()
	for _, id := range good {
		r.candidate(id, "Moved")
	}
	for _, id := range bad {
		r.candidate(id, "Refused", "not healthy within 20s")
	}
	got := strings.Join(r.log(), "\n")
	for i := range 3 {
		if !strings.Contains(got, fmt.Sprintf("good%d", i)) || strings.Contains(got, fmt.Sprintf("bad%d", i)) {
			t.Errorf("main has\n%s", got)
		}
		r.has(fmt.Sprintf("configmap/new%d", i))
		r.has(fmt.Sprintf("configmap/other%d", i))
	}
	for i := range 9 {
		r.synced(fmt.Sprintf("prod-a%d", i))
		r.at(fmt.Sprintf("configmap/a%d", i), ".data.sick", "")
	}
}

// TestCandidateKilled kills the controller, as kill -9 does, before and after each write of the status of an environment that has candidates, and when the Git
// server has moved the branch and nobody has heard of it. Whenever it dies, the one that is started next comes to the same end.
func TestCandidateKilled(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t)})
	w := world{home: t, plane: plane, ctl: ctl}
	story := func(t *testing.T, namespace, at string, after bool, o gitserver.Options) (writes []string, died bool) {
		t.Helper()
		p := w.gated(t, namespace, o)
		p.begin(tried(map[string]any{"candidate.merge": "WhereApart"}), []string{"web", "api"}, write("apps/web", "a"), write("apps/api", "c"))
		good := p.nominate("good", write("apps/web", "b"))
		bad := p.nominate("bad", gitserver.Write("apps/api/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {sick: very}\n"), write("apps/bad", "d"))
		alive, over := g.deadly(t.Context(), ctl, namespace, at, after)
		if err := p.Hook(alive, ctl); err != nil && alive.Err() == nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func(ctx context.Context) error {
			if alive.Err() != nil || !ctl.Running() {
				return nil
			}
			for ref, want := range map[source.Commit]string{good: "Moved", bad: "Refused"} {
				got, err := p.objs.Field(ctx, p.Namespace, "environments.fairlead.dev/prod", fmt.Sprintf(`{.status.candidates[?(@.commit=="%s")].phase}`, ref))
				if err != nil || got != want {
					return fmt.Errorf("%s is %q, want %s: %w", ref, got, want, errors.Join(err, errors.New("not yet")))
				}
			}
			return nil
		})
		writes, died = over()
		if died = died || !ctl.Running(); died {
			ctl.Start(t)
		}
		p.candidate(good, "Moved")
		p.candidate(bad, "Refused", "api", "not healthy within 2s")
		p.moved("good", "first")
		p.has("configmap/b")
		p.gone("configmap/d")
		p.at("configmap/c", ".data.sick", "")
		p.synced("prod-web")
		p.synced("prod-api")
		return writes, died
	}
	writes, _ := story(t, "killed-never", "", false, gitserver.Options{})
	n := 0
	for _, at := range writes {
		if !strings.Contains(at, "/environments/") {
			continue
		}
		n++
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("killed-%d-%s", n, map[bool]string{false: "before", true: "after"}[after])
			t.Run(name, func(t *testing.T) { story(t, name, at, after, gitserver.Options{}) })
		}
	}
	if n < 3 {
		t.Errorf("the run without a crash made the writes %q: the test no longer does what it says", writes)
	}
	t.Run("killed-pushed", func(t *testing.T) {
		var once sync.Once
		_, died := story(t, "killed-pushed", "", false, gitserver.Options{OnPush: func(gitserver.Push) { once.Do(ctl.Kill) }})
		if !died {
			t.Error("it did not die when the branch was moved")
		}
	})
}
