package sim

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// frozenFor is how long a process stands still: until others have taken it for dead, and its apps.
const frozenFor = lasts + 20*time.Second

// freeze lets a process stand still, while all else goes on, people included. The error is that it died meanwhile.
func (w *world) freeze(p *process) error {
	if w.depth > deepest {
		return nil
	}
	defer w.deeper()()
	w.note(func() string { return "  " + p.name + " stands still" })
	w.hurry()
	p.still = true
	w.goOn(w.now.Add(frozenFor), func() bool { return p.dead })
	p.still, w.changed, w.since = false, w.now, maxTime(w.since, w.now)
	w.note(func() string { return "  " + p.name + " goes on" })
	if p.dead {
		return errDead
	}
	return nil
}

// doze lets a process stand still, and its clock with it, as that of a machine that is suspended.
func (w *world) doze(p *process) error {
	w.blind = true
	began := w.now
	err := w.freeze(p)
	p.skew -= w.now.Sub(began)
	p.dreams = w.now.Add(lasts)
	return err
}

// comeOrGo lets another replica come for a while, or this one go and another one take its place.
func (w *world) comeOrGo(p *process, k Kind) {
	if k == Leave {
		w.leave(p)
		return
	}
	w.scale(w.replicas + 1)
	w.timers.add(timer{at: w.now.Add(frozenFor), what: "one replica less", do: func() { w.scale(w.replicas - 1) }})
}

// shared is what the replicas call an app.
func shared(o app.Owner) string { return "app " + o.String() }

// has reports whether a process would act on what the replicas call so.
func (p *process) has(key string) bool {
	if p.dead || p.still || p.replica == nil || p.replica.InTime() != nil {
		return false
	}
	_, mine := p.replica.Owns(key)
	return mine
}

// promised holds a write that is about to be sent to the promises: what it applies or deletes is claimed, it is of who has the app, and nobody else has it. Who
// dozed knows no better, and what twins do is judged in the end.
func (w *world) promised(p *process, s sending, r kube.Request) {
	if w.now.Before(p.dreams) || w.twins > 0 {
		return
	}
	if err := s.covered(); err != nil {
		w.fail("%w", err)
	}
	o := s.owner
	if r.Verb == "apply" && o != (app.Owner{}) {
		w.finalized(o, r)
	}
	if r.Resource == apps {
		o = app.Owner{Namespace: r.Namespace, Name: r.Name}
	}
	if p.replica == nil || o == (app.Owner{}) {
		return
	}
	key := shared(o)
	for _, q := range w.processes {
		if q != p && q.has(key) && !w.now.Before(q.dreams) {
			w.fail("%s %s as a write of app %s, which is %s's", p.name, r, o, q.name)
		}
	}
}

// finalized holds an apply to the promise that an environment that takes its objects with it cannot go without them. Of one that was changed, who applies may
// not know yet.
func (w *world) finalized(o app.Owner, r kube.Request) {
	for _, u := range w.server.Objects(served["Environment"].GroupResource()) {
		prunes, _, _ := unstructured.NestedString(u.Object, "spec", "deletion")
		of := u.GetNamespace() == o.Namespace && strings.HasPrefix(o.Name, u.GetName()+"-")
		if of && prunes == "Prune" && u.GetGeneration() == 1 && len(u.GetFinalizers()) == 0 {
			w.fail("%s for app %s, and environment %s may go without it: it has no finalizer", r, o, u.GetName())
		}
	}
}

// lonely is how long an app may be nobody's after whatever happened last: until the Lease of who had it has lapsed, and the others know that.
const lonely = lasts + 5*time.Second

// watchOwners holds the replicas to the promise that every app is somebody's again in time.
func (w *world) watchOwners() {
	if !w.shares || w.stopped || w.deaf || w.isOverdue() || !slices.ContainsFunc(w.processes, func(p *process) bool { return !p.still }) {
		w.since = maxTime(w.since, w.now)
		return
	}
	for o, key := range w.known {
		if slices.ContainsFunc(w.processes, func(p *process) bool { return p.has(key) }) {
			delete(w.alone, o)
			continue
		}
		if w.alone[o].IsZero() {
			w.alone[o] = w.now
		}
		if since := maxTime(w.alone[o], w.since); w.now.Sub(since) > lonely {
			w.fail("app %s is nobody's since %s", o, since.Format("15:04:05"))
		}
	}
}
