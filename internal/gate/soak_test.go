package gate_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gate"
)

// TestSoakOf reads of an App how a commit fares there.
func TestSoakOf(t *testing.T) {
	began := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	at := func(minutes int) metav1.Time { return metav1.NewTime(began.Add(time.Duration(minutes) * time.Minute)) }
	old, mine, newer := commit("0000"), commit("1a2b"), commit("9f9f")
	rev := func(id string) string { return "main@sha1:" + id }
	status := func(applied, wanted string, ready bool, change func(*v1alpha1.AppStatus)) *v1alpha1.AppStatus {
		st := &v1alpha1.AppStatus{
			Applied: v1alpha1.Revision{Revision: rev(applied), At: at(10)}, Wanted: v1alpha1.Revision{Revision: rev(wanted)}, Reason: "Deployment web: 1 of 3",
			Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, LastTransitionTime: at(12)}},
		}
		if ready {
			st.Conditions[0].Status, st.Reason = metav1.ConditionTrue, ""
		}
		if change != nil {
			change(st)
		}
		return st
	}
	released := func(phase string) func(*v1alpha1.AppStatus) {
		return func(st *v1alpha1.AppStatus) {
			st.Release = &v1alpha1.ReleaseStatus{Serial: 9, Revision: rev(newer), Phase: "Progressing", Since: at(61), Began: at(60)}
			st.Releases = []v1alpha1.ReleaseStatus{
				{Serial: 8, Revision: rev(mine), Phase: phase, Since: at(5), Began: at(4)}, {Serial: 7, Revision: rev(old), Phase: "Succeeded", Since: at(1), Began: at(0)},
			}
		}
	}
	for _, c := range []struct {
		name  string
		there gate.There
		want  gate.Soak
	}{
		{"not there", gate.There{}, gate.Soak{}},
		{"nothing applied", gate.There{Status: &v1alpha1.AppStatus{}}, gate.Soak{}},
		{"healthy", gate.There{Status: status(mine, mine, true, nil)}, gate.Soak{Commit: mine, Since: at(12).Time}},
		{"healthy all the time, applied later", gate.There{Status: status(mine, mine, true, func(st *v1alpha1.AppStatus) { st.Applied.At = at(20) })}, gate.Soak{Commit: mine, Since: at(20).Time}},
		{"not healthy", gate.There{Status: status(mine, mine, false, nil)}, gate.Soak{Commit: mine, Sick: "Deployment web: 1 of 3"}},
		{"an older one", gate.There{Status: status(old, mine, true, nil), Follows: true}, gate.Soak{Commit: old}},
		{"an older one, which it leaves as it is", gate.There{Status: status(old, old, true, nil), Follows: true}, gate.Soak{Commit: mine, Since: at(15).Time}},
		{"an older one, which is not healthy", gate.There{Status: status(old, old, false, nil), Follows: true}, gate.Soak{Commit: mine, Sick: "Deployment web: 1 of 3"}},
		{"an older one, of another branch", gate.There{Status: status(old, old, true, nil)}, gate.Soak{Commit: old}},
		{"it was there", gate.There{Status: status(newer, newer, true, released("Succeeded"))}, gate.Soak{Commit: newer, Since: at(5).Time, Ended: at(60).Time}},
		{"it was there, and did not get well", gate.There{Status: status(newer, newer, true, released("RolledBack")), Follows: true}, gate.Soak{Commit: newer}},
		{"it was there, and superseded", gate.There{Status: status(newer, newer, true, released("Superseded"))}, gate.Soak{Commit: newer}},
	} {
		if got := gate.SoakOf(c.there, mine, at(15).Time); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
