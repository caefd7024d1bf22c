package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"time"
)

// An Action is what to do with the API server of a running cluster.
type Action int

// Restart kills and starts it again, Stop kills it, Start starts it if it is down.
const (
	Restart Action = iota
	Stop
	Start
)

// ControlAPIServer does one Action to the cluster that another process runs in a directory. It returns
// when the API server is ready again, or down.
func ControlAPIServer(ctx context.Context, path string, do Action) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	d := dir(path)
	if err := mustRun(d); err != nil {
		return err
	}
	for !d.ready() { // a signal that comes earlier would be obeyed later, after we returned
		if err := stillRuns(ctx, d); err != nil {
			return err
		}
	}
	before := d.number("apiserver.pid")
	sig, done := syscall.SIGUSR1, func(now int) bool { return now != 0 && now != before }
	switch do {
	case Restart:
	case Stop:
		sig, done = syscall.SIGUSR2, func(now int) bool { return now == 0 }
	case Start:
		if before != 0 {
			return nil
		}
	}
	if err := syscall.Kill(d.number("lock"), sig); err != nil {
		return fmt.Errorf("signal devcluster in %s: %w", d, err)
	}
	for !done(d.number("apiserver.pid")) {
		if err := stillRuns(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// stillRuns returns nil after a moment if the cluster runs.
func stillRuns(ctx context.Context, d dir) error {
	if err := mustRun(d); err != nil {
		return err
	}
	return pause(ctx, 10*time.Millisecond)
}

func mustRun(d dir) error {
	running, err := d.locked()
	if err == nil && !running {
		err = fmt.Errorf("no devcluster runs in %s", d)
	}
	return err
}
