package controller

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/gate"
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

// TestOverrideIsTold: which commit the gates were opened for is on record, with who opened them.
func TestOverrideIsTold(t *testing.T) {
	k := &remembered{}
	c := &controller{history: k, now: noon.Local}
	m := &member{name: app.Name{Namespace: "team", Environment: "prod", App: "web"}}
	one := v1alpha1.Override{ObjectMeta: metav1.ObjectMeta{UID: "a"}, Spec: v1alpha1.OverrideSpec{
		Environment: "prod", Commit: "9ac50f14", By: v1alpha1.Signatory{User: "ann"}, Reason: "INC-42",
	}}
	other := one
	other.UID, other.Spec.Commit = "b", "" // for every commit
	c.recordWords(t.Context(), m, gate.Facts{Overrides: []v1alpha1.Override{one, other}}, gate.Subject{Environment: "prod", App: "web", Commit: "9ac50f14"})
	var got []string
	for _, r := range k.records {
		got = append(got, string(r.Kind)+" "+r.Who+" "+r.Why+" "+r.Want.Commit)
	}
	if want := []string{"Override ann INC-42 9ac50f14", "Override ann INC-42 "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestAgreementIsTold: who let go what is held, and why, is on record, once; who says nothing is not taken for who approved something else before.
func TestAgreementIsTold(t *testing.T) {
	k := &remembered{}
	c := &controller{history: k, now: noon.Local}
	m := &member{name: app.Name{Namespace: "team", Environment: "prod", App: "web"}}
	st := v1alpha1.AppStatus{HoldID: "aa", Recorded: 1}
	annotated := func(approve, by, because string) *v1alpha1.App {
		return &v1alpha1.App{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			AnnotationApprove: approve, AnnotationApprovedBy: by, AnnotationApprovedBecause: because,
		}}}
	}
	c.recordAgreed(t.Context(), m, &v1alpha1.App{}, st)
	c.recordAgreed(t.Context(), m, annotated("bb", "bb ann", "bb gone for good"), st)
	if len(k.records) != 0 {
		t.Fatalf("nobody agreed to what is held: %+v", k.records)
	}
	c.recordAgreed(t.Context(), m, annotated("aa", "aa ann", "aa gone for good"), st)
	c.recordAgreed(t.Context(), m, annotated("aa", "bb ann", ""), st)
	var got []string
	for _, r := range k.records {
		got = append(got, string(r.Kind)+" "+r.Phase+" by "+r.Who+": "+r.Why)
	}
	if want := []string{"Approval Given by ann: hold aa: gone for good", "Approval Given by : hold aa"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if k.records[0].Key != k.records[1].Key {
		t.Error("the same approval is told twice")
	}
}
