// Command bench measures Fairlead, and compares two measurements.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench"
	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
)

const usage = `bench measures what Fairlead does and what that costs, on a control plane of its own.

  bench [run] [flags]           measure
  bench compare A.json B.json   say what of B is worse than in A; exit code 1 if anything is

Each run starts a control plane, a Git server and the controller on this machine, sends the same objects
without an engine first (the raw limit that times are compared with), then measures:

  cold      the first sync, until every object exists and until every status is written
  change    a commit that changes one line of one app: time, requests, renders, CPU
  idle      what is done while nothing happens
  drift     a hand edit until it is undone, one by one and a hundred at once
  shared    a commit that changes a base which some apps share
  depend    a commit that changes an app and another that waits for it: from the one ready to the other changed
  prune     a commit that removes one object
  restart   a new controller process until it knows every app to be well again
  render    1,000 small overlays of Kustomize and 200 charts, without a cluster: all, and after one change; once,
            whatever the sizes

A table goes to standard output, with the target beside each figure; what is being done goes to standard
error. Nothing is left behind, but for the files that were asked for.

Flags of run:
  -n SIZES         sizes, by commas (default 100,500,1000,1x2000): a number of apps of five objects each,
                   or APPSxOBJECTS: 1x2000 is one app of 2,000 objects. 5000 takes long: about half an hour
                   on two cores, and 4 GiB of memory
  -json FILE       also write the figures as JSON: one size is that run itself, several are {"runs": […]}
  -only PARTS      measure only these parts, by commas: raw is the raw limit; the cold sync always is measured
  -samples N       how many changes and edits are timed (default 100); fewer, but ten, if they take over a minute
  -idle DURATION   for how long nothing happens (default 1m)
  -profile DIR     write CPU and heap profiles of the controller for each part into DIR, for
                   'go tool pprof DIR/1000-cold-cpu-*.pprof'; times are longer then
  -dir DIR         put all data there (default: /dev/shm if there is room in it, else the temporary directory)
  -fairlead FILE   -devcluster FILE   the programs to run (default: those beside this one)

Flags of compare:
  -tolerance P     by how many percent a time or the memory may vary (default 25). Counts are compared exactly,
                   times as multiples of the raw limit of their own run

Examples:
  bench -n 100                              the quickest
  bench -n 100 -json before.json            …
  bench -n 100 -json after.json             …
  bench compare before.json after.json      and whether that change cost anything
  bench -n 1000 -only cold,change -profile profiles
  bench -n 5000x10 -only cold               the memory that 50,000 objects take

Exit codes: 0 done, 1 it did not work or something got worse, 2 wrong usage.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	command := "run"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	var err error
	switch command {
	case "run":
		err = runBench(ctx, args, out, errs)
	case "compare":
		err = compare(args, out)
	case "help":
		err = flag.ErrHelp
	default:
		err = usageError{fmt.Errorf("there is no command %q", command)}
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(out, usage)
		return 0
	case errors.As(err, &usageError{}):
		_, _ = fmt.Fprintf(errs, "error: %v\nRun 'bench --help' for how it is used.\n", err)
		return 2
	case err != nil:
		_, _ = fmt.Fprintln(errs, "error:", err)
		return 1
	}
	return 0
}

// flags reads a command line. Its errors are printed by run.
func flags(args []string, define func(*flag.FlagSet)) ([]string, error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	define(f)
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usageError{err}
	}
	return f.Args(), nil
}

func runBench(ctx context.Context, args []string, out, errs io.Writer) error {
	o := bench.Options{Progress: errs}
	var file, only string
	sizes := "100,500,1000,1x2000"
	rest, err := flags(args, func(f *flag.FlagSet) {
		f.StringVar(&sizes, "n", sizes, "")
		f.StringVar(&file, "json", "", "")
		f.StringVar(&only, "only", "", "")
		f.IntVar(&o.Samples, "samples", 100, "")
		f.DurationVar(&o.Idle, "idle", time.Minute, "")
		f.StringVar(&o.Profiles, "profile", "", "")
		f.StringVar(&o.Dir, "dir", "", "")
		f.StringVar(&o.Fairlead, "fairlead", "", "")
		f.StringVar(&o.Devcluster, "devcluster", "", "")
	})
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("%q is no flag", rest[0])}
	}
	for text := range strings.SplitSeq(sizes, ",") {
		size, err := workload.Parse(text)
		if err != nil {
			return usageError{err}
		}
		o.Sizes = append(o.Sizes, size)
	}
	if only != "" {
		o.Only = strings.Split(only, ",")
	}
	if err := o.Check(); err != nil {
		return usageError{err}
	}
	if o.Fairlead, err = program(o.Fairlead, "fairlead"); err != nil {
		return err
	}
	if o.Devcluster, err = program(o.Devcluster, "devcluster"); err != nil {
		return err
	}
	runs, err := bench.Run(ctx, o)
	return errors.Join(err, report(out, file, runs)) // what was measured before an error is worth something, too
}

func report(out io.Writer, file string, runs []figures.Run) error {
	if len(runs) == 0 {
		return nil
	}
	if err := figures.Table(out, runs); err != nil || file == "" {
		return err
	}
	data, err := figures.Encode(runs)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// program finds a program: the one that was named, or the one beside this.
func program(named, name string) (string, error) {
	path := named
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		path = filepath.Join(filepath.Dir(self), name)
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", fmt.Errorf("there is no program %s: build it with 'make build', or name one with -%s", path, name)
	}
	return filepath.Abs(path)
}

func compare(args []string, out io.Writer) error {
	percent := 100 * figures.Tolerance
	files, err := flags(args, func(f *flag.FlagSet) { f.Float64Var(&percent, "tolerance", percent, "") })
	if err != nil {
		return err
	}
	if len(files) != 2 || percent < 0 {
		return usageError{errors.New("compare needs two files, and a tolerance that is not negative")}
	}
	var runs [2][]figures.Run
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if runs[i], err = figures.Decode(data); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	c := figures.Compare(runs[0], runs[1], percent/100)
	if err := c.Print(out); err != nil {
		return err
	}
	if n := c.Worse(); n > 0 {
		return fmt.Errorf("%d figures got worse", n)
	}
	return nil
}
