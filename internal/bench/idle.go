package bench

import (
	"context"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
)

// idle measures what the controller does when nothing happens.
func (s *stage) idle(ctx context.Context) error {
	before, err := s.engine.quiet(ctx)
	if err != nil {
		return err
	}
	cpu, err := used(s.engine.process.ID())
	if err != nil {
		return err
	}
	began := time.Now()
	s.say("idle: for %s", s.Idle)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(s.Idle):
	}
	u, err := used(s.engine.process.ID())
	if err != nil {
		return err
	}
	took := time.Since(began)
	now, err := s.engine.counts(ctx)
	if err != nil {
		return err
	}
	did := now.minus(before)
	s.run.Idle = &figures.Idle{
		Seconds: figures.Seconds(took), Lists: did.total("list"), DryRuns: did.total("dry-run"), Writes: did.writes(), GitRequests: did.gitRequest,
		CPUSPerMin: figures.Round((u.cpu - cpu.cpu).Seconds() / took.Minutes()), By: did.requests,
	}
	s.say("idle: %d lists, %d dry runs, %d writes, %.3f CPU s in a minute", did.total("list"), did.total("dry-run"), did.writes(), s.run.Idle.CPUSPerMin)
	return nil
}
