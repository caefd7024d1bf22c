package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

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
	guard := newTollgate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: guard.kubeconfig(t)})

	want := crashRun(t, plane, ctl, guard, "crash-never", 0, false)
	if len(want.objects) != 4 || guard.writes < 8 {
		t.Fatalf("the run without a crash made %d writes and ended with %v: the test no longer does what it says", guard.writes, want.objects)
	}
	writes := guard.writes
	for n := 1; n <= writes; n++ {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("crash-%d-before", n)
			if after {
				name = fmt.Sprintf("crash-%d-after", n)
			}
			t.Run(name, func(t *testing.T) {
				got := crashRun(t, plane, ctl, guard, name, n, after)
				if strings.Join(got.objects, "\n") != strings.Join(want.objects, "\n") {
					t.Errorf("ends with\n%s\nwant\n%s", strings.Join(got.objects, "\n"), strings.Join(want.objects, "\n"))
				}
			})
		}
	}
}

// crashEnd is how a run ended: its objects, each on one line, sorted by name.
type crashEnd struct{ objects []string }

// crashRun brings a tenant to its first commit, pushes a second, lets the controller die at the n-th write of it (never if n is 0), starts it again, and
// returns the end.
func crashRun(t *testing.T, plane *testkit.Plane, ctl *testkit.Controller, guard *tollgate, namespace string, n int, after bool) crashEnd {
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
	guard.arm(ctl, n, after)
	if err := tenant.Hook(ctx, ctl); err != nil && n == 0 {
		t.Fatal(err)
	}
	if n > 0 {
		guard.wait(t)
		ctl.Start(t)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := tenant.Is(ctx, "apps.fairlead.dev/prod-web", ".status.applied.short", head.Short()); err != nil {
			return err
		}
		return tenant.Is(ctx, "environments.fairlead.dev/prod", `{.status.conditions[?(@.type=="Ready")].status}`, "True")
	})
	testkit.Eventually(t, func(ctx context.Context) error {
		return tenant.Is(ctx, "environments.fairlead.dev/prod", ".status.commit", head.Short())
	})
	guard.disarm()
	return crashLook(t, plane, namespace)
}

func crashConfig(name, wave, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  annotations: {fairlead.dev/wave: %q}\ndata: {of: %s}\n", name, wave, value)
}

// crashLook lists what there is, and holds it against the ledger.
func crashLook(t *testing.T, plane *testkit.Plane, namespace string) crashEnd {
	t.Helper()
	record, err := ledger.Open(plane.Kube.CoreV1().Secrets(testkit.Namespace)).Load(t.Context(), app.Name{Namespace: namespace, Environment: "prod", App: "web"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := plane.Objects.List(t.Context(), namespace, "configmaps")
	if err != nil {
		t.Fatal(err)
	}
	var end crashEnd
	owned := 0
	for i := range list {
		u := &list[i]
		if u.GetName() == "kube-root-ca.crt" {
			continue
		}
		data, _ := json.Marshal(u.Object["data"])
		annotations, _ := json.Marshal(u.GetAnnotations())
		end.objects = append(end.objects, fmt.Sprintf("%s %s %s %s", u.GetName(), data, annotations, u.GetLabels()[app.LabelApp]))
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
	return end
}

// tollgate is a proxy before the API server that counts the writes of a controller, and kills it at one of them.
type tollgate struct {
	server *httptest.Server

	proxy http.Handler

	mu     sync.Mutex
	fault  func(http.ResponseWriter, *http.Request) bool // true: it answered
	armed  bool
	ctl    *testkit.Controller
	at     int
	after  bool
	writes int
	killed chan struct{}
}

func newTollgate(t *testing.T, plane *testkit.Plane) *tollgate {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", plane.ControllerKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	g := &tollgate{}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	g.proxy = proxy
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := g.faulty(nil, false); f != nil && f(w, r) {
			return
		}
		fatal := g.fatal(r)
		if fatal && !g.after {
			g.kill()
		}
		if !fatal {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context()))) // done, but nobody hears of it
		g.kill()
	}))
	t.Cleanup(g.server.Close)
	return g
}

// kubeconfig writes one that leads through the gate.
func (g *tollgate) kubeconfig(t *testing.T) string {
	t.Helper()
	text := "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: c}}]\nusers: [{name: c, user: {}}]\n" +
		"clusters: [{name: c, cluster: {server: \"" + g.server.URL + "\"}}]\n"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (g *tollgate) arm(ctl *testkit.Controller, at int, after bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed, g.ctl, g.at, g.after, g.writes, g.killed = true, ctl, at, after, 0, make(chan struct{})
}

// faulty returns the fault that requests meet now, and sets another one if asked to.
func (g *tollgate) faulty(f func(http.ResponseWriter, *http.Request) bool, set bool) func(http.ResponseWriter, *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if set {
		g.fault = f
	}
	return g.fault
}

func (g *tollgate) disarm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = false
}

// fatal counts a write, and reports whether it is the one at which the controller dies. Events and the Lease are no part of a sync.
func (g *tollgate) fatal(r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	read := r.Method == http.MethodGet || r.URL.Query().Get("dryRun") != ""
	aside := strings.Contains(r.URL.Path, "/leases") || strings.Contains(r.URL.Path, "/events") || strings.Contains(r.URL.Path, "reviews")
	if !g.armed || read || aside {
		return false
	}
	g.writes++
	if g.writes != g.at {
		return false
	}
	g.armed = false
	return true
}

// kill ends the controller and the request that it waits for.
func (g *tollgate) kill() {
	g.ctl.Kill()
	close(g.killed)
	panic(http.ErrAbortHandler)
}

func (g *tollgate) wait(t *testing.T) {
	t.Helper()
	select {
	case <-g.killed:
	case <-t.Context().Done():
		t.Fatal("the controller never came to that write")
	}
}
