package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/restart"
)

// parallel is how many requests one pass has under way at once, if nobody says.
const parallel = 8

// look is one observation of an app: what is known of each key, and what it took to know it.
type look struct {
	engine  *Engine
	session Session
	subject Subject
	m       *memory
	now     time.Time
	watches map[object.Resource]Watch
	bundle  func() (map[object.Key]object.Object, error)
	hooks   plan.Hooks

	starting bool // a watch has not delivered its first list yet
	ended    bool // a watch ended, and nobody has begun another one

	mu      sync.Mutex
	seen    map[object.Key]plan.Sighting
	errs    []error
	unread  bool                    // what was applied last could not be read
	unsure  string                  // why it is not known of a new or changed object whether it would be accepted; empty if it is of all
	foreign map[app.Name]app.Claims // of other processes' apps
}

// observe says what the cluster has for every wanted and claimed object. Objects that are as they were applied cost no request.
func (e *Engine) observe(ctx context.Context, session Session, m *memory, s Subject) (*look, error) {
	l := &look{engine: e, session: session, subject: s, m: m, now: e.Now(), seen: map[object.Key]plan.Sighting{}, hooks: m.hooks()}
	l.bundle = sync.OnceValues(func() (map[object.Key]object.Object, error) { return e.loadBundle(ctx, m) })
	keys := l.keys()
	m.due = time.Time{}
	l.track(ctx, keys)
	var open []object.Key // looked at after all glances, which read what the answers change
	for _, key := range keys {
		look := l.glance
		if l.isRun(key) {
			look = l.glanceHook
		}
		if sighting, settled := look(ctx, key, l.want(key)); settled {
			l.put(key, sighting)
		} else {
			open = append(open, key)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(e.parallel())
	for _, key := range open {
		e.beside(g, func() error {
			if l.isRun(key) {
				l.put(key, l.askHook(gctx, key, l.want(key)))
			} else {
				l.put(key, l.ask(gctx, key, m.placed.objects[key]))
			}
			return nil
		})
	}
	_ = g.Wait() // what a request answers is in its sighting
	return l, errors.Join(l.errs...)
}

func (l *look) put(key object.Key, s plan.Sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[key] = s
}

func (l *look) keys() []object.Key {
	keys := make([]object.Key, 0, len(l.m.placed.objects)+len(l.m.record.Claims))
	for k := range l.m.placed.objects {
		keys = append(keys, k)
	}
	for k := range l.m.record.Claims {
		if _, wanted := l.m.placed.objects[k]; !wanted {
			keys = append(keys, k)
		}
	}
	for _, o := range slices.Concat(l.hooks.All, l.hooks.Failed) {
		if _, claimed := l.m.record.Claims[o.Key()]; !claimed {
			keys = append(keys, o.Key())
		}
	}
	slices.SortFunc(keys, object.Key.Compare)
	return slices.Compact(keys)
}

// track makes sure that every kind of the app is watched, and notes how the watches stand.
func (l *look) track(ctx context.Context, keys []object.Key) {
	spaces := map[object.Resource][]string{}
	for _, key := range keys {
		r, err := l.engine.resource(ctx, l.m, key)
		if err != nil {
			continue
		}
		if key.Namespace != "" && !slices.Contains(spaces[r], key.Namespace) || spaces[r] == nil {
			spaces[r] = append(spaces[r], key.Namespace)
		}
	}
	l.watches = make(map[object.Resource]Watch, len(spaces))
	for r, namespaces := range spaces {
		w := l.engine.Live.Track(l.subject.Identity, r, namespaces...)
		l.watches[r] = w
		if w.Gone { // its CustomResourceDefinition was deleted, or the server only starts: learn anew what the cluster serves
			l.ended = true
			l.engine.Kinds.Changed()
			maps.DeleteFunc(l.m.kinds, func(_ object.Key, x object.Resource) bool { return x == r })
			l.m.unlearnt++
		}
	}
}

// blind is why a kind of the app cannot be watched, the same each time; nil if every kind is, or will be without anybody's doing.
func (l *look) blind() error {
	var why error
	for _, w := range l.watches {
		if w.Err == nil || fault.KindOf(w.Err) == fault.Transient {
			continue
		}
		if why == nil || w.Err.Error() < why.Error() {
			why = w.Err
		}
	}
	return why
}

// glance decides from what is remembered, if that is enough.
func (l *look) glance(ctx context.Context, key object.Key, want object.Object) (plan.Sighting, bool) {
	r, err := l.engine.resource(ctx, l.m, key)
	if err != nil {
		return l.unserved(key, want, err), true
	}
	claim, claimed := l.m.record.Claims[key]
	w := l.watches[r]
	entry := l.engine.Live.Entry(l.subject.Identity, r, key)
	if claimed && claim.Print != "" && !w.Synced && !w.Gone && entry.IsZero() {
		why := "the watch of " + r.Plural + " is starting"
		if w.Err != nil {
			why = w.Err.Error()
		}
		l.starting = l.starting || w.Err == nil
		if !l.accepted(key, want) {
			l.doubt("waits: " + why)
		}
		return plan.Sighting{State: plan.Unknown, Why: why}, true
	}
	if !entry.IsZero() && entry.Lens != l.subject.Lens {
		return plan.Sighting{}, false // it was judged by other rules
	}
	wantSame := want.IsZero() || claim.Want == l.m.placed.hashes[key]
	pruned := want.IsZero() && l.subject.Rendered
	ended := cmp.Or(entry.Ended, health.Status(claim.Ended))
	if ended != "" && (entry.IsZero() || entry.Deleting) && claimed && wantSame && !pruned {
		return plan.Sighting{State: plan.Absent, Ended: ended, Health: outlived(ended)}, true
	}
	if claimed && wantSame && !pruned && l.asApplied(key, claim, entry) {
		return plan.Sighting{State: plan.Current, Health: l.verdict(key, entry.Health), Ended: ended}, true
	}
	if a, ok := l.m.asked[key]; ok && a.resourceVersion == entry.ResourceVersion && a.want == l.m.placed.hashes[key] && !l.isForeign(entry.Owner) {
		s := a.sighting
		s.Rival = l.rival(key, s.Live)
		if waits, ok := l.undecided(key, want, s.Rival); ok {
			s = waits
		}
		return s, true
	}
	return plan.Sighting{}, false
}

// outlived is the verdict on an object that ended and was removed.
func outlived(ended health.Status) health.Verdict {
	if ended == health.Healthy {
		return health.Verdict{Status: ended, Message: "completed; its time to live is over"}
	}
	return health.Verdict{Status: ended, Message: "failed, and its time to live is over: change it in Git to run it again"}
}

// asApplied reports whether an object is just as its last apply left it.
func (l *look) asApplied(key object.Key, claim app.Claim, entry observed.Entry) bool {
	if entry.IsZero() || claim.Print == "" || entry.Added || entry.Deleting || entry.Owner != l.subject.Name.Owner() {
		return false
	}
	was := fingerprint.ParsePrint(claim.Print)
	return was.Same(entry.Print, false) || was.Same(entry.Print, true) && (entry.Scaled || l.engine.Live.Autoscaled(l.subject.Identity, key))
}

// unserved is the sighting of an object whose kind the cluster does not serve, or could not say.
func (l *look) unserved(key object.Key, want object.Object, err error) plan.Sighting {
	switch {
	case fault.KindOf(err) != fault.Invalid:
		l.failed(key, want, err)
		return plan.Sighting{State: plan.Unknown, Why: err.Error()}
	case want.IsZero():
		return plan.Sighting{State: plan.Absent} // the kind is gone, and every object of it
	case l.m.placed.crds[key.GroupKind()]:
		return plan.Sighting{State: plan.Unknown, Deferred: true, Why: "waits for its CustomResourceDefinition"}
	case l.m.ends, !strings.Contains(key.Group, "."): // nobody waits for it; or one of Kubernetes' own: nobody can add a kind to it
		return plan.Sighting{State: plan.Absent, Refusal: &plan.Refusal{Message: err.Error()}}
	default:
		return plan.Sighting{State: plan.Unknown, Why: err.Error()}
	}
}

// suspects reports whether a claimed live object is not as its last apply left it.
func (l *look) suspects(claim app.Claim, live object.Object) bool {
	if claim.Print == "" || claim.Begun {
		return false
	}
	return !l.asApplied(claim.Key, claim, observed.Of(live, observed.Lens{Policy: l.subject.Policy})) && !live.Deleting()
}

// blame says who changed what of what was applied.
func (l *look) blame(s *plan.Sighting, key object.Key, claim app.Claim, want object.Object) {
	applied := want
	if claim.Want != l.m.placed.hashes[key] || want.IsZero() {
		applied = l.appliedOf(key)
	}
	s.Applied = applied
	s.Edit = fingerprint.Blame(l.ceded(key, applied, s.Live), s.Live, app.Manager, l.subject.adds(applied), app.IgnoredOf(applied))
	s.Drifted = true
	if until := l.m.fights[key].Until(); until.After(l.now) {
		s.Contested = contested(s.Edit, until.Sub(l.now))
	}
}

// adds says of field managers whether what they add to an object is taken away: people's, unless the object says otherwise.
func (s Subject) adds(o object.Object) func(manager string) bool {
	if app.Merges(o) {
		return func(string) bool { return false }
	}
	return s.Policy.IsInteractive
}

func contested(edit fingerprint.Edit, left time.Duration) string {
	who, fields := edit.Manager, "the fields"
	if who == "" {
		who = "somebody"
	}
	if len(edit.Fields) > 0 {
		fields = string(edit.Fields[0])
	}
	return fmt.Sprintf("%s keeps changing %s back; next try in %s; to leave the field to it, set the annotation %s on the object in Git",
		who, fields, left.Round(time.Second), app.AnnotationIgnore)
}

// ceded is the want as it is applied over what is live: without the fields that Fairlead applies at creation only, and with nothing that would restart pods for
// nothing.
func (l *look) ceded(key object.Key, want, live object.Object) object.Object {
	want = restart.Settle(want, live)
	if want.IsZero() || live.IsZero() {
		return want
	}
	pointers := app.IgnoredOf(want)
	if want.At("spec", "replicas") != nil &&
		(l.engine.Live.Autoscaled(l.subject.Identity, key) || fingerprint.Scaled(live, l.subject.Policy.IsInteractive)) {
		pointers = append(slices.Clone(pointers), "/spec/replicas")
	}
	if len(pointers) == 0 {
		return want
	}
	return fingerprint.Cede(want, live, app.Manager, pointers)
}

// verdict counts the time that an object has been on its way.
func (l *look) verdict(key object.Key, v health.Verdict) health.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.Status != health.Progressing {
		delete(l.m.since, key)
		return v
	}
	since, ok := l.m.since[key]
	if !ok {
		since = l.now
		l.m.since[key] = since
	}
	return v.At(since, l.now, l.subject.Rules.Deadline())
}

// appliedOf is what the stored bundle says was applied; zero if it does not know.
func (l *look) appliedOf(key object.Key) object.Object {
	bundle, err := l.bundle()
	if err != nil {
		l.mu.Lock()
		l.errs, l.unread = append(l.errs, err), true
		l.mu.Unlock()
		return object.Object{}
	}
	o := bundle[key]
	if claim := l.m.record.Claims[key]; o.IsZero() || claim.Want != o.Hash() {
		return object.Object{}
	}
	return o
}
