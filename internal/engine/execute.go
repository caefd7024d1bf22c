package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/contest"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// execute runs steps tier by tier, the steps of a tier side by side. A step that fails stops the tiers after it, not its neighbours. It
// returns the claims as they are afterwards.
func (l *look) execute(ctx context.Context, steps []plan.Step, claims app.Claims) ([]Result, app.Claims) {
	after := maps.Clone(claims)
	if begins := l.engine.Begins; begins != nil {
		begins(l.subject.Name, steps, claims)
	}
	var results []Result
	var mu sync.Mutex
	for _, tier := range tiers(steps) {
		g := &errgroup.Group{}
		g.SetLimit(l.engine.parallel())
		failed := false
		for _, step := range tier {
			l.engine.beside(g, func() error {
				claim, err := l.run(ctx, step, claims[step.Key])
				mu.Lock()
				defer mu.Unlock()
				results = append(results, Result{Step: step, Err: err})
				if err != nil {
					failed = true
					return nil
				}
				if step.Do != plan.Delete {
					after[step.Key] = claim
				}
				return nil
			})
		}
		_ = g.Wait() // errors are in the results
		if failed {
			break
		}
	}
	slices.SortStableFunc(results, func(a, b Result) int { return a.Step.Key.Compare(b.Step.Key) })
	return results, after
}

func tiers(steps []plan.Step) [][]plan.Step {
	byTier := map[int][]plan.Step{}
	for _, s := range steps {
		byTier[s.Tier] = append(byTier[s.Tier], s)
	}
	var out [][]plan.Step
	for _, t := range slices.Sorted(maps.Keys(byTier)) {
		out = append(out, byTier[t])
	}
	return out
}

// run makes one step and returns the claim that it leaves.
func (l *look) run(ctx context.Context, step plan.Step, claim app.Claim) (app.Claim, error) {
	r, err := l.engine.resource(ctx, l.m, step.Key)
	if err == nil {
		err = l.grasp(r, step)
	}
	if err != nil {
		return claim, fmt.Errorf("%s %s: %w", step.Do, step.Key, err)
	}
	defer l.loose(step.Key)
	l.mu.Lock()
	delete(l.m.asked, step.Key)
	l.m.deleted[step.Key] = step.Do == plan.Delete || step.Do == plan.Replace || step.Do == plan.Run
	l.mu.Unlock()
	undoes := step.Do == plan.Repair || step.Do == plan.Replace && claim.Want == step.Object.Hash()
	switch step.Do {
	case plan.Delete:
		err = l.session.Delete(ctx, r, step.Live)
	case plan.Run:
		err = l.makeHook(ctx, r, step)
		claim.Begun = err != nil
	case plan.Replace:
		err = l.replace(ctx, r, step)
		fallthrough
	case plan.Create, plan.Update, plan.Adopt, plan.Repair:
		if err == nil {
			claim, err = l.apply(ctx, r, step, claim)
		}
	}
	if err != nil {
		return claim, fmt.Errorf("%s %s: %w", step.Do, step.Key, err)
	}
	if undoes {
		l.mu.Lock()
		l.m.fights[step.Key] = l.m.fights[step.Key].Repaired(l.now)
		l.mu.Unlock()
	}
	return claim, nil
}

// grasp makes sure that an object is this app's to write until it is let loose. While a pass is under way, Git may give the object to another app: what the
// pass knows of it is old then. Between two apps of this process, the one that wants it now comes after the one that wanted it before.
//
// What is not there is not made for a commit that is no longer the newest: the newest may not want it, and who had it may just have deleted it for that.
//
// Nor is it made over what another app has made since it was looked for: that one may have read a newer commit, or another repository.
func (l *look) grasp(r object.Resource, step plan.Step) error {
	e, n, key := l.engine, l.subject.Name, step.Key
	if by := e.Live.Entry(l.subject.Identity, r, key).Owner; step.Live.IsZero() && by != (app.Owner{}) && by != n.Owner() {
		return fault.Newf(fault.Conflict, "app %s has made it meanwhile", by)
	}
	old := l.subject.Rendered && (step.Do == plan.Create || step.Do == plan.Run) && e.Neighbours.Overtaken(n, l.subject.Round)
	if l.m.ends {
		old = !e.Neighbours.Leaves(n)
	}
	if old {
		return fault.Newf(fault.Conflict, "there is a newer commit by now")
	}
	e.mu.Lock()
	other, busy := e.hands[key]
	if !busy {
		if e.hands == nil {
			e.hands = map[object.Key]app.Name{}
		}
		e.hands[key] = n
	}
	e.mu.Unlock()
	if busy {
		return fault.Newf(fault.Conflict, "app %s is just writing it", other)
	}
	if by, taken := e.Neighbours.Taken(n, l.subject.Round, key); taken {
		l.loose(key)
		return fault.Newf(fault.Conflict, "app %s wants it by now", by)
	}
	return nil
}

func (l *look) loose(key object.Key) {
	l.engine.mu.Lock()
	defer l.engine.mu.Unlock()
	delete(l.engine.hands, key)
}

func (l *look) apply(ctx context.Context, r object.Resource, step plan.Step, claim app.Claim) (app.Claim, error) {
	if step.Takeover && !step.Live.IsZero() {
		if err := l.takeOver(ctx, r, step); err != nil {
			return claim, err
		}
	}
	to := step.Live
	if step.Do == plan.Replace {
		to = object.Object{}
	}
	out, err := l.session.ApplyTo(ctx, r, to, l.ceded(step.Key, step.Object, step.Live))
	if err != nil {
		return claim, err
	}
	// Only if somebody emptied managedFields is there anything to do.
	err = l.manage(ctx, r, out, func(live object.Object) ([]any, bool) { return fingerprint.Unshare(live, app.Manager) })
	if err != nil {
		return claim, err
	}
	entry := l.engine.Live.Put(l.subject.Identity, r, out)
	claim.Ended, claim.Begun = "", false
	claim.Want, claim.Print = step.Object.Hash(), entry.Print.String()
	return claim, nil
}

// takeOver merges the field entries of earlier managers, or of people, into Fairlead's: what the apply after it does not set is then removed.
func (l *look) takeOver(ctx context.Context, r object.Resource, step plan.Step) error {
	adopted, adds := step.Do == plan.Adopt, l.subject.adds(step.Object)
	take := func(manager string) bool {
		return adds(manager) || adopted && fingerprint.Earlier(manager)
	}
	return l.manage(ctx, r, step.Live, func(live object.Object) ([]any, bool) {
		return fingerprint.Takeover(live, app.Manager, step.Object.APIVersion(), take, app.IgnoredOf(step.Object))
	})
}

// manage writes the managedFields that change returns, if it wants any change.
func (l *look) manage(ctx context.Context, r object.Resource, seen object.Object, change func(live object.Object) ([]any, bool)) error {
	live := seen
	for tries := 0; ; tries++ {
		fields, ok := change(live)
		if !ok {
			return nil
		}
		err := l.session.SetManagers(ctx, r, live, fields)
		if fault.KindOf(err) != fault.Conflict || tries == takeOverTries {
			return err
		}
		// Controllers write status all the time: that is no reason to begin the pass anew.
		if live, err = l.session.Live(ctx, r, seen.Namespace(), seen.Name()); err != nil || live.UID() != seen.UID() {
			return fault.New(fault.Conflict, errors.Join(errors.New("it was replaced meanwhile"), err))
		}
	}
}

// takeOverTries bounds how often a take-over looks again because somebody else was faster.
const takeOverTries = 5

// errGoing says that an object to be replaced still has to go.
var errGoing = errors.New("waits until the old object is gone")

// replace deletes the old object. The new one is applied by the pass that finds it gone, unless it is gone at once.
func (l *look) replace(ctx context.Context, r object.Resource, step plan.Step) error {
	if owner := app.OwnerOf(step.Live); owner != l.subject.Name.Owner() {
		return fault.Newf(fault.Invalid, "it does not carry the owner mark of app %s: delete it by hand if it may be replaced", l.subject.Name)
	}
	if err := l.session.Delete(ctx, r, step.Live); err != nil {
		return err
	}
	live, err := l.session.Live(ctx, r, step.Key.Namespace, step.Key.Name)
	if err == nil && !live.IsZero() {
		return fault.New(fault.Transient, errGoing)
	}
	return err
}

// fights prunes what is remembered of repairs of objects that are no longer claimed.
func (m *memory) fightsOf(claims app.Claims) {
	maps.DeleteFunc(m.fights, func(k object.Key, _ contest.Record) bool { _, claimed := claims[k]; return !claimed })
}
