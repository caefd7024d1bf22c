package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fairlead-cd/fairlead/internal/sim"
	"github.com/fairlead-cd/fairlead/internal/sim/mutation"
)

// stuckTime is after how much more than the time for which a mutation is looked for it is clear that it keeps a world from ever ending.
const stuckTime = time.Minute

// mutations plants every known bug in turn, plays until it is found, and prints a table. The source is that of the working directory.
func mutations(ctx context.Context, o options, out io.Writer) error {
	all, err := mutation.All()
	if err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fairlead-mutations-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing is lost
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "MUTATION\tFOUND\tAFTER\tBY\tBROKEN PROMISE")
	tried, missed := 0, 0
	for _, m := range all {
		if o.only != "" && m.Name != o.only {
			continue
		}
		tried++
		row, err := hunted(ctx, m, o, root, dir)
		if err != nil {
			return err
		}
		if row.by == "" {
			missed++
			row.by = "-"
		}
		_, _ = fmt.Fprintf(table, "%s\t%t\t%s\t%s\t%s\n", m.Name, row.by != "-", row.after, row.by, row.why)
		_ = table.Flush()
	}
	_, _ = fmt.Fprintf(out, "%d of %d mutations found\n", tried-missed, tried)
	if missed > 0 {
		return fmt.Errorf("%d mutations were not found", missed)
	}
	return nil
}

// row says how a mutation was found.
type row struct{ by, after, why string }

func hunted(ctx context.Context, m mutation.Mutation, o options, root, dir string) (row, error) {
	program := filepath.Join(dir, "sim")
	if err := m.Build(ctx, root, "./cmd/sim", dir, program); err != nil {
		return row{why: err.Error()}, ctx.Err()
	}
	hunting, cancel := context.WithTimeout(ctx, o.time+stuckTime)
	defer cancel()
	began := time.Now()
	args := []string{"-hunt", "-seeds", fmt.Sprint(o.seeds), "-workers", fmt.Sprint(o.workers), "-time", o.time.String()}
	for _, first := range m.First {
		args = append(args, "-first", first)
	}
	text, err := exec.CommandContext(hunting, program, args...).Output() //nolint:gosec // built just now
	took := time.Since(began).Round(time.Second / 10).String()
	switch {
	case ctx.Err() != nil:
		return row{}, ctx.Err()
	case hunting.Err() != nil:
		return row{after: took, why: "no world ends: that says nothing of what is wrong"}, nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return row{}, err
	}
	for line := range strings.Lines(string(text)) {
		if found, ok := strings.CutPrefix(strings.TrimSpace(line), "FOUND "); ok {
			by, why, _ := strings.Cut(found, "\t")
			return row{by: by, after: took, why: why}, nil
		}
	}
	if exit != nil {
		why, _, _ := strings.Cut(string(exit.Stderr), "\n")
		if strings.HasPrefix(why, "error: ") {
			return row{}, fmt.Errorf("hunt for mutation %s: %s", m.Name, why)
		}
		return row{by: "a panic", after: took, why: why}, nil // that is an answer too
	}
	return row{after: took}, nil
}

// hunt plays until something breaks, and says what in one line.
func hunt(ctx context.Context, o options, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, o.time)
	defer cancel()
	var hints []sim.Hint
	for _, text := range o.first {
		h, err := sim.ParseHint(text)
		if err != nil {
			return err
		}
		hints = append(hints, h)
	}
	result, err := sim.Campaign{Workers: o.workers, Most: 1, Rough: true, Out: io.Discard}.Play(ctx, sim.Hunt(o.seeds, hints))
	if result.FirstErr == nil {
		return err
	}
	by := strings.TrimSpace(result.First.String())
	first, _, _ := strings.Cut(result.FirstErr.Error(), "\n")
	_, why, _ := strings.Cut(first, ": ")
	if errors.Is(result.FirstErr, sim.ErrCalm) {
		by, why = result.First.Scenario.Name+" without faults", strings.TrimPrefix(why, sim.ErrCalm.Error()+": ")
	}
	_, _ = fmt.Fprintf(out, "FOUND %s\tafter %d runs: %s\n", by, result.Runs, why)
	return errors.New("something breaks")
}
