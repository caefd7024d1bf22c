package sim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/live"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// system is Fairlead's own namespace.
const system = "fairlead-system"

// process is one controller: what a crash forgets.
type process struct {
	world  *world
	name   string
	ctx    context.Context
	cancel context.CancelFunc
	dead   bool
	still  bool          // it does nothing by itself: it stands still, or is being stopped
	skew   time.Duration // of its clock
	loaded bool          // it has read the ledger
	lags   bool          // what it lists first lags behind

	sends   sending   // the write that is to be sent next, if it is one of an app's object
	dreams  time.Time // until when it does not know that it stood still
	replica *replica  // what it has that shares the apps; else nil
	partial bool      // the discovery under way fails in part

	loops  []*loop
	tree   *controller.Loops
	caches map[string]*cache
	pumps  []*pump // the first of them are its own, the others are looked for as the controller wants them
	fixed  int     // how many are its own
	habits []*habit
	tasks  []task
}

// task is something that the controller runs side by side with all else.
type task struct {
	name string
	do   func()
}

// definitions is how CustomResourceDefinitions are served.
var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// start starts a controller.
func (w *world) start() {
	w.started++
	p := &process{world: w, name: fmt.Sprintf("p%d", w.started), caches: map[string]*cache{}, skew: w.skew, lags: w.lags}
	w.lags = false
	p.ctx, p.cancel = context.WithCancel(context.Background())
	w.byName[p.name] = p
	agent := "fairlead/" + p.name
	as := func(user string) (dynamic.Interface, error) { return guard{w.server.Client(user, agent), p, user}, nil }
	own, _ := as("")
	parts := controller.Parts{
		Client: cached{direct{dynamic: own, world: w}, p}, Reader: direct{dynamic: own, world: w}, Events: recorder{p}, Secrets: kube.Secrets(own, system),
		Mirrors: mirrors{p}, Render: p.render, Driver: driver{p}, Parallel: 1, Room: w.room(), Now: p.now, Random: w.dice.Float64, Entropy: strings.NewReader(strings.Repeat("key ", 8)), Metrics: prometheus.NewRegistry(), Log: w.logger(p),
	}
	parts.Aside = func(what string, do func()) { p.tasks = append(p.tasks, task{what, do}) }
	if w.schedule.Scenario.releases {
		parts.History, parts.Carry = chronicle{p}, carrier{p}
		chronicle{p}.resume()
		parts.Verifier = func(changed func(app.Name)) controller.Verifier {
			return &prober{process: p, changed: changed, tries: map[app.Name]*try{}}
		}
	}
	if w.shares {
		if err := p.join(own); err != nil { // as the real one, which ends then
			if !p.dead {
				w.crash(p)
			}
			return
		}
		parts.Share, parts.Follow = p.replica.Member, p.follow(own)
	}
	var err error
	parts.Cluster, err = cluster.New(cluster.Server{
		Discovery: discovery{w.server.Discovery("", agent), p}, Version: func() (string, error) { return "v1.36.0", nil }, As: as, Now: p.now,
	})
	if err != nil {
		panic(err)
	}
	p.tree = controller.New(p.ctx, parts)
	for _, l := range p.tree.All() {
		own := newLoop(p, l)
		p.loops = append(p.loops, own)
		l.Start(p.ctx, own)
	}
	looked := []client.Object{&v1alpha1.Repository{}, &v1alpha1.Environment{}, &v1alpha1.App{}}
	if w.schedule.Scenario.releases {
		looked = append(looked, &v1alpha1.Approval{}, &v1alpha1.Override{}, &v1alpha1.Notifier{})
	}
	for _, kind := range looked {
		gvk, plural := kindOf(kind)
		c := &cache{process: p, kind: kind, objects: map[client.ObjectKey]client.Object{}}
		p.caches[gvk.Kind] = c
		p.watch(gvk.Kind, own.Resource(gvk.GroupVersion().WithResource(plural)), c)
	}
	definitions := &kinds{process: p}
	p.watch("CustomResourceDefinition", own.Resource(served["CustomResourceDefinition"]), definitions)
	definitions.pump = p.pumps[len(p.pumps)-1]
	p.fixed = len(p.pumps)
	w.processes = append(w.processes, p)
}

func (p *process) watch(name string, at dynamic.ResourceInterface, s sink) {
	p.look(&pump{name: name, sink: s, objects: func() (dynamic.ResourceInterface, string, error) { return at, "", nil }})
}

// look lets a pump begin.
func (p *process) look(x *pump) {
	x.process, x.what = p, "watch "+x.name
	p.pumps = append(p.pumps, x)
	if p.fixed > 0 {
		slices.SortStableFunc(p.pumps[p.fixed:], func(a, b *pump) int { return cmp.Compare(a.name, b.name) })
	}
}

// now is the process's clock: the world's, unless that of its machine is wrong.
func (p *process) now() time.Time { return p.world.now.Add(p.skew) }

// kill ends a process, as a power cut does.
func (p *process) kill() {
	p.dead = true
	p.cancel()
	w := p.world
	w.timers.drop(p)
	w.processes = slices.DeleteFunc(slices.Clone(w.processes), func(other *process) bool { return other == p })
}

// synced reports whether every cache has been filled: no loop runs before.
func (p *process) synced() bool {
	for _, x := range p.pumps[:p.fixed] {
		if !x.synced {
			return false
		}
	}
	return true
}

// event makes requests of an event of one of Fairlead's own kinds. Before is nil for one that is new, after for one that is gone.
func (p *process) event(before, after client.Object) {
	of := after
	var worth bool
	switch {
	case after == nil:
		of = before
		worth = controller.Worthwhile.Delete(event.DeleteEvent{Object: before})
	case before == nil:
		worth = controller.Worthwhile.Create(event.CreateEvent{Object: after})
	default:
		worth = controller.Worthwhile.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after})
	}
	if is, ok := after.(*v1alpha1.App); ok {
		p.tree.AppTold(is)
	}
	if is, ok := after.(*v1alpha1.Environment); ok {
		if was, ok := before.(*v1alpha1.Environment); ok {
			p.tree.EnvironmentTold(was, is)
		}
	}
	if !worth {
		return
	}
	for _, l := range p.loops {
		for _, watched := range l.Watches {
			if reflect.TypeOf(watched.Kind) != reflect.TypeOf(of) {
				continue
			}
			for _, o := range []client.Object{before, after} { // those of the state before, too
				if o == nil {
					continue
				}
				for _, r := range watched.Requests(p.ctx, o) {
					l.Add(r)
				}
			}
		}
	}
}

// again lets everything be looked at.
func (p *process) again() {
	for _, kind := range []string{"Repository", "Environment", "App", "Notifier"} {
		if p.caches[kind] == nil {
			continue
		}
		for k, o := range p.caches[kind].objects {
			for _, l := range p.loops {
				for _, watched := range l.Watches {
					if reflect.TypeOf(watched.Kind) == reflect.TypeOf(o) {
						l.Add(reconcile.Request{NamespacedName: k})
					}
				}
			}
		}
	}
}

// kinds tells the controller of definitions that come and go.
type kinds struct {
	process *process
	pump    *pump
}

func (k *kinds) changed() {
	p := k.process
	p.tree.KindsChanged()
	p.world.timers.add(timer{at: p.world.now.Add(controller.DiscoveryLag), what: "kinds", do: p.tree.KindsChanged, owner: p})
}

// Replace implements sink. The first list is no change.
func (k *kinds) Replace([]*unstructured.Unstructured, string) {
	if k.pump.revision != "" {
		k.changed()
	}
}

// Put implements sink.
func (k *kinds) Put(*unstructured.Unstructured) { k.changed() }

// Drop implements sink.
func (k *kinds) Drop(*unstructured.Unstructured) { k.changed() }

// Trouble implements sink.
func (*kinds) Trouble(error) bool { return false }

// driver looks at live objects for the controller, by pumps of the process.
type driver struct{ process *process }

// Go implements live.Driver.
func (d driver) Go(k live.Kind, f func()) {
	p := d.process
	p.tasks = append(p.tasks, task{name: k.Identity.User() + " " + k.Resource.Plural, do: f})
	slices.SortStableFunc(p.tasks, func(a, b task) int { return cmp.Compare(a.name, b.name) })
}

// Look implements live.Driver.
func (d driver) Look(v *live.View) {
	k := v.Kind()
	d.process.look(&pump{
		name: strings.TrimSpace(fmt.Sprintf("%s of %s in %q %s", k.Resource.Plural, k.Identity.User(), v.Namespace(), k.Name)), objects: v.Objects, sink: v, over: v.Ended,
	})
}

// recorder counts the Events of the controller: what people were told.
type recorder struct{ process *process }

// Eventf implements events.EventRecorder.
func (r recorder) Eventf(about, _ runtime.Object, _, reason, _, note string, args ...any) {
	if r.process.dead {
		return
	}
	if o, ok := about.(metav1.Object); ok {
		r.process.world.told(string(o.GetUID()), fmt.Sprintf("%s/%s %s: %s", o.GetNamespace(), o.GetName(), reason, fmt.Sprintf(note, args...)))
	}
}

// log is where a process writes what it decides: nowhere, unless somebody wants to read it.
func (w *world) logger(p *process) *slog.Logger {
	if w.verbose == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(prefixed{w, p.name}, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
}

type prefixed struct {
	w    *world
	name string
}

func (x prefixed) Write(b []byte) (int, error) {
	_, err := io.WriteString(x.w.verbose, "    "+x.name+" "+string(b))
	return len(b), err
}
