package plan

import (
	"cmp"
	"maps"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
)

// Foreseen is what passes do about an app one after the other, as long as every step works, what is applied becomes healthy and nobody else acts.
type Foreseen struct {
	// Rounds are the steps in their order; those of one round run together, tier by tier.
	Rounds [][]Step
	// Last is the plan when nothing is left to do: what it holds, refuses, waits for and keeps.
	Last Plan
	// Unasked are the objects that the API server could not be asked about, since their kind or their namespace comes with the same plan.
	Unasked map[object.Key]bool
	// Gates are what the steps from a round on wait for, which no step brings about.
	Gates []Gate
}

// Gate is something that has to become true before a round.
type Gate struct {
	Round int
	Note  Note
}

// Foresee tells what the plans from in on will do. Census is asked what the environment says about the deletions of an app that claims what it is given.
func Foresee(in Input, census func(app.Claims) Census) Foreseen {
	f := Foreseen{Unasked: map[object.Key]bool{}}
	in.Seen = maps.Clone(in.Seen)
	for range 3*len(in.Seen) + 3 { // an object has two steps at most, and may be waited for once
		in.Census = census(in.Claims)
		f.Last = Compute(in)
		steps := f.Last.Next()
		if len(steps) == 0 {
			if f.Last.Suspended || f.Last.Blocked != "" || !f.suppose(in.Seen) && !f.wait(in.Seen) {
				return f
			}
			in.Claims = f.Last.Claims
			continue
		}
		f.Rounds = append(f.Rounds, inTiers(steps))
		in.Claims = after(in, f.Last.Claims, steps)
		if slices.ContainsFunc(steps, func(s Step) bool { return order.Early(s.Key.GroupKind()) }) {
			f.suppose(in.Seen)
		}
	}
	return f
}

// inTiers sorts steps as they run: side by side those of one tier.
func inTiers(steps []Step) []Step {
	steps = slices.Clone(steps)
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.Tier, b.Tier) })
	return steps
}

// after returns the claims after steps, and lets their objects be seen as the steps leave them.
func after(in Input, claims app.Claims, steps []Step) app.Claims {
	claims = maps.Clone(claims)
	for _, s := range steps {
		was := in.Seen[s.Key]
		switch {
		case s.Do == Delete:
			in.Seen[s.Key] = Sighting{State: Absent}
			continue
		case s.Do == Run:
			claim := claims[s.Key]
			claim.Run, claim.Begun, claim.Ended = s.Run, false, string(health.Healthy)
			claims[s.Key], in.Seen[s.Key] = claim, Sighting{State: Current}
			if in.Hooks.On == app.Deletion { // it goes in the end
				in.Seen[s.Key] = Sighting{State: Present, Live: s.Object, Health: health.Verdict{Status: health.Healthy}}
			}
			continue
		case s.Do == Repair && !in.wants(s.Object): // as it was applied before: what is wanted instead may not be applied
			was.Drifted, was.Contested, was.Edit, was.Applied = false, "", fingerprint.Edit{}, object.Object{}
			in.Seen[s.Key] = was
		default:
			in.Seen[s.Key] = Sighting{State: Current, Health: health.Verdict{Status: health.Healthy}}
		}
		claim := claims[s.Key]
		claim.Want, claim.Print, claim.Begun, claim.Ended = s.Object.Hash(), cmp.Or(s.Print, "foreseen"), false, ""
		claims[s.Key] = claim
	}
	return claims
}

// wants reports whether an object is wanted just as it is.
func (in Input) wants(o object.Object) bool {
	for _, b := range in.Want {
		for _, tier := range b.Tiers {
			for _, x := range tier {
				if x.Key() == o.Key() {
					return in.Rendered && x.Hash() == o.Hash()
				}
			}
		}
	}
	return false
}

// suppose lets the objects be new that nobody could ask about, since what they need was not there. It reports whether there were any.
func (f *Foreseen) suppose(seen map[object.Key]Sighting) bool {
	found := false
	for key, s := range seen {
		if s.Deferred {
			seen[key], f.Unasked[key], found = Sighting{State: Absent}, true, true
		}
	}
	return found
}

// wait lets come true what the next steps wait for. It reports whether they wait for anything that may come true by itself.
func (f *Foreseen) wait(seen map[object.Key]Sighting) bool {
	if gate := f.Last.Gate(); gate != (Note{}) && settled(seen, gate.Key) {
		f.Gates = append(f.Gates, Gate{Round: len(f.Rounds), Note: gate})
		return true
	}
	if !f.Last.Applied() {
		return false
	}
	for _, b := range f.Last.Deletes {
		if len(b.Unsettled) == 0 {
			continue
		}
		for _, n := range b.Unsettled {
			seen[n.Key] = Sighting{State: Absent}
		}
		if later := f.Last.Deletes[len(f.Last.Deletes)-1]; later.Wave == b.Wave && later.Early == b.Early {
			return false // nothing comes after it
		}
		f.Gates = append(f.Gates, Gate{Round: len(f.Rounds), Note: b.Unsettled[0]})
		return true
	}
	return false
}

// settled lets an object that is on its way be healthy. It reports whether it was not.
func settled(seen map[object.Key]Sighting, key object.Key) bool {
	s := seen[key]
	if s.State == Unknown || s.Health.Status == health.Healthy {
		return false
	}
	s.Health = health.Verdict{Status: health.Healthy}
	seen[key] = s
	return true
}

// Plan is what will be done, as one plan: for people, who read it.
func (f Foreseen) Plan() Plan {
	p := f.Last
	if p.Blocked != "" || p.Suspended {
		if len(f.Rounds) > 0 {
			p.Repairs = slices.Concat(f.Rounds...)
		}
		return p
	}
	p.Repairs, p.Batches, p.Deletes = nil, nil, nil
	for _, steps := range f.Rounds {
		p.Batches = append(p.Batches, Batch{Steps: steps})
	}
	return p
}
