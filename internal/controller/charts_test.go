package controller

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/registry/registrytest"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// larder is what answers about charts, with a clock of its own, and what it told.
type larder struct {
	*charts
	server *registrytest.Server

	mu    sync.Mutex
	clock time.Time
	told  []string
}

func newLarder(t *testing.T) *larder {
	t.Helper()
	s, err := registrytest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	store := registry.KeepCharts(t.TempDir(), registry.Options{})
	l := &larder{server: s, clock: time.Now()}
	secrets := func(_ context.Context, namespace, field, name string) (map[string][]byte, error) {
		if namespace != "shop" || name != "charts" {
			return nil, fault.Newf(fault.Invalid, "Secret %s/%s of %s does not exist", namespace, name, field)
		}
		return map[string][]byte{"username": []byte("fairlead"), "password": []byte("sesame")}, nil
	}
	l.charts = newCharts(t.Context(), store, secrets, slog.New(slog.DiscardHandler))
	l.now = func() time.Time {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.clock
	}
	l.tell(func(q render.Question) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.told = append(l.told, q.Chart+" "+q.Version)
	})
	return l
}

// later lets time pass, and looks for what is due.
func (l *larder) later(t *testing.T, d time.Duration) {
	t.Helper()
	l.mu.Lock()
	l.clock, l.told = l.clock.Add(d), nil
	l.mu.Unlock()
	for place, wishes := range l.due() {
		l.look(t.Context(), place, wishes)
	}
}

func (l *larder) heard() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.told, ", ")
}

func TestChartsAreLookedFor(t *testing.T) {
	l := newLarder(t)
	url := "http://" + l.server.Host + "/charts"
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "production"}}
	q := render.Question{About: render.AboutChart, URL: url, Chart: "web", Version: "^1"}
	exact := q
	exact.Version = "1.0.0"
	if _, err := l.Ask(t.Context(), env, q); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "insecure") {
		t.Errorf("without a word about it: %v", err)
	}
	env.Spec.Render = &v1alpha1.Render{Charts: []v1alpha1.ChartRepository{
		{URL: "http://" + l.server.Host, SecretRef: &v1alpha1.LocalReference{Name: "none"}}, {URL: url, Insecure: true, SecretRef: &v1alpha1.LocalReference{Name: "charts"}},
	}}
	l.server.Protect("sesame")
	l.server.Publish(registrytest.Chart{Name: "web", Version: "1.0.0"})
	first, err := l.Ask(t.Context(), env, q)
	if err != nil || first.Version != "1.0.0" || first.Tree == nil || !strings.HasPrefix(first.Digest, "sha256:") {
		t.Fatal(first, err)
	}
	if _, err := l.Ask(t.Context(), env, exact); err != nil {
		t.Fatal(err)
	}

	// As long as nobody looks, and with the repository down, it is what it was; nothing is asked meanwhile.
	l.server.Publish(registrytest.Chart{Name: "web", Version: "1.1.0"})
	l.server.Requests()
	l.server.Down(true)
	l.later(t, time.Minute)
	again, err := l.Ask(t.Context(), env, q)
	if err != nil || again.ID != first.ID || len(l.server.Requests()) > 0 {
		t.Errorf("%s, %v", again.Version, err)
	}
	l.later(t, 10*time.Minute)
	if again, err = l.Ask(t.Context(), env, q); err != nil || again.ID != first.ID || l.heard() != "" {
		t.Errorf("a look in vain: %s, %v, %s", again.Version, err, l.heard())
	}

	// A look finds the newer chart, with one question for the repository and one for the chart, and tells who asked for the range.
	l.server.Down(false)
	l.later(t, 10*time.Minute)
	if asked := l.server.Requests(); len(asked) != 2 || l.heard() != "web ^1" {
		t.Errorf("asked for %q, told of %q", asked, l.heard())
	}
	if again, err = l.Ask(t.Context(), env, q); err != nil || again.Version != "1.1.0" || again.ID == first.ID {
		t.Errorf("%s, %v", again.Version, err)
	}
	if same, err := l.Ask(t.Context(), env, exact); err != nil || same.ID != first.ID {
		t.Errorf("the exact version: %s, %v", same.Version, err)
	}
	l.later(t, 10*time.Minute)
	if asked := l.server.Requests(); strings.Join(asked, ", ") != "GET /charts/index.yaml 304" || l.heard() != "" {
		t.Errorf("a look without news: %q, told of %q", asked, l.heard())
	}

	// An index that lost everything changes nothing.
	l.server.Put("index.yaml", []byte("apiVersion: v1\nentries: {}\n"))
	l.later(t, 10*time.Minute)
	if again, err = l.Ask(t.Context(), env, q); err != nil || again.Version != "1.1.0" || l.heard() != "" {
		t.Errorf("%s, %v, told of %q", again.Version, err, l.heard())
	}
	// Nobody looks for what nobody asks for any more.
	l.server.Requests()
	l.later(t, 48*time.Hour)
	l.later(t, time.Hour)
	if asked := l.server.Requests(); len(asked) > 0 {
		t.Errorf("asked for %q", asked)
	}
}

func TestChartsFail(t *testing.T) {
	l := newLarder(t)
	url := "http://" + l.server.Host + "/charts"
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}}
	env.Spec.Render = &v1alpha1.Render{Charts: []v1alpha1.ChartRepository{{URL: url, Insecure: true}}}
	q := render.Question{About: render.AboutChart, URL: url, Chart: "web", Version: "^1"}
	l.server.Down(true)
	if _, err := l.Ask(t.Context(), env, q); fault.KindOf(err) != fault.Transient {
		t.Errorf("a repository that is down: %v", err)
	}
	l.server.Down(false)
	l.server.Publish(registrytest.Chart{Name: "web", Version: "2.0.0"})
	l.later(t, time.Minute)
	if _, err := l.Ask(t.Context(), env, q); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), `no version is in the range "^1": the newest is 2.0.0`) {
		t.Errorf("no such version: %v", err)
	}
	l.server.Requests()
	if _, err := l.Ask(t.Context(), env, q); err == nil || len(l.server.Requests()) > 0 {
		t.Error("what failed a moment ago is asked again at once")
	}
	// What a look finds is told, though the first fetch failed.
	l.server.Publish(registrytest.Chart{Name: "web", Version: "1.0.0"})
	l.later(t, 10*time.Minute)
	if found, err := l.Ask(t.Context(), env, q); err != nil || found.Version != "1.0.0" || l.heard() != "web ^1" {
		t.Errorf("%s, %v, told of %q", found.Version, err, l.heard())
	}
	env.Spec.Render.Charts[0].SecretRef = &v1alpha1.LocalReference{Name: "none"}
	if _, err := l.Ask(t.Context(), env, q); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "Secret shop/none of spec.render.charts[0].secretRef does not exist") {
		t.Errorf("no Secret: %v", err)
	}
}
