package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// replicas are several controllers that share the apps of one place.
type replicas struct {
	place
	all    []*testkit.Controller
	paused map[*testkit.Controller]bool
}

func (w *world) replicas(t *testing.T, namespace string, n int) replicas {
	t.Helper()
	var all []*testkit.Controller
	for range n {
		all = append(all, w.plane.Controller(t, testkit.ControllerOptions{Lease: lease}))
	}
	w.ctl = all[0]
	r := replicas{place: w.place(t, namespace), all: all, paused: map[*testkit.Controller]bool{}}
	t.Cleanup(func() {
		if t.Failed() {
			for i, c := range all {
				t.Logf("replica %d:\n%s", i, c.Tail(`"replicas changed"`, 30))
			}
		}
	})
	return r
}

func (r replicas) live() (live []*testkit.Controller) {
	for _, c := range r.all {
		if c.Running() && !r.paused[c] {
			live = append(live, c)
		}
	}
	return live
}

// push commits, and tells any of the replicas.
func (r replicas) push(changes ...gitserver.Change) {
	r.t.Helper()
	r.Git.Commit(r.t, "main", "a change", changes...)
	live := r.live()
	if err := r.Hook(r.t.Context(), live[rand.IntN(len(live))]); err != nil && r.t.Context().Err() == nil {
		r.t.Log(err) // it was killed just then: the others find the commit later
	}
}

// shared waits until the live replicas have all apps between them, and returns how long that took.
func (r replicas) shared(apps int) time.Duration {
	r.t.Helper()
	began := time.Now()
	testkit.Eventually(r.t, func(ctx context.Context) error {
		live := r.live()
		sum := 0.0
		for i, c := range live {
			m, err := c.Metrics(ctx)
			if err != nil {
				return err
			}
			if n := m.Sum("fairlead_replicas"); int(n) != len(live) {
				return fmt.Errorf("replica %d knows of %v, want %d", i, n, len(live))
			}
			sum += m.Sum("fairlead_owned_apps")
		}
		if int(sum) != apps {
			return fmt.Errorf("%v apps are owned, want %d", sum, apps)
		}
		return nil
	})
	return time.Since(began)
}

// owners says which replica has which app, by its index.
func (r replicas) owners() map[string]int {
	r.t.Helper()
	out := map[string]int{}
	for i, c := range r.live() {
		m, err := c.Metrics(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for s := range m {
			if rest, ok := strings.CutPrefix(s, `fairlead_app_ready{app="`); ok {
				name, _, _ := strings.Cut(rest, `"`)
				if other, twice := out[name]; twice {
					r.t.Errorf("replicas %d and %d both say how %s is", other, i, name)
				}
				out[name] = i
			}
		}
	}
	return out
}

// witness sees every change of the ConfigMaps of a place.
type witness struct {
	mu     sync.Mutex
	values map[string][]string // those of data.of, by name, in order; "gone" is a deletion
	bad    []string
}

func (r replicas) witness() *witness {
	r.t.Helper()
	at := r.objs.Client().Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(r.Namespace)
	list, err := at.List(r.t.Context(), metav1.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	wi := &witness{values: map[string][]string{}}
	for i := range list.Items {
		wi.see(watch.Added, &list.Items[i])
	}
	// The API server ends a watch that does not keep up with it: then it is begun anew where it ended.
	events, err := toolswatch.NewRetryWatcherWithContext(r.t.Context(), list.GetResourceVersion(), &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return at.Watch(ctx, o) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	go func() {
		for e := range events.ResultChan() {
			if u, ok := e.Object.(*unstructured.Unstructured); ok {
				wi.see(e.Type, u)
			} else if e.Type == watch.Error {
				wi.missed(e.Object)
			}
		}
	}()
	return wi
}

// missed notes that changes may have passed unseen.
func (wi *witness) missed(why any) {
	wi.mu.Lock()
	defer wi.mu.Unlock()
	wi.bad = append(wi.bad, fmt.Sprintf("the witness did not see all: %v", why))
}

// see notes a change. A value that is not newer than the last one was written twice, or by somebody who is behind.
func (wi *witness) see(what watch.EventType, u *unstructured.Unstructured) {
	wi.mu.Lock()
	defer wi.mu.Unlock()
	name, value := u.GetName(), "gone"
	if what != watch.Deleted {
		value, _, _ = unstructured.NestedString(u.Object, "data", "of")
	}
	before := wi.values[name]
	if n := len(before); n > 0 && before[n-1] != "gone" && value != "gone" {
		was, _ := strconv.Atoi(before[n-1])
		is, _ := strconv.Atoi(value)
		if is <= was {
			wi.bad = append(wi.bad, fmt.Sprintf("%s went from %d to %d by %s", name, was, is, managers(u)))
		}
	}
	wi.values[name] = append(before, value)
}

func managers(u *unstructured.Unstructured) string {
	var out []string
	for _, m := range u.GetManagedFields() {
		out = append(out, fmt.Sprintf("%s at %s", m.Manager, m.Time))
	}
	return strings.Join(out, ", ")
}

// hold fails the test if something was written twice, or sent twice: what was applied and deleted, as the audit log has it, is what was seen to change.
func (wi *witness) hold(t *testing.T, p *testkit.Plane, namespace string) {
	t.Helper()
	lines, _, err := p.Audit(0)
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]int{}
	for _, line := range lines {
		var e struct {
			Verb           string
			RequestURI     string
			ObjectRef      struct{ Resource, Namespace, Name string }
			ResponseStatus struct{ Code int }
			User           struct{ Username string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		o := e.ObjectRef
		if o.Resource == "configmaps" && o.Namespace == namespace && (e.Verb == "patch" || e.Verb == "delete") && e.ResponseStatus.Code < 300 &&
			!strings.Contains(e.RequestURI, "dryRun=All") && strings.HasSuffix(e.User.Username, ":fairlead") {
			sent[o.Name]++
		}
	}
	changes, objects := 0, 0
	testkit.Eventually(t, func(context.Context) error { // the last changes may be on their way
		wi.mu.Lock()
		defer wi.mu.Unlock()
		changes, objects = 0, 0
		var twice []error
		for name, values := range wi.values {
			if name == "kube-root-ca.crt" {
				continue
			}
			changes, objects = changes+len(values), objects+1
			if sent[name] > len(values) { // fewer: whoever sent one died before it was answered
				twice = append(twice, fmt.Errorf("%s was written %d times and has changed %d times: %v", name, sent[name], len(values), values))
			}
		}
		return errors.Join(twice...)
	})
	t.Logf("%d writes of %d objects, each of which changed something", changes, objects)
	wi.mu.Lock()
	defer wi.mu.Unlock()
	for _, b := range wi.bad {
		t.Error(b)
	}
}

func isHeld(st v1alpha1.AppStatus) error {
	if st.Phase != v1alpha1.PhaseHeld {
		return fmt.Errorf("phase is %s (%s)", st.Phase, st.Reason)
	}
	return nil
}

func numbered(app, name string, n int) gitserver.Change {
	return gitserver.Write("apps/"+app+"/"+name+".yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+"}\ndata: {of: \""+strconv.Itoa(n)+"\"}\n")
}
