package bench

import (
	"context"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
)

// cold measures the first sync: the controller runs and knows the Repository, and the Environment is made.
func (s *stage) cold(ctx context.Context) error {
	before, err := s.engine.counts(ctx)
	if err != nil {
		return err
	}
	cpu, err := used(s.engine.process.ID())
	if err != nil {
		return err
	}
	waiting, cancel := s.patience(ctx)
	defer cancel()
	began, err := s.createEnvironment(ctx)
	if err != nil {
		return err
	}
	var applied time.Time
	for _, k := range workload.Kinds() {
		at, err := s.objects[k.Resource].count(waiting, s.size.Of(k))
		if err != nil {
			return err
		}
		if at.After(applied) {
			applied = at
		}
	}
	s.say("cold sync: all objects exist after %.2f s", applied.Sub(began).Seconds())
	settled, err := s.settled(waiting)
	if err != nil {
		return err
	}
	after, err := used(s.engine.process.ID())
	if err != nil {
		return err
	}
	did, err := s.engine.quiet(ctx)
	if err != nil {
		return err
	}
	did = did.minus(before)
	s.run.Cold = &figures.Cold{
		AppliedS: figures.Seconds(applied.Sub(began)), SettledS: figures.Seconds(settled.Sub(began)), Requests: did.total(), By: did.requests,
		DryRuns: did.total("dry-run"), Applies: did.total("apply"), Renders: did.renders, Fetches: did.fetches, CPUS: figures.Seconds(after.cpu - cpu.cpu),
	}
	s.say("cold sync: every status written after %.2f s; %d requests, %.2f CPU s", settled.Sub(began).Seconds(), did.total(), (after.cpu - cpu.cpu).Seconds())
	return s.verify(ctx)
}
