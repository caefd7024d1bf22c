package sim

import (
	"maps"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// history is what Fairlead wrote into the objects of apps.
type history struct {
	ours     map[int64]bool   // the revisions that it made
	past     map[string]*past // by object
	relapses map[string]int   // how often an object became again what it had been before
	met      map[string]bool  // the objects that two replicas were about to make before the one could hear of the other
	// excused says that one stood still over a write, or wrote a record by a clock that had stood still: no Lease, and nothing that is read, keeps it from going back.
	excused bool
}

// past is what Fairlead made of an object since somebody else changed it last, and what it is now.
type past struct {
	states map[string]bool
	last   string
}

func newHistory() history {
	return history{ours: map[int64]bool{}, past: map[string]*past{}, relapses: map[string]int{}, met: map[string]bool{}}
}

// sign notes what a request that is about to be carried out writes.
func (w *world) sign(v *kube.Verdict) {
	then, before := v.After, w.server.Revision()
	v.After = func() error {
		for r := before + 1; r <= w.server.Revision(); r++ {
			w.history.ours[r] = true
		}
		if then == nil {
			return nil
		}
		return then()
	}
}

// ended forgets what was in a namespace that is gone.
func (h *history) ended(namespace string) {
	maps.DeleteFunc(h.past, func(key string, _ *past) bool {
		_, name, _ := strings.Cut(key, " ")
		return strings.HasPrefix(name, namespace+"/")
	})
}

// note takes in a change of an object of an app.
func (h *history) note(c kube.Change) {
	key, now := c.Resource.String()+" "+c.Namespace+"/"+c.Name, content(c)
	p := h.past[key]
	if p == nil {
		p = &past{states: map[string]bool{}}
		h.past[key] = p
	}
	if now == p.last { // a status
		return
	}
	p.last = now
	if !h.ours[c.Revision] {
		clear(p.states)
		return
	}
	if p.states[now] && !h.excused {
		h.relapses[key]++
	}
	p.states[now] = true
}

// content is what an object is, but for what is never the same twice, and what others say of it.
func content(c kube.Change) string {
	if c.After == nil {
		return "gone"
	}
	m := maps.Clone(c.After.Object)
	delete(m, "status")
	meta, _ := m["metadata"].(map[string]any)
	m["metadata"] = map[string]any{"labels": meta["labels"], "annotations": meta["annotations"]}
	return string(textOf(nil, m))
}

// hearing is how long it takes at most until a replica has heard what another one claims.
const hearing = 3 * time.Second

// meet notes that an object is about to be made, or changed, that another app claimed at the same moment: of two replicas that read different commits the one may
// not have heard of it. See docs/reliability.md.
func (w *world) meet(key object.Key, by app.Owner, name string) {
	if !w.shares {
		return
	}
	w.observe()
	var own, other []time.Time
	for n, all := range w.claimed {
		if at, ok := all[key]; ok && n.Owner() == by {
			own = append(own, at)
		} else if ok {
			other = append(other, at)
		}
	}
	for _, a := range own {
		for _, b := range other {
			w.history.met[name] = w.history.met[name] || a.Sub(b).Abs() < hearing
		}
	}
}

// claim takes in what a record says: since when an app claims what it has not let go.
func (w *world) claim(c kube.Change) {
	if !w.shares || c.After == nil || !heads.Matches(labels.Set(c.After.GetLabels())) {
		return
	}
	r := w.record(c.After)
	was, is := w.claimed[r.App], map[object.Key]time.Time{}
	for key, claim := range r.Claims {
		if at, ok := was[key]; claim.Yielded {
			continue
		} else if ok {
			is[key] = at
		} else {
			is[key] = w.now
		}
	}
	w.claimed[r.App] = is
}
