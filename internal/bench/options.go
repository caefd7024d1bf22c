package bench

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/workload"
)

// The parts of a run, in their order. The cold sync is always measured: everything else stands on it. Rendering is the same for every size, and measured once.
const (
	Raw     = "raw"
	Cold    = "cold"
	Change  = "change"
	Idle    = "idle"
	Drift   = "drift"
	Shared  = "shared"
	Depend  = "depend"
	Prune   = "prune"
	Restart = "restart"
	Render  = "render"
)

// Parts are all parts.
func Parts() []string {
	return []string{Raw, Cold, Change, Idle, Drift, Shared, Depend, Prune, Restart, Render}
}

// Options say what is measured, and with what.
type Options struct {
	Sizes []workload.Workload
	// Only are the parts to measure; none: all.
	Only []string
	// Samples is how many changes and edits are timed; fewer, but ten, if they take longer than a minute.
	Samples int
	// Idle is for how long nothing happens.
	Idle time.Duration
	// Fairlead and Devcluster are the programs; Go says what they were built with.
	Fairlead, Devcluster string
	// Dir is where the data go; empty: in memory if there is room, else the directory for temporary files.
	Dir string
	// Profiles is a directory for profiles of the controller; empty: none are taken.
	Profiles string
	// Progress is told what is being done.
	Progress io.Writer
}

// Check returns what is wrong with the options, as a person should know it.
func (o Options) Check() error {
	for _, part := range o.Only {
		if !slices.Contains(Parts(), part) {
			return fmt.Errorf("there is no part %q: choose from %v", part, Parts())
		}
	}
	switch {
	case len(o.Sizes) == 0:
		return fmt.Errorf("no size is given")
	case o.Samples < 1:
		return fmt.Errorf("%d samples: at least one is needed", o.Samples)
	case o.Idle <= 0:
		return fmt.Errorf("idle for %s: the time must be longer", o.Idle)
	}
	return nil
}

func (o Options) wants(part string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, part) }

func (o Options) say(format string, args ...any) {
	_, _ = fmt.Fprintf(o.Progress, format+"\n", args...)
}
