package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/controller"
	happened "github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
	"github.com/fairlead-cd/fairlead/internal/verifier"
)

// outside is what there is beside the cluster and Git in a story of releases: who is told by Notifiers, what apps answer when they are tried, and where the
// history is kept.
type outside struct {
	told    map[string]int             // what the receiver got, by its id, and how often
	records map[string]happened.Record // what the history has, by key
	intents map[string]intent          // what controllers are about to do, by key, as their disks have it
}

func newOutside() outside {
	return outside{map[string]int{}, map[string]happened.Record{}, map[string]intent{}}
}

// ask sends a request of a controller to somebody outside. Refused is why it did not arrive, lost why its answer did not; code is what was answered instead of 200.
func (p *process) ask(verb, what string) (code int, refused, lost error) {
	w := p.world
	if p.dead {
		return 0, errDead, nil
	}
	w.now = w.now.Add(tick)
	w.sent(sent{verb: verb})
	w.note(func() string { return fmt.Sprintf("  %s %d: %s %s", p.name, w.requests, verb, what) })
	for _, f := range w.struck() {
		switch f.Kind {
		case CrashBefore:
			w.crash(p)
			return 0, errDead, nil
		case CrashAfter:
			w.crash(p)
			lost = errDead
		case Timeout:
			refused = errTimeout
		case Lost:
			lost = errTimeout
		case Broken:
			code = http.StatusInternalServerError
		case Busy:
			code = http.StatusTooManyRequests
		default:
		}
	}
	return code, refused, lost
}

// carrier is the way of a process to those whom Notifiers tell: an http.RoundTripper.
type carrier struct{ process *process }

// RoundTrip implements http.RoundTripper.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var event struct{ ID, Source string }
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, err
	}
	p, w := c.process, c.process.world
	w.meanwhile(p, kube.Request{Verb: "post"})
	code, refused, lost := p.ask("post", event.ID)
	if refused != nil {
		return nil, refused
	}
	if code == 0 {
		code = http.StatusOK
		w.hear(p, event.ID)
	}
	if lost != nil {
		return nil, lost
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(&bytes.Buffer{}), Request: r}, nil
}

// hear holds a message that arrives to the promise: that it is on its way is stored, and no one was told before that it came. Of twins each may send it.
func (w *world) hear(p *process, id string) {
	w.outside.told[id]++
	if w.twins > 0 || w.now.Before(p.dreams) {
		return
	}
	for _, u := range w.server.Objects(served["Notifier"].GroupResource()) {
		told, _, _ := unstructured.NestedSlice(u.Object, "status", "told")
		for _, x := range told {
			if t, _ := x.(map[string]any); t["key"] == id && t["state"] == string(v1alpha1.TellingSending) {
				return
			}
		}
	}
	w.fail("%q is told, and no Notifier says that it is being sent", id)
}

// heardOutside holds what was told in the end to what is told without faults.
func (w *world) heardOutside(calm map[string]int) {
	for id := range calm {
		if w.outside.told[id] == 0 {
			w.fail("nobody was told of %q", id)
		}
	}
	for id := range w.outside.told {
		if calm[id] == 0 {
			w.fail("%q was told, and without faults it never is", id)
		}
	}
}

// trialTime is how long an app takes to answer when it is tried, and trialAgain when it is tried again that did not.
const (
	trialTime  = 2 * time.Second
	trialAgain = 5 * time.Second
)

// prober tries releases for a process, by what lives: it remembers no more than the newest try of each app.
type prober struct {
	process *process
	changed func(app.Name)
	tries   map[app.Name]*try
}

type try struct {
	task    verifier.Task
	verdict release.Verdict
}

// Begin implements controller.Verifier.
func (v *prober) Begin(t verifier.Task) {
	if was := v.tries[t.App]; was != nil && was.task.Serial == t.Serial {
		return
	}
	x := &try{task: t}
	v.tries[t.App] = x
	v.later(x, trialTime)
}

// later lets an app be asked after a while, and again for as long as it does not answer.
func (v *prober) later(x *try, d time.Duration) {
	p, w := v.process, v.process.world
	w.timers.add(timer{at: w.now.Add(d), what: "trial of " + x.task.App.String(), owner: p, do: func() {
		p.tasks = append(p.tasks, task{"try " + x.task.App.String(), func() { v.probe(x) }})
	}})
}

func (v *prober) probe(x *try) {
	if v.tries[x.task.App] != x {
		return // it is not asked any more
	}
	code, refused, lost := v.process.ask("probe", x.task.App.String())
	if v.process.dead {
		return
	}
	if refused != nil || lost != nil || code != 0 {
		v.later(x, trialAgain)
		return
	}
	x.verdict = release.Passed
	if v.process.world.refuses(x.task.App) {
		x.verdict = release.Refuted
	}
	v.changed(x.task.App)
}

// Forget implements controller.Verifier.
func (v *prober) Forget(n app.Name) { delete(v.tries, n) }

// Leave implements controller.Verifier.
func (v *prober) Leave(n app.Name) { delete(v.tries, n) }

// Verdict implements controller.Verifier.
func (v *prober) Verdict(n app.Name, serial int) (release.Verdict, string) {
	x := v.tries[n]
	switch {
	case x == nil || x.task.Serial != serial:
		return release.Pending, ""
	case x.verdict == release.Refuted:
		return release.Refuted, "it answers 503"
	}
	return x.verdict, ""
}

// LastWords implements controller.Verifier: there are no pods here that could have written anything.
func (v *prober) LastWords(context.Context, app.Identity, object.Key) string { return "" }

// refuses reports what an app answers that is tried: no, if it has an object that says so.
func (w *world) refuses(n app.Name) bool {
	for _, u := range w.server.Objects(served["ConfigMap"].GroupResource()) {
		if u.GetLabels()["answers"] == "no" && app.OwnerOf(object.New(u.Object)) == n.Owner() {
			return true
		}
	}
	return false
}

// chronicle is the way of a process to the history, which takes a while to store a record.
type chronicle struct{ process *process }

// Record implements history.Recorder.
func (c chronicle) Record(r happened.Record, done func()) error {
	if _, err := happened.Fit(r); err != nil {
		return err
	}
	p := c.process
	if !p.dead {
		delete(p.world.outside.intents, r.Key)
		p.world.outside.intents[r.Key] = intent{process: p, record: true, Intent: happened.Intent{Record: r}}
	}
	p.tasks = append(p.tasks, task{"history " + r.Key, func() {
		if was, known := p.world.outside.records[r.Key]; !known || was.Serial == 0 {
			p.world.outside.records[r.Key] = r
		}
		if p.world.outside.intents[r.Key].record {
			delete(p.world.outside.intents, r.Key)
		}
		if done != nil {
			done()
		}
	}})
	return nil
}

// intent is what the journal of a process has: what it is about to do, or a record on its way. The process that is started after it finds both.
type intent struct {
	happened.Intent
	process *process
	record  bool
}

// Intend implements history.Notebook.
func (c chronicle) Intend(i happened.Intent) error {
	if !c.process.dead {
		c.process.world.outside.intents[i.Record.Key] = intent{process: c.process, Intent: i}
	}
	return nil
}

// Withdraw implements history.Notebook.
func (c chronicle) Withdraw(key string) {
	if !c.process.dead {
		delete(c.process.world.outside.intents, key)
	}
}

// Intended implements history.Notebook.
func (c chronicle) Intended() []happened.Intent {
	all := c.process.world.outside.intents
	var out []happened.Intent
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if i := all[key]; i.process.dead && !i.record {
			out = append(out, i.Intent)
		}
	}
	return out
}

// resume takes up the records of processes that died, as an outbox does with its journal.
func (c chronicle) resume() {
	all := c.process.world.outside.intents
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if i := all[key]; i.process.dead && i.record {
			_ = c.Record(i.Record, nil) // it was taken before
		}
	}
}

// phases are what the history says that releases went through, and how often.
func (w *world) phases() map[string]int {
	out := map[string]int{}
	for _, r := range w.outside.records {
		if r.Serial > 0 {
			out[fmt.Sprintf("%s/%s/%s %d %s", r.Namespace, r.Environment, r.App, r.Serial, r.Phase)]++
		}
	}
	return out
}

// remembered holds the history to the promise: each phase of each release is in it, once.
func (w *world) remembered(calm map[string]int) {
	now := w.phases()
	for what, n := range now {
		if n > 1 && !w.twinned {
			w.fail("the history has %d times: %s", n, what)
		}
		if calm[what] == 0 && !w.passes(what) {
			w.fail("the history has what never happens without faults: %s", what)
		}
	}
	for what := range calm {
		if now[what] == 0 && (!w.schedule.Scenario.pushes || !w.passes(what)) {
			w.fail("the history lacks: %s", what)
		}
	}
}

// passes reports whether a phase of a release is one that it may go through without staying there, unless something is in the way. Where controllers move branches
// any but an end is: a release of what Fairlead pushed itself changes little.
func (w *world) passes(what string) bool {
	phase := release.Phase(what[strings.LastIndexByte(what, ' ')+1:])
	if w.schedule.Scenario.pushes {
		return phase != "" && !phase.Ended()
	}
	return phase == release.Planned || phase == release.Progressing
}

// pass lets time pass in which nothing happens. People call it "time passed/N", as if it were an object, to say what comes later than that.
func (w *world) pass(name string, d time.Duration) {
	w.now = w.now.Add(d)
	w.passed += d
	w.changed, w.since = w.now, w.now
	key := "time " + name
	w.made[key], w.ready[key] = w.server.Revision(), w.server.Revision()
}

var _ controller.Verifier = (*prober)(nil)
