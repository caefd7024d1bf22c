package report

import (
	"cmp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/health"
)

// conditions writes Ready, Reconciling and Stalled by the conventions that kstatus reads: `kubectl wait --for=condition=Ready` works.
func conditions(st *v1alpha1.AppStatus, f Finding) {
	healthy := !health.Status(st.Health).Worse(health.Suspended)
	ready := st.Phase == v1alpha1.PhaseSynced && healthy && st.Health != ""
	stalled := st.Phase == v1alpha1.PhaseFailed || st.Phase == v1alpha1.PhaseHeld || st.Phase == v1alpha1.PhaseRolledBack ||
		st.Phase == v1alpha1.PhaseSynced && health.Status(st.Health).Worse(health.Missing)
	reason := string(st.Phase)
	if st.Phase == v1alpha1.PhaseSynced && !healthy {
		reason = cmp.Or(st.Health, "Unknown")
	}
	set(st, f, "Ready", ready, reason)
	set(st, f, "Stalled", stalled, reason)
	set(st, f, "Reconciling", !ready && !stalled && st.Phase != v1alpha1.PhaseSuspended, reason)
}

func set(st *v1alpha1.AppStatus, f Finding, kind string, is bool, reason string) {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	message := st.Reason
	if kind == "Ready" && is {
		message = "applied " + cmp.Or(st.Wanted.Short, "what Git says") + " and healthy"
	}
	meta.SetStatusCondition(&st.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: cmp.Or(reason, "Pending"), Message: message,
		ObservedGeneration: f.Generation, LastTransitionTime: metav1.NewTime(f.Now),
	})
}
