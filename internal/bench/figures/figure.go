package figures

import "fmt"

// kind says how a figure is compared.
type kind int

const (
	// count is exact.
	count kind = iota
	// duration is compared as a multiple of the raw limit.
	duration
	// amount is compared as it is, within the tolerance.
	amount
)

// figure is one line of the table, and one thing to compare.
type figure struct {
	part, name string
	key        string // in the file
	kind       kind
	unit       string
	// of is the value; false if the run has none.
	of func(Run) (float64, bool)
	// target is what it should be; nil if there is no such promise.
	target func(Run) target
}

// target is a promise. The zero target is none.
type target struct {
	text string
	met  func(value float64) bool
}

// of makes the reader of a figure: part finds the part of a run that has it, value reads it there.
func of[P any](part func(Run) *P, value func(P) float64) func(Run) (float64, bool) {
	return func(r Run) (float64, bool) {
		p := part(r)
		if p == nil {
			return 0, false
		}
		return value(*p), true
	}
}

// below is a promise that a value stays below a bound.
func below(bound float64, unit string) func(Run) target {
	return func(Run) target {
		return target{fmt.Sprintf("below %v%s", bound, unit), func(v float64) bool { return v < bound }}
	}
}

// exactly is a promise of a count.
func exactly(n float64) func(Run) target {
	return func(Run) target { return target{fmt.Sprint(n), func(v float64) bool { return v == n }} }
}

// atMost is a promise of a count.
func atMost(n float64) func(Run) target {
	return func(Run) target { return target{fmt.Sprintf("at most %v", n), func(v float64) bool { return v <= n }} }
}

// timesRaw is a promise in multiples of the raw limit with a dry run.
func timesRaw(factor float64) func(Run) target {
	return func(r Run) target {
		raw := r.raw()
		if raw == 0 {
			return target{}
		}
		return target{fmt.Sprintf("at most %v × raw", factor), func(v float64) bool { return v <= factor*raw }}
	}
}

// upTo limits a promise to workloads of so many apps of five objects.
func upTo(apps int, promise func(Run) target) func(Run) target {
	return func(r Run) target {
		if r.objects() > 5*apps {
			return target{}
		}
		return promise(r)
	}
}

// memory is the promise of the memory, which grows with the workload.
func memory(r Run) target {
	switch n := r.objects(); {
	case n <= 500:
		return below(100, " MiB")(r)
	case n <= 5000:
		return below(250, " MiB")(r)
	}
	return below(1024, " MiB")(r)
}

func dependents(r Run) target { return exactly(float64(r.SharedBase.Dependents))(r) }

func baseDependents(r Run) target { return exactly(float64(r.Render.Base.Dependents))(r) }

func (r Run) objects() int { return r.N * r.ObjectsPerApp }

// raw is the raw limit that times are compared with: a dry run and an apply of each object; 0 if it was not measured.
func (r Run) raw() float64 {
	if r.RawLimit == nil {
		return 0
	}
	return r.RawLimit.DryRunApplyS
}

// rawBurst is the raw limit of many hand edits at once.
func rawBurst(r Run) (float64, bool) {
	if r.RawLimit == nil || r.RawLimit.BurstMS.Samples == 0 {
		return 0, false // measured before there was that
	}
	return r.RawLimit.BurstMS.P99, true
}

// seconds is a value in seconds, whatever its unit.
func (f figure) seconds(v float64) float64 {
	if f.unit == "ms" {
		return v / 1000
	}
	return v
}
