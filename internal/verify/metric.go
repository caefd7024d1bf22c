package verify

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Values are what a query of a metric yielded, one number for each series; none if it has no data.
type Values []float64

// numbers are those of the values that are numbers: 0/0 of a Prometheus is none.
func (v Values) numbers() Values {
	return slices.DeleteFunc(slices.Clone(v), math.IsNaN)
}

// OfMetric judges a metric, which was as before when the release began to be applied: that may be nil if the trial does not compare.
func (t Trial) OfMetric(now, before Values) Observation {
	if len(now) == 0 {
		return Observation{Says: Unsure, What: "has no data"}
	}
	now, before = now.numbers(), before.numbers()
	if len(now) == 0 {
		return Observation{Says: Unsure, What: "is NaN, not a number"}
	}
	most, least := slices.Max(now), slices.Min(now)
	m := t.Metric
	switch {
	case m.AtMost != nil && most > *m.AtMost:
		return bad("is %s (at most %s)", show(most), show(*m.AtMost))
	case m.AtLeast != nil && least < *m.AtLeast:
		return bad("is %s (at least %s)", show(least), show(*m.AtLeast))
	}
	if len(before) > 0 {
		was, low := slices.Max(before), slices.Min(before)
		switch {
		case m.RatioAtMost != nil && was > 0 && most > was**m.RatioAtMost:
			return bad("is %s, %s times as much as before the release, when it was %s (at most %s times)", show(most), ratio(most/was), show(was), show(*m.RatioAtMost))
		case m.RatioAtLeast != nil && low > 0 && least < low**m.RatioAtLeast:
			return bad("is %s, %s times as much as before the release, when it was %s (at least %s times)", show(least), ratio(least/low), show(low), show(*m.RatioAtLeast))
		}
	}
	return Observation{Says: Good, What: "is " + show(most)}
}

func bad(format string, args ...any) Observation {
	return Observation{Says: Bad, What: fmt.Sprintf(format, args...)}
}

func show(n float64) string { return strconv.FormatFloat(n, 'g', 4, 64) }

func ratio(n float64) string { return strconv.FormatFloat(n, 'g', 2, 64) }
