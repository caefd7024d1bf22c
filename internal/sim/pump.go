package sim

import (
	"cmp"
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// sink is told what a pump sees, and changes nothing of it.
type sink interface {
	Replace(items []*unstructured.Unstructured, resourceVersion string)
	Put(u *unstructured.Unstructured)
	Drop(u *unstructured.Unstructured)
	// Trouble is told why nothing can be seen now; true ends the pump.
	Trouble(err error) bool
}

// pump lists and watches, as client-go's reflector does, one step at a time.
type pump struct {
	process  *process
	name     string
	what     string // it does: "watch" and its name
	objects  func() (dynamic.ResourceInterface, string, error)
	sink     sink
	over     func() bool // nobody wants to know any more; nil: never
	at       phase
	revision string
	watch    *kube.Watch
	pending  []apiwatch.Event // taken from the watch, not yet told
	seen     int64            // the server's revision when the watch was asked last
	last     *apiwatch.Event  // the one that was told last
	wait     time.Duration
	retry    time.Duration // the wait, if it is always the same
	synced   bool
	busy     bool // a step of it is under way
}

// phase is what a pump does next.
type phase int

const (
	toList phase = iota
	toWatch
	watching
	resting // until a timer
	ended
)

// Back-off of the real reflectors: see package live.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// opened is how the simulated server hands a watch to the pump that asked for it.
type opened struct{ *kube.Watch }

// Stop implements apiwatch.Interface.
func (o opened) Stop() { o.Fail(nil) }

// ResultChan implements apiwatch.Interface. Nobody reads it.
func (o opened) ResultChan() <-chan apiwatch.Event { return nil }

// runnable reports whether there is something to do at the server's revision now.
func (p *pump) runnable(now int64) bool {
	if p.at != ended && p.over != nil && p.over() {
		p.at = ended
	}
	switch p.at {
	case toList:
		return true
	case toWatch:
		return !p.process.world.deaf
	case watching:
		p.fill(now)
		return len(p.pending) > 0 || p.watch.Ended()
	case resting, ended:
	}
	return false
}

// fill takes what the watch has to tell.
func (p *pump) fill(now int64) {
	if now == p.seen {
		return
	}
	p.seen = now
	for {
		e, ok := p.watch.Next()
		if !ok {
			return
		}
		p.pending = append(p.pending, e)
	}
}

// step does what there is to do.
func (p *pump) step() {
	switch p.at {
	case toList:
		p.list()
	case toWatch:
		p.open()
	case watching:
		p.tell()
	case resting, ended:
	}
}

func (p *pump) list() {
	at, selector, err := p.objects()
	var out *unstructured.UnstructuredList
	if err == nil {
		w := p.process.world
		was := w.first
		w.first = p.revision == ""
		defer func() { w.first = was }()
		out, err = at.List(context.Background(), metav1.ListOptions{LabelSelector: selector})
	}
	if p.process.dead {
		return
	}
	if err != nil {
		p.fail(err)
		return
	}
	items := make([]*unstructured.Unstructured, 0, len(out.Items))
	for i := range out.Items {
		items = append(items, &out.Items[i])
	}
	p.revision = out.GetResourceVersion()
	p.synced, p.at, p.last = true, toWatch, nil // a watch that begins anew repeats nothing of the one before
	p.sink.Replace(items, p.revision)
}

func (p *pump) open() {
	at, selector, err := p.objects()
	var w apiwatch.Interface
	if err == nil {
		w, err = at.Watch(context.Background(), metav1.ListOptions{LabelSelector: selector, ResourceVersion: p.revision, AllowWatchBookmarks: true})
	}
	if p.process.dead {
		return
	}
	if err != nil {
		p.fail(err)
		return
	}
	if o, ok := w.(opened); ok {
		p.watch, p.at, p.pending, p.seen, p.wait = o.Watch, watching, nil, -1, 0
	}
}

// tell brings one event to the sink.
func (p *pump) tell() {
	if len(p.pending) == 0 { // the connection broke, or the server ended it
		p.at = toWatch
		return
	}
	e := p.pending[0]
	p.pending = p.pending[1:]
	if e.Type == apiwatch.Error {
		p.pending = nil
		p.fail(apierrors.FromObject(e.Object))
		return
	}
	u, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		return
	}
	p.revision = u.GetResourceVersion()
	p.give(e)
	p.last = &e
}

func (p *pump) give(e apiwatch.Event) {
	u, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		return
	}
	switch e.Type {
	case apiwatch.Added, apiwatch.Modified:
		p.sink.Put(u)
	case apiwatch.Deleted:
		p.sink.Drop(u)
	case apiwatch.Bookmark, apiwatch.Error:
	}
}

// coalesce drops all but the newest of the events that wait of each object, as a cache does that was away for a while.
func (p *pump) coalesce() {
	newest := map[string]int{}
	for i, e := range p.pending {
		if u, ok := e.Object.(*unstructured.Unstructured); ok && e.Type != apiwatch.Bookmark {
			newest[u.GetNamespace()+"/"+u.GetName()] = i
		}
	}
	var kept []apiwatch.Event
	for i, e := range p.pending {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == apiwatch.Bookmark || newest[u.GetNamespace()+"/"+u.GetName()] == i {
			kept = append(kept, e)
		}
	}
	p.pending = kept
}

// cut breaks the connection: what was not told is asked for again.
func (p *pump) cut() {
	if p.at == watching {
		p.at, p.pending = toWatch, nil
	}
}

// fail lets the pump list again: at once if only its place in the history is gone, else later.
func (p *pump) fail(err error) {
	if p.sink.Trouble(err) {
		p.at = ended
		return
	}
	p.wait = cmp.Or(p.retry, max(firstRetry, min(2*p.wait, lastRetry)))
	p.at = resting
	w := p.process.world
	w.timers.add(timer{at: w.now.Add(p.wait), what: p.what, do: func() { p.at = toList }, owner: p.process})
}
