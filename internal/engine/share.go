package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// Apps may be shared with other processes. Of an app that another one has, this one knows what it wants, since it reads the same commits, and what it claims, as
// it is told. It never writes such an app's record, nor an object that the app claims and has not let go.

func (e *Engine) isShared() bool { return e.Shared != nil && e.Shared() }

// Take tells that an app is this process's from now on, and that another one may have had it: its record is read before anything is done. Until then it
// claims what it was last known to: others must not take that for free.
func (e *Engine) Take(n app.Name) {
	claims := e.lastKnown(n)
	e.Forget(n)
	m := e.remember(n)
	e.mu.Lock()
	defer e.mu.Unlock()
	m.loaded, m.before = false, claims
}

// Give tells that another process has an app from now on. It claims what is stored, and no more: what this process was about to claim nobody will tell of.
func (e *Engine) Give(n app.Name) {
	claims := e.lastStored(n)
	e.Forget(n)
	m := e.remember(n)
	e.mu.Lock()
	defer e.mu.Unlock()
	m.other = true
	e.others.tell(n, claims)
}

// lastKnown is what an app claims as far as this process knows. What was told of the app since this process knew it last counts: another one may have had it
// for a while, and let it go.
func (e *Engine) lastKnown(n app.Name) app.Claims {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.memory[n]; m != nil && !m.heard {
		return e.claims(n)
	}
	return e.others.claims[n]
}

// lastStored is what the ledger has of an app as far as this process knows; nil if it has no record.
func (e *Engine) lastStored(n app.Name) app.Claims {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch m := e.memory[n]; {
	case m == nil, m.other, m.heard:
		return e.others.claims[n]
	case m.before != nil:
		return m.before
	case m.record.Version == "":
		return nil
	default:
		return m.stored
	}
}

// Told takes in what an app claims, as the ledger has it; nil if it has no record. What this process does itself it knows better.
func (e *Engine) Told(n app.Name, claims app.Claims) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.memory[n]; m != nil {
		m.heard, m.news = true, true
	}
	e.others.tell(n, claims)
}

// Echo is how long it may take until what this process writes to the ledger is told to it.
const Echo = time.Second

// hear compares what was told of the record of an app with what this process knows of it, and has it read anew if it is something else: another process may have
// stood still while this one took the app, and have written the record before it knew; or it knows nothing of this one at all, and its release is the one of which
// the App tells: for that the record is read once.
func (e *Engine) hear(m *memory, n app.Name, told release.Release) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.news && e.Now().Sub(m.written) >= Echo {
		m.news = false
		m.loaded = m.loaded && maps.Equal(e.others.claims[n], m.stored)
	}
	if told.Serial > max(m.serial, m.releases.Current.Serial) {
		m.serial, m.loaded = told.Serial, false
	}
}

// Recorded lists the apps that are known to have a record, in order.
func (e *Engine) Recorded() []app.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := map[app.Name]bool{}
	for n := range e.others.claims {
		names[n] = true
	}
	for n, m := range e.memory {
		if m.record.Version != "" {
			names[n] = true
		}
	}
	return slices.SortedFunc(maps.Keys(names), app.Name.Compare)
}

// RecordedAs returns the app of an owner if the ledger is known to have a record of it. It takes as long as there are records.
func (e *Engine) RecordedAs(o app.Owner) (app.Name, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := range e.others.claims {
		if n.Owner() == o {
			return n, true
		}
	}
	return app.Name{}, false
}

// Place notes what an app of another process wants. The error is as [Outcome.Unplaced] if its kind is fault.Invalid.
func (e *Engine) Place(ctx context.Context, s Subject) error {
	m := e.remember(s.Name)
	if err := m.take(ctx); err != nil {
		return err
	}
	defer m.give()
	err := e.place(ctx, m, s)
	if err != nil && fault.KindOf(err) == fault.Invalid {
		m.placed = placed{}
	}
	if err == nil {
		e.tell(m, s)
	}
	return err
}

// kept says why an object has to be left alone though it is wanted: it is another process's app that marked it, or is about to make it, and has not let it go.
// Empty: it need not.
func (l *look) kept(ctx context.Context, key object.Key, want, live object.Object) (string, error) {
	owner := app.OwnerOf(live)
	if live.IsZero() && !want.IsZero() {
		owner = l.engine.maker(l.subject.Name, key)
	}
	if owner == (app.Owner{}) || owner == l.subject.Name.Owner() || want.IsZero() && l.subject.Rendered {
		return "", nil
	}
	n, foreign := l.engine.Neighbours.Foreign(owner)
	if !foreign {
		return "", nil
	}
	claims, err := l.claimsOf(ctx, n)
	if err != nil {
		return "", err
	}
	if claim, claimed := claims[key]; !claimed || claim.Yielded {
		return "", nil
	}
	return "waits for app " + owner.String() + " to let it go", nil
}

// maker returns the app of another process that is known to claim an object, and may be about to make it.
func (e *Engine) maker(n app.Name, key object.Key) app.Owner {
	e.mu.Lock()
	defer e.mu.Unlock()
	by, ok := e.others.other(n, key, func(n app.Name) bool { m := e.memory[n]; return m == nil || m.other })
	if !ok {
		return app.Owner{}
	}
	return by.Owner()
}

// isForeign reports whether an owner mark is of another process's app.
func (l *look) isForeign(owner app.Owner) bool {
	if owner == (app.Owner{}) || owner == l.subject.Name.Owner() {
		return false
	}
	_, foreign := l.engine.Neighbours.Foreign(owner)
	return foreign
}

// claimsOf reads what another process's app claims, once for each look: what was heard of it may be old.
func (l *look) claimsOf(ctx context.Context, n app.Name) (app.Claims, error) {
	l.mu.Lock()
	claims, known := l.foreign[n]
	l.mu.Unlock()
	if known {
		return claims, nil
	}
	r, err := l.engine.Ledger.Load(ctx, n)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.foreign == nil {
		l.foreign = map[app.Name]app.Claims{}
	}
	l.foreign[n] = r.Claims
	return r.Claims, nil
}

// keptSighting is what is known of an object that has to be left alone.
func keptSighting(why string) plan.Sighting { return plan.Sighting{State: plan.Unknown, Why: why} }
