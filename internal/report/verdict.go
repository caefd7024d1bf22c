package report

import (
	"cmp"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/health"
)

// Verdict is how the commit fares that changed an app last. Its State is empty while there is nothing to say.
func Verdict(st v1alpha1.AppStatus) v1alpha1.CommitTold {
	v := v1alpha1.CommitTold{Commit: st.Wanted.Revision[strings.LastIndexByte(st.Wanted.Revision, ':')+1:]}
	applied := st.Applied.Revision == st.Wanted.Revision
	healthy := st.Health != "" && !health.Status(st.Health).Worse(health.Suspended)
	switch {
	case v.Commit == "" || st.Phase == "" || st.Phase == v1alpha1.PhaseRemoving:
	case applied && healthy && (st.Phase == v1alpha1.PhaseSynced || st.Phase == v1alpha1.PhaseDrifted):
		v.State, v.Description = v1alpha1.CommitSuccess, "applied and healthy"
	case st.Phase != v1alpha1.PhaseHeld && meta.IsStatusConditionTrue(st.Conditions, "Stalled"):
		v.State, v.Description = v1alpha1.CommitFailure, cmp.Or(st.Reason, strings.ToLower(string(st.Phase)))
	default:
		v.State, v.Description = v1alpha1.CommitPending, cmp.Or(st.Reason, "on its way")
	}
	v.Description = clip(v.Description, maxText)
	return v
}

// IsNews reports whether a verdict says more of a commit than what was told last: each commit is pending at most once, before anything else, and once it
// succeeded nothing takes that back. What happens to the app later is no matter of the commit.
func IsNews(told *v1alpha1.CommitTold, v v1alpha1.CommitTold) bool {
	switch {
	case v.State == "":
		return false
	case told == nil || told.Commit != v.Commit:
		return true
	case v.State == v1alpha1.CommitSuccess:
		return told.State != v1alpha1.CommitSuccess
	case v.State == v1alpha1.CommitFailure:
		return told.State == v1alpha1.CommitPending
	}
	return false
}
