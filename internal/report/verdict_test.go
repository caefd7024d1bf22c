package report_test

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/report"
)

func TestVerdict(t *testing.T) {
	rev := func(id string) v1alpha1.Revision { return v1alpha1.Revision{Revision: "main@sha1:" + id} }
	stalled := []metav1.Condition{{Type: "Stalled", Status: metav1.ConditionTrue}}
	for name, c := range map[string]struct {
		st   v1alpha1.AppStatus
		want string
	}{
		"nothing":     {v1alpha1.AppStatus{}, "  "},
		"not looked":  {v1alpha1.AppStatus{Phase: v1alpha1.PhasePending, Wanted: rev("b"), Applied: rev("a"), Health: "Healthy"}, "b pending on its way"},
		"applying":    {v1alpha1.AppStatus{Phase: v1alpha1.PhaseApplying, Wanted: rev("b"), Applied: rev("a"), Reason: "wave 2 waits for Job x"}, "b pending wave 2 waits for Job x"},
		"progressing": {v1alpha1.AppStatus{Phase: v1alpha1.PhaseSynced, Wanted: rev("b"), Applied: rev("b"), Health: "Progressing", Reason: "1 of 3"}, "b pending 1 of 3"},
		"well":        {v1alpha1.AppStatus{Phase: v1alpha1.PhaseSynced, Wanted: rev("b"), Applied: rev("b"), Health: "Healthy"}, "b success applied and healthy"},
		"drifted":     {v1alpha1.AppStatus{Phase: v1alpha1.PhaseDrifted, Wanted: rev("b"), Applied: rev("b"), Health: "Healthy"}, "b success applied and healthy"},
		"broken":      {v1alpha1.AppStatus{Phase: v1alpha1.PhaseFailed, Wanted: rev("b"), Conditions: stalled, Reason: "a.yaml:3: bad"}, "b failure a.yaml:3: bad"},
		"sick":        {v1alpha1.AppStatus{Phase: v1alpha1.PhaseSynced, Wanted: rev("b"), Applied: rev("b"), Health: "Failed", Conditions: stalled, Reason: "image"}, "b failure image"},
		"held":        {v1alpha1.AppStatus{Phase: v1alpha1.PhaseHeld, Wanted: rev("b"), Conditions: stalled, Reason: "delete of Namespace x waits"}, "b pending delete of Namespace x waits"},
		"removing":    {v1alpha1.AppStatus{Phase: v1alpha1.PhaseRemoving, Wanted: rev("b")}, "b  "},
	} {
		v := report.Verdict(c.st)
		if got := fmt.Sprintf("%s %s %s", v.Commit, v.State, v.Description); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Law: whatever happens to an app, of each commit in a row every state is told once at most, pending only before anything else, and nothing after success.
func TestNews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var told *v1alpha1.CommitTold
		var states []v1alpha1.CommitState
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			v := v1alpha1.CommitTold{
				Commit:      rapid.SampledFrom([]string{"a", "b"}).Draw(t, "commit"),
				State:       rapid.SampledFrom([]v1alpha1.CommitState{"", v1alpha1.CommitPending, v1alpha1.CommitFailure, v1alpha1.CommitSuccess}).Draw(t, "state"),
				Description: rapid.StringN(0, 3, 3).Draw(t, "description"),
			}
			if !report.IsNews(told, v) {
				continue
			}
			if told != nil && told.Commit != v.Commit {
				states = nil
			}
			if slices.Contains(states, v.State) || slices.Contains(states, v1alpha1.CommitSuccess) || v.State == "" || v.State == v1alpha1.CommitPending && len(states) > 0 {
				t.Fatalf("%q after %q", v.State, states)
			}
			states = append(states, v.State)
			told = &v
		}
	})
}
