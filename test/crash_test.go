package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestKilledAtEveryWrite kills the controller, as kill -9 does, before and after each write of a sync that creates, updates, adopts and prunes in two waves.
// Whenever it dies, the controller that is started next comes to the same end: nothing is missing, nothing is left over, and every object that
// carries the owner mark is claimed.
func TestKilledAtEveryWrite(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t)})

	want := crashRun(t, plane, ctl, g, "crash-never", "", false)
	if len(want.objects) != 4 || len(want.writes) < 8 {
		t.Fatalf("the run without a crash made the writes %q and ended with %v: the test no longer does what it says", want.writes, want.objects)
	}
	for i, write := range want.writes {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("crash-%d-%s", i, map[bool]string{false: "before", true: "after"}[after])
			t.Run(name, func(t *testing.T) {
				got := crashRun(t, plane, ctl, g, name, write, after)
				if strings.Join(got.objects, "\n") != strings.Join(want.objects, "\n") {
					t.Errorf("ends with\n%s\nwant\n%s", strings.Join(got.objects, "\n"), strings.Join(want.objects, "\n"))
				}
				// How many changes a status gathers is a matter of time.
				if !got.died && !strings.Contains(write, "/status") {
					t.Errorf("the controller never came to %s; it made the writes %q", write, got.writes)
				}
			})
		}
	}
}

// crashEnd is how a run ended.
type crashEnd struct {
	objects []string // each on one line, sorted by name
	writes  []string // those that the controller made, or died at
	died    bool
}

// crashRun brings a tenant to its first commit, pushes a second, lets the controller die at one write of it, as deadly names it, starts it again, and
// returns the end.
func crashRun(t *testing.T, plane *testkit.Plane, ctl *testkit.Controller, g *gate, namespace, write string, after bool) crashEnd {
	t.Helper()
	ctx := t.Context()
	git := testkit.StartGit(t, gitserver.Options{})
	tenant := plane.Tenant(t, namespace, git)
	git.Commit(t, "main", "first", gitserver.Files(map[string]string{
		"apps/web/a.yaml": crashConfig("a", "0", "one"), "apps/web/b.yaml": crashConfig("b", "0", "one"), "apps/web/keep.yaml": crashConfig("keep", "1", "one"),
	}))
	tenant.Environment(t, "prod", "apps/*", nil)
	tenant.Synced(t, ctl, "prod", "web")
	if out, err := plane.Kubectl(ctx, namespace, "create", "configmap", "found", "--from-literal=old=gone", "--save-config"); err != nil {
		t.Fatalf("create a ConfigMap by hand: %v: %s", err, out)
	}
	head := git.Commit(t, "main", "second", gitserver.Delete("apps/web/b.yaml"), gitserver.Files(map[string]string{
		"apps/web/a.yaml": crashConfig("a", "0", "two"), "apps/web/new.yaml": crashConfig("new", "1", "two"), "apps/web/found.yaml": crashConfig("found", "0", "two"),
	}))
	alive, end := g.deadly(ctx, ctl, namespace, write, after)
	if err := tenant.Hook(alive, ctl); err != nil && alive.Err() == nil {
		t.Fatal(err)
	}
	done := func(ctx context.Context) error {
		if err := tenant.Is(ctx, "apps.fairlead.dev/prod-web", ".status.applied.short", head.Short()); err != nil {
			return err
		}
		return tenant.Is(ctx, "environments.fairlead.dev/prod", `{.status.commit} {.status.conditions[?(@.type=="Ready")].status}`, head.Short()+" True")
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		if alive.Err() != nil {
			return nil
		}
		return done(ctx)
	})
	writes, died := end()
	if died {
		ctl.Start(t)
	}
	testkit.Eventually(t, done)
	return crashEnd{crashLook(t, plane, namespace), writes, died}
}

func crashConfig(name, wave, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  annotations: {fairlead.dev/wave: %q}\ndata: {of: %s}\n", name, wave, value)
}

// crashLook lists what there is, and holds it against the ledger.
func crashLook(t *testing.T, plane *testkit.Plane, namespace string) (objects []string) {
	t.Helper()
	record, err := ledger.Open(plane.Kube.CoreV1().Secrets(testkit.Namespace)).Load(t.Context(), app.Name{Namespace: namespace, Environment: "prod", App: "web"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := plane.Objects.List(t.Context(), namespace, "configmaps")
	if err != nil {
		t.Fatal(err)
	}
	owned := 0
	for i := range list {
		u := &list[i]
		if u.GetName() == "kube-root-ca.crt" {
			continue
		}
		data, _ := json.Marshal(u.Object["data"])
		annotations, _ := json.Marshal(u.GetAnnotations())
		objects = append(objects, fmt.Sprintf("%s %s %s %s", u.GetName(), data, annotations, u.GetLabels()[app.LabelApp]))
		if u.GetLabels()[app.LabelApp] == "prod-web" {
			owned++
		}
	}
	for k, c := range record.Claims {
		if c.Want == "" || c.Print == "" {
			t.Errorf("%s is claimed but its apply was never recorded", k)
		}
	}
	if owned != len(record.Claims) || len(record.Claims) != 4 {
		t.Errorf("%d objects carry the owner mark, %d are claimed: want 4 of each; claims: %v", owned, len(record.Claims), record.Claims.Keys())
	}
	return objects
}

// deadly lets a controller die at one of the writes that it makes, before it is done or after. Alive ends when it dies. It dies no more after end, which
// returns the writes that there were, each with how many of its like came before.
func (g *gate) deadly(ctx context.Context, ctl *testkit.Controller, namespace, at string, after bool) (alive context.Context, end func() (writes []string, died bool)) {
	alive, kill := context.WithCancel(ctx)
	var mu sync.Mutex // held while the controller dies: nothing is written after that
	var writes []string
	counts := map[string]int{}
	g.guard(isWrite, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		mu.Lock()
		name := ledgerName.ReplaceAllString(strings.ReplaceAll(r.Method+" "+r.URL.Path, "/"+namespace+"/", "/NAMESPACE/"), "ledger")
		counts[name]++
		name += fmt.Sprintf(" %d", counts[name])
		writes = append(writes, name)
		if name != at {
			mu.Unlock()
			pass.ServeHTTP(w, r)
			return
		}
		defer mu.Unlock()
		if after {
			pass.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context()))) // done, but nobody hears of it
		}
		ctl.Kill()
		kill()
		panic(http.ErrAbortHandler)
	})
	return alive, func() ([]string, bool) {
		g.open()
		mu.Lock()
		defer mu.Unlock()
		return writes, alive.Err() != nil
	}
}

var ledgerName = regexp.MustCompile(`ledger-[-a-z0-9]+`)

// isWrite says whether a request writes something. Events and the Lease are no part of a sync.
func isWrite(r *http.Request) bool {
	read := r.Method == http.MethodGet || r.URL.Query().Get("dryRun") != ""
	aside := strings.Contains(r.URL.Path, "/leases") || strings.Contains(r.URL.Path, "/events") || strings.Contains(r.URL.Path, "reviews")
	return !read && !aside
}
