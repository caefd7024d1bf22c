package kube_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/sim/kube"
	"github.com/fairlead-cd/fairlead/internal/sim/kube/kubetest"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func configMap(name string, data ...string) *unstructured.Unstructured {
	m := map[string]any{}
	for _, d := range data {
		k, v, _ := strings.Cut(d, "=")
		m[k] = v
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": m}}
}

func at(s *kube.Server) dynamic.ResourceInterface {
	return s.Client("somebody", "test").Resource(configMaps).Namespace("default")
}

func names(list *unstructured.UnstructuredList) string {
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].GetName())
	}
	return strings.Join(out, " ")
}

// TestVerdicts puts every fault there is into the one seam.
func TestVerdicts(t *testing.T) {
	var verdict kube.Verdict
	var asked []string
	s := kube.New(kube.Options{Now: clock(), Intercept: func(r kube.Request) kube.Verdict {
		asked = append(asked, fmt.Sprint(r.Number, " ", r.User, " ", r))
		return verdict
	}})
	c, ctx := at(s), t.Context()
	_, err := c.Create(ctx, configMap("a"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := s.Revision()
	broken := kube.Error(500, metav1.StatusReasonInternalError, "broken")

	verdict = kube.Verdict{Refuse: broken}
	if _, err := c.Create(ctx, configMap("b"), metav1.CreateOptions{}); !apierrors.IsInternalError(err) || s.Revision() != before {
		t.Errorf("a refused request: %v, and the revision went from %d to %d", err, before, s.Revision())
	}
	verdict = kube.Verdict{Lose: broken}
	if _, err := c.Create(ctx, configMap("c"), metav1.CreateOptions{}); !apierrors.IsInternalError(err) || s.Revision() == before {
		t.Errorf("a request whose answer is lost: %v, and the revision stayed", err)
	}
	verdict = kube.Verdict{AsOf: before}
	if _, err := c.Get(ctx, "c", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a get as of before the creation: %v", err)
	}
	if list, err := c.List(ctx, metav1.ListOptions{}); err != nil || names(list) != "a" || list.GetResourceVersion() != fmt.Sprint(before) {
		t.Errorf("a list as of then: %v at %s, %v", names(list), list.GetResourceVersion(), err)
	}
	verdict = kube.Verdict{Omit: func(_, name string) bool { return name == "a" }}
	if list, err := c.List(ctx, metav1.ListOptions{}); err != nil || names(list) != "c" {
		t.Errorf("a partial list: %v, %v", names(list), err)
	}
	want := "1 somebody create configmaps default/a, 2 somebody create configmaps default/b, 3 somebody create configmaps default/c, " +
		"4 somebody get configmaps default/c, 5 somebody list configmaps default/, 6 somebody list configmaps default/"
	if got := strings.Join(asked, ", "); got != want {
		t.Errorf("asked were\n%s, want\n%s", got, want)
	}
}

// TestRights refuses what a user may not do, and tells who asks before.
func TestRights(t *testing.T) {
	s := kube.New(kube.Options{Now: clock(), Allow: func(r kube.Request) bool { return r.Verb == "get" }})
	_, err := at(s).Create(t.Context(), configMap("a"), metav1.CreateOptions{})
	want := `configmaps "a" is forbidden: User "somebody" cannot create resource "configmaps" in API group "" in the namespace "default"`
	if !apierrors.IsForbidden(err) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestWatch moves a watch on by hand.
func TestWatch(t *testing.T) {
	s := kube.New(kube.Options{Now: clock()})
	ctx := t.Context()
	w, err := s.Watch(configMaps, "default", metav1.ListOptions{ResourceVersion: fmt.Sprint(s.Revision()), AllowWatchBookmarks: true})
	if err != nil {
		t.Fatal(err)
	}
	next := func(want apiwatch.EventType) apiwatch.Event {
		t.Helper()
		e, ok := w.Next()
		if ok != (want != "") || e.Type != want {
			t.Errorf("next is %q, want %q", e.Type, want)
		}
		return e
	}
	next("")
	a, err := at(s).Create(ctx, configMap("a"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a.SetLabels(map[string]string{"x": "y"})
	if _, err := at(s).Update(ctx, a, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	next(apiwatch.Added)
	w.Bookmark()
	next(apiwatch.Modified)
	next(apiwatch.Bookmark)
	next("")
	if _, err := at(s).Create(ctx, configMap("b"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.Compact(s.Revision())
	if e := next(apiwatch.Error); e.Object.(*metav1.Status).Code != 410 {
		t.Errorf("after a compaction the watch says %v", e.Object)
	}
	if next(""); !w.Ended() {
		t.Error("the watch goes on after an error")
	}
}

// TestDeliver lets the owner of a server decide when a client's watch gets its events.
func TestDeliver(t *testing.T) {
	var held *kube.Watch
	events := make(chan apiwatch.Event, 10)
	s := kube.New(kube.Options{Now: clock(), Deliver: func(_ kube.Request, w *kube.Watch) apiwatch.Interface {
		held = w
		return apiwatch.NewProxyWatcher(events)
	}})
	w, err := at(s).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at(s).Create(t.Context(), configMap("a"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(w.ResultChan()) != 0 {
		t.Error("an event came before it was delivered")
	}
	if e, ok := held.Next(); ok {
		events <- e
	}
	if e := <-w.ResultChan(); e.Type != apiwatch.Added {
		t.Errorf("got %v", e)
	}
}

// TestSlowReader cuts off who does not read.
func TestSlowReader(t *testing.T) {
	s := kube.New(kube.Options{Now: clock()})
	w, err := at(s).Watch(t.Context(), metav1.ListOptions{ResourceVersion: fmt.Sprint(s.Revision())})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if _, err := at(s).Create(t.Context(), configMap(fmt.Sprint("c", i)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	for range w.ResultChan() {
		got++
	}
	if got == 0 || got == 200 {
		t.Errorf("%d events of 200 came before the end", got)
	}
}

// TestFork lets two servers go their own ways from one state.
func TestFork(t *testing.T) {
	s := kube.New(kube.Options{Now: clock()})
	ctx := t.Context()
	if _, err := at(s).Create(ctx, configMap("a"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	f := s.Fork(kube.Options{Now: clock()})
	if err := at(f).Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := at(s).Create(ctx, configMap("b"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if n, m := len(s.Objects(configMaps.GroupResource())), len(f.Objects(configMaps.GroupResource())); n != 2 || m != 0 {
		t.Errorf("there are %d and %d objects, want 2 and 0", n, m)
	}
	if c := f.Changes(s.Revision() - 1); len(c) != 1 || c[0].Name != "a" || c[0].Before == nil || c[0].After != nil {
		t.Errorf("the fork changed %+v", c)
	}
}

// TestSame asks two servers the same: uids, resourceVersions and times included, the answers are the same, whether they are merged or remembered.
func TestSame(t *testing.T) {
	base := kube.New(kube.Options{Now: clock()})
	kubetest.Prepare(t, held(base))
	var first string
	for range 3 {
		s := base.Fork(kube.Options{Now: clock()})
		kubetest.Namespace(t, held(s), "same")
		if _, err := kubetest.Play(t.Context(), held(s), "same", kubetest.Random(7, 200)); err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, c := range s.Changes(0) {
			fmt.Fprintln(&all, c.Revision, c.Resource, c.Name, c.After)
		}
		if first == "" {
			first = all.String()
		}
		if all.String() != first {
			t.Fatalf("the same requests made\n%s\nand then\n%s", first, all.String())
		}
	}
}

// TestSteps names what the controllers still have to do, one thing at a time.
func TestSteps(t *testing.T) {
	s := kube.New(kube.Options{Now: clock()})
	ctx := t.Context()
	s.Settle()
	owner, err := at(s).Create(ctx, configMap("owner"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		child := configMap(name)
		child.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.GetUID()}})
		if _, err := at(s).Create(ctx, child, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if s.Step() {
		t.Error("there was something to do while the owner lives")
	}
	if err := at(s).Delete(ctx, "owner", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"two", "", ""} {
		s.Step()
		list, err := at(s).List(ctx, metav1.ListOptions{})
		if err != nil || names(list) != want {
			t.Errorf("after a step there are %q, %v; want %q", names(list), err, want)
		}
	}
}

// TestLostAnswer is told from a network that broke: it is the error of the verdict itself.
func TestLostAnswer(t *testing.T) {
	cut := errors.New("connection reset")
	s := kube.New(kube.Options{Now: clock(), Intercept: func(kube.Request) kube.Verdict { return kube.Verdict{Lose: cut} }})
	if _, err := at(s).Create(t.Context(), configMap("a"), metav1.CreateOptions{}); !errors.Is(err, cut) {
		t.Errorf("got %v", err)
	}
}
