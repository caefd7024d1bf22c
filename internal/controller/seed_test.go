package controller

import (
	"testing"
	"time"
)

func TestLastHalf(t *testing.T) {
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		after time.Duration
		days  int
		want  time.Duration
	}{
		{0, 90, 0}, {44 * day, 90, 0}, {45 * day, 90, 45 * day}, {100 * day, 90, 90 * day}, {1000 * day, 0, 0}, {1000 * day, -1, 0}, {-day, 90, 0}, {1000 * day, 1 << 40, 0},
	} {
		if got := lastHalf(first, first.Add(c.after), c.days).Sub(first); got != c.want {
			t.Errorf("%s after the first, of %d days: %s, want %s", c.after, c.days, got, c.want)
		}
	}
}
