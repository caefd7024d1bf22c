// Command sim plays Fairlead in simulated worlds in which things go wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-cd/fairlead/internal/sim"
)

const usage = `sim plays the whole engine, unchanged, in simulated worlds in which things go wrong, and says what breaks.

  sim [flags]

  -seeds N         play the random schedules of N seeds (default 1000)
  -from SEED       the first of them (default 1)
  -exhaustive      play every schedule of one fault instead: each kind at each request of each scenario
  -scenario NAME   only those of one scenario
  -kind KIND       only those with a fault of one kind, such as twin
  -replicas N      only those that so many replicas begin; 0 are those of a controller that shares nothing
  -replay FILE     play one kept schedule, and tell all that happens
  -seed SEED       the same for the schedule of a seed
  -keep DIR        write every schedule that breaks something, shrunk, to a file in DIR; those in
                   internal/sim/testdata/kept are played by 'go test ./internal/sim'
  -mutations       plant every known bug in turn (internal/sim/mutation), play until it is found, and print a
                   table; -only NAME plants one, -time DURATION is how long each is looked for (default 5m). Run it in the
                   root of the source
  -most N          stop after so many broken schedules (default 10; 0 is never)
  -workers N       how many worlds run at once (default: as many as there are CPUs)
  -cpuprofile FILE write a CPU profile

Exit codes: 0 nothing broke, 1 something did, 2 wrong usage.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the command line.
type options struct {
	seeds, from, seed               uint64
	exhaustive                      bool
	mutations, hunt                 bool
	scenario, replay, keep, profile string
	kind                            string
	only                            string
	first                           []string
	time                            time.Duration
	most, workers, replicas         int
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	var o options
	f := flag.NewFlagSet("sim", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Uint64Var(&o.seeds, "seeds", 1000, "")
	f.Uint64Var(&o.from, "from", 1, "")
	f.Uint64Var(&o.seed, "seed", 0, "")
	f.BoolVar(&o.exhaustive, "exhaustive", false, "")
	f.BoolVar(&o.mutations, "mutations", false, "")
	f.BoolVar(&o.hunt, "hunt", false, "")
	f.StringVar(&o.only, "only", "", "")
	f.DurationVar(&o.time, "time", 5*time.Minute, "")
	f.Func("first", "", func(hint string) error { o.first = append(o.first, hint); return nil })
	f.StringVar(&o.scenario, "scenario", "", "")
	f.StringVar(&o.kind, "kind", "", "")
	f.StringVar(&o.replay, "replay", "", "")
	f.StringVar(&o.keep, "keep", "", "")
	f.StringVar(&o.profile, "cpuprofile", "", "")
	f.IntVar(&o.most, "most", 10, "")
	f.IntVar(&o.replicas, "replicas", -1, "")
	f.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "")
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(out, usage)
		return 0
	case err != nil, f.NArg() > 0:
		_, _ = fmt.Fprintln(errs, "error:", errors.Join(err, unexpected(f.Args())))
		_, _ = io.WriteString(errs, "Run 'sim --help' for how it is used.\n")
		return 2
	}
	if err := play(ctx, o, out); err != nil {
		_, _ = fmt.Fprintln(errs, "error:", err)
		return 1
	}
	return 0
}

func unexpected(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%q is no flag", strings.Join(args, " "))
}

func play(ctx context.Context, o options, out io.Writer) error {
	runtime.MemProfileRate = 0 // nobody reads that profile
	debug.SetGCPercent(2000)   // worlds are small and many: what lives on are some tens of megabytes
	debug.SetMemoryLimit(1 << 30)
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer func() { pprof.StopCPUProfile(); _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
	}
	switch {
	case o.mutations:
		return mutations(ctx, o, out)
	case o.hunt:
		return hunt(ctx, o, out)
	}
	if o.replay != "" || o.seed != 0 {
		return aloud(o, out)
	}
	schedules := sim.Seeds(o.from, o.seeds)
	if o.exhaustive {
		schedules = sim.Singles()
	}
	if o.scenario != "" {
		if _, err := sim.Find(o.scenario); err != nil {
			return err
		}
		schedules = only(schedules, func(s sim.Schedule) bool { return s.Scenario.Name == o.scenario })
	}
	if o.replicas >= 0 {
		schedules = only(schedules, func(s sim.Schedule) bool { return s.Replicas == o.replicas })
	}
	if o.kind != "" {
		has := func(f sim.Fault) bool { return f.Kind == sim.Kind(o.kind) }
		schedules = only(schedules, func(s sim.Schedule) bool { return slices.ContainsFunc(s.Faults, has) })
	}
	c := sim.Campaign{Workers: o.workers, Most: o.most, Out: out}
	if o.keep != "" {
		c.Keep = func(s sim.Schedule, broke error) error {
			name, data, err := sim.Encode(s, broke)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(o.keep, name), data, 0o644)
		}
	}
	result, err := c.Play(ctx, schedules)
	_, _ = fmt.Fprintln(out, result)
	if err == nil && result.Broken > 0 {
		err = fmt.Errorf("%d schedules broke a promise", result.Broken)
	}
	return errors.Join(err, ctx.Err())
}

func only(all iter.Seq[sim.Schedule], meant func(sim.Schedule) bool) iter.Seq[sim.Schedule] {
	return func(yield func(sim.Schedule) bool) {
		for s := range all {
			if meant(s) && !yield(s) {
				return
			}
		}
	}
}

// aloud plays one schedule and tells all that happens.
func aloud(o options, out io.Writer) error {
	s, _ := sim.Shrink(sim.Random(o.seed))
	if o.replay != "" {
		data, err := os.ReadFile(o.replay)
		if err != nil {
			return err
		}
		if s, err = sim.Decode(data); err != nil {
			return fmt.Errorf("%s: %w", o.replay, err)
		}
	}
	s.Verbose = out
	return sim.Run(s)
}
