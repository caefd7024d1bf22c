package plan

import (
	"maps"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
)

// Compute decides. It never fails: what cannot be done is in the plan, with the reason.
func Compute(in Input) Plan {
	c := computer{Input: in, plan: Plan{
		App: in.App, Blocked: in.Blocked, Suspended: in.Policy.Suspended, Unread: !in.Rendered, Claims: maps.Clone(in.Claims),
	}}
	if c.plan.Claims == nil {
		c.plan.Claims = app.Claims{}
	}
	if in.Rendered && in.Hooks.On == app.Deletion && !in.Hooks.IsZero() {
		c.retire()
		c.spend()
		return c.plan
	}
	wanted := map[object.Key]bool{}
	if in.Rendered {
		for _, b := range in.Want {
			c.plan.Batches = append(c.plan.Batches, c.batch(b, wanted))
		}
		if !in.Hooks.IsZero() {
			c.hooks(wanted)
		}
	}
	for _, key := range in.Claims.Keys() {
		switch {
		case wanted[key]:
		case in.Rendered:
			c.unwanted(key)
		default:
			c.keep(key)
		}
	}
	c.settle()
	if c.plan.Blocked != "" || c.plan.Suspended {
		c.standStill(wanted)
	}
	if in.Rendered && !in.Hooks.IsZero() {
		c.failing()
		c.spend()
	}
	return c.plan
}

// standStill keeps a want that may not be applied from changing claims, and repairs what drifted from what was applied before.
func (c *computer) standStill(wanted map[object.Key]bool) {
	for key := range wanted {
		if claim, before := c.Claims[key]; before {
			claim.Confirmed, claim.Yielded = false, false
			c.plan.Claims[key] = claim
		} else {
			delete(c.plan.Claims, key)
		}
	}
	for _, key := range c.Claims.Keys() {
		s, claim := c.Seen[key], c.Claims[key]
		if wanted[key] && s.Drifted && !s.Applied.IsZero() && s.Applied.Hash() == claim.Want && !c.repaired(key) {
			c.keep(key)
		}
	}
}

func (c *computer) repaired(key object.Key) bool {
	is := func(s Step) bool { return s.Key == key }
	return slices.ContainsFunc(c.plan.Repairs, is) || slices.ContainsFunc(c.plan.Reported, is) ||
		slices.ContainsFunc(c.plan.Contested, func(n Note) bool { return n.Key == key })
}

type computer struct {
	Input
	plan    Plan
	deletes []candidate
	moves   bool // an object goes over to another app, or went
	stuck   []stuck
}

// batch plans the objects of one batch.
func (c *computer) batch(b order.Batch, wanted map[object.Key]bool) Batch {
	out := Batch{Wave: b.Wave, Early: b.Early}
	for tier, objs := range b.Tiers {
		for _, o := range objs {
			key := o.Key()
			wanted[key] = true
			step := Step{Key: key, Object: o, Wave: b.Wave, Tier: tier}
			if h, hook := c.Hooks.Of[key]; hook {
				if h.Has(c.Hooks.On, app.During) {
					c.hook(&out, step, app.During)
				}
				continue
			}
			c.want(&out, step, c.Seen[key])
		}
	}
	return out
}

// want plans one wanted object.
func (c *computer) want(b *Batch, step Step, s Sighting) {
	mode := app.ApplyOf(step.Object)
	if mode == app.ApplyNever {
		return
	}
	claim, claimed := c.Claims[step.Key]
	same := claim.Want == step.Object.Hash()
	if claim.Confirmed || claim.Yielded { // Git wants it again: what was approved was another deletion
		claim.Confirmed, claim.Yielded = false, false
		c.plan.Claims[step.Key] = claim
	}
	unsettled := func(text string) { b.Unsettled = append(b.Unsettled, Note{Key: step.Key, Text: text}) }
	switch {
	case s.State == Unknown && !s.Deferred:
		c.plan.Waiting = append(c.plan.Waiting, Note{Key: step.Key, Text: s.Why, At: step.Object.Origin().String()})
		b.Pending++
		unsettled(s.Why)
	case s.Rival != (app.Owner{}):
		c.refuse(step, "is owned by app "+s.Rival.String()+": remove it from one of the two apps", "", "")
	case s.Refusal != nil:
		c.refused(b, step, s, mode)
	case s.Deferred:
		c.claim(step)
		b.Pending++
		unsettled(s.Why)
	case s.Ended != "" && same:
		claim.Ended = string(s.Ended)
		c.plan.Claims[step.Key] = claim
		c.judge(b, step.Key, s)
	case s.State == Current && same:
		if claim.Begun { // it was applied after all
			claim.Begun = false
			c.plan.Claims[step.Key] = claim
		}
		c.judge(b, step.Key, s)
	case s.State == Absent && claimed && same && !claim.Begun:
		c.repair(b, step, s)
	case s.State == Absent:
		step.Do, step.Why, step.Print = Create, from(step.Object), foretold(s)
		c.add(b, step)
	case mode == app.ApplyOnce:
		c.judge(b, step.Key, s)
	case s.Drifted && same:
		c.repair(b, step, s)
		c.judge(b, step.Key, s)
	default:
		c.change(b, step, s)
	}
}

// change plans the update or adoption of an object that exists.
func (c *computer) change(b *Batch, step Step, s Sighting) {
	step.Live, step.Edit = s.Live, s.Edit
	if s.Predicted.IsZero() { // nothing is tried while nothing may be applied
		step.Do, step.Why = Update, "not compared yet"
		c.add(b, step)
		return
	}
	step.Changes, step.Print = diff.Between(s.Live, s.Predicted), foretold(s)
	earlier := !fingerprint.Applied(s.Live, app.Manager)
	step.Do = Update
	foreign := earlier || !c.Claims[step.Key].Applied() && app.OwnerOf(s.Live) != c.App.Owner() // a claim that was recorded for a later wave changes nothing
	if foreign && c.Policy.Apart && !everywhere(step.Key) {
		c.refuse(step, "is there already, and was not made for this rehearsal: nothing is taken over", "", "")
		return
	}
	if foreign {
		step.Do = Adopt
	}
	step.Takeover = earlier || s.Edit.Additions
	if !step.Takeover && len(step.Changes) == 0 && ownsSame(s) {
		claim := c.claim(step)
		claim.Want, claim.Begun = step.Object.Hash(), false
		claim.Print = fingerprint.Of(s.Live, app.Manager, app.IgnoredOf(s.Live)).String()
		c.plan.Claims[step.Key] = claim
		c.judge(b, step.Key, s)
		return
	}
	step.Why = summary(step)
	c.add(b, step)
}

// everywhere reports whether Kubernetes itself makes the object in each namespace, and makes it again.
func everywhere(k object.Key) bool {
	return k.GroupKind() == object.GroupKind{Kind: "ServiceAccount"} && k.Name == "default"
}

// foretold is the fingerprint that an apply will leave, as the dry run says.
func foretold(s Sighting) string {
	if s.Predicted.IsZero() {
		return ""
	}
	return fingerprint.Of(s.Predicted, app.Manager, app.IgnoredOf(s.Predicted)).String()
}

// ownsSame reports whether an apply would leave the ownership of fields as it is. A dry run's answer has our field tree as
// it would be: the same print of the same values means the same tree.
func ownsSame(s Sighting) bool {
	return fingerprint.Of(s.Live, app.Manager, nil) == fingerprint.Of(s.Predicted, app.Manager, nil)
}

// repair plans the undoing of a hand edit, or its mere report.
func (c *computer) repair(b *Batch, step Step, s Sighting) {
	step.Do, step.Live, step.Edit = Repair, s.Live, s.Edit
	step.Takeover = s.Edit.Additions
	step.Why = editText(s)
	if c.Policy.ReportDrift {
		c.plan.Reported = append(c.plan.Reported, step)
		return
	}
	if s.Contested != "" {
		c.plan.Contested = append(c.plan.Contested, Note{Key: step.Key, Text: s.Contested})
		return
	}
	c.claim(step)
	c.plan.Repairs = append(c.plan.Repairs, step)
	if s.State == Absent {
		b.Unsettled = append(b.Unsettled, Note{Key: step.Key, Text: "is being created anew"})
	}
}

// keep plans for a claimed object while Git cannot be read: only what was applied is repaired.
func (c *computer) keep(key object.Key) {
	s := c.Seen[key]
	if !s.Drifted || s.Applied.IsZero() || s.Rival != (app.Owner{}) {
		return
	}
	if mode := app.ApplyOf(s.Applied); mode == app.ApplyNever || mode == app.ApplyOnce && s.State != Absent {
		return
	}
	c.repair(&Batch{}, Step{Key: key, Object: s.Applied, Wave: c.Claims[key].Wave}, s)
}

// judge lets the next batch wait until the object is healthy.
func (c *computer) judge(b *Batch, key object.Key, s Sighting) {
	switch s.Health.Status {
	case health.Healthy, health.Suspended:
		return
	default:
		b.Unsettled = append(b.Unsettled, Note{Key: key, Text: string(s.Health.Status) + ": " + s.Health.Message})
	}
}

func (c *computer) add(b *Batch, step Step) {
	c.claim(step)
	b.Steps = append(b.Steps, step)
}

// claim records that the app owns the object of a step from now on.
func (c *computer) claim(step Step) app.Claim {
	claim := c.plan.Claims[step.Key]
	claim.Key, claim.Version, claim.Wave = step.Key, step.Object.APIVersion(), step.Wave
	claim.Confirmed, claim.Yielded = false, false
	claim.Found = step.Do == Adopt || claim.Found && step.Do != Create
	if claim.Run != "" && step.Do != Run { // it is no hook any more
		claim.Run, claim.Ended, claim.Why = "", "", ""
	}
	c.plan.Claims[step.Key] = claim
	return claim
}

// refused sorts a refusal: an immutable field is replaced where the user allows it, held otherwise; all else blocks the release.
func (c *computer) refused(b *Batch, step Step, s Sighting, mode app.Apply) {
	step.Live = s.Live
	if !s.Refusal.Immutable || s.Live.IsZero() {
		c.refuse(step, s.Refusal.Message, s.Refusal.At, s.Refusal.Field)
		return
	}
	step.Do = Replace
	held := Held{Step: step, Reason: s.Refusal.Message, Advice: adviceByHand}
	switch data, guarded := protected[step.Key.GroupKind()]; {
	case guarded:
		held.Reason += ", and Fairlead does not replace the object, since " + data
	case mode != app.ApplyReplace:
		held.Advice = adviceReplace
	case app.OwnerOf(s.Live) != c.App.Owner():
		held.Reason += ", and Fairlead does not replace the object, since it does not carry the owner mark of the app"
	default:
		step.Why = "immutable: " + s.Refusal.Field
		c.add(b, step)
		return
	}
	c.plan.Held = append(c.plan.Held, held)
	c.block(step.Key.String() + " is held")
}

func (c *computer) refuse(step Step, message, at, field string) {
	if at == "" {
		at = step.Object.Origin().String()
	}
	c.plan.Refused = append(c.plan.Refused, Note{Key: step.Key, Text: message, At: at, Field: field})
	c.block(step.Key.String() + " is refused")
}

func (c *computer) block(reason string) {
	if c.plan.Blocked == "" {
		c.plan.Blocked = reason
	}
}
