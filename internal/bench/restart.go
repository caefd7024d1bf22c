package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/series"
)

// restart stops the controller and starts another on what it left, and measures how long that takes to know every app to be well again.
func (s *stage) restart(ctx context.Context) error {
	if err := s.memory(); err != nil { // of the process that did all of it
		return err
	}
	s.engine.stop()
	began := time.Now()
	if err := s.startController(ctx); err != nil {
		return err
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	// The log says for nothing when each app is rendered: only then are the metrics asked, which costs the more the more apps there are.
	for s.engine.rendered.Load() < int64(s.size.Apps) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until every app is rendered: %w", context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
	err := s.engine.poll(ctx, "every app to be ready", 20*time.Millisecond, func(m series.Set) bool {
		return m.Sum("fairlead_app_ready") == float64(s.size.Apps) && m.Idle()
	})
	if err != nil {
		return err
	}
	settled := time.Since(began)
	u, err := used(s.engine.process.ID())
	if err != nil {
		return err
	}
	did, err := s.engine.quiet(ctx)
	if err != nil {
		return err
	}
	s.run.Restart = &figures.Restart{
		SettledS: figures.Seconds(settled), DryRuns: did.total("dry-run"), Writes: did.writes(), Renders: did.renders,
		Requests: did.total(), By: did.requests, CPUS: figures.Seconds(u.cpu),
	}
	s.say("restart: all known good after %.2f s, %d dry runs, %d writes", settled.Seconds(), did.total("dry-run"), did.writes())
	return s.verify(ctx)
}
