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

// TestStandingIsTold: what comes and goes while the App still says what it said is told each time. Whoever begins anew at that version of the App tells the same under
// the same key.
func TestStandingIsTold(t *testing.T) {
	tell := func(m *member, version string, phases ...v1alpha1.Phase) (keys []string) {
		k := &remembered{}
		c := &controller{history: k, now: noon.Local}
		for i := range phases[1:] {
			c.recordStanding(t.Context(), m, version, report.Finding{Was: v1alpha1.AppStatus{Phase: phases[i]}}, v1alpha1.AppStatus{Phase: phases[i+1]})
		}
		for _, r := range k.records {
			keys = append(keys, r.Key)
		}
		return keys
	}
	fresh := func() *member { return &member{name: app.Name{Namespace: "team", Environment: "prod", App: "web"}, roll: newRoll()} }
	on, off := v1alpha1.PhaseSuspended, v1alpha1.PhaseSynced
	m := fresh()
	all := tell(m, "7", off, on, off, on)
	if len(all) != 3 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 3 {
		t.Errorf("suspended, resumed and suspended again is told as %q", all)
	}
	if again := tell(fresh(), "7", off, on); len(again) != 1 || again[0] != all[0] {
		t.Errorf("who begins anew tells %q, want %q", again, all[:1])
	}
	if later := tell(m, "8", off, on); len(later) != 1 || slices.Contains(all, later[0]) {
		t.Errorf("at another version it is told as %q, as before", later)
	}
}
