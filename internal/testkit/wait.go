package testkit

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Deadline is how long anything is waited for: far longer than it ever takes on a machine that works.
const Deadline = 2 * time.Minute

// pause is how long to wait before looking again.
const pause = 25 * time.Millisecond

// Wait calls check until it returns nil. After the deadline it returns what check said last.
func Wait(ctx context.Context, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // a request that the deadline cut off says nothing
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", Deadline, last)
		case <-time.After(pause):
		}
	}
}

// Eventually waits until check returns nil, and fails the test with what it said last.
func Eventually(t testing.TB, check func(context.Context) error) {
	t.Helper()
	if err := Wait(t.Context(), check); err != nil {
		t.Fatal(err)
	}
}
