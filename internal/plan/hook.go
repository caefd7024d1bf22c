package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
)

// Hooks are the objects of a want that releases run, and what they are to be run for now. A hook is wanted, and not kept applied: it is made once for each run,
// and what happens to it afterwards is no drift.
//
//	early ─▶ before ─▶ waves, with those that run during them ─▶ deletions ─▶ all is healthy ─▶ after
//	the release failed ─▶ failed, beside whatever else is done
type Hooks struct {
	// Of are all hooks of the want, which All lists.
	Of  map[object.Key]app.Hook
	All []object.Object
	// Run is the release for which they are run, as [RunOf] names it; empty: all of them have been, and none is waited for.
	Run string
	On  app.Occasion
	// On a deletion, All are run around that of everything else, and Run is the same in each try but for its beginning: see retire.go.
	//
	// Over says that the release has ended, or another one has begun: what was run well counts, and nothing more is begun.
	Over bool
	// Failed are the hooks of the release FailedRun that are run since it failed.
	Failed    []object.Object
	FailedRun string
}

// IsZero reports whether there is no hook.
func (h Hooks) IsZero() bool { return len(h.Of) == 0 && len(h.Failed) == 0 }

// Same reports whether the same is to be run now.
func (h Hooks) Same(o Hooks) bool {
	return h.Run == o.Run && h.On == o.On && h.Over == o.Over && h.FailedRun == o.FailedRun && len(h.Failed) == len(o.Failed)
}

// momentOrder is how moments of one release follow one another.
var momentOrder = map[app.Moment]int{app.Before: 1, app.During: 2, app.After: 3, app.OnFailure: -1}

// at is the run of the moment of a release.
func at(release string, moment app.Moment) string { return release + "/" + string(moment) }

// has reports whether a run, as a claim has it, is that of a moment of a release, or a later one of the same release. Of another release with the same want it
// is too, if only the want counts.
func has(run, release string, moment app.Moment, wantOnly bool) (is, later bool) {
	cut := strings.LastIndexByte(run, '/')
	if cut < 0 || release == "" {
		return false, false
	}
	of, ran := run[:cut], app.Moment(run[cut+1:])
	if wantOnly {
		_, of, _ = strings.Cut(of, "/")
		_, release, _ = strings.Cut(release, "/")
	}
	return of == release && ran == moment, of == release && moment != app.OnFailure && momentOrder[ran] > momentOrder[moment]
}

// Settled reports whether there is nothing to be known of a hook for what is to be run now: neither whether it has to be made, nor how it ended.
func (h Hooks) Settled(o object.Object, hook app.Hook, claim app.Claim) bool {
	for _, f := range h.Failed {
		if is, _ := has(claim.Run, h.FailedRun, app.OnFailure, false); f.Key() == o.Key() && (!is || claim.Ended == "") {
			return false
		}
	}
	if h.On == app.Deletion { // what it left goes in the end
		return false
	}
	if h.Run == "" {
		return true
	}
	on := []app.Occasion{h.On}
	if h.On == app.Install { // what was found in the cluster makes it an upgrade
		on = append(on, app.Upgrade)
	}
	for _, x := range on {
		for _, moment := range hook.Moments(x) {
			is, later := has(claim.Run, h.Run, moment, h.Over)
			if moment != app.OnFailure && !later && (!is || claim.Ended == "") && !h.Over || h.Over && is && claim.Ended == "" {
				return false
			}
		}
	}
	return true
}

// occasion is what the hooks are run for. The first release of an app whose workloads were there already takes them over from somebody who installed them.
func (c *computer) occasion() app.Occasion {
	if c.Hooks.On != app.Install {
		return c.Hooks.On
	}
	for key, claim := range c.plan.Claims {
		if _, hook := c.Hooks.Of[key]; claim.Found && !hook && order.Runs(key.GroupKind()) {
			return app.Upgrade
		}
	}
	return app.Install
}

// hooks plans the hooks that are run before and after everything else, and puts the former behind the objects that hold others.
func (c *computer) hooks(wanted map[object.Key]bool) {
	for key := range c.Hooks.Of {
		wanted[key] = true
		if claim, ok := c.plan.Claims[key]; ok && isEnding(claim) { // the app is back
			claim.Run, claim.Begun, claim.Ended, claim.Why, claim.Confirmed = "", false, "", "", false
			c.plan.Claims[key] = claim
		}
	}
	for _, o := range c.Hooks.Failed {
		wanted[o.Key()] = true
	}
	if c.Hooks.Run == "" {
		return
	}
	on := c.occasion()
	before := c.runs(c.Hooks.All, on, app.Before)
	early := 0
	for early < len(c.plan.Batches) && c.plan.Batches[early].Early {
		early++
	}
	rest := c.plan.Batches[early:]
	c.plan.Batches = append(append(c.plan.Batches[:early:early], before...), rest...)
	c.plan.After = c.runs(c.Hooks.All, on, app.After)
}

// runs plans the hooks of one moment.
func (c *computer) runs(objs []object.Object, on app.Occasion, moment app.Moment) []Batch {
	batches, err := order.Hooks(objs, on, moment)
	if err != nil { // Invariant: it was looked at when the want was put in order.
		c.block(err.Error())
	}
	var out []Batch
	for _, b := range batches {
		planned := Batch{Wave: b.Wave, Moment: moment}
		for tier, objs := range b.Tiers {
			for _, o := range objs {
				c.hook(&planned, Step{Key: o.Key(), Object: o, Wave: b.Wave, Tier: tier}, moment)
			}
		}
		out = append(out, planned)
	}
	return out
}

// hook plans one hook of a moment.
func (c *computer) hook(b *Batch, step Step, moment app.Moment) {
	release, over := c.Hooks.Run, c.Hooks.Over
	if moment == app.OnFailure {
		release, over = c.Hooks.FailedRun, false
	}
	if release == "" {
		return
	}
	s, claim := c.Seen[step.Key], c.Claims[step.Key]
	mine, later := has(claim.Run, release, moment, over)
	if later {
		return
	}
	unsettled := func(text string) {
		b.Pending++
		b.Unsettled = append(b.Unsettled, Note{Key: step.Key, Text: text, At: step.Object.Origin().String()})
	}
	there := mine && s.State == Present && s.Live.Annotation(app.AnnotationRun) == claim.Run
	if there && claim.Ended == "" {
		claim.Begun = false
		if s.Health.Status == health.Healthy || s.Health.Status == health.Degraded {
			claim.Ended = string(s.Health.Status)
		}
		if claim.Ended == string(health.Degraded) {
			claim.Why = s.Health.Message
		}
		c.plan.Claims[step.Key] = claim
	}
	switch {
	case mine && claim.Ended == string(health.Healthy):
	case mine && claim.Ended != "":
		text := "failed: " + cmp.Or(claim.Why, "no reason is known")
		unsettled(text)
		if c.plan.Broken == (Note{}) && moment != app.OnFailure {
			c.plan.Broken = Note{Key: step.Key, Text: text}
		}
	case over && !there:
		unsettled("is not run: the release has ended")
	case s.Rival != (app.Owner{}):
		c.refuse(step, "is owned by app "+s.Rival.String()+": remove it from one of the two apps", "", "")
		b.Pending++
	case s.Refusal != nil:
		c.refuse(step, s.Refusal.Message, s.Refusal.At, s.Refusal.Field)
		b.Pending++
	case s.State == Unknown && !s.Deferred:
		c.plan.Waiting = append(c.plan.Waiting, Note{Key: step.Key, Text: s.Why, At: step.Object.Origin().String()})
		unsettled(s.Why)
	case s.Deferred:
		unsettled(s.Why)
	case there:
		unsettled("is running: " + cmp.Or(s.Health.Message, string(s.Health.Status)))
	case s.Live.Deleting():
		unsettled("that of an earlier run is being deleted" + finalizers(s.Live))
	default:
		c.run(b, step, s, at(release, moment), moment, mine && !claim.Begun)
	}
}

// run plans that a hook is made. What there is of an earlier run goes first, unless it holds what cannot be had back.
func (c *computer) run(b *Batch, step Step, s Sighting, run string, moment app.Moment, again bool) {
	if c.isForeign(step.Key) {
		c.refuse(step, foreignHook, "", "")
		b.Pending++
		return
	}
	if _, guarded := protected[step.Key.GroupKind()]; s.State == Present && !guarded {
		step.Live = s.Live
	}
	step.Do, step.Run = Run, run
	switch {
	case again:
		step.Why = "was deleted before it ended"
	case moment == app.OnFailure:
		step.Why = "the release failed"
	case moment == app.During:
		step.Why = "with its wave"
	default:
		step.Why = string(moment) + " the " + map[app.Occasion]string{app.Install: "first release", app.Upgrade: "release", app.Rollback: "way back", app.Deletion: "deletion"}[c.occasion()]
	}
	step.Object = step.Object.With(run, "metadata", "annotations", app.AnnotationRun)
	c.add(b, step)
}

// foreignHook is why a hook cannot be made whose name is taken.
const foreignHook = "is in the cluster already, and is none of this app's hooks: delete it with kubectl if it is not needed, or give the hook another name"

// isForeign reports whether something is in the place of a hook that may not be taken away for it.
func (c *computer) isForeign(key object.Key) bool {
	s := c.Seen[key]
	_, guarded := protected[key.GroupKind()]
	owner := app.OwnerOf(s.Live)
	return s.State == Present && !guarded && owner != c.App.Owner() && (owner != (app.Owner{}) || !isLeftover(s.Live) || c.Policy.Apart)
}

// isLeftover reports whether a live object is a hook of Helm's or Argo CD's that has done its work, from the time before the app was Fairlead's.
func isLeftover(live object.Object) bool {
	if live.Annotation("helm.sh/hook") == "" && live.Annotation("argocd.argoproj.io/hook") == "" || live.Key().GroupKind() != (object.GroupKind{Group: "batch", Kind: "Job"}) {
		return false
	}
	v := health.Rules{}.Assess(live).Status
	return v == health.Healthy || v == health.Degraded
}

// failing plans the hooks of a release that failed, which nothing else waits for.
func (c *computer) failing() {
	if c.Hooks.FailedRun != "" {
		blocked := c.plan.Blocked
		c.plan.Failed = c.runs(c.Hooks.Failed, app.Rollback, app.OnFailure)
		c.plan.Blocked = blocked // nothing else is kept up because such a hook is refused
	}
}

// spend plans the deletion of hooks that are to be deleted for how they ended: when the moment has come to an end that they were run in, since the others of it
// may need them.
func (c *computer) spend() {
	underway := map[string]bool{}
	for _, b := range c.plan.hooked() {
		moment := b.Moment
		if moment == "" {
			moment = app.During
		}
		if len(b.Steps) > 0 || len(b.Unsettled) > 0 {
			underway[string(moment)] = c.plan.Broken == (Note{}) && c.Hooks.Run != "" && !c.Hooks.Over
		}
	}
	spend := func(o object.Object) {
		h, claim, s := app.HookOf(o), c.plan.Claims[o.Key()], c.Seen[o.Key()]
		_, guarded := protected[o.Key().GroupKind()]
		switch moment := claim.Run[strings.LastIndexByte(claim.Run, '/')+1:]; {
		case claim.Ended == "" || guarded || !h.IsSpent(claim.Ended == string(health.Healthy)) || underway[moment]:
		case s.State != Present || s.Live.Deleting() || s.Live.Annotation(app.AnnotationRun) != claim.Run || app.OwnerOf(s.Live) != c.App.Owner():
		case app.PruneOf(s.Live) == app.PruneNever:
		case slices.ContainsFunc(c.plan.Spent, func(x Step) bool { return x.Key == o.Key() }):
		default:
			why := "it succeeded"
			if claim.Ended != string(health.Healthy) {
				why = "it failed"
			}
			c.plan.Spent = append(c.plan.Spent, Step{Do: Delete, Key: o.Key(), Live: s.Live, Run: claim.Run, Why: "hook: " + why})
		}
	}
	for _, o := range c.Hooks.All {
		spend(o)
	}
	for _, o := range c.Hooks.Failed {
		if _, twice := c.Hooks.Of[o.Key()]; !twice {
			spend(o)
		}
	}
	slices.SortFunc(c.plan.Spent, func(a, b Step) int { return a.Key.Compare(b.Key) })
}

// hooked are all batches that may hold hooks of the release.
func (p Plan) hooked() []Batch { return append(p.Batches[:len(p.Batches):len(p.Batches)], p.After...) }

// Lacking is the first hook that is still to be run when all else is done, or is being run; the zero Note if none is.
func (p Plan) Lacking() Note {
	for _, b := range p.After {
		for _, n := range b.Unsettled {
			return n
		}
		for _, s := range b.Steps {
			return Note{Key: s.Key, Text: "is to be run " + s.Why}
		}
	}
	return Note{}
}

// runnable are the steps of the first of some batches that may run, all before it being settled.
func runnable(batches []Batch) []Step {
	for _, b := range batches {
		if len(b.Steps) > 0 {
			return b.Steps
		}
		if len(b.Unsettled) > 0 {
			return nil
		}
	}
	return nil
}
