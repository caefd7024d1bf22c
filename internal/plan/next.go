package plan

import (
	"maps"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/app"
)

// Next returns the steps that may run now: all repairs, and the first batch whose predecessors are applied and healthy. Deletions come
// when every apply has been made, one wave at a time, the last wave first. Nothing left to do gives nil.
func (p Plan) Next() []Step {
	if p.Suspended {
		return nil
	}
	steps := p.Repairs
	if len(p.Failed)+len(p.Spent) > 0 {
		steps = slices.Concat(p.Repairs, p.Spent, runnable(p.Failed))
	}
	if p.Blocked != "" {
		return steps
	}
	for _, b := range p.Batches {
		if len(b.Steps) > 0 {
			return append(steps[:len(steps):len(steps)], b.Steps...)
		}
		if len(b.Unsettled) > 0 && p.later(b) {
			return steps
		}
	}
	if !p.Applied() {
		return steps
	}
	for _, b := range p.Deletes {
		if len(b.Steps) > 0 {
			return append(steps[:len(steps):len(steps)], b.Steps...)
		}
		if len(b.Unsettled) > 0 {
			return steps
		}
	}
	if len(p.After) > 0 && !slices.ContainsFunc(p.Batches, func(b Batch) bool { return len(b.Unsettled) > 0 }) {
		return slices.Concat(steps, runnable(p.After))
	}
	return steps
}

// Begin returns the claims to record before steps are made. For the steps whose outcome was foretold they say all there will be to say after them, but that
// they were made. What is made anew is counted.
func (p Plan) Begin(steps []Step) app.Claims {
	claims := maps.Clone(p.Claims)
	for _, s := range steps {
		claim, claimed := claims[s.Key]
		if claimed && s.Do == Repair && s.Live.IsZero() {
			claim.Anew++
			claims[s.Key] = claim
		}
		if claimed && s.Do == Run {
			claim.Run, claim.Begun, claim.Ended, claim.Why, claim.Want, claim.Print = s.Run, true, "", "", "", ""
			claims[s.Key] = claim
			continue
		}
		if s.Print == "" || !claimed {
			continue
		}
		claim.Want, claim.Print, claim.Begun, claim.Ended = s.Object.Hash(), s.Print, true, ""
		claims[s.Key] = claim
	}
	return claims
}

// later reports whether a batch after b is still to be applied.
func (p Plan) later(b Batch) bool {
	after := false
	for _, x := range p.Batches {
		if after && (len(x.Steps) > 0 || x.Pending > 0) {
			return true
		}
		after = after || x.Wave == b.Wave && x.Early == b.Early && x.Moment == b.Moment
	}
	return false
}

// Gate is the first object that keeps a later batch, or the rest of its own, from running; the zero Note if none does.
func (p Plan) Gate() Note {
	for _, b := range p.Batches {
		if len(b.Steps) > 0 {
			return Note{}
		}
		if len(b.Unsettled) > 0 && (b.Pending > 0 || p.later(b)) {
			return b.Unsettled[0]
		}
	}
	return Note{}
}

// Applied reports whether everything wanted is applied: no create, update, adoption or replacement is left. It is false where nobody knows what is wanted.
func (p Plan) Applied() bool {
	if p.Unread || p.Blocked != "" || len(p.Refused) > 0 {
		return false
	}
	for _, b := range p.Batches {
		if len(b.Steps) > 0 || b.Pending > 0 {
			return false
		}
	}
	return true
}

// Done reports whether nothing at all is left to do or to wait for, health aside.
func (p Plan) Done() bool {
	return p.Applied() && p.Lacking() == (Note{}) && len(p.Spent) == 0 && len(p.Repairs) == 0 && len(p.Deletes) == 0 && len(p.Held) == 0 && len(p.Waiting) == 0 && len(p.Leaving) == 0 && len(p.Contested) == 0
}
