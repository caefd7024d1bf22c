package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestHalfAnswers has an API server that answers less than there is, or nothing, while something is to be deleted. What is to go goes in the end, and nothing
// else does.
func TestHalfAnswers(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t)})}
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(g.open)
			if !w.ctl.Running() {
				w.ctl.Start(t)
			}
			f(t, w.place(t, "half-"+name))
		})
	}
	begin := func(p place) map[string]string {
		p.begin(nil, []string{"web", "api"}, write("apps/web", "ha", "hb"), write("apps/api", "hc"))
		return p.uids("configmap/ha", "configmap/hb", "configmap/hc")
	}
	retire := []gitserver.Change{gitserver.Delete("apps/web/hb.yaml"), gitserver.Delete("apps/api")}
	// end waits until what is to go is gone, and nothing else is.
	end := func(p place, was map[string]string) {
		p.t.Helper()
		p.gone("configmap/hb", "configmap/hc", "apps.fairlead.dev/prod-api")
		p.synced("prod-web")
		p.claimed("web", 1)
		p.forgotten("api")
		delete(was, "configmap/hb")
		delete(was, "configmap/hc")
		p.kept(was)
		p.guarded("ha")
	}

	// The lists that a controller begins with are cut off, again and again.
	for name, plural := range map[string]string{"configmaps": "configmaps", "ledger": "secrets"} {
		run(name, func(t *testing.T, p place) {
			was := begin(p)
			w.ctl.Kill()
			p.Git.Commit(t, "main", "retire", retire...)
			g.guard(firsts(plural), cut)
			w.ctl.Start(t)
			g.met(t, 3)
			p.kept(was)
			g.open()
			end(p, was)
		})
	}

	// They are well-formed, but empty: as of a cache that has not filled. An API server may stream them or not.
	for name, c := range map[string]struct {
		plural string
		met    int
		answer answer
	}{
		"no-configmaps": {"configmaps", 1, empty},
		"unlisted":      {"configmaps", 2, unstreamed(empty)},
		"no-ledger":     {"secrets", 1, empty},
		"no-apps":       {"apps", 1, empty},
	} {
		run(name, func(t *testing.T, p place) {
			was := begin(p)
			w.ctl.Kill()
			p.Git.Commit(t, "main", "retire", retire...)
			g.guard(firsts(c.plural), c.answer)
			w.ctl.Start(t)
			g.met(t, c.met)
			end(p, was)
		})
	}

	// Nobody answers when a controller starts, and then somebody who cannot yet.
	run("away", func(t *testing.T, p place) {
		was := begin(p)
		for _, a := range []answer{cut, status(http.StatusServiceUnavailable)} {
			w.ctl.Kill()
			g.guard(first(3, func(*http.Request) bool { return true }), a)
			w.ctl.Start(t)
			g.met(t, 3)
			p.kept(was)
			g.open()
		}
		p.push(retire...)
		end(p, was)
	})

	// An Environment that cannot be found since the API server does not know the kind yet is not one that was deleted.
	run("no-kind", func(t *testing.T, p place) {
		was := begin(p)
		w.ctl.Kill()
		p.Git.Commit(t, "main", "retire", retire...)
		g.guard(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/environments/prod") },
			func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				http.Error(w, "404 page not found", http.StatusNotFound)
			})
		w.ctl.Start(t)
		g.met(t, 3)
		p.claimed("web", 2)
		p.claimed("api", 1)
		p.kept(was)
		g.open()
		end(p, was)
	})

	// Which kinds there are cannot be asked, at a moment when what was learned of kinds no longer holds.
	run("kinds", func(t *testing.T, p place) {
		was := begin(p)
		g.guard(func(r *http.Request) bool { return r.URL.Path == "/api" || r.URL.Path == "/apis" }, status(http.StatusServiceUnavailable))
		p.apply(definition("faults.fault.example.com", "Fault"))
		p.push(append(retire, gitserver.Write("apps/web/fault.yaml", "{apiVersion: fault.example.com/v1, kind: Fault, metadata: {name: one}}\n"))...)
		p.phase("prod-web", v1alpha1.PhaseWaiting, "discover")
		p.kept(map[string]string{"configmap/ha": was["configmap/ha"], "configmap/hb": was["configmap/hb"]})
		g.open()
		p.push(gitserver.Delete("apps/web/fault.yaml"))
		end(p, was)
	})

	// Nothing is heard of any change.
	run("deaf", func(t *testing.T, p place) {
		was := begin(p)
		w.ctl.Kill()
		closed := make(chan struct{})
		g.guard(watches("configmaps"), deaf(closed))
		w.ctl.Start(t)
		g.met(t, 1)
		p.patch("configmap/ha", `{data: {of: hand}}`) // nobody sees it
		p.push(retire...)
		p.gone("configmap/hb", "configmap/hc")
		g.open()
		close(closed)
		end(p, was)
	})

	run("busy", func(t *testing.T, p place) {
		was := begin(p)
		g.guard(first(6, func(r *http.Request) bool {
			return r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/"+p.Namespace+"/configmaps")
		}), status(http.StatusTooManyRequests, "Retry-After", "1"))
		p.push(retire...)
		end(p, was)
	})

	run("errors", func(t *testing.T, p place) {
		was := begin(p)
		g.guard(first(6, func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/"+p.Namespace+"/configmaps/") }),
			status(http.StatusInternalServerError))
		p.push(retire...)
		end(p, was)
	})

	// kill -9 of the API server at the second deletion, before it and after it.
	for _, after := range []bool{false, true} {
		run(map[bool]string{false: "down-before", true: "down-after"}[after], func(t *testing.T, p place) {
			names := []string{"ha", "hb", "hd", "he", "hf", "hg"}
			p.begin(nil, []string{"web"}, write("apps/web", names...))
			was := p.uids("configmap/ha")
			var deletes atomic.Int64
			var came atomic.Bool
			down := make(chan struct{})
			g.guard(func(r *http.Request) bool { return r.Method == http.MethodDelete && deletes.Add(1) >= 2 },
				func(_ http.ResponseWriter, r *http.Request, pass http.Handler) {
					if after {
						pass.ServeHTTP(httptest.NewRecorder(), r)
					}
					came.Store(true)
					select {
					case <-down:
					case <-r.Context().Done():
					}
					panic(http.ErrAbortHandler)
				})
			var changes []gitserver.Change
			for _, n := range names[1:] {
				changes = append(changes, gitserver.Delete("apps/web/"+n+".yaml"))
			}
			p.push(changes...)
			testkit.Eventually(t, func(context.Context) error {
				if !came.Load() {
					return fmt.Errorf("%d requests to delete, want 2", deletes.Load())
				}
				return nil
			})
			plane.APIServer(t, "stop")
			close(down)
			g.open()
			plane.APIServer(t, "start")
			for _, n := range names[1:] {
				p.gone("configmap/" + n)
			}
			p.synced("prod-web")
			p.claimed("web", 1)
			p.kept(was)
			p.guarded("ha")
		})
	}
}

// first matches the first n requests that another match does.
func first(n int, match func(*http.Request) bool) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if n == 0 || !match(r) {
			return false
		}
		n--
		return true
	}
}

// TestDiscovery has kinds that the API server cannot speak of: an aggregated API server that is down, and then one for a kind that is claimed.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.place(t, "discovery")
	p.apply(definition("lamps.light.example.com", "Lamp"))
	testkit.Eventually(t, func(ctx context.Context) error {
		_, err := p.objs.List(ctx, p.Namespace, "lamps.light.example.com")
		return err
	})
	lamp := func(name string) gitserver.Change {
		return gitserver.Write("apps/web/"+name+".yaml", "{apiVersion: light.example.com/v1, kind: Lamp, metadata: {name: "+name+"}, spec: {of: git}}\n")
	}
	p.begin(nil, []string{"web", "api"}, lamp("one"), lamp("two"), write("apps/web", "da"), write("apps/api", "db", "dc"))
	lamps := p.uids("lamps.light.example.com/one", "lamps.light.example.com/two")
	was := p.uids("configmap/da", "configmap/db", "configmap/dc")

	// Somebody else's API is down: what does not need it goes on.
	p.apply(downService("v1.metrics.example.com", "metrics.example.com", ""))
	p.failing("v1.metrics.example.com")
	p.push(gitserver.Delete("apps/api/dc.yaml"), gitserver.Delete("apps/web/two.yaml"))
	p.gone("configmap/dc", "lamps.light.example.com/two")
	delete(was, "configmap/dc")
	delete(lamps, "lamps.light.example.com/two")
	p.synced("prod-web")

	// So is the API of a kind that is claimed, and a controller starts that has never heard of it. The objects cannot even be read: they must be there
	// when they can be again.
	p.apply(downService("v1.light.example.com", "light.example.com", "  labels: {kube-aggregator.kubernetes.io/automanaged: null}\n"))
	p.failing("v1.light.example.com")
	w.ctl.Kill()
	w.ctl.Start(t)
	p.push(gitserver.Delete("apps/web/one.yaml"), gitserver.Delete("apps/api/db.yaml"), write("apps/api", "dd"))
	p.gone("configmap/db") // of another app: it does not wait
	delete(was, "configmap/db")
	p.status("prod-web", func(st v1alpha1.AppStatus) error {
		if st.Phase == v1alpha1.PhaseSynced {
			return fmt.Errorf("it is %s", st.Phase)
		}
		return failing(st, "light.example.com")
	})
	p.claimed("web", 2)
	p.kept(was)

	if err := p.objs.Delete(t.Context(), "", "apiservices.apiregistration.k8s.io/v1.light.example.com"); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		_, err := p.objs.List(ctx, p.Namespace, "lamps.light.example.com")
		return err
	})
	p.asks("prod", "after")
	p.gone("lamps.light.example.com/one")
	p.synced("prod-web")
	p.claimed("web", 1)
	p.kept(was)
}

// definition is a CustomResourceDefinition of objects that may have any fields.
func definition(name, kind string) string {
	plural, group, _ := strings.Cut(name, ".")
	return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %s}
spec:
  group: %s
  names: {kind: %s, plural: %s}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`, name, group, kind, plural)
}

// downService is an APIService whose server does not exist.
func downService(name, group, more string) string {
	return fmt.Sprintf(`
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata:
  name: %s
%sspec:
  group: %s
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 15
  insecureSkipTLSVerify: true
  service: {name: nobody, namespace: default, port: 443}
`, name, more, group)
}

// failing waits until an APIService is known to be down.
func (p place) failing(name string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		got, err := p.objs.Field(ctx, "", "apiservices.apiregistration.k8s.io/"+name, `{.status.conditions[?(@.type=="Available")].status}`)
		if err == nil && got != "False" {
			err = fmt.Errorf("APIService %s is available: %q", name, got)
		}
		return err
	})
}
