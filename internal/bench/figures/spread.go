package figures

import (
	"math"
	"slices"
	"time"
)

// Spread sums up many measurements of one thing.
type Spread struct {
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Max     float64 `json:"max"`
	Samples int     `json:"samples"`
}

// SpreadOf is the spread of times in milliseconds. Of none it is zero.
func SpreadOf(times []time.Duration) Spread {
	if len(times) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(times))
	return Spread{P50: ms(percentile(sorted, 50)), P99: ms(percentile(sorted, 99)), Max: ms(sorted[len(sorted)-1]), Samples: len(sorted)}
}

// percentile is the smallest time that p percent of all are not above: one that was measured.
func percentile(sorted []time.Duration, p float64) time.Duration {
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func ms(d time.Duration) float64 { return Round(float64(d) / float64(time.Millisecond)) }

// Seconds are those of a duration, in the precision that figures have.
func Seconds(d time.Duration) float64 { return Round(d.Seconds()) }

// Round keeps three digits behind the point, and no more: the rest would be noise in a diff.
func Round(x float64) float64 { return math.Round(x*1000) / 1000 }
