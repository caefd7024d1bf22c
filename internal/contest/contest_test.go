package contest_test

import (
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/contest"
)

var start = time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)

// fight repairs as often as it may, every so often, and returns for how long each back-off was.
func fight(r contest.Record, now time.Time, every time.Duration, repairs int) (contest.Record, time.Time, []time.Duration) {
	var waits []time.Duration
	for range repairs {
		r = r.Repaired(now)
		if wait := r.Until().Sub(now); wait > 0 {
			waits = append(waits, wait)
			now = r.Until()
		}
		now = now.Add(every)
	}
	return r, now, waits
}

func TestAPersonTriesThings(t *testing.T) {
	if _, _, waits := fight(contest.Record{}, start, time.Second, 5); waits != nil {
		t.Errorf("five edits in a row: %v", waits)
	}
	if _, _, waits := fight(contest.Record{}, start, 13*time.Second, 100); waits != nil {
		t.Errorf("an edit now and then: %v", waits)
	}
}

func TestBackOff(t *testing.T) {
	r, now, waits := fight(contest.Record{}, start, 10*time.Millisecond, 6*8)
	want := []time.Duration{10, 20, 40, 80, 160, 300, 300, 300}
	if len(waits) != len(want) {
		t.Fatalf("%v", waits)
	}
	for i, w := range want {
		if waits[i] != w*time.Second {
			t.Errorf("round %d waits %s, want %s", i, waits[i], w*time.Second)
		}
	}
	if _, _, again := fight(r, now.Add(4*time.Minute), 10*time.Millisecond, 6); again[0] != 5*time.Minute {
		t.Errorf("soon after: %v", again)
	}
	if _, _, again := fight(r, now.Add(6*time.Minute), 10*time.Millisecond, 6); again[0] != 10*time.Second {
		t.Errorf("after a long peace: %v", again)
	}
}

// A Record is a value: what is made of it does not change it.
func TestValue(t *testing.T) {
	r, now, _ := fight(contest.Record{}, start, time.Second, 3)
	one, two := r.Repaired(now), r.Repaired(now)
	for range 2 {
		one = one.Repaired(now)
	}
	if !two.Until().IsZero() || one.Until().IsZero() {
		t.Errorf("one waits until %s, two until %s", one.Until(), two.Until())
	}
}
