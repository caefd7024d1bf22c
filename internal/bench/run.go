package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
)

// Run measures every size, one after the other. What was measured before an error, or before ctx ended, is returned with it.
func Run(ctx context.Context, o Options) ([]figures.Run, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	// The kernel ends a child with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var runs []figures.Run
	for i, size := range o.Sizes {
		r, err := measure(ctx, o, size, i == 0)
		if err != nil {
			return runs, fmt.Errorf("size %s: %w", size, err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// deathError is a child that ended without being asked.
type deathError struct{ error }

func (e *deathError) Unwrap() error { return e.error }

func measure(ctx context.Context, o Options, size workload.Workload, first bool) (figures.Run, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := &stage{Options: o, size: size, first: first, died: func(err error) { end(&deathError{err}) }, from: map[int]map[int]workload.Source{}}
	before := loadNow()
	o.say("size %s: %d objects", size, size.Total())
	err := s.measure(ctx)
	s.run.Machine.OthersPercent = before.others()
	var death *deathError
	if errors.As(context.Cause(ctx), &death) {
		err = death // whatever failed did so because of that
	}
	if err != nil {
		err = s.explain(err)
	}
	end(nil) // the watches end before the API server does
	if err := errors.Join(err, s.close()); err != nil {
		return figures.Run{}, err
	}
	o.say("size %s: done after %s", size, time.Since(before.began).Round(time.Second))
	return s.run, nil
}

// measure measures the parts in their order. Each begins when the one before has come to rest.
func (s *stage) measure(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if s.wants(Raw) {
		if err := s.rawLimit(ctx); err != nil {
			return err
		}
	}
	if err := s.openEngine(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{{Cold, s.cold}, {Change, s.change}, {Idle, s.idle}, {Drift, s.drift}, {Shared, s.shared}, {Depend, s.depend}, {Prune, s.prune}, {Restart, s.restart}} {
		if part.name != Cold && !s.wants(part.name) {
			continue
		}
		finish := s.profile(ctx, part.name)
		err := part.measure(ctx)
		if err := errors.Join(err, finish()); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if err := s.memory(); err != nil {
		return err
	}
	if s.first && s.wants(Render) {
		return s.rendering(ctx)
	}
	return nil
}

// memory notes the most that the processes have used, and what they use now.
func (s *stage) memory() error {
	u, err := used(s.engine.process.ID())
	if err != nil {
		return err
	}
	mib := func(b int64) float64 { return figures.Round(float64(b) / (1 << 20)) }
	settled := u.settled
	if s.run.Memory != nil {
		settled = int64(s.run.Memory.SettledMiB * (1 << 20)) // as it was before the restart
	}
	s.run.Memory = &figures.Memory{PeakMiB: mib(max(u.peak, s.peak)), SettledMiB: mib(settled)}
	s.peak = max(u.peak, s.peak)
	return nil
}
