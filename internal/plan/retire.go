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

// An app that goes runs the hooks that it was applied with last around the deletion of everything else:
//
//	something may be deleted now ─▶ before ─▶ deletions ─▶ after ─▶ namespaces, definitions ─▶ what the hooks left
//	a hook failed, is refused, does not end ─▶ held ─▶ approved: done without it, or: tried again
//	an object goes over to another app ─▶ nothing is run: the app moves
//
// How far that is, the claims of the hooks say: they are made with the first step, and dropped with the last.

// Ending is how the run of a deletion is named, before the digest of what is run.
const Ending = "gone-"

// What a claim says of a hook that has not been run, beside the moments that it is run at.
const (
	awaited app.Moment = "awaited" // the deletion has begun
	moved   app.Moment = "moved"   // the app moves, and nothing is run
)

// ending is the moment of this deletion that a claim tells of, whichever try of it; empty if it tells of none.
func (h Hooks) ending(claim app.Claim) app.Moment {
	cut := strings.LastIndexByte(claim.Run, '/')
	if h.On != app.Deletion || cut < 0 {
		return ""
	}
	_, was, _ := strings.Cut(claim.Run[:cut], "/")
	if _, is, _ := strings.Cut(h.Run, "/"); is != was {
		return ""
	}
	return app.Moment(claim.Run[cut+1:])
}

// Ends reports whether a claim is that of a hook of the deletion that is under way.
func (h Hooks) Ends(claim app.Claim) bool {
	at := h.ending(claim)
	return at != "" && at != moved
}

// isEnding reports whether a claim tells of a deletion, of whichever.
func isEnding(claim app.Claim) bool {
	_, of, _ := strings.Cut(claim.Run, "/")
	return strings.HasPrefix(of, Ending)
}

// retire plans the end of an app.
func (c *computer) retire() {
	begun, stays := false, false
	for _, key := range c.Claims.Keys() {
		at := c.Hooks.ending(c.Claims[key])
		begun, stays = begun || at != "", stays || at == moved
		if at == "" || at == moved && c.Seen[key].State != Absent { // until the end, one that is moved says so
			c.unwanted(key)
		}
	}
	switch {
	case stays:
	case !begun && c.moves:
		c.mark(moved)
		stays = true
	case !begun && c.begins():
		c.mark(awaited)
		c.deletes = slices.DeleteFunc(c.deletes, func(d candidate) bool { _, hook := c.Hooks.Of[d.step.Key]; return hook })
		begun = true
	}
	if begun && !stays {
		c.around()
		return
	}
	c.settle()
	if stays {
		c.unmark()
	}
}

// unmark drops the claims that say that the app moves, once there are no others.
func (c *computer) unmark() {
	for key, claim := range c.plan.Claims {
		if c.Hooks.ending(claim) != moved || c.Seen[key].State != Absent {
			return
		}
	}
	c.plan.Claims = app.Claims{}
}

// begins reports whether something is deleted now.
func (c *computer) begins() bool {
	if c.plan.Blocked != "" || c.plan.Suspended || c.Census.Waiting != "" {
		return false
	}
	id := c.holdID()
	approved := id != "" && id == c.Approved
	return slices.ContainsFunc(c.deletes, func(d candidate) bool { return !d.going && (d.reason == "" || approved && !d.foreign) })
}

// mark claims all hooks, and says how they stand.
func (c *computer) mark(at app.Moment) {
	for _, o := range c.Hooks.All {
		claim := c.plan.Claims[o.Key()]
		claim.Key, claim.Version, claim.Run = o.Key(), o.APIVersion(), c.Hooks.Run+"/"+string(at)
		claim.Want, claim.Print, claim.Begun, claim.Ended, claim.Why, claim.Confirmed = "", "", false, "", "", false
		c.plan.Claims[o.Key()] = claim
	}
}

// around plans the hooks, and puts the deletions between them.
func (c *computer) around() {
	held, early := false, false // something else is still there
	for key, claim := range c.plan.Claims {
		if c.Hooks.Ends(claim) {
			continue
		}
		if order.Early(key.GroupKind()) {
			early = true
		} else {
			held = true
		}
	}
	for _, o := range c.Hooks.All {
		c.ended(o.Key())
		c.forgo(o)
		for _, at := range app.HookOf(o).Moments(app.Deletion) {
			if why := c.stands(o, at); why != "" && (at == app.Before || !held) {
				c.stuck = append(c.stuck, stuck{o, at, why})
			}
		}
	}
	c.settle()
	c.plan.Batches, c.plan.After = c.ends(app.Before, false), c.ends(app.After, held)
	switch {
	case unrun(c.plan.After):
		c.plan.Deletes = slices.DeleteFunc(c.plan.Deletes, func(b Batch) bool { return b.Early }) // hooks may be in these
	case !held && !unrun(c.plan.Batches):
		c.depart(early)
	}
}

func unrun(batches []Batch) bool {
	return slices.ContainsFunc(batches, func(b Batch) bool { return len(b.Steps)+len(b.Unsettled) > 0 })
}

// ended notes how a hook ended that was made.
func (c *computer) ended(key object.Key) {
	s, claim := c.Seen[key], c.plan.Claims[key]
	if !c.isMade(key) || claim.Ended != "" {
		return
	}
	claim.Begun = false
	if s.Health.Status == health.Healthy || s.Health.Status == health.Degraded {
		claim.Ended = string(s.Health.Status)
	}
	if s.Health.Status == health.Degraded {
		claim.Why = s.Health.Message
	}
	c.plan.Claims[key] = claim
}

// forgo does without a hook whose namespace is gone: there is nothing left for it.
func (c *computer) forgo(o object.Object) {
	key := o.Key()
	s, claim := c.Seen[key], c.plan.Claims[key]
	if s.Refusal == nil || !s.Refusal.Homeless || claim.Confirmed {
		return
	}
	if moments := app.HookOf(o).Moments(app.Deletion); !c.isDone(key, moments[len(moments)-1]) {
		claim.Run, claim.Confirmed = c.Hooks.Run+"/"+string(moments[len(moments)-1]), true
		c.plan.Claims[key] = claim
		c.plan.Kept = append(c.plan.Kept, Note{Key: key, Text: "hook is not run: its namespace is gone"})
	}
}

// isMade reports whether what is in the cluster is the hook as it was made last.
func (c *computer) isMade(key object.Key) bool {
	s := c.Seen[key]
	return s.State == Present && s.Live.Annotation(app.AnnotationRun) == c.plan.Claims[key].Run
}

// isDone reports whether a hook needs no more at a moment: it ended well, or a person lets the deletion go on without.
func (c *computer) isDone(key object.Key, moment app.Moment) bool {
	claim := c.plan.Claims[key]
	at := c.Hooks.ending(claim)
	return momentOrder[at] > momentOrder[moment] || at == moment && (claim.Ended == string(health.Healthy) || claim.Confirmed)
}

// isLifted reports whether a hook was run at a moment before somebody asked for another try.
func (c *computer) isLifted(key object.Key, moment app.Moment) bool {
	claim := c.plan.Claims[key]
	return c.Hooks.ending(claim) == moment && !strings.HasPrefix(claim.Run, c.Hooks.Run+"/")
}

// stands is why a hook stands in the way, if it does not get out of it by itself; else empty.
func (c *computer) stands(o object.Object, moment app.Moment) string {
	key := o.Key()
	s, claim := c.Seen[key], c.plan.Claims[key]
	mine := c.Hooks.ending(claim) == moment
	lifted := c.isLifted(key, moment)
	switch {
	case c.isDone(key, moment):
	case mine && claim.Ended != "" && !lifted:
		return "failed: " + cmp.Or(claim.Why, "no reason is known")
	case mine && c.isMade(key) && !lifted:
		if s.Late {
			return "has not ended: " + cmp.Or(s.Health.Message, string(s.Health.Status))
		}
	case s.Rival != (app.Owner{}):
		return "is a hook of app " + s.Rival.String() + ", too: give it another name in one of the two"
	case s.Refusal != nil:
		return "is refused: " + s.Refusal.Message
	case c.isForeign(key):
		return foreignHook
	}
	return ""
}

// stuck is a hook that holds the deletion.
type stuck struct {
	object object.Object
	moment app.Moment
	why    string
}

// hold is how a hook is held, or, if that was approved, lets the deletion go on without it.
func (c *computer) hold(x stuck, approved bool) {
	key := x.object.Key()
	if approved {
		claim := c.plan.Claims[key]
		claim.Run, claim.Confirmed, claim.Begun = cmp.Or(claimedAt(c.Hooks, claim, x.moment), c.Hooks.Run+"/"+string(x.moment)), true, false
		c.plan.Claims[key] = claim
		return
	}
	which := c.App.Object() + " -n " + c.App.Namespace
	waits, again := "nothing of the app is deleted", ""
	if x.moment == app.After {
		waits = "the app is not forgotten"
	}
	if claimedAt(c.Hooks, c.plan.Claims[key], x.moment) != "" {
		again = "to try it again: fairlead rollback " + which + " --lift; "
	}
	c.plan.Held = append(c.plan.Held, Held{
		Step:    Step{Do: Run, Key: key, Object: x.object, Live: c.Seen[key].Live},
		Reason:  waits + " before this hook has ended well; " + again + "it " + oneLine(x.why),
		Approve: "fairlead approve " + which + " --hold " + c.plan.HoldID,
	})
}

// claimedAt is the run of a claim if that is one of the moment; else empty.
func claimedAt(h Hooks, claim app.Claim, moment app.Moment) string {
	if h.ending(claim) == moment {
		return claim.Run
	}
	return ""
}

// ends plans the hooks of a moment. Waits says that it has not come yet.
func (c *computer) ends(moment app.Moment, waits bool) []Batch {
	batches, err := order.Hooks(c.Hooks.All, app.Deletion, moment)
	if err != nil { // Invariant: it was looked at when the want was put in order.
		c.block(err.Error())
	}
	var out []Batch
	for _, b := range batches {
		planned := Batch{Wave: b.Wave, Moment: moment}
		for tier, objs := range b.Tiers {
			for _, o := range objs {
				c.end(&planned, Step{Key: o.Key(), Object: o, Wave: b.Wave, Tier: tier}, moment, waits)
			}
		}
		out = append(out, planned)
	}
	return out
}

// end plans one hook.
func (c *computer) end(b *Batch, step Step, moment app.Moment, waits bool) {
	s, claim := c.Seen[step.Key], c.plan.Claims[step.Key]
	unsettled := func(text string) {
		b.Pending++
		b.Unsettled = append(b.Unsettled, Note{Key: step.Key, Text: text, At: step.Object.Origin().String()})
	}
	lifted := c.isLifted(step.Key, moment)
	why := c.stands(step.Object, moment)
	switch mine := c.Hooks.ending(claim) == moment; {
	case c.isDone(step.Key, moment):
	case waits:
		unsettled("is run when everything else of the app is gone")
	case why != "":
		unsettled(why)
		if mine && c.plan.Broken == (Note{}) {
			c.plan.Broken = Note{Key: step.Key, Text: why}
		}
	case s.State == Unknown && !s.Deferred:
		c.plan.Waiting = append(c.plan.Waiting, Note{Key: step.Key, Text: s.Why, At: step.Object.Origin().String()})
		unsettled(s.Why)
	case s.Deferred:
		unsettled(s.Why)
	case mine && c.isMade(step.Key) && !lifted:
		unsettled("is running: " + cmp.Or(s.Health.Message, string(s.Health.Status)))
	case s.Live.Deleting():
		unsettled("that of an earlier run is being deleted" + finalizers(s.Live))
	case len(c.stuck) > 0:
		unsettled("waits for hook " + c.stuck[0].object.Key().String())
	default:
		c.run(b, step, s, c.Hooks.Run+"/"+string(moment), moment, mine && !claim.Begun && !lifted)
	}
}

// depart plans the deletion of what hooks left, once all have been run. The claims say until the end that they were: they are dropped together, when nothing else
// is left.
func (c *computer) depart(others bool) {
	var kept []Note
	for _, o := range c.Hooks.All {
		key := o.Key()
		s := c.Seen[key]
		data, guarded := protected[key.GroupKind()]
		if app.PruneOf(s.Live) == app.PruneNever {
			data, guarded = "it is marked never to be pruned", true
		}
		switch {
		case s.State == Unknown:
			c.plan.Waiting = append(c.plan.Waiting, Note{Key: key, Text: s.Why})
			others = true
		case s.State == Present && s.Live.Deleting():
			c.plan.Waiting = append(c.plan.Waiting, Note{Key: key, Text: "is being deleted" + finalizers(s.Live)})
			others = true
		case s.State != Present || app.OwnerOf(s.Live) != c.App.Owner():
		case guarded:
			kept = append(kept, Note{Key: key, Text: "left in place: " + data})
		default:
			c.plan.Spent = append(c.plan.Spent, Step{Do: Delete, Key: key, Live: s.Live, Run: c.plan.Claims[key].Run, Why: "hook: the app is gone"})
			others = true
		}
	}
	if others {
		return
	}
	c.plan.Kept = append(c.plan.Kept, kept...)
	for _, o := range c.Hooks.All {
		delete(c.plan.Claims, o.Key())
	}
}
