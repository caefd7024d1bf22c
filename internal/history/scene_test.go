package history_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/historytest"
)

// TestAtIsWhatWas holds the answers for every instant of a random day to what package release had decided by then.
func TestAtIsWhatWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := historytest.NewDay(t)
		records := numbered(day.Records)
		for i, m := range day.Moments {
			if i+1 < len(day.Moments) && day.Moments[i+1].Time.Equal(m.Time) {
				continue // more happened in the same instant
			}
			compare(t, records, m.Time, m.Scene)
			if i+1 < len(day.Moments) {
				compare(t, records, day.Moments[i+1].Time.Add(-time.Microsecond), m.Scene)
			}
		}
		compare(t, records, historytest.Start.Add(-time.Second), history.Scene{})
	})
}

func compare(t *rapid.T, records []history.Record, at time.Time, want history.Scene) {
	if diff := cmp.Diff(want, history.At(records, at)); diff != "" {
		t.Fatalf("at %s (-want +got):\n%s", at, diff)
	}
}

// numbered gives records the places that a store gives them.
func numbered(records []history.Record) []history.Record {
	for i := range records {
		records[i].Seq = uint64(i + 1)
	}
	return records
}
