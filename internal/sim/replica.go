package sim

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/roster"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// lasts is how long a replica's Lease lasts: twice as long as it usually does, since every renewal costs time.
const lasts = 30 * time.Second

var leaseResource = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

// replica is what a process has that shares the apps with others.
type replica struct {
	*roster.Member
	names   int  // that it has had so far
	settled bool // its part was known once
	gate    http.RoundTripper
}

// join makes a process one of those that share the apps, as the real one does it before anything else.
func (p *process) join(own dynamic.Interface) error {
	r := &replica{}
	var err error
	r.Member, err = roster.Join(p.ctx, roster.Options{
		Leases: kube.Leases(own, system), Lasts: lasts, Holder: p.name, Log: p.world.logger(p), Now: p.now, Driver: keeper{p, own},
		// What belongs to whom follows from the names.
		Name: func() string { r.names++; return fmt.Sprintf("%s-%d-%d", p.name, p.world.schedule.Seed, r.names) },
	})
	if err != nil {
		return err
	}
	r.gate = cluster.Guarded(&rest.Config{}, r.InTime).WrapTransport(passes{})
	p.replica = r
	return nil
}

// passes lets every request pass.
type passes struct{}

// RoundTrip implements http.RoundTripper.
func (passes) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{Body: http.NoBody}, nil
}

// mayWrite asks the transport of a process whether a request may be sent.
func (p *process) mayWrite(r kube.Request) error {
	if p.replica == nil {
		return nil
	}
	answer, err := p.replica.gate.RoundTrip(onTheWire(r))
	if err == nil {
		_ = answer.Body.Close()
	}
	return err
}

// onTheWire is a request as a transport sees it.
func onTheWire(r kube.Request) *http.Request {
	methods := map[string]string{
		"create": http.MethodPost, "update": http.MethodPut, "patch": http.MethodPatch, "apply": http.MethodPatch, "delete": http.MethodDelete,
		"deletecollection": http.MethodDelete,
	}
	out := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/api"}, Header: http.Header{}}
	if m, ok := methods[r.Verb]; ok {
		out.Method = m
	}
	if r.Verb == "discover" {
		return out
	}
	out.URL.Path = "/api/" + r.Resource.Version
	if r.Resource.Group != "" {
		out.URL.Path = "/apis/" + r.Resource.Group + "/" + r.Resource.Version
	}
	if r.Namespace != "" {
		out.URL.Path += "/namespaces/" + r.Namespace
	}
	out.URL.Path += "/" + r.Resource.Resource
	if r.Verb != "create" && r.Name != "" {
		out.URL.Path += "/" + r.Name
	}
	if r.Subresource != "" {
		out.URL.Path += "/" + r.Subresource
	}
	switch {
	case r.DryRun:
		out.URL.RawQuery = "dryRun=All"
	case r.Verb == "watch":
		out.URL.RawQuery = "watch=true"
	case r.Verb == "apply":
		out.Header.Set("Content-Type", "application/apply-patch+yaml")
	}
	return out
}

// isSettled reports whether a process knows its part: whatever waits for that goes no further before.
func (p *process) isSettled() bool {
	if r := p.replica; r != nil && !r.settled {
		r.settled = r.Size() > 0
		return r.settled
	}
	return true
}

// keeper does for a member what it does by itself: roster.Driver, one step at a time.
type keeper struct {
	process *process
	own     dynamic.Interface
}

// habit is something that a process does again and again.
type habit struct {
	name string
	step func() time.Time
	wake <-chan struct{}
	due  bool
	busy bool
	next *timer
}

// Repeat implements roster.Driver.
func (k keeper) Repeat(_ context.Context, step func() time.Time, wake <-chan struct{}) {
	k.process.habits = append(k.process.habits, &habit{name: "roster", step: step, wake: wake, due: true})
}

// isDue reports whether there is something to do now.
func (h *habit) isDue() bool { return !h.busy && (h.due || len(h.wake) > 0) }

func (h *habit) run(p *process) {
	w := p.world
	if len(h.wake) > 0 {
		<-h.wake
	}
	w.timers.remove(h.next)
	h.due, h.busy = false, true
	at := h.step()
	h.busy = false
	if !p.dead {
		h.next = w.timers.add(timer{at: w.now.Add(at.Sub(p.now())), what: h.name, do: func() { h.due = true }, owner: p})
	}
}

// After implements roster.Driver.
func (k keeper) After(d time.Duration, f func()) (stop func()) {
	w := k.process.world
	t := w.timers.add(timer{at: w.now.Add(d), what: "the Lease lapses", do: f, owner: k.process})
	return func() { w.timers.remove(t) }
}

// Wait implements roster.Driver.
func (keeper) Wait() {}

// Look implements roster.Driver.
func (k keeper) Look(_ context.Context, v *roster.View) {
	at := k.own.Resource(leaseResource).Namespace(system)
	k.process.look(&pump{
		name: "Lease", sink: typedSink[*coordinationv1.Lease]{k.process.world, v}, retry: roster.LookAgain(lasts),
		objects: func() (dynamic.ResourceInterface, string, error) { return at, roster.Label, nil },
	})
}

// follow tells what is in the ledger.
func (p *process) follow(own dynamic.Interface) func(known []app.Name, told func(app.Name, app.Claims)) {
	return func(known []app.Name, told func(app.Name, app.Claims)) {
		at := own.Resource(served["Secret"]).Namespace(system)
		p.look(&pump{
			name: "ledger", sink: typedSink[*corev1.Secret]{p.world, ledger.NewFollower(known, told)}, retry: time.Second,
			objects: func() (dynamic.ResourceInterface, string, error) { return at, ledger.Heads, nil },
		})
	}
}

// typedSink hands objects on as those of a Go type, which nobody may change.
type typedSink[T client.Object] struct {
	world *world
	to    interface {
		Replace([]T)
		Put(T)
		Drop(T)
	}
}

func (s typedSink[T]) typed(u *unstructured.Unstructured) T {
	var kind T
	o, _ := s.world.typed(kind, u).(T)
	return o
}

// Replace implements sink.
func (s typedSink[T]) Replace(items []*unstructured.Unstructured, _ string) {
	list := make([]T, 0, len(items))
	for _, u := range items {
		list = append(list, s.typed(u))
	}
	s.to.Replace(list)
}

// Put implements sink.
func (s typedSink[T]) Put(u *unstructured.Unstructured) { s.to.Put(s.typed(u)) }

// Drop implements sink.
func (s typedSink[T]) Drop(u *unstructured.Unstructured) { s.to.Drop(s.typed(u)) }

// Trouble implements sink.
func (typedSink[T]) Trouble(error) bool { return false }
