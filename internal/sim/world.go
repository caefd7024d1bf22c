package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// world is one run: an API server, Git repositories, a clock, controllers, and people. Only one thing happens at a time; what comes next is drawn.
type world struct {
	schedule Schedule
	server   *kube.Server
	people   dynamic.Interface
	repos    map[string]*repo
	dice     *rand.Rand
	now      time.Time
	skew     time.Duration // of the controllers' clocks
	lags     bool          // what the next controller lists first lags behind
	timers   timers

	processes []*process // those that live
	byName    map[string]*process
	started   int
	crashes   int
	twins     int                     // that ran beside another since all were stopped last
	twinned   bool                    // there was one
	stopped   bool                    // nobody starts a controller
	shares    bool                    // the controllers share the apps
	replicas  int                     // how many there are to be
	known     map[app.Owner]string    // the apps that have an App, and what the replicas call each
	venues    map[app.Owner]bool      // of the apps that are gone, those that were rehearsed
	alone     map[app.Owner]time.Time // since when an app is nobody's
	since     time.Time               // when something happened last to those that share the apps
	history   history
	outside   outside
	passed    time.Duration // of the run, in which nothing happened
	blind     bool          // one wrote while it could not know that others had what it wrote
	haunted   bool          // what it wrote was nobody's by then
	estranged bool          // one heard that something was written when others had its part already
	deaf      bool          // no watch can be opened

	acts    []Act
	rests   []end // what there was when all was at rest
	acted   int
	hurried bool      // people did not wait for what came of the last thing that they did
	changed time.Time // when something changed last
	settled int64     // the server's revision up to which its own controllers have nothing to do
	born    int64     // the server's revision in the beginning
	looked  int64     // the revision up to which changes were looked at
	round   int64     // the revision before the last full round; 0 before it
	depth   int       // of things that happen while a request is under way
	due     time.Time // when the first of those that wait while the world goes on is to go on; zero: none waits
	first   bool      // the request under way is the first list of a watch
	oldest  int64     // the revision up to which the history is forgotten
	torn    time.Time // until when files cannot be read
	looks   int       // at files and directories

	requests    int
	log         []sent // of a run without faults: what there is to strike
	deleted     map[string]bool
	made, ready map[string]int64                      // the revisions of milestones
	events      map[string]int                        // what people were told
	applied     map[string][]string                   // which commits they were told of, of each App, by its uid: one that is made anew may tell of one again
	claimed     map[app.Name]map[object.Key]time.Time // since when, but for what was let go; nil unless the apps are shared
	claims      claims                                // what is stored, as of a revision; nil if it has to be read
	claimsOf    int64
	converted   map[typedKey]client.Object
	plained     map[*unstructured.Unstructured]string     // of states, which do not change
	records     map[*unstructured.Unstructured]app.Record // the same
	things      []thing                                   // room for those that can happen
	failure     error

	trace   *[]string
	verbose io.Writer
}

// sent is one request of a controller.
type sent struct {
	verb  string
	write bool
	first bool // the first list of a watch
	// renews says that it renews a Lease.
	renews bool
}

func newWorld(s Schedule) *world {
	w := &world{
		schedule: s, repos: map[string]*repo{}, dice: rand.New(rand.NewPCG(s.Seed, 1)), now: epoch, byName: map[string]*process{}, //nolint:gosec // not secret
		acts: s.Scenario.Acts, deleted: map[string]bool{}, made: map[string]int64{}, ready: map[string]int64{}, events: map[string]int{}, applied: map[string][]string{}, claimed: map[app.Name]map[object.Key]time.Time{}, known: map[app.Owner]string{}, venues: map[app.Owner]bool{}, alone: map[app.Owner]time.Time{}, history: newHistory(), outside: newOutside(), converted: map[typedKey]client.Object{}, plained: map[*unstructured.Unstructured]string{}, records: map[*unstructured.Unstructured]app.Record{}, verbose: s.Verbose, trace: s.trace,
	}
	w.server = base().Fork(kube.Options{
		Now: func() time.Time { return w.now }, Intercept: w.intercept,
		// What is wrong with a status, or a Lease, tests on a real server tell.
		Light:   func(r schema.GroupResource) bool { return r.Group == apps.Group || r == leaseResource.GroupResource() },
		Shared:  true,
		Deliver: func(_ kube.Request, x *kube.Watch) apiwatch.Interface { return opened{x} },
	})
	w.born = w.server.Revision()
	w.looked, w.settled, w.oldest = w.born, w.born, w.born
	w.people = w.server.Client("", "kubectl")
	w.replicas, w.shares = 1, s.Replicas > 0 || s.Scenario.shares
	w.scale(max(s.Replicas, 1))
	return w
}

// Bounds of a run.
const (
	// quiet is how long nothing changes before a run counts as at rest: longer than any back-off.
	quiet = 70 * time.Second
	// longest is how long a run may take to come to rest, by its own clock.
	longest = 4 * time.Hour
	// most is how many steps it may take.
	most = 20000
)

// play lets everything happen until all is at rest.
func (w *world) play() {
	for range most {
		if w.failure != nil || !w.step() {
			return
		}
		if w.now.Sub(epoch)-w.passed > longest {
			w.fail("it does not come to rest within %s", longest)
		}
	}
	w.fail("it does not come to rest within %d steps", most)
}

// step lets one thing happen. It returns false when there is nothing left to do.
func (w *world) step() bool {
	w.observe()
	things := w.runnable()
	if w.schedule.Seed != 0 && w.acted < len(w.acts) && !w.acts[w.acted].Await && w.dice.IntN(60) == 0 {
		w.act()
		return true
	}
	if len(things) > 0 {
		w.do(w.draw(things))
		return true
	}
	if t, i, ok := w.timers.next(); ok && t.at.Before(w.changed.Add(quiet)) {
		w.fire(t, i)
		return true
	}
	w.now = maxTime(w.now, w.changed.Add(quiet))
	switch {
	case w.acted < len(w.acts):
		w.act()
	case w.round == 0:
		w.round = w.server.Revision()
		w.note(func() string { return "a full round" })
		w.changed = w.now
		for _, p := range w.processes {
			p.again()
		}
	default:
		return false
	}
	return true
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// thing is something that can happen now: who does what, and about what. What it is, is one of the rest; if none, the cluster's own controllers do something.
type thing struct {
	who, what string
	about     reconcile.Request

	process *process
	pump    *pump
	habit   *habit
	task    func() // of the process, its number is at
	at      int
	loop    *loop
}

func (t thing) String() string {
	words := []string{t.who, t.what}
	if t.about != (reconcile.Request{}) {
		words = append(words, t.about.String())
	}
	return strings.Join(words, " ")
}

// draw picks one. Without a seed it is the first: deliveries before work.
func (w *world) draw(things []thing) thing {
	if w.schedule.Seed == 0 {
		return things[0]
	}
	return things[w.dice.IntN(len(things))]
}

func (w *world) do(t thing) {
	w.now = w.now.Add(tick)
	w.note(func() string { return w.now.Format("15:04:05.000") + " " + t.String() })
	switch p := t.process; {
	case t.pump != nil:
		t.pump.busy = true
		t.pump.step()
		t.pump.busy = false
	case t.habit != nil:
		t.habit.run(p)
	case t.task != nil:
		p.tasks = slices.Delete(slices.Clone(p.tasks), t.at, t.at+1)
		t.task()
	case t.loop != nil:
		t.loop.run(t.about)
	case !w.server.Step() && !w.rollOut():
		w.settled = w.server.Revision()
	}
}

// runnable lists what can happen now, in an order that depends on nothing but the state. The list is good until the next one is asked for.
func (w *world) runnable() []thing {
	out := w.things[:0]
	now := w.server.Revision()
	for _, p := range w.processes {
		if p.still {
			continue
		}
		for _, x := range p.pumps {
			if !x.busy && x.runnable(now) {
				out = append(out, thing{who: p.name, what: x.what, process: p, pump: x})
			}
		}
		for _, h := range p.habits {
			if h.isDue() {
				out = append(out, thing{who: p.name, what: h.name, process: p, habit: h})
			}
		}
		for i, t := range p.tasks {
			out = append(out, thing{who: p.name, what: t.name, process: p, task: t.do, at: i})
		}
	}
	if w.settled != now {
		out = append(out, thing{who: "the cluster's own", what: "controllers"})
	}
	for _, p := range w.processes {
		if p.still || !p.synced() {
			continue
		}
		for _, l := range p.loops {
			for _, r := range l.waiting() {
				if l.mayRun(r) {
					out = append(out, thing{who: p.name, what: l.Name, about: r, process: p, loop: l})
				}
			}
		}
	}
	w.things = out
	return out
}

// act lets a person do what is next.
func (w *world) act() {
	a := w.acts[w.acted]
	w.acted++
	if a.compare {
		w.rest()
	}
	w.changed = w.now
	w.note(func() string { return w.now.Format("15:04:05.000") + " act: " + a.Name })
	if err := a.do(w); err != nil {
		w.fail("act %q: %v", a.Name, err)
	}
}

// sent counts a request of a controller.
func (w *world) sent(s sent) {
	w.requests++
	if len(w.schedule.Faults) == 0 {
		w.log = append(w.log, s)
	}
}

// struck are the faults of the request under way. The last round is without.
func (w *world) struck() []Fault {
	if w.round != 0 {
		return nil
	}
	var out []Fault
	for _, f := range w.schedule.Faults {
		if f.At == w.requests {
			out = append(out, f)
			w.changed, w.since = w.now, maxTime(w.since, w.now)
			w.note(func() string { return "  FAULT " + f.String() })
		}
	}
	return out
}

// observe looks at what was written since it looked last.
func (w *world) observe() {
	w.watchOwners()
	now := w.server.Revision()
	if now == w.looked {
		return
	}
	for _, c := range w.server.Changes(w.looked) {
		if c.Resource == leaseResource.GroupResource() {
			if c.Before == nil || c.After == nil { // a replica came or went
				w.changed = w.now
			}
			continue
		}
		w.milestones(c)
		if c.After == nil {
			w.deleted[c.Resource.String()+" "+strings.TrimPrefix(c.Namespace+"/"+c.Name, "/")] = true
		}
		switch {
		case c.Resource == (schema.GroupResource{Resource: "events"}):
			continue
		case c.Resource == (schema.GroupResource{Resource: "secrets"}) && c.Namespace == system:
			w.claim(c)
		case c.Resource == apps.GroupResource():
			o := app.Owner{Namespace: c.Namespace, Name: c.Name}
			w.known[o] = shared(o)
			if c.After == nil {
				delete(w.known, o)
				w.venues[o] = c.Before.GetLabels()[v1alpha1.LabelVenue] != ""
			}
		case c.Resource.Group != apps.Group && c.Namespace != system:
			w.history.note(c)
			if c.Resource == served["Namespace"].GroupResource() && c.After == nil {
				w.history.ended(c.Name)
			}
		}
		w.changed = w.now
	}
	w.looked = now
}

// milestones notes when objects that have to come one after the other are made and ready for the first time.
func (w *world) milestones(c kube.Change) {
	if len(w.schedule.Scenario.later) == 0 || c.After == nil {
		return
	}
	key := c.After.GetKind() + " " + c.Namespace + "/" + c.Name
	if w.made[key] == 0 {
		w.made[key] = c.Revision
	}
	_, rolledOut, _ := unstructured.NestedInt64(c.After.Object, "status", "availableReplicas")
	if w.ready[key] == 0 && (rolledOut || c.Resource != deployments.GroupResource()) {
		w.ready[key] = c.Revision
	}
}

// room lets the controllers of every other seed put away each app that they do not work on: it must make no difference.
func (w *world) room() int { return 1 + int(w.schedule.Seed%2)*1000 } //nolint:gosec // 1 or 1001

// told notes an Event about an object. What a commit is about is known to who read it from Git: who goes on by the record says all but that.
func (w *world) told(uid, text string) {
	w.note(func() string { return "  event " + text })
	if strings.Contains(text, " Applied: ") {
		text, _, _ = strings.Cut(text, ">: ")
		text = strings.TrimSuffix(text, ">")
		w.applied[uid] = append(w.applied[uid], text)
	}
	w.events[text]++
}

// fail ends the run: a promise was broken.
func (w *world) fail(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
		w.note(func() string { return "FAILED: " + w.failure.Error() })
	}
}

// note writes down what happens, if anybody wants to know.
func (w *world) note(text func() string) {
	if w.trace != nil {
		*w.trace = append(*w.trace, text())
	}
	if w.verbose != nil {
		_, _ = fmt.Fprintln(w.verbose, text())
	}
}
