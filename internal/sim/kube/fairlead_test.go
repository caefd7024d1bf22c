package kube_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/live"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// session is Fairlead's own client over a simulated server.
func session(t *testing.T, s *kube.Server) (*cluster.Cluster, *cluster.Session) {
	t.Helper()
	c, err := cluster.New(cluster.Server{
		Discovery: s.Discovery("", "fairlead"), Version: func() (string, error) { return "v1.36.0", nil },
		As:  func(user string) (dynamic.Interface, error) { return s.Client(user, "fairlead"), nil },
		Now: clock(),
	})
	if err != nil {
		t.Fatal(err)
	}
	as, err := c.As(app.Identity{Namespace: "shop", ServiceAccount: "deployer"})
	if err != nil {
		t.Fatal(err)
	}
	return c, as
}

// TestCluster runs what Fairlead does to an object, unchanged, over the simulated server.
func TestCluster(t *testing.T) {
	s := kube.New(kube.Options{Now: clock()})
	c, as := session(t, s)
	r, err := c.Kinds.Find(t.Context(), object.GVK{Version: "v1", Kind: "ConfigMap"})
	if err != nil {
		t.Fatal(err)
	}
	flags := func(theme string) object.Object {
		return object.New(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "flags", "namespace": "shop"}, "data": map[string]any{"theme": theme},
		})
	}
	var refusal *plan.Refusal
	if _, err := as.DryRun(t.Context(), r, flags("light")); !errors.As(err, &refusal) {
		t.Errorf("a dry run without a namespace: %v, want a refusal", err)
	}
	if created, err := as.EnsureNamespace(t.Context(), "shop", nil); err != nil || !created {
		t.Fatalf("namespace: created %t, %v", created, err)
	}
	first, err := as.Apply(t.Context(), r, flags("light"))
	if err != nil {
		t.Fatal(err)
	}
	if fields := fingerprint.Entries(first); len(fields) != 1 || fields[0].Manager != app.Manager {
		t.Errorf("the answer has the managers %v", fields)
	}
	second, err := as.Apply(t.Context(), r, flags("dark"))
	if err != nil {
		t.Fatal(err)
	}
	if err := as.Delete(t.Context(), r, first); fault.KindOf(err) != fault.Conflict {
		t.Errorf("deleting what was changed since: %v, want a conflict", err)
	}
	if err := as.Delete(t.Context(), r, second); err != nil {
		t.Error(err)
	}
	if live, err := as.Live(t.Context(), r, "shop", "flags"); err != nil || !live.IsZero() {
		t.Errorf("after the deletion there is %v, %v", live, err)
	}
	if _, err := as.ApplyTo(t.Context(), r, second, flags("dim")); fault.KindOf(err) != fault.Conflict {
		t.Errorf("an apply to what was deleted: %v, want a conflict", err)
	}
	third, err := as.ApplyTo(t.Context(), r, object.Object{}, flags("dim"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := as.ApplyTo(t.Context(), r, second, flags("dark")); fault.KindOf(err) != fault.Conflict {
		t.Errorf("an apply to what was deleted and made again: %v, want a conflict", err)
	}
	if fourth, err := as.ApplyTo(t.Context(), r, third, flags("dark")); err != nil || fourth.UID() != third.UID() {
		t.Errorf("an apply to what is there: %v, %v", fourth.UID(), err)
	}
	var unknown *cluster.UnknownKindError
	if _, err := c.Kinds.Find(t.Context(), object.GVK{Group: "test.fairlead.dev", Version: "v1", Kind: "Widget"}); !errors.As(err, &unknown) {
		t.Errorf("a kind that is not served: %v", err)
	}
}

// TestLedger keeps a record over the simulated server.
func TestLedger(t *testing.T) {
	s := kube.New(kube.Options{Now: clock()})
	l := ledger.Open(kube.Secrets(s.Client("", "fairlead"), "default"))
	name := app.Name{Namespace: "shop", Environment: "prod", App: "web"}
	key := object.Key{Kind: "ConfigMap", Namespace: "shop", Name: "flags"}
	r := app.Record{App: name, Revision: "1", Claims: app.Claims{key: {Key: key}}, Bundle: []object.Object{}}
	stale := r
	var err error
	if r.Version, err = l.Save(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Bundle, r.Revision = nil, "2"
	if r.Version, err = l.Save(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Save(t.Context(), stale); fault.KindOf(err) != fault.Conflict {
		t.Errorf("saving over a newer record: %v, want a conflict", err)
	}
	got, err := l.Load(t.Context(), name)
	if err != nil || got.Revision != "2" || len(got.Claims) != 1 || got.Version != r.Version {
		t.Errorf("loaded %+v, %v", got, err)
	}
	if all, broken, err := l.List(t.Context()); err != nil || len(all) != 1 || len(broken) != 0 {
		t.Errorf("listed %v, %v, %v", all, broken, err)
	}
	if err := l.Delete(t.Context(), got); err != nil {
		t.Error(err)
	}
}

// TestLive watches the simulated server with Fairlead's own watches: their reflectors list and watch as they do anywhere, in a bubble of time.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kube.New(kube.Options{Now: time.Now})
		c := s.Client("", "fairlead")
		ctx, cancel := context.WithCancel(t.Context())
		store := live.NewStore(ctx, live.Options{
			Client:   func(app.Identity) (dynamic.Interface, error) { return c, nil },
			Lens:     func(app.Owner) observed.Lens { return observed.Lens{} },
			OnChange: func(live.Change) {},
			OnWatch:  func(live.Kind, error) {},
		})
		defer func() {
			cancel()
			store.Wait()
		}()
		kind := live.Kind{Identity: app.Identity{Namespace: "default", ServiceAccount: "deployer"}, Resource: object.Resource{
			GVK: object.GVK{Version: "v1", Kind: "ConfigMap"}, Plural: "configmaps", Namespaced: true,
		}}
		store.Track(kind, "default")
		synctest.Wait()
		if st := store.Track(kind, "default"); !st.Synced || st.Err != nil {
			t.Fatalf("the watch is %+v", st)
		}
		marked := configMap("flags")
		marked.SetLabels(map[string]string{app.LabelApp: "prod-web", app.LabelNamespace: "default"})
		out, err := at(s).Create(ctx, marked, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		key := object.Key{Kind: "ConfigMap", Namespace: "default", Name: "flags"}
		if e := store.Entry(kind, key); e.ResourceVersion != out.GetResourceVersion() {
			t.Errorf("the entry is %+v, want the version %s", e, out.GetResourceVersion())
		}
		if err := at(s).Delete(ctx, "flags", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if e := store.Entry(kind, key); !e.IsZero() {
			t.Errorf("after the deletion there is %+v", e)
		}
	})
}
