package sim

import (
	"maps"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// history is what Fairlead wrote into the objects of apps.
type history struct {
	ours     map[int64]bool   // the revisions that it made
	past     map[string]*past // by object
	relapses map[string]int   // how often an object became again what it had been before
}

// past is what Fairlead made of an object since somebody else changed it last, and what it is now.
type past struct {
	states map[string]bool
	last   string
}

func newHistory() history {
	return history{ours: map[int64]bool{}, past: map[string]*past{}, relapses: map[string]int{}}
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
	if p.states[now] {
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
