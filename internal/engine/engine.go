package engine

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/contest"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
	"github.com/fairlead-cd/fairlead/internal/order"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// Session acts on a cluster as one ServiceAccount.
type Session interface {
	DryRun(context.Context, object.Resource, object.Object) (object.Object, error)
	Apply(context.Context, object.Resource, object.Object) (object.Object, error)
	ApplyTo(ctx context.Context, r object.Resource, live, o object.Object) (object.Object, error)
	Live(ctx context.Context, r object.Resource, namespace, name string) (object.Object, error)
	Delete(context.Context, object.Resource, object.Object) error
	SetManagers(ctx context.Context, r object.Resource, live object.Object, managedFields []any) error
	EnsureNamespace(ctx context.Context, name string, annotations map[string]string) (created bool, err error)
	// Pods returns some of the Pods that a label selector means, as matchLabels and matchExpressions.
	Pods(ctx context.Context, namespace string, selector map[string]any) ([]object.Object, error)
}

// Kinds says how the cluster serves a kind. An error of kind fault.Invalid means that it certainly does not.
type Kinds interface {
	Find(context.Context, object.GVK) (object.Resource, error)
	Any(context.Context, object.GVK) (object.Resource, error)
	// Changed tells that what was learned may no longer hold.
	Changed()
}

// Watch is how the watch of one kind stands.
type Watch struct {
	Synced, Gone bool
	Err          error
}

// Live is what is remembered of the claimed objects.
type Live interface {
	Track(id app.Identity, r object.Resource, namespaces ...string) Watch
	Entry(id app.Identity, r object.Resource, key object.Key) observed.Entry
	Put(id app.Identity, r object.Resource, o object.Object) observed.Entry
	// Held returns an object that was changed by somebody else as it is now, if it is at hand; else the zero Object.
	Held(id app.Identity, r object.Resource, key object.Key) object.Object
	// Autoscaled reports whether an autoscaler that the identity can see targets the object.
	Autoscaled(id app.Identity, key object.Key) bool
}

// Ledger stores records. Save fails with kind fault.Conflict if the stored record is not the one that was read.
type Ledger interface {
	// Load reads a record without its bundle, Bundle what was applied last, or what is kept under a digest.
	Load(context.Context, app.Name) (app.Record, error)
	Bundle(ctx context.Context, n app.Name, digest string) ([]object.Object, error)
	Save(context.Context, app.Record) (version string, err error)
	Delete(context.Context, app.Record) error
}

// Neighbours are the other apps.
type Neighbours interface {
	// Claims reports whether another app exists under that owner mark and wants the object, or may want it. It is unread if that app has to be read first.
	Claims(by app.Owner, key object.Key) (claims, unread bool)
	// Taken returns another app that wants an object, if what an app wanted in a round may be old by now.
	Taken(n app.Name, round int, key object.Key) (by app.Owner, taken bool)
	// Overtaken reports whether an app was found anew since it was read in a round.
	Overtaken(n app.Name, round int) bool
	// Leaves reports whether an app is to go, as far as is known by now.
	Leaves(n app.Name) bool
	// Wants is told what an app wants, once it is known in which namespaces, and in which round it was read. It may keep the keys.
	Wants(n app.Name, round int, keys []object.Key)
	// Census says what the environment says about deleting the given keys of an app.
	Census(of app.Name, keys []object.Key) plan.Census
	// Foreign returns the app of an owner mark if it is another process's.
	Foreign(by app.Owner) (app.Name, bool)
}

// Engine runs passes. It is safe for concurrent use by passes of different apps.
type Engine struct {
	Connect    func(app.Identity) (Session, error)
	Kinds      Kinds
	Live       Live
	Ledger     Ledger
	Neighbours Neighbours
	Now        func() time.Time
	Log        *slog.Logger
	// Parallel bounds the requests that one pass has under way at once; 0 is 8.
	Parallel int
	// Shared reports whether other processes have, or had, some of the apps: then nothing is done to an object unless the app's record is known to be as it was
	// read. Nil: there are none.
	Shared func() bool
	// LastWords says in one line what a hook that failed wrote last, or why that is not known; empty: nothing. May be nil.
	LastWords func(context.Context, app.Identity, object.Key) string
	// Begins is told which steps are about to be made, before the first of them, and what the app claims then. May be nil.
	Begins func(app.Name, []plan.Step, app.Claims)
	// Observe is told how long a stage of a pass took and how it ended, for metrics. May be nil.
	Observe func(stage string, took time.Duration, err error)

	mu     sync.Mutex
	memory map[app.Name]*memory
	others heard // of apps of other processes
	listed bool
	hands  map[object.Key]app.Name // who is just writing an object
}

// Subject is one app as its environment and Git describe it now.
type Subject struct {
	Name     app.Name
	Identity app.Identity
	// Namespace is given to namespaced objects that name none.
	Namespace       string
	CreateNamespace bool
	// Marks are annotations of a namespace that is made.
	Marks  map[string]string
	Policy app.Policy
	Rules  health.Rules
	// Lens is the version of Policy and Rules as observed.Lens has it.
	Lens string
	// Ends says that the app is to go, and Objects are none: the hooks of its deletion are run.
	Ends bool
	// Rendered says that Objects is what Git says at Revision.
	Rendered bool
	Objects  func() []object.Object
	// Doubtful says that Objects may be older than what Git was seen to want last: then they count only if they are that. Agreed says that the same was read of Git when
	// Bundle was written down.
	Doubtful, Agreed bool
	// Round is the reading of the app that Objects are from.
	Round int
	// Digest is equal for equal Objects, and Files, if the objects are to name the files that they are from, for equal files: that saves comparing them.
	Digest, Files string
	Revision      string
	// Author wrote the commit, and at which time.
	Author    string
	Committed time.Time
	// Cause is what changed outside of Git since the same commit wanted something else; empty: the commit did.
	Cause string
	// Blocked is why Objects may not be applied now. Repairs go on.
	Blocked string
	// Approved is the hold that a person approved, if any.
	Approved string
	// Held is the hold that was shown last, if any.
	Held string
	// Bundle is the Outcome.Bundle that was written down last: all of that bundle was applied.
	Bundle string
	// Releasing is how the app gets from one want to the next.
	Releasing Releasing
	// Begin is asked whether anything may be made, once the first claims of an app are stored that is shared with other processes. Nil: it may.
	Begin func(context.Context) error
}

// Result is one executed step.
type Result struct {
	Step plan.Step
	Err  error
}

// Outcome is what a pass found and did.
type Outcome struct {
	Plan    plan.Plan // the last one that was computed
	Results []Result  // all steps that ran, in the order in which they were started
	// Health is the verdict on every object that is wanted or claimed.
	Health map[object.Key]health.Verdict
	// Claimed is how many objects the app claims now.
	Claimed int
	// Bundle identifies the recorded bundle, once all of it is applied. That it was is not recorded anywhere else: the caller writes it down.
	Bundle string
	// Again is when to look again though nothing happens; zero: not needed.
	Again time.Duration
	// Starting says that the pass could not look at everything because watches are only starting: nothing was learned.
	Starting bool
	// Blind is why some kind of the app cannot be watched: drift in it would not be seen. Nil if all can.
	Blind error
	// Unplaced is why the wanted objects contradict each other; nil if they do not. Nothing but repairs was done then.
	Unplaced error
	// LeftOut are the wanted objects that are not made, since the app has one namespace to itself and they would be in none.
	LeftOut []object.Key
	// Older says that the wanted objects are not those that were applied last, and may be older. Nothing but repairs was done then.
	Older bool
	// Overtaken says that another process wrote the record while this one believed that the app was its own: it may have read a newer commit. Nothing was done:
	// the caller is to find out what Git wants now.
	Overtaken bool
	// Takers are the apps that want objects which the app claims and does not want any more.
	Takers    []app.Owner
	unwatched bool // some kind is not watched, though it may still be served

	// Git identifies what Git wants, as releases do; empty: it is not known.
	Git string
	// Releases is how far the app's releases are, and Records what happened to them in this pass.
	Releases release.State
	Records  []release.Release
	// Untold are those of them, and of passes before, that are to be handed over to the history: see [Engine.Confirmed].
	Untold []release.Release
	// Back says that the cluster is kept at what was released before: the plan is about that.
	Back bool
	// Handled are the requests that were carried out, the newest last: see [Outcome.Answer].
	Handled []string
	// refused is the newest of them for which nothing was done, and why.
	refused, why string

	// Undone and Left are the hand edits that were repaired, and those that were left in place.
	Undone, Left []plan.Step
}

// Answer reports whether a request was carried out, or why nothing was done for it.
func (o Outcome) Answer(request string) (why string, handled bool) {
	if request == o.refused {
		why = o.why
	}
	return why, request != "" && slices.Contains(o.Handled, request)
}

// memory is what the engine remembers of an app between passes. It can all be had again.
type memory struct {
	record app.Record
	other  bool // another process has the app
	heard  bool // something was told of the record since it was read or written here
	news   bool // something was told of it that has not been compared with what is known
	loaded bool
	serial int        // that of the newest release of which the App told, and this process did not know
	first  bool       // the record was made just now: whether anything may be made is still to be asked
	before app.Claims // what another process left, as far as is known: until the record is read. None if it was
	stored app.Claims // those of the record as the ledger has them

	written   time.Time // when this process wrote the record last
	tried     string    // the digest that it wrote, or may have written, last
	overtaken bool      // the record was read anew, and tells of a bundle, or of a release, that this process did not write

	placed placed
	git    string // identifies what Git wants, placed
	images string // what that runs
	kept   placed // what is released, if that is something else
	// failing are the hooks of what Git wants that are run since that failed, while placed holds what is released.
	failing []object.Object

	ends  bool            // the app is to go, and has hooks for that: placed holds these
	lasts []object.Object // what these are; nil: not known yet
	due   time.Time       // when the first of them is late

	releases release.State // how far the app's releases are, as far as this process knows: the record may be behind
	recalled bool          // what was written down of them beside the record is taken over
	began    time.Time     // when this process took that over
	untold   []untold      // what happened to them, until it is in the history
	handled  []string      // what was asked for last, the newest last
	refused  string        // the newest of that for which nothing was done, and
	why      string        // why
	request  *Request      // what this pass is to carry out; nil: nothing
	past     past          // where that goes back to, if nothing is kept of it
	done     string        // the bundle that was found to be all applied
	look     time.Time     // when the release is to be looked at again

	asked    map[object.Key]answer
	misfits  map[object.Key]misfit
	fights   map[object.Key]contest.Record
	since    map[object.Key]time.Time // since when an object is on its way
	kinds    map[object.Key]object.Resource
	unlearnt int // how often kinds were forgotten: what was placed before that has to be placed anew
	deadline time.Duration
	// deleted are the objects that this pass deleted: what the watch holds of them is what there was before.
	deleted map[object.Key]bool

	turn chan struct{} // whose turn it is: a pass's, or that of who copies all this
}

// placed is a want with every object in its namespace and marked, in batches.
type placed struct {
	digest  string // of the want
	away    bool   // all but digest was put away
	learnt  int    // the memory's unlearnt when its kinds were found
	bundle  string // identifies what was made of it
	batches []order.Batch
	keys    []object.Key
	objects map[object.Key]object.Object
	hooks   map[object.Key]app.Hook // of runs, which are not among objects
	runs    []object.Object
	hashes  map[object.Key]string
	made    map[object.Key]made   // by the keys as they are written
	unknown map[object.Key]string // kinds that the cluster does not serve, and the reason
	crds    map[object.GroupKind]bool
	spaces  map[string]bool
	left    []object.Key // what is left out, in the order of the want
}

// made is an object in its place, and what it was made of.
type made struct {
	from, placed object.Object
	into         string // the namespace of those that name none
	known        bool   // the cluster serves the kind
	namespaced   bool
	named        bool // it says in which file it was written
	apart        bool // it goes into that namespace whichever it names
}

// answer is what the API server said of one object, good as long as neither side changed.
type answer struct {
	want, resourceVersion string
	sighting              plan.Sighting
}

// misfit is what was said first of an object that does not fit its schema.
type misfit struct {
	want    string
	refusal plan.Refusal
}

// Preload gives the engine the record of an app as it was stored, so that its first pass need not ask for it. The bundle is not kept.
func (e *Engine) Preload(r app.Record) {
	m := e.remember(r.App)
	r.Bundle = nil
	e.setRecord(m, r)
	e.begins(m, r)
	m.loaded, m.stored = true, r.Claims
}

// Preloaded tells that every record that was stored was given to Preload: any other app is new, and its first Save will tell if it is not.
func (e *Engine) Preloaded() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listed = true
}

// Refresh lets the next pass ask the API server again for whatever is not as it was applied.
func (e *Engine) Refresh(n app.Name) {
	m := e.remember(n)
	m.turn <- struct{}{}
	defer m.give()
	clear(m.asked)
}

// PutAway drops what can be made again of what an app wants, unless that is being used: the next pass makes it.
func (e *Engine) PutAway(n app.Name) {
	m := e.remember(n)
	select {
	case m.turn <- struct{}{}:
		defer m.give()
	default:
		return
	}
	m.placed, m.kept = placed{digest: m.placed.digest, away: true}, placed{}
	m.kinds = map[object.Key]object.Resource{}
	m.unlearnt++
}

// Forget drops what is remembered of an app: it no longer exists.
func (e *Engine) Forget(n app.Name) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.memory, n)
}

// Claims returns what an app is known to claim. The caller must not change it.
func (e *Engine) Claims(n app.Name) app.Claims {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.claims(n)
}

// Serial is that of the newest release that an app's record is known to have; 0: there is none.
func (e *Engine) Serial(n app.Name) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.memory[n]; m != nil {
		return m.record.Releases.Current.Serial
	}
	return 0
}

// claims has the lock.
func (e *Engine) claims(n app.Name) app.Claims {
	switch m := e.memory[n]; {
	case m == nil, m.other:
		return e.others.claims[n]
	case m.before != nil:
		return m.before
	default:
		return m.record.Claims
	}
}

func (e *Engine) parallel() int { return cmp.Or(e.Parallel, parallel) }

// beside runs f beside the other functions of a group. If only one may run at once, it is done before the next thing is: nothing is left to chance.
func (e *Engine) beside(g *errgroup.Group, f func() error) {
	if e.parallel() > 1 {
		g.Go(f)
		return
	}
	_ = f() // errors are in what it finds
}

func (e *Engine) remember(n app.Name) *memory {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.memory == nil {
		e.memory = map[app.Name]*memory{}
	}
	m := e.memory[n]
	if m == nil {
		m = &memory{
			record: app.Record{App: n}, loaded: e.listed && !e.isShared(),
			asked: map[object.Key]answer{}, misfits: map[object.Key]misfit{}, fights: map[object.Key]contest.Record{}, since: map[object.Key]time.Time{},
			kinds: map[object.Key]object.Resource{}, deleted: map[object.Key]bool{}, turn: make(chan struct{}, 1),
		}
		e.memory[n] = m
	}
	return m
}

func (e *Engine) setRecord(m *memory, r app.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m.record, m.heard, m.before = r, false, nil
}
