package controller

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// TestGivenAwayWhileWritten: the answer to a write of an app's status that comes after the app was given to another process leaves nothing to say here.
func TestGivenAwayWhileWritten(t *testing.T) {
	m := &member{hold: hold{mine: true}}
	m.place.repository = "config"
	m.status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue}}
	m.roll, m.unwritten = newRoll(), true
	m.mu.Lock()
	m.unlock()
	if is, _ := m.roll.call(); is.Ready != 0 || !m.roll.isBusy() {
		t.Errorf("what is still to be written counts as %+v", is)
	}
	m.mu.Lock()
	m.hold, m.unwritten = hold{}, false
	m.unlock()
	m.wrote(&v1alpha1.App{}, v1alpha1.AppStatus{Phase: v1alpha1.PhaseSynced}, noon)
	if is, _ := m.roll.call(); is.Ready != 1 || m.roll.isBusy() {
		t.Errorf("an app of another process counts as %+v", is)
	}
}
