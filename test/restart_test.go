package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestTwoControllers runs two controllers at once, without a leader, over several commits. They come to one end, and then nothing is written any more.
func TestTwoControllers(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{})}
	other := plane.Controller(t, testkit.ControllerOptions{})
	p := w.place(t, "twice")
	p.begin(nil, []string{"web", "api"}, write("apps/web", "xa", "xb"), write("apps/api", "xc"))
	both := func() {
		t.Helper()
		p.hook()
		if err := p.Hook(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
	was := p.uids("configmap/xa")
	for i := range 5 {
		made, gone := fmt.Sprintf("round%d", i), fmt.Sprintf("round%d", i-1)
		changes := []gitserver.Change{write("apps/web", made), gitserver.Write("apps/api/xc.yaml", strings.ReplaceAll(config("xc"), "git", made))}
		if i > 0 {
			changes = append(changes, gitserver.Delete("apps/web/"+gone+".yaml"))
		}
		c := p.Git.Commit(t, "main", made, changes...)
		both()
		p.read("prod", c)
		testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/xc", ".data.of", made) })
		testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/"+made, ".data.of", "git") })
		p.gone("configmap/" + gone)
	}

	// One is not told of a commit. It takes what the other one deletes for deleted by hand, or sees first that the record was written, and asks Git.
	ref := "configmap/round4"
	id := p.uid(ref)
	p.Git.Commit(t, "main", "retire the last", gitserver.Delete("apps/web/round4.yaml"), write("apps/web", "last"))
	if err := p.Hook(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		u, err := p.objs.Get(ctx, p.Namespace, ref)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err == nil && string(u.GetUID()) == id:
			return errors.New("nobody has deleted " + ref)
		}
		return err
	})
	both()
	p.gone(ref)
	p.synced("prod-web")
	p.synced("prod-api")
	p.claimed("web", 3)
	p.claimed("api", 1)
	p.gone(ref)
	p.kept(was)
	p.guarded("xa")
	p.kept(was)

	p.quiet(w.ctl, other)
}

// TestRestart starts a controller again. It knows what it had applied, and writes nothing: not at the end, and not while it does not know yet how its apps are.
func TestRestart(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t)})}
	p := w.place(t, "again")
	p.begin(nil, []string{"web", "api"}, write("apps/web", "wa", "wb"), write("apps/api", "wc"))
	c := p.push(gitserver.Write("apps/api/wc.yaml", strings.ReplaceAll(config("wc"), "git", "more")), gitserver.Delete("apps/web/wb.yaml"), write("apps/web", "wd"))
	p.read("prod", c)
	p.gone("configmap/wb")
	p.synced("prod-web")
	p.synced("prod-api")
	p.quiet(w.ctl)

	// The API server takes its time to say what there is. Meanwhile the environment is looked at, twice.
	before := p.versions()
	held := make(chan struct{})
	g.guard(firsts("configmaps"), func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		select {
		case <-held:
			pass.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
	w.ctl.Kill()
	w.ctl.Start(t)
	looks := func(more string, least float64) (all float64) {
		t.Helper()
		testkit.Eventually(t, func(ctx context.Context) error {
			m, err := w.ctl.Metrics(ctx)
			all = m.Sum(`controller_runtime_reconcile_total{controller="environment"}`)
			if got := m.Sum(`controller_runtime_reconcile_total{controller="environment"` + more + `}`); err == nil && got < least {
				err = fmt.Errorf("the environment was looked at %v times, want %v", got, least)
			}
			return err
		})
		return all
	}
	looks("", 1+looks(`,result="requeue_after"`, 1)) // it wants to look again, and does
	p.unchanged(before)
	close(held)
	g.open()
	p.looked(w.ctl)
	p.unchanged(before)
}

// quiet starts controllers again and lets them look at everything once more. Nobody has anything to write. The place has two apps.
func (p place) quiet(ctls ...*testkit.Controller) {
	p.t.Helper()
	p.looked(ctls...)
	p.says("environments.fairlead.dev/prod", "2 of 2 apps are ready")
	for _, c := range ctls {
		c.Kill()
	}
	before := p.versions() // nobody has anything left to write
	for _, c := range ctls {
		c.Start(p.t)
	}
	p.looked(ctls...)
	p.unchanged(before)
}

// looked waits until controllers have found both apps of a place ready.
func (p place) looked(ctls ...*testkit.Controller) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		for i, c := range ctls {
			m, err := c.Metrics(ctx)
			if err != nil {
				return err
			}
			if ready := m.Sum("fairlead_app_ready"); ready != 2 || !m.Idle() {
				return fmt.Errorf("controller %d has found %v apps ready, want 2; it is idle: %t", i, ready, m.Idle())
			}
		}
		return nil
	})
}

func (p place) unchanged(before map[string]string) {
	p.t.Helper()
	if d := cmp.Diff(before, p.versions()); d != "" {
		p.t.Errorf("something was written though nothing had changed: -before +after\n%s", d)
	}
}

// versions are the resourceVersions of what a controller writes for a place, with the statuses: to tell what was written.
func (p place) versions() map[string]string {
	p.t.Helper()
	out := map[string]string{}
	for _, in := range [][2]string{{p.Namespace, "configmaps"}, {p.Namespace, "apps.fairlead.dev"}, {p.Namespace, "environments.fairlead.dev"}, {testkit.Namespace, "secrets"}} {
		list, err := p.objs.List(p.t.Context(), in[0], in[1])
		if err != nil {
			p.t.Fatal(err)
		}
		for _, u := range list {
			status, err := json.MarshalIndent(u.Object["status"], "", " ")
			if err != nil {
				p.t.Fatal(err)
			}
			out[u.GetKind()+" "+u.GetName()] = u.GetResourceVersion() + " " + string(status)
		}
	}
	return out
}

// TestReady asks a controller again and again whether it is ready, as a kubelet does: once it is, it stays so.
func TestReady(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	ctl := plane.Controller(t, testkit.ControllerOptions{})
	for i := range 30 {
		res, err := http.Get("http://" + ctl.Addr() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("answer %d is %s", i, res.Status)
		}
	}
}

// TestDataDir loses the Git mirrors between two starts, and has a data directory that cannot be written.
func TestDataDir(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	data := filepath.Join(t.TempDir(), "data")
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{DataDir: data})}
	p := w.place(t, "data")
	p.begin(nil, []string{"web", "api"}, write("apps/web", "ya", "yb"), write("apps/api", "yc"))
	was := p.uids("configmap/ya", "configmap/yb", "configmap/yc")

	w.ctl.Kill()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	p.Git.Commit(t, "main", "retire", gitserver.Delete("apps/web/yb.yaml"))
	w.ctl.Start(t)
	p.gone("configmap/yb")
	delete(was, "configmap/yb")
	p.synced("prod-web")
	p.guarded("ya", "yc")
	p.kept(was)

	// A file where the directory should be: root could write to any directory, but not into this.
	w.ctl.Kill()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(data, "in the way"); err != nil {
		t.Fatal(err)
	}
	p.Git.Commit(t, "main", "retire", gitserver.Delete("apps/api"))
	w.ctl.Start(t)
	p.says("repositories.fairlead.dev/config", "data directory", data)
	p.guarded("ya", "yc")
	p.kept(was)

	w.ctl.Kill()
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	w.ctl.Start(t)
	p.gone("configmap/yc", "apps.fairlead.dev/prod-api")
	p.synced("prod-web")
}

// TestFetchCut has a Git server that dies in the middle of every pack, and then no more.
func TestFetchCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.place(t, "cut")
	target, err := url.Parse(p.Git.URL())
	if err != nil {
		t.Fatal(err)
	}
	var cutting atomic.Bool
	var cuts atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host})
	}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !cutting.Load() || !strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
			proxy.ServeHTTP(rw, r)
			return
		}
		rec := httptest.NewRecorder()
		proxy.ServeHTTP(rec, r)
		body := rec.Body.Bytes()
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(rec.Code)
		i := strings.Index(string(body), "PACK")
		if i < 0 {
			_, _ = rw.Write(body)
			return
		}
		cuts.Add(1)
		_, _ = rw.Write(body[:(i+len(body))/2])
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	p.patch("repositories.fairlead.dev/config", "{spec: {url: "+server.URL+target.Path+"}}")
	p.begin(nil, []string{"web", "api"}, write("apps/web", "za", "zb"), write("apps/api", "zc"))
	was := p.uids("configmap/za", "configmap/zb", "configmap/zc")

	cutting.Store(true)
	p.Git.Commit(t, "main", "retire", gitserver.Delete("apps/web/zb.yaml"), gitserver.Delete("apps/api"), write("apps/web", "zd"))
	p.hook()
	testkit.Eventually(t, func(ctx context.Context) error {
		return p.Is(ctx, "repositories.fairlead.dev/config", `{.status.conditions[?(@.type=="Ready")].status}`, "False")
	})
	if cuts.Load() == 0 {
		t.Error("no pack was cut: the test no longer does what it says")
	}
	p.guarded("za", "zb", "zc")
	p.kept(was)

	cutting.Store(false)
	p.hook()
	p.gone("configmap/zb", "configmap/zc", "apps.fairlead.dev/prod-api")
	p.synced("prod-web")
	p.claimed("web", 2)
}
