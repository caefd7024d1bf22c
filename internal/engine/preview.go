package engine

import (
	"context"
	"errors"
	"log/slog"
	"maps"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// Preview is what passes would do about an app.
type Preview struct {
	plan.Foreseen
	// Seen is what is known of each object before the first step.
	Seen map[object.Key]plan.Sighting
	// Namespace is the one that is made before the first step; empty: none.
	Namespace string
	// Health is the verdict on every object that is wanted or claimed in the end: of what is applied, that it is healthy.
	Health map[object.Key]health.Verdict
	// Unplaced is why the wanted objects contradict each other; nil if they do not.
	Unplaced error
}

// World is what an app would meet that is not the app's own. Nothing is said here of what is, and none of it is told to the engine.
type World struct {
	Neighbours Neighbours
	// Claims is told what the app would claim, each time before Neighbours is asked for a census.
	Claims func(app.Claims)
	// Kinds and Spaces are the kinds and the namespaces that others bring.
	Kinds  map[object.GroupKind]bool
	Spaces map[string]bool
}

// errStarting says that nobody can tell yet.
var errStarting = errors.New("the watches of the app are only starting: ask again in a moment")

// Preview tells what passes would do from now on if an app were as s describes it. It looks as a pass does, with dry runs, and does nothing: it
// stores nothing, claims nothing, begins no watch, and what passes remember is as before. It may run beside a pass of the same app.
func (e *Engine) Preview(ctx context.Context, s Subject, w World) (Preview, error) {
	x, m, err := e.aside(ctx, s, w)
	if err != nil {
		return Preview{}, err
	}
	session, err := x.Connect(s.Identity)
	if err != nil {
		return Preview{}, err
	}
	if s, err = x.end(ctx, m, s); err != nil {
		return Preview{}, err
	}
	var out Preview
	if err := x.place(ctx, m, s); err != nil {
		if fault.KindOf(err) != fault.Invalid {
			return Preview{}, err
		}
		out.Unplaced = err
		s.Rendered, s.Blocked, m.placed = false, err.Error(), placed{}
	}
	x.tell(m, s)
	if err := x.foreseeNamespace(ctx, session, m, &s, &out); err != nil {
		return Preview{}, err
	}
	m.placed.crds, m.placed.spaces = union(m.placed.crds, w.Kinds), union(m.placed.spaces, w.Spaces)
	if out.Namespace != "" {
		m.placed.spaces[out.Namespace] = true
	}
	l, err := x.observe(ctx, session, m, s)
	switch {
	case err != nil:
		return Preview{}, err
	case l.starting:
		return Preview{}, fault.New(fault.Transient, errStarting)
	}
	in := plan.Input{
		App: s.Name, Rendered: s.Rendered, Want: m.placed.batches, Seen: l.seen, Claims: m.record.Claims,
		Policy: s.Policy, Approved: s.Approved, Held: s.Held, Blocked: s.Blocked,
	}
	in.Hooks = l.hooks
	if in.Blocked == "" {
		in.Blocked = l.unsure
	}
	out.Seen, out.Health = l.seen, l.health()
	out.Foreseen = plan.Foresee(in, func(claims app.Claims) plan.Census {
		r := m.record
		r.Claims = claims
		x.setRecord(m, r)
		w.Claims(claims)
		if gone := l.unwanted(); len(gone) > 0 && s.Rendered {
			return w.Neighbours.Census(s.Name, gone)
		}
		return plan.Census{}
	})
	w.Claims(out.Last.Claims)
	for _, steps := range out.Rounds {
		for _, step := range steps {
			out.Health[step.Key] = health.Verdict{Status: health.Healthy}
			if step.Do == plan.Delete || step.Do == plan.Run {
				delete(out.Health, step.Key)
			}
		}
	}
	return out, nil
}

// Wants tells the neighbours of a World what an app would want.
func (e *Engine) Wants(ctx context.Context, s Subject, w World) error {
	x, m, err := e.aside(ctx, s, w)
	if err != nil {
		return err
	}
	m.placed = placed{made: m.placed.made}
	if s, err = x.end(ctx, m, s); err != nil {
		return err
	}
	if err := x.place(ctx, m, s); err != nil {
		return err
	}
	x.tell(m, s)
	for kind := range m.placed.crds {
		w.Kinds[kind] = true
	}
	for space := range m.placed.spaces {
		w.Spaces[space] = true
	}
	return nil
}

// aside is an engine that remembers of one app what this one does, and is not heard of again.
func (e *Engine) aside(ctx context.Context, s Subject, w World) (*Engine, *memory, error) {
	was := e.remember(s.Name)
	if err := was.take(ctx); err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	m := was.clone()
	e.mu.Unlock()
	was.give()
	known := m.loaded && !m.other
	x := &Engine{
		Connect: e.Connect, Kinds: e.Kinds, Ledger: e.Ledger, Neighbours: w.Neighbours, Now: e.Now, Log: slog.New(slog.DiscardHandler),
		Parallel: e.Parallel, Shared: e.Shared, memory: map[app.Name]*memory{s.Name: m},
	}
	if !known {
		m.record, m.other = app.Record{App: s.Name}, false
		if err := x.load(ctx, m, s.Name); err != nil {
			return nil, nil, err
		}
		x.conclude(m, s)
	}
	x.Live = glimpse{e.Live, m, known}
	return x, m, nil
}

// foreseeNamespace finds out whether the default namespace would be made.
func (e *Engine) foreseeNamespace(ctx context.Context, session Session, m *memory, s *Subject, out *Preview) error {
	if !e.needsNamespace(m, *s) {
		return nil
	}
	r, err := e.Kinds.Find(ctx, object.GVK{Version: "v1", Kind: "Namespace"})
	if err != nil {
		return err
	}
	live, err := session.Live(ctx, r, "", s.Namespace)
	switch {
	case fault.KindOf(err) == fault.Denied && err != nil:
		return nil // nobody knows; that it can be made is not known either
	case err != nil:
		return err
	case live.IsZero():
		out.Namespace = s.Namespace
	case live.Deleting():
		s.Blocked = "waits: namespace " + s.Namespace + " is being deleted: waiting until it is gone"
	}
	return nil
}

func union[K comparable](a, b map[K]bool) map[K]bool {
	out := make(map[K]bool, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// take waits for the turn to use a memory, give ends it.
func (m *memory) take(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Transient, ctx.Err())
	}
}

func (m *memory) give() { <-m.turn }

// clone copies what is remembered, so that neither copy is changed by who uses the other.
func (m *memory) clone() *memory {
	out := *m
	out.turn, out.deleted = make(chan struct{}, 1), map[object.Key]bool{}
	out.asked, out.misfits, out.fights, out.since, out.kinds = maps.Clone(m.asked), maps.Clone(m.misfits), maps.Clone(m.fights), maps.Clone(m.since), maps.Clone(m.kinds)
	return &out
}

// glimpse is Live for one who only looks: it begins no watch, and tells nothing.
type glimpse struct {
	Live
	m     *memory
	known bool // passes of this process watch what the app claims
}

// Track implements Live. A kind that no claimed object is of is watched by nobody yet.
func (g glimpse) Track(id app.Identity, r object.Resource, namespaces ...string) Watch {
	if g.known {
		for key := range g.m.record.Claims {
			if is, ok := g.m.kinds[key]; ok && is == r {
				return g.Live.Track(id, r, g.claimed(r, namespaces)...)
			}
		}
	}
	return Watch{Synced: true}
}

// claimed keeps those namespaces that have a claimed object of the kind.
func (g glimpse) claimed(r object.Resource, namespaces []string) []string {
	var out []string
	for key := range g.m.record.Claims {
		if g.m.kinds[key] != r {
			continue
		}
		for _, n := range namespaces {
			if n == key.Namespace {
				out = append(out, n)
			}
		}
	}
	return out
}

// Put implements Live.
func (glimpse) Put(app.Identity, object.Resource, object.Object) observed.Entry {
	return observed.Entry{}
}

// Autoscaled implements Live.
func (g glimpse) Autoscaled(id app.Identity, key object.Key) bool {
	_, claimed := g.m.record.Claims[key]
	return claimed && g.known && g.Live.Autoscaled(id, key)
}
