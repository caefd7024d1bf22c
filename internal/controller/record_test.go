package controller

import (
	"slices"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/report"
)

// remembered is a history in memory.
type remembered struct{ records []history.Record }

// Record implements history.Recorder.
func (k *remembered) Record(r history.Record, _ func()) error {
	k.records = append(k.records, r)
	return nil
}

// TestStandingIsTold: what comes and goes while the App still says what it said is told each time. Whoever begins anew with what the App says tells the same under
// the same key.
func TestStandingIsTold(t *testing.T) {
	tell := func(is v1alpha1.AppStatus, phases ...v1alpha1.Phase) (keys []string, end v1alpha1.AppStatus) {
		k := &remembered{}
		c := &controller{history: k, now: noon.Local}
		m := &member{name: app.Name{Namespace: "team", Environment: "prod", App: "web"}}
		for _, p := range phases {
			next := v1alpha1.AppStatus{Phase: p, Recorded: is.Recorded}
			c.recordStanding(t.Context(), m, report.Finding{Was: is}, &next)
			is = next
		}
		for _, r := range k.records {
			keys = append(keys, r.Key)
		}
		return keys, is
	}
	on, off := v1alpha1.PhaseSuspended, v1alpha1.PhaseSynced
	all, end := tell(v1alpha1.AppStatus{Phase: off}, on, on, off, on)
	if len(all) != 3 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 3 {
		t.Errorf("suspended, resumed and suspended again is told as %q", all)
	}
	if again, _ := tell(v1alpha1.AppStatus{Phase: off}, on); len(again) != 1 || again[0] != all[0] {
		t.Errorf("who begins anew tells %q, want %q", again, all[:1])
	}
	if later, _ := tell(end, off, on); len(later) != 2 || slices.Contains(all, later[0]) || slices.Contains(all, later[1]) {
		t.Errorf("once the App says so, it is told as %q, as before", later)
	}
}
