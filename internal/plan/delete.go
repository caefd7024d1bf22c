package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
)

// protected kinds hold what cannot be had back: they are deleted only with an approval.
var protected = map[object.GroupKind]string{
	{Kind: "Namespace"}:             "all that is in the namespace would go with it",
	{Kind: "PersistentVolume"}:      "its data would go with it",
	{Kind: "PersistentVolumeClaim"}: "its data would go with it",
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: "all objects of its kind would go with it",
}

// candidate is a claimed object that Git no longer wants.
type candidate struct {
	step   Step
	reason string // why it is held; empty if it may go
	// foreign says that no approval makes the deletion right: a person has to act.
	foreign bool
	going   bool // deletion has begun
	free    bool // it may go whatever the budget says
	over    bool // it is held for the budget
}

// unwanted decides about a claimed object that a successful render does not have.
func (c *computer) unwanted(key object.Key) {
	s, claim := c.Seen[key], c.Claims[key]
	step := Step{
		Do: Delete, Key: key, Live: s.Live, Why: "no longer in Git",
		Wave: claim.Wave, Tier: -order.Tier(key.GroupKind()), // the other way round than they came
	}
	owner := app.OwnerOf(s.Live)
	switch {
	case s.State == Absent:
		delete(c.plan.Claims, key)
	case s.State == Present && !claim.Applied() && owner == (app.Owner{}):
		delete(c.plan.Claims, key) // claimed, but the process died before the apply: it was never ours
	case s.State != Present:
		c.plan.Waiting = append(c.plan.Waiting, Note{Key: key, Text: s.Why})
	case owner != c.App.Owner() && owner != (app.Owner{}):
		c.moves = true
		c.plan.Kept = append(c.plan.Kept, Note{Key: key, Text: "handed over to app " + owner.String()})
		delete(c.plan.Claims, key)
	case c.Census.Elsewhere[key] != (app.Owner{}):
		c.moves = true
		if c.Census.Foreign[key] {
			claim.Yielded = true
			c.plan.Claims[key] = claim
		}
		c.plan.Leaving = append(c.plan.Leaving, Note{Key: key, Text: "waits for app " + c.Census.Elsewhere[key].String() + " to take it over"})
	case app.PruneOf(s.Live) == app.PruneNever && !c.Policy.Apart:
		c.plan.Kept = append(c.plan.Kept, Note{Key: key, Text: "left in place: it is marked never to be pruned"})
		delete(c.plan.Claims, key)
	case s.Live.Deleting():
		c.deletes = append(c.deletes, candidate{step: step, going: true})
		c.plan.Waiting = append(c.plan.Waiting, Note{Key: key, Text: "is being deleted" + finalizers(s.Live)})
	default:
		reason, foreign := c.reasonToHold(step, s, claim)
		if foreign && c.Census.Ends {
			c.plan.Kept = append(c.plan.Kept, Note{Key: key, Text: "left in place: " + reason})
			delete(c.plan.Claims, key)
			return
		}
		c.deletes = append(c.deletes, candidate{
			step: step, reason: reason, foreign: foreign,
			free: claim.Confirmed || app.PruneOf(s.Live) == app.PruneAlways, over: reason != "" && reason == c.Census.Over,
		})
	}
}

func finalizers(live object.Object) string {
	list, _ := live.At("metadata", "finalizers").([]any)
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf("; waits for finalizers: %v", list)
}

// reasonToHold is the first reason why an object must not be deleted now, empty if there is none.
func (c *computer) reasonToHold(step Step, s Sighting, claim app.Claim) (reason string, foreign bool) {
	kind, guarded := protected[step.Key.GroupKind()]
	guarded = guarded && !c.Policy.Apart
	prune := app.PruneOf(s.Live)
	switch {
	case app.OwnerOf(s.Live) == (app.Owner{}):
		return "its owner mark was removed by hand: delete it with kubectl, or put the labels " +
			app.LabelApp + "=" + c.App.Object() + " and " + app.LabelNamespace + "=" + c.App.Namespace + " back", true
	case !fingerprint.Applied(s.Live, app.Manager):
		return "somebody replaced the object that was applied: delete it with kubectl if it is not needed", true
	case claim.Confirmed, prune == app.PruneAlways:
		return "", false
	case c.Back && claim.Found:
		return "it was there before the release that is rolled back", false
	case c.Census.Suspect[step.Key] != "":
		return c.Census.Suspect[step.Key], false
	case prune == app.PruneConfirm && !c.Policy.Apart:
		return "it is marked to be deleted only when confirmed", false
	case guarded:
		return kind, false
	case c.Census.Over != "" && !c.Policy.Apart:
		return c.Census.Over, false
	}
	return "", false
}

// settle turns the candidates into deletions and holds, last wave first.
func (c *computer) settle() {
	c.plan.HoldID = c.holdID()
	approved := c.plan.HoldID != "" && c.Approved == c.plan.HoldID
	if approved {
		c.plan.HoldID = ""
	}
	for _, x := range c.stuck {
		c.hold(x, approved)
	}
	if approved {
		c.stuck = nil
	}
	byWave, early := map[int]*Batch{}, &Batch{Early: true}
	for _, d := range c.deletes {
		b := early // namespaces and definitions go when all that was in them is gone
		if !order.Early(d.step.Key.GroupKind()) {
			if byWave[d.step.Wave] == nil {
				byWave[d.step.Wave] = &Batch{Wave: d.step.Wave}
			}
			b = byWave[d.step.Wave]
		}
		c.settleOne(b, d, approved)
	}
	batches := []*Batch{early}
	for _, wave := range slices.Sorted(maps.Keys(byWave)) {
		batches = append(batches, byWave[wave])
	}
	for _, b := range slices.Backward(batches) {
		slices.SortStableFunc(b.Steps, func(x, y Step) int { return cmp.Compare(x.Tier, y.Tier) })
		if len(b.Steps)+len(b.Unsettled) > 0 {
			c.plan.Deletes = append(c.plan.Deletes, *b)
		}
	}
}

func (c *computer) settleOne(b *Batch, d candidate, approved bool) {
	if d.reason != "" && !d.foreign && approved {
		claim := c.plan.Claims[d.step.Key]
		claim.Confirmed, d.reason = true, ""
		c.plan.Claims[d.step.Key] = claim
	}
	switch {
	case d.going:
		b.Unsettled = append(b.Unsettled, Note{Key: d.step.Key, Text: "is being deleted"})
	case d.reason != "":
		h := Held{Step: d.step, Reason: d.reason}
		if !d.foreign {
			h.Approve = "fairlead approve " + c.App.Object() + " -n " + c.App.Namespace + " --hold " + c.plan.HoldID
		}
		c.plan.Held = append(c.plan.Held, h)
	case c.Census.Waiting != "":
		c.plan.Waiting = append(c.plan.Waiting, Note{Key: d.step.Key, Text: c.Census.Waiting})
	default:
		b.Steps = append(b.Steps, d.step)
	}
}

// holdID names the set of held deletions: another set has another name, so that approving one never approves another.
//
// What is held for the budget stays held although less would be deleted now, since a part of it was approved, or another app's part: what is left is the
// same set under the same budget, and nobody has approved that.
func (c *computer) holdID() string {
	before := slices.Clone(c.deletes)
	for i, d := range before {
		if d.reason == "" && !d.free && !d.going {
			before[i].reason, before[i].over = "its commit deletes more than the environment's budget allows, and only other parts of that were approved", true
		}
	}
	if id := c.holdIDOf(before); id != "" && id == c.Held {
		c.deletes = before
	}
	return c.holdIDOf(c.deletes)
}

func (c *computer) holdIDOf(deletes []candidate) string {
	var ids []string
	over := false
	for _, d := range deletes {
		if d.reason != "" && !d.foreign {
			ids = append(ids, d.step.Key.String()+d.step.Live.UID())
			over = over || d.over
		}
	}
	for _, x := range c.stuck {
		ids = append(ids, "hook "+x.object.Key().String()+c.plan.Claims[x.object.Key()].Run)
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	if over {
		ids = append(ids, "budget "+c.Census.Budget)
	}
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	return hex.EncodeToString(sum[:5])
}
