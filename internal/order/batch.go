package order

import (
	"cmp"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Batch is the objects that may be applied together once all earlier batches are healthy.
type Batch struct {
	// Wave is the wave of the objects; 0 for the Early batch, whose objects may ask for different ones.
	Wave int
	// Early marks the batch of Namespaces and CustomResourceDefinitions: it comes before every wave, since no other object can
	// even be tried before it.
	Early bool
	// Moment is when the batch of hooks is run; empty for objects that are applied.
	Moment app.Moment
	// Tiers are applied one after the other. None is empty; within one, objects are in the order of their keys.
	Tiers [][]object.Object
}

// Objects returns the objects of all tiers in order.
func (b Batch) Objects() []object.Object { return slices.Concat(b.Tiers...) }

// placed is an object with its place.
type placed struct {
	object.Object
	early      bool
	wave, tier int
}

func (p placed) compare(o placed) int {
	return cmp.Or(
		cmp.Compare(p.wave, o.wave),
		cmp.Compare(p.tier, o.tier),
		p.Key().Compare(o.Key()),
		cmp.Compare(p.Origin().File, o.Origin().File),
		cmp.Compare(p.Origin().Line, o.Origin().Line),
	)
}

// Batches puts objs in order: first what others need to exist, then the waves, ascending. No objects, no batches. The error is that of the
// first object, by key, whose wave is not readable.
func Batches(objs []object.Object) ([]Batch, error) {
	objs = slices.Clone(objs)
	slices.SortStableFunc(objs, func(a, b object.Object) int { return a.Key().Compare(b.Key()) })
	var early, waves []placed
	for _, o := range objs {
		wave, err := Wave(o)
		if err != nil {
			return nil, err
		}
		switch tier := Tier(o.Key().GroupKind()); tier {
		case tierEarly:
			early = append(early, placed{Object: o, early: true, tier: tier})
		default:
			waves = append(waves, placed{Object: o, wave: wave, tier: tier})
		}
	}
	slices.SortStableFunc(early, placed.compare)
	slices.SortStableFunc(waves, placed.compare)
	return group(append(early, waves...)), nil
}

// group cuts a sorted list into batches and tiers.
func group(sorted []placed) []Batch {
	var out []Batch
	for i, p := range sorted {
		newBatch := i == 0 || p.early != sorted[i-1].early || p.wave != sorted[i-1].wave
		if newBatch {
			out = append(out, Batch{Wave: p.wave, Early: p.early})
		}
		b := &out[len(out)-1]
		if newBatch || p.tier != sorted[i-1].tier {
			b.Tiers = append(b.Tiers, nil)
		}
		last := len(b.Tiers) - 1
		b.Tiers[last] = append(b.Tiers[last], p.Object)
	}
	return out
}
