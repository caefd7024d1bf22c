package order

import (
	"slices"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Hooks puts those of the objects in order that are run at a moment on an occasion: by the wave that they name, or else by Helm's weight. Helm's are run one
// after the other. The error is as that of [Batches].
func Hooks(objs []object.Object, on app.Occasion, at app.Moment) ([]Batch, error) {
	type hook struct {
		placed
		alone bool
	}
	var hooks []hook
	for _, o := range objs {
		h := app.HookOf(o)
		if !h.Has(on, at) {
			continue
		}
		wave, named, err := waveOf(o)
		if err != nil {
			return nil, err
		}
		if !named {
			wave = h.Weight
		}
		hooks = append(hooks, hook{placed{Object: o, wave: wave, tier: Tier(o.Key().GroupKind())}, h.Alone})
	}
	slices.SortFunc(hooks, func(a, b hook) int {
		if a.wave == b.wave && a.alone != b.alone {
			return map[bool]int{false: -1, true: 1}[a.alone]
		}
		return a.compare(b.placed)
	})
	var out []Batch
	for i, h := range hooks {
		last := len(out) - 1
		if i == 0 || h.alone || hooks[i-1].wave != h.wave {
			out = append(out, Batch{Wave: h.wave, Moment: at, Tiers: [][]object.Object{{h.Object}}})
			continue
		}
		if hooks[i-1].tier != h.tier {
			out[last].Tiers = append(out[last].Tiers, nil)
		}
		tier := len(out[last].Tiers) - 1
		out[last].Tiers[tier] = append(out[last].Tiers[tier], h.Object)
	}
	return out, nil
}

// Runs reports whether objects of a kind are what runs: Deployments, Jobs and the like.
func Runs(gk object.GroupKind) bool { return Tier(gk) == tierWorkload }
