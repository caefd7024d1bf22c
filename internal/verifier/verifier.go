package verifier

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

// Options are what a Verifier needs. As, Kinds and Secret must be set.
type Options struct {
	// As is how the API server is talked to as an identity. A proxied request may take long: it is not to hold the place of another.
	As func(app.Identity) *rest.Config
	// Kinds says how the cluster serves a kind.
	Kinds Kinds
	// Secret reads a Secret beside an Environment. Its errors are shown to people.
	Secret func(ctx context.Context, namespace, name string) (map[string][]byte, error)
	// Changed is told when the verdict of an app's release, or why it is so, may have changed. It must not block. Nil: nobody is told.
	Changed func(app.Name)
	// Judged is told when a trial has passed or was refuted: of which kind it is, such as "http", and which of both. It must not block. Nil: nobody is told.
	Judged func(kind string, v release.Verdict)
	// Now is the clock by which answers are dated; nil: that of the machine.
	Now func() time.Time
	// May says whether an address may be asked directly; nil: see [Public].
	May func(netip.Addr) bool
	Log *slog.Logger // nil: nothing is logged
}

// Kinds says how the cluster serves a kind. See cluster.Kinds.
type Kinds interface {
	Find(context.Context, object.GVK) (object.Resource, error)
}

// Task is one release that has to prove itself.
type Task struct {
	App    app.Name
	Serial int
	// Revision is the commit, as a webhook is told.
	Revision string
	// Identity is the environment's ServiceAccount.
	Identity app.Identity
	// Namespace is where those objects of the app live that do not say so themselves.
	Namespace string
	// Objects are what is released, as they were rendered, or placed. Those that no trial speaks of are not kept.
	Objects []object.Object
	// Trials are those of the Environment, then those of the app's own declaration.
	Trials []app.Trial
	// Before is when the release began to be applied, to the second: metrics are compared with what they were then. It must be the same each time the task is
	// begun. Zero: there is nothing to compare with.
	Before time.Time
}

// Verifier tries releases. It is safe for concurrent use.
type Verifier struct {
	Options
	ctx     context.Context
	reaches reaches

	mu    sync.Mutex
	runs  map[app.Name]*run
	rooms map[room]chan struct{}
}

// room is an environment: what is asked for it at once is bounded.
type room struct{ namespace, environment string }

const mostAtOnce = 20

// New returns a Verifier, which ends with ctx.
func New(ctx context.Context, o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.May == nil {
		o.May = Public
	}
	if o.Changed == nil {
		o.Changed = func(app.Name) {}
	}
	if o.Judged == nil {
		o.Judged = func(string, release.Verdict) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Verifier{Options: o, ctx: ctx, reaches: reaches{as: o.As}, runs: map[app.Name]*run{}, rooms: map[room]chan struct{}{}}
}

// run is a task under way. What is below mu of the Verifier is guarded by it.
type run struct {
	Task
	trials []verify.Trial
	broken string // why it cannot be tried at all
	ctx    context.Context
	end    context.CancelFunc
	room   chan struct{}

	courses []verify.Course
	told    string // the verdict and the reason of which Changed was told last
}

// Begin begins a task, or goes on with it if it was begun already. Another task of the same app, of whatever serial, is superseded: it ends, and its Jobs are
// deleted. It does not block.
func (v *Verifier) Begin(t Task) {
	t.Before = t.Before.Truncate(time.Second) // as it may have been stored
	v.mu.Lock()
	defer v.mu.Unlock()
	was := v.runs[t.App]
	if was != nil && was.Serial == t.Serial && was.Identity == t.Identity && was.Namespace == t.Namespace && was.Before.Equal(t.Before) &&
		reflect.DeepEqual(was.Trials, t.Trials) {
		return
	}
	if was != nil {
		was.end()
	}
	r := &run{Task: t, room: v.room(t.App)}
	r.ctx, r.end = context.WithCancel(v.ctx)
	trials, err := verify.Compile(t.Trials, verify.Place{App: t.App.App, Namespace: t.Namespace, Environment: t.App.Environment})
	if err != nil {
		r.broken = err.Error()
	}
	r.trials, r.courses, r.Objects = trials, make([]verify.Course, len(trials)), spokenOf(t.Objects, trials)
	v.runs[t.App] = r
	if was != nil && was.hasJob() || r.hasJob() {
		go v.sweep(r, was)
	}
	for i := range trials {
		go v.try(r, i)
	}
}

// room is where the trials of an app wait for their turn. The lock is held.
func (v *Verifier) room(n app.Name) chan struct{} {
	at := room{n.Namespace, n.Environment}
	if v.rooms[at] == nil {
		v.rooms[at] = make(chan struct{}, mostAtOnce)
	}
	return v.rooms[at]
}

// Forget ends the task of an app: nothing is to be verified any more. Jobs that are still running are deleted, those that have finished stay for a while, with
// their logs. It does not block.
func (v *Verifier) Forget(name app.Name) {
	if r := v.leave(name); r != nil && r.hasJob() {
		go v.abandon(r)
	}
}

// Leave ends the task of an app here, since another process goes on with it: its Jobs stay.
func (v *Verifier) Leave(name app.Name) { v.leave(name) }

func (v *Verifier) leave(name app.Name) *run {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.runs[name]
	if r != nil {
		r.end()
		delete(v.runs, name)
	}
	return r
}

// Verdict is what the trials of a release say so far, and why: of what is pending, what it waits for. A release that was not begun is pending.
func (v *Verifier) Verdict(name app.Name, serial int) (release.Verdict, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.runs[name]
	if r == nil || r.Serial != serial {
		return release.Pending, ""
	}
	return r.sum()
}

// Results are how each trial of a release stands, in the order of Task.Trials; nil if it was not begun.
func (v *Verifier) Results(name app.Name, serial int) []verify.Result {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.runs[name]
	if r == nil || r.Serial != serial {
		return nil
	}
	return r.results()
}

func (r *run) results() []verify.Result {
	var all []verify.Result
	for i, t := range r.trials {
		all = append(all, t.Result(r.courses[i]))
	}
	return all
}

func (r *run) sum() (release.Verdict, string) {
	if r.broken != "" {
		return release.Pending, "cannot be verified: " + r.broken
	}
	return verify.Sum(r.results())
}

func (r *run) hasJob() bool {
	return slices.ContainsFunc(r.trials, func(t verify.Trial) bool { return t.Job != nil })
}

// try tries one trial until there is a verdict.
func (v *Verifier) try(r *run, i int) {
	t := r.trials[i]
	ask := v.asker(r, t)
	for {
		select {
		case r.room <- struct{}{}:
		case <-r.ctx.Done():
			return
		}
		o := ask(r.ctx)
		<-r.room
		if r.ctx.Err() != nil {
			return // what a request says that was broken off is nothing
		}
		o.At = v.Now()
		if v.observed(r, i, o) != release.Pending {
			return
		}
		select {
		case <-time.After(t.Pace.Interval):
		case <-r.ctx.Done():
			return
		}
	}
}

// observed takes one more observation into account, and tells of it if it changes how the release stands.
func (v *Verifier) observed(r *run, i int, o verify.Observation) release.Verdict {
	v.mu.Lock()
	if r.ctx.Err() != nil { // superseded meanwhile
		v.mu.Unlock()
		return release.Pending
	}
	r.courses[i] = r.courses[i].Observe(r.trials[i].Pace, o)
	verdict, why := r.sum()
	told := string(verdict) + " " + why
	changed := told != r.told
	r.told = told
	if verdict == release.Refuted {
		r.end() // one is enough
	}
	own := r.courses[i].Verdict
	v.mu.Unlock()
	if own != release.Pending {
		v.Judged(kindOf(r.trials[i]), own)
	}
	if changed {
		v.Log.Info("verification", "app", r.App.String(), "release", r.Serial, "verdict", cmp.Or(string(verdict), "Pending"), "why", why)
		v.Changed(r.App)
	}
	return own
}

// asker is what one try of a trial does.
func (v *Verifier) asker(r *run, t verify.Trial) func(context.Context) verify.Observation {
	switch {
	case t.HTTP != nil:
		return func(ctx context.Context) verify.Observation { return v.http(ctx, r, t) }
	case t.Job != nil:
		j := &jobRun{run: r, trial: t}
		return func(ctx context.Context) verify.Observation { return v.job(ctx, j) }
	case t.Metric != nil:
		m := &metricRun{run: r, trial: t}
		return func(ctx context.Context) verify.Observation { return v.metric(ctx, m) }
	case t.Webhook != nil:
		return func(ctx context.Context) verify.Observation { return v.webhook(ctx, r, t) }
	}
	return func(ctx context.Context) verify.Observation { return v.objects(ctx, r, t) }
}

// kindOf is which of its fields says what a trial tries.
func kindOf(t verify.Trial) string {
	switch {
	case t.HTTP != nil:
		return "http"
	case t.Job != nil:
		return "job"
	case t.Metric != nil:
		return "metric"
	case t.Webhook != nil:
		return "webhook"
	}
	return "cel"
}

// spokenOf are those objects that a trial looks at.
func spokenOf(objs []object.Object, trials []verify.Trial) []object.Object {
	var out []object.Object
	for _, o := range objs {
		if slices.ContainsFunc(trials, func(t verify.Trial) bool { return isJob(o, t) || isOf(o, t) }) {
			out = append(out, o)
		}
	}
	return out
}

func isJob(o object.Object, t verify.Trial) bool {
	return t.Job != nil && o.Key().GroupKind() == (object.GroupKind{Group: "batch", Kind: "Job"}) && o.Name() == t.Job.Name
}

func isOf(o object.Object, t verify.Trial) bool {
	c := t.CEL
	return c != nil && o.APIVersion() == c.APIVersion && o.Kind() == c.Kind && (c.Name == "" || o.Name() == c.Name)
}
