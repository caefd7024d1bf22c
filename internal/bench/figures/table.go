package figures

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table prints every figure of runs beside its target, and whether that is met.
func Table(w io.Writer, runs []Run) error {
	for i, r := range runs {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if err := r.table(w); err != nil {
			return err
		}
	}
	return nil
}

func (r Run) table(w io.Writer) error {
	m := r.Machine
	if _, err := fmt.Fprintf(w, "%d %s of %d objects\n%s, %d cores, %s, Kubernetes %s, commit %s, %s; data on %s%s%s\n\n",
		r.N, plural(r.N, "app", "apps"), r.ObjectsPerApp, m.CPU, m.Cores, m.Go, m.Kubernetes, short(m.Commit), m.Date, m.Data, others(m), profiled(m)); err != nil {
		return err
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "\t\tmeasured\tof raw\ttarget\tmet")
	part := ""
	for _, f := range figures() {
		if f.part != "" {
			part = f.part
		}
		v, ok := f.of(r)
		if !ok {
			continue
		}
		wants, met := "", ""
		if f.target != nil {
			if promise := f.target(r); promise.met != nil {
				wants, met = promise.text, "no"
				if promise.met(v) {
					met = "yes"
				}
			}
		}
		_, _ = fmt.Fprintln(t, strings.Join([]string{part, f.name, f.print(v), f.ratio(r, v), wants, met}, "\t"))
		part = ""
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// print is a value as people read it.
func (f figure) print(v float64) string {
	switch {
	case f.unit == "":
		return fmt.Sprintf("%.0f", v)
	case f.unit == "MiB" || v >= 100:
		return fmt.Sprintf("%.0f %s", v, f.unit)
	case v >= 10:
		return fmt.Sprintf("%.1f %s", v, f.unit)
	}
	return fmt.Sprintf("%.2f %s", v, f.unit)
}

// ratio is a time of the whole workload as a multiple of the raw limit: of one object among thousands it would say nothing.
func (f figure) ratio(r Run, v float64) string {
	if bare, ok := rawBurst(r); ok && f.key == "drift.burst_ms.p99" {
		return fmt.Sprintf("%.2f ×", v/bare)
	}
	whole := f.key == "cold.applied_s" || f.key == "cold.settled_s" || f.key == "raw_limit.apply_s" || f.key == "raw_limit.dry_run_apply_s"
	if !whole || r.raw() == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f ×", f.seconds(v)/r.raw())
}

// Missed lists the targets that a run does not meet, one line each.
func (r Run) Missed() []string {
	var all []string
	for _, f := range figures() {
		v, ok := f.of(r)
		if !ok || f.target == nil {
			continue
		}
		if promise := f.target(r); promise.met != nil && !promise.met(v) {
			all = append(all, fmt.Sprintf("%s is %s, want %s", f.key, f.print(v), promise.text))
		}
	}
	return all
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func short(commit string) string { return commit[:min(len(commit), 12)] }

func others(m Machine) string {
	if m.OthersPercent < 1 {
		return ""
	}
	return fmt.Sprintf("; other programs used %.0f %% of the CPU", m.OthersPercent)
}

func profiled(m Machine) string {
	if m.Profiled {
		return "; profiled, so times are longer than they would be"
	}
	return ""
}
