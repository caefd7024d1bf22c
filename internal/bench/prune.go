package bench

import (
	"context"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
)

// removals is how many objects are removed, one commit each.
const removals = 20

// prune measures a commit that removes one object, until that is gone. Apps that share a base keep it: they come first, and what is removed is the last.
func (s *stage) prune(ctx context.Context) error {
	var times []time.Duration
	began := time.Now()
	for i := 0; more(i, min(removals, s.Samples, s.size.Spots()-s.size.Dependents()), began); i++ {
		at := s.size.Spots() - 1 - i
		spot := s.size.Spot(at)
		waiting, cancel := s.patience(ctx)
		defer cancel()
		sent, err := s.push(ctx, "remove one object", s.rewrite(at, workload.None), gitserver.Delete(spot.PagesFile()))
		if err != nil {
			return err
		}
		gone, err := s.objects["configmaps"].object(waiting, spot.App()+"/"+spot.PagesName(), func(x sighting) bool { return x.gone })
		if err != nil {
			return err
		}
		times = append(times, gone.Sub(sent))
		if _, err := s.settled(waiting); err != nil {
			return err
		}
	}
	if len(times) == 0 {
		return nil // every app shares the base
	}
	s.run.Prune = &figures.Prune{LatencyMS: figures.SpreadOf(times)}
	s.say("prune: gone after %.0f ms", s.run.Prune.LatencyMS.P50)
	_, err := s.engine.quiet(ctx)
	return err
}
