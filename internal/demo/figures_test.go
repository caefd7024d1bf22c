package demo

import (
	"testing"
	"time"
)

func TestTimings(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		in   timings
		want string
	}{
		{nil, "not measured"},
		{timings{142 * ms}, "142 ms"},
		{timings{3 * ms, 1 * ms, 2 * ms}, "median 2.0 ms, max 3.0 ms, of 3"},
		{timings{40 * ms, 10 * ms, 20 * ms, 30 * ms}, "median 25 ms, max 40 ms, of 4"},
	} {
		if got := c.in.String(); got != c.want {
			t.Errorf("%v: got %q, want %q", []time.Duration(c.in), got, c.want)
		}
	}
	in := timings{3, 1, 2}
	if _ = in.median(); in[0] != 3 {
		t.Error("the median sorted what it was given")
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:            "under 0.1 ms",
		0:                       "under 0.1 ms",
		1500 * time.Microsecond: "1.5 ms",
		9960 * time.Microsecond: "10 ms",
		999 * time.Millisecond:  "999 ms",
		1930 * time.Millisecond: "1.93 s",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
