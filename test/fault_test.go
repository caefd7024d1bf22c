package test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestFaultyAPIServer lets the API server fail in the ways in which an engine that believes what it is told deletes what it should not: it says less than there is,
// it does not say which kinds it has, it goes away between two deletions.
func TestFaultyAPIServer(t *testing.T) {
	w := world{plane: testkit.Start(t, testkit.Options{})}
	gate := newTollgate(t, w.plane)
	w.ctl = w.plane.Controller(t, testkit.ControllerOptions{Kubeconfig: gate.kubeconfig(t)})
	heal := func() { gate.faulty(nil, true) }

	t.Run("partial list", func(t *testing.T) {
		p := w.place(t, "fault-list")
		p.begin(nil, []string{"web"}, write("apps/web", "one", "two", "three"))
		was := p.uids("configmap/one", "configmap/two")
		w.ctl.Stop(t)
		var asked atomic.Int64
		gate.faulty(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/configmaps") || r.Method != http.MethodGet {
				return false
			}
			if r.URL.Query().Get("sendInitialEvents") != "" { // so that it lists
				http.Error(rw, "no", http.StatusUnprocessableEntity)
				return true
			}
			if r.URL.Query().Get("watch") != "" {
				return false
			}
			asked.Add(1)
			answer := httptest.NewRecorder()
			gate.proxy.ServeHTTP(answer, r)
			var list map[string]any
			if json.Unmarshal(answer.Body.Bytes(), &list) != nil {
				return false
			}
			list["items"] = []any{}
			rw.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(rw).Encode(list)
			return true
		}, true)
		defer heal()
		w.ctl.Start(t)
		c := p.Git.Commit(t, "main", "retire three", gitserver.Delete("apps/web/three.yaml"))
		p.hook()
		p.read("prod", c)
		p.gone("configmap/three") // looked at by itself before it was deleted
		p.synced("prod-web")
		p.kept(was)
		if asked.Load() == 0 {
			t.Error("the controller never listed: the test no longer does what it says")
		}
	})

	t.Run("discovery error", func(t *testing.T) {
		p := w.place(t, "fault-discovery")
		p.begin(nil, []string{"web"}, write("apps/web", "one", "two"))
		was := p.uids("configmap/one", "configmap/two")
		gate.faulty(func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api" && r.URL.Path != "/apis" {
				return false
			}
			http.Error(rw, "discovery is down", http.StatusServiceUnavailable)
			return true
		}, true)
		defer heal()
		p.apply(faultKind) // from here on what was learned of kinds no longer holds
		p.push(gitserver.Delete("apps/web/two.yaml"), gitserver.Write("apps/web/fault.yaml", "apiVersion: fault.example.com/v1\nkind: Fault\nmetadata: {name: one}\n"))
		p.phase("prod-web", "Waiting", "discover")
		p.kept(was)
		heal()
		p.gone("configmap/two")
		p.synced("prod-web")
		p.kept(map[string]string{"configmap/one": was["configmap/one"]})
	})

	t.Run("gone between deletions", func(t *testing.T) {
		p := w.place(t, "fault-prune")
		p.begin(nil, []string{"web"}, write("apps/web", "one", "two", "three", "keep"))
		was := p.uids("configmap/keep")
		var deletes atomic.Int64
		down := make(chan struct{})
		gate.faulty(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodDelete && deletes.Add(1) == 2 {
				close(down)
			}
			select {
			case <-down:
				panic(http.ErrAbortHandler)
			default:
				return false
			}
		}, true)
		defer heal()
		p.push(gitserver.Delete("apps/web/one.yaml"), gitserver.Delete("apps/web/two.yaml"), gitserver.Delete("apps/web/three.yaml"))
		select {
		case <-down:
		case <-t.Context().Done():
			t.Fatal("nothing was deleted")
		}
		p.kept(was)
		heal()
		p.gone("configmap/one", "configmap/two", "configmap/three")
		p.synced("prod-web")
		p.kept(was)
		p.claimed("web", 1)
	})
}

const faultKind = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: faults.fault.example.com}
spec:
  group: fault.example.com
  names: {kind: Fault, plural: faults}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
