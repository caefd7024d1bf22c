package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// timings are measurements of one thing.
type timings []time.Duration

// median is the middle one, or the mean of the two in the middle; 0 if there are none.
func (t timings) median() time.Duration {
	if len(t) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(t))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// max is the longest; 0 if there are none.
func (t timings) max() time.Duration {
	if len(t) == 0 {
		return 0
	}
	return slices.Max(t)
}

// String is the summary that people read.
func (t timings) String() string {
	switch len(t) {
	case 0:
		return "not measured"
	case 1:
		return span(t[0])
	}
	return fmt.Sprintf("median %s, max %s, of %d", span(t.median()), span(t.max()), len(t))
}

// each lists the measurements.
func (t timings) each() string {
	all := make([]string, 0, len(t))
	for _, d := range t {
		all = append(all, span(d))
	}
	return strings.Join(all, ", ")
}

// span prints a duration with two or three digits.
func span(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 0.05:
		return "under 0.1 ms"
	case ms < 9.95:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 999.5:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// figure is a measured thing and its name.
type figure struct {
	name string
	timings
}
