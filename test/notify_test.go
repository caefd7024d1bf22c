package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// taker takes CloudEvents, at an address of this machine that is not loopback: no other is asked.
type taker struct {
	url string

	mu   sync.Mutex
	came []string // the ids, each as often as it came
}

func newTaker(t testing.TB) *taker {
	t.Helper()
	x := &taker{}
	x.url = outward(t, x)
	return x
}

// outward answers at an address of this machine that is not loopback, and returns its URL.
func outward(t testing.TB, h http.Handler) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast()
	})
	if i < 0 {
		t.Fatalf("this machine has no address but loopback, which is not asked: %v", addrs)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(addrs[i].(*net.IPNet).IP.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func (x *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e struct{ ID string }
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.came = append(x.came, e.ID)
}

// ids returns the ids that came, each once, in their order.
func (x *taker) ids() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(x.came)))
}

// has waits until these came, each once, and no others.
func (x *taker) has(t testing.TB, ids ...string) {
	t.Helper()
	testkit.Eventually(t, func(context.Context) error {
		x.mu.Lock()
		defer x.mu.Unlock()
		if !slices.Equal(slices.Sorted(slices.Values(x.came)), slices.Sorted(slices.Values(ids))) {
			return fmt.Errorf("%q came, want %q", x.came, ids)
		}
		return nil
	})
}

// messageOf is the id of what is told of app prod/web.
func messageOf(c source.Commit, outcome string) string {
	return "prod/web " + string(c) + " " + outcome
}

// counted waits until a controller tells Prometheus of more than none of something.
func counted(t testing.TB, c *testkit.Controller, selector string) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		m, err := c.Metrics(ctx)
		if err == nil && m.Sum(selector) == 0 {
			err = fmt.Errorf("none is counted of %s", selector)
		}
		return err
	})
}

// TestNotifier: a release that succeeds, one that is rolled back and the next are told, each once, though the controller is killed in between, and another one
// starts.
func TestNotifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.place(t, "notifier")
	x := newTaker(t)
	p.apply(fmt.Sprintf("apiVersion: fairlead.dev/v1alpha1\nkind: Notifier\nmetadata: {name: people}\nspec: {webhook: {url: %q}, events: [Succeeded, RolledBack, Failed], environments: ['p*']}\n", x.url))
	p.begin(careful(map[string]any{"deadline": "2s"}), []string{"web"}, write("apps/web", "a"))
	good := p.status("prod-web", phaseOf("Succeeded")).Release.Revision
	key := func(revision, outcome string) string {
		return messageOf(source.Commit(revision[len("main@sha1:"):]), outcome)
	}
	x.has(t, key(good, "Succeeded"))

	bad := "main@sha1:" + string(p.push(sick("a", "very")))
	p.phase("prod-web", v1alpha1.PhaseRolledBack)
	w.ctl.Kill()
	w.ctl.Start(t)
	x.has(t, key(good, "Succeeded"), key(bad, "RolledBack"))

	counted(t, w.ctl, `fairlead_messages_total{result="sent",way="webhook"}`)
	fixed := "main@sha1:" + string(p.push(write("apps/web", "a", "b")))
	p.synced("prod-web")
	x.has(t, key(good, "Succeeded"), key(bad, "RolledBack"), key(fixed, "Succeeded"))
	testkit.Eventually(t, func(ctx context.Context) error {
		ready, err := p.objs.Field(ctx, p.Namespace, "notifier/people", ".status.conditions[0].message")
		if err == nil && ready != "what happened was told" {
			err = fmt.Errorf("it says %q", ready)
		}
		return err
	})
}
