package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// ask sends what requests it takes to know an object, and remembers the answer.
func (l *look) ask(ctx context.Context, key object.Key, want object.Object) plan.Sighting {
	r, err := l.engine.resource(ctx, l.m, key)
	if err == nil {
		var s plan.Sighting
		if s, err = l.request(ctx, r, key, want); err == nil {
			return l.remember(r, key, s)
		}
	}
	err = fmt.Errorf("observe %s: %w", key, err)
	l.failed(key, want, err)
	return plan.Sighting{State: plan.Unknown, Why: err.Error()}
}

// failed notes that an object could not be looked at. If it is new or changed, nothing of the commit may be applied: it may turn out to be refused.
func (l *look) failed(key object.Key, want object.Object, err error) {
	if !l.accepted(key, want) {
		l.doubt(err.Error())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// accepted reports whether nothing has to be asked to know that an object is accepted as it is wanted.
func (l *look) accepted(key object.Key, want object.Object) bool {
	claim := l.m.record.Claims[key]
	return want.IsZero() || claim.Want == l.m.placed.hashes[key] && !claim.Begun
}

// doubt notes why it is not known whether all that is wanted is accepted: of several reasons always the same.
func (l *look) doubt(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unsure == "" || why < l.unsure {
		l.unsure = why
	}
}

func (l *look) remember(r object.Resource, key object.Key, s plan.Sighting) plan.Sighting {
	entry := l.engine.Live.Entry(l.subject.Identity, r, key)
	a := answer{want: l.m.placed.hashes[key], resourceVersion: entry.ResourceVersion, sighting: s}
	l.mu.Lock()
	// An answer is worth keeping only if the watch would tell that it no longer holds, and only if it does not ask to be asked again. What was not compared
	// since nothing may be applied is to be compared once it may.
	want := l.m.placed.objects[key]
	whole := !s.Predicted.IsZero() || s.Drifted && s.Contested == "" && l.accepted(key, want) || want.IsZero()
	if whole && !l.unread && s.Refusal == nil && s.State == plan.Present && entry.ResourceVersion == s.Live.ResourceVersion() {
		l.m.asked[key] = a
	} else {
		delete(l.m.asked, key)
	}
	l.mu.Unlock()
	return s
}

// request asks the API server about one object: what is live where it may exist, and a dry run where the want is new.
func (l *look) request(ctx context.Context, r object.Resource, key object.Key, want object.Object) (plan.Sighting, error) {
	claim, claimed := l.m.record.Claims[key]
	var live object.Object
	var err error
	entry := l.engine.Live.Entry(l.subject.Identity, r, key)
	held := l.engine.Live.Held(l.subject.Identity, r, key)
	switch {
	case !held.IsZero() && held.ResourceVersion() == entry.ResourceVersion && !l.m.deleted[key]:
		live = held
	case claimed || !entry.IsZero():
		if live, err = l.session.Live(ctx, r, key.Namespace, key.Name); err != nil {
			return l.refused(plan.Sighting{}, want, err)
		}
	}
	s := l.sight(key, live)
	if why, err := l.kept(ctx, key, want, live); err != nil || why != "" && s.Rival == (app.Owner{}) {
		return keptSighting(why), err
	}
	if waits, ok := l.undecided(key, want, s.Rival); ok {
		return waits, nil
	}
	if !live.IsZero() && held.IsZero() && app.OwnerOf(live) == l.subject.Name.Owner() { // another app has to be told by the watch
		l.engine.Live.Put(l.subject.Identity, r, live)
	}
	if !live.IsZero() && l.suspects(claim, live) {
		l.blame(&s, key, claim, want)
	}
	same := claim.Want == l.m.placed.hashes[key] && claimed && claim.Print != "" && !claim.Begun
	if same && !s.Drifted && !live.IsZero() && !live.Deleting() {
		s.State = plan.Current
		return s, nil
	}
	if live.IsZero() && claimed {
		s.Applied = l.appliedOf(key)
		s.Drifted = claim.Print != "" && !claim.Begun
		if until := l.m.fights[key].Until(); until.After(l.now) {
			s.Contested = fmt.Sprintf("somebody keeps deleting it; next try in %s; if it is not to exist, remove it from Git", until.Sub(l.now).Round(time.Second))
		}
	}
	mode := app.ApplyOf(want)
	switch {
	case want.IsZero(), mode == app.ApplyNever, mode == app.ApplyOnce && !live.IsZero():
		return s, nil
	case !live.IsZero() && live.Deleting():
		return plan.Sighting{State: plan.Unknown, Why: key.String() + " is being deleted: it is applied again once it is gone"}, nil
	case claim.Want == l.m.placed.hashes[key] && !claim.Begun && (s.Drifted || live.IsZero()) && !l.mayReplace(mode, s):
		return s, nil // what was accepted before needs no dry run to be repaired
	case l.subject.Policy.Suspended, l.subject.Blocked != "":
		return s, nil
	}
	return l.dryRun(ctx, r, key, want, s)
}

// mayReplace reports whether it takes a dry run to know how to undo a hand edit: where somebody made the object anew, a field may be in the way that cannot be
// changed, and then so does Fairlead.
func (l *look) mayReplace(mode app.Apply, s plan.Sighting) bool {
	return mode == app.ApplyReplace && s.Drifted && !s.Live.IsZero() && s.Contested == "" && !l.subject.Policy.ReportDrift
}

func (l *look) dryRun(ctx context.Context, r object.Resource, key object.Key, want object.Object, s plan.Sighting) (plan.Sighting, error) {
	predicted, err := l.session.DryRun(ctx, r, l.ceded(key, want, s.Live))
	if err != nil {
		return l.refused(s, want, err)
	}
	if predicted.ResourceVersion() != "" && s.Live.IsZero() {
		live, err := l.session.Live(ctx, r, key.Namespace, key.Name)
		if err != nil {
			return l.refused(s, want, err)
		}
		s = l.sight(key, live)
		if why, err := l.kept(ctx, key, want, live); err != nil || why != "" && s.Rival == (app.Owner{}) {
			return keptSighting(why), err
		}
		if waits, ok := l.undecided(key, want, s.Rival); ok {
			return waits, nil
		}
		if cede := l.ceded(key, want, live); !live.IsZero() && cede.Hash() != want.Hash() {
			if predicted, err = l.session.DryRun(ctx, r, cede); err != nil {
				return l.refused(s, want, err)
			}
		}
	}
	s.Predicted = predicted.WithVeiled(want.Veiled())
	return s, nil
}

// sight is the sighting of a live object before anything was compared.
func (l *look) sight(key object.Key, live object.Object) plan.Sighting {
	if live.IsZero() {
		return plan.Sighting{State: plan.Absent}
	}
	return plan.Sighting{
		State: plan.Present, Live: live,
		Health: l.verdict(key, l.subject.Rules.Assess(live)),
		Rival:  l.rival(key, live),
	}
}

func (l *look) rival(key object.Key, live object.Object) app.Owner {
	owner := app.OwnerOf(live)
	if owner == (app.Owner{}) || owner == l.subject.Name.Owner() {
		return app.Owner{}
	}
	if claims, _ := l.engine.Neighbours.Claims(owner, key); !claims {
		return app.Owner{}
	}
	return owner
}

// undecided is the sighting of a wanted object whose owner has to be read first: one commit may move an object from app to app. Until then nothing of the
// commit is applied that it may turn out to be refused with.
func (l *look) undecided(key object.Key, want object.Object, rival app.Owner) (plan.Sighting, bool) {
	if want.IsZero() || rival == (app.Owner{}) {
		return plan.Sighting{}, false
	}
	_, unread := l.engine.Neighbours.Claims(rival, key)
	why := "waits until app " + rival.String() + ", which owns it, is read"
	if unread && !l.accepted(key, want) { // nobody has asked yet whether it is accepted as it is wanted
		l.doubt("waits: " + key.String() + " " + why)
	}
	return plan.Sighting{State: plan.Unknown, Why: why}, unread
}

// refused turns the refusal of a request into a sighting, and passes every other error on.
func (l *look) refused(s plan.Sighting, want object.Object, err error) (plan.Sighting, error) {
	var refusal *plan.Refusal
	if !asRefusal(err, &refusal) {
		return plan.Sighting{}, err
	}
	if ns := want.Namespace(); ns != "" && l.m.placed.spaces[ns] && l.seenAbsent(ns) {
		return plan.Sighting{State: plan.Unknown, Deferred: true, Why: "waits for namespace " + ns}, nil
	}
	if want.IsZero() { // nothing is known of it: that it may not be read does not mean that it is gone
		return plan.Sighting{}, err
	}
	copied := *refusal
	if copied.Schema { // of several fields that do not fit, the server names one at random
		key, hash := want.Key(), want.Hash()
		l.mu.Lock()
		if was, ok := l.m.misfits[key]; ok && was.want == hash {
			copied = was.refusal
		}
		l.m.misfits[key] = misfit{hash, copied}
		l.mu.Unlock()
	}
	s.Refusal = &copied
	if s.State == plan.Unknown {
		s.State = plan.Absent
	}
	return s, nil
}

// seenAbsent reports whether a namespace that the want itself brings is not there yet.
func (l *look) seenAbsent(namespace string) bool {
	key := object.Key{Kind: "Namespace", Name: namespace}
	r, ok := l.m.kinds[key]
	return !ok || l.engine.Live.Entry(l.subject.Identity, r, key).IsZero()
}

func asRefusal(err error, target **plan.Refusal) bool { return errors.As(err, target) }
