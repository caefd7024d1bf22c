package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// slice is how many seconds one profile covers. A part is covered by as many as it takes: pprof adds up those that it is given together.
const slice = 2

// profile takes profiles of the controller until finish is called, into files named after the size and the part. Without a directory it does nothing.
func (s *stage) profile(ctx context.Context, part string) (finish func() error) {
	// A restart is another process: what was asked of the one before would fail.
	if s.Profiles == "" || part == Restart || part == Idle {
		return func() error { return nil }
	}
	var ended atomic.Bool
	var failed error
	var running sync.WaitGroup
	e := s.engine
	running.Go(func() {
		for i := 1; !ended.Load() && failed == nil && ctx.Err() == nil; i++ {
			failed = s.keep(ctx, e, fmt.Sprintf("/debug/pprof/profile?seconds=%d", slice), fmt.Sprintf("%s-%s-cpu-%02d.pprof", s.size, part, i))
		}
	})
	return func() error {
		ended.Store(true)
		running.Wait()
		return errors.Join(failed,
			s.keep(ctx, e, "/debug/pprof/heap?gc=1", fmt.Sprintf("%s-%s-heap.pprof", s.size, part)),
			s.keep(ctx, e, "/debug/pprof/allocs", fmt.Sprintf("%s-%s-allocs.pprof", s.size, part)),
			s.keep(ctx, e, "/debug/pprof/goroutine", fmt.Sprintf("%s-%s-goroutine.pprof", s.size, part)))
	}
}

func (s *stage) keep(ctx context.Context, e *engine, path, name string) error {
	if ctx.Err() != nil {
		return nil
	}
	data, err := e.get(ctx, path)
	if err != nil {
		return fmt.Errorf("take profile: %w", err)
	}
	if err := os.MkdirAll(s.Profiles, 0o755); err != nil {
		return fmt.Errorf("keep profile: %w", err)
	}
	return os.WriteFile(filepath.Join(s.Profiles, name), data, 0o600)
}
