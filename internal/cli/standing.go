package cli

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// standing is how an app or an environment is, as exit codes and --wait tell it.
type standing string

const (
	ready     standing = "ready"
	underway  standing = "on its way"
	held      standing = "held"
	failed    standing = "failed"
	suspended standing = "suspended"
)

// final says whether it stays so until a person does something.
func (s standing) final() bool { return s != underway }

// ofApp judges an app by its status, unless that speaks of an older spec.
func ofApp(a *v1alpha1.App) standing {
	st := &a.Status
	switch {
	case a.DeletionTimestamp != nil, st.ObservedGeneration != a.Generation, st.Phase == v1alpha1.PhaseRemoving:
		return underway
	case st.Phase == v1alpha1.PhaseSuspended:
		return suspended
	case meta.IsStatusConditionTrue(st.Conditions, "Ready"):
		return ready
	case st.Phase == v1alpha1.PhaseHeld:
		return held
	case meta.IsStatusConditionTrue(st.Conditions, "Stalled"):
		return failed
	}
	return underway
}

// ofEnvironment judges what an environment says of itself. How its apps are is for the apps to say.
func ofEnvironment(e *v1alpha1.Environment) standing {
	c := meta.FindStatusCondition(e.Status.Conditions, "Ready")
	switch {
	case e.Spec.Sync.Suspend:
		return suspended
	case e.DeletionTimestamp != nil, c == nil, e.Status.ObservedGeneration != e.Generation:
		return underway
	case c.Reason == "SourceFailed" && meta.IsStatusConditionTrue(e.Status.Conditions, "Stalled"):
		return failed
	case c.Reason == "UnusableDirectory":
		return failed
	case c.Reason == "SourceFailed":
		return underway
	}
	return ready
}

// appReason is why an app is not further, and what to do where a command helps.
func appReason(a *v1alpha1.App) string {
	switch ofApp(a) {
	case suspended:
		return a.Status.Reason + "; 'fairlead resume' ends that"
	case underway:
		return cmp.Or(a.Status.Reason, "not looked at yet")
	case ready, held, failed:
	}
	return cmp.Or(a.Status.Reason, a.Status.Health)
}

// environmentReason is why an environment is not further.
func environmentReason(e *v1alpha1.Environment) string {
	c := meta.FindStatusCondition(e.Status.Conditions, "Ready")
	switch {
	case c == nil && time.Since(e.CreationTimestamp.Time) < newborn:
		return "not looked at yet"
	case c == nil:
		return "not looked at yet: is the controller running?"
	}
	return c.Message
}

// newborn is how long nobody wonders why nothing is said of an environment.
const newborn = 5 * time.Second

// standings counts how many are how.
type standings map[standing]int

func (s standings) total() int {
	n := 0
	for _, x := range s {
		n += x
	}
	return n
}

// code is the exit code: 0 if all are ready, 3 if all that is amiss is held, else 1.
func (s standings) code() int {
	switch {
	case s[ready] == s.total():
		return codeDone
	case s[ready]+s[held] == s.total():
		return codeHeld
	}
	return codeFailed
}

func (s selection) standings() standings {
	n := standings{}
	for i := range s.apps {
		n[ofApp(&s.apps[i])]++
	}
	for i := range s.envs {
		n[ofEnvironment(&s.envs[i])]++
	}
	return n
}
