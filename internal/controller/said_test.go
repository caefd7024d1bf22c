package controller

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// TestBackMeanwhile has an app that stands, while that it stands otherwise is on its way to its App object, as it did before: that is to be written then, though who
// found it saw what the App object said, and so nothing to write.
func TestBackMeanwhile(t *testing.T) {
	noon := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	one, two := v1alpha1.AppStatus{Phase: v1alpha1.PhaseSynced}, v1alpha1.AppStatus{Phase: v1alpha1.PhaseApplying}
	app := func(version string, st v1alpha1.AppStatus) *v1alpha1.App {
		return &v1alpha1.App{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}, Status: st}
	}
	begun := func() *member {
		m := &member{roll: newRoll()}
		m.mu.Lock()
		m.begin(app("1", one))
		m.status, m.unwritten = two, true
		m.unlock()
		m.tries(app("1", one))
		m.mu.Lock()
		m.status, m.unwritten = one, false // as whoever looks at it finds it, who compares it with what is written
		m.unlock()
		return m
	}
	m := begun()
	if more := m.wrote(app("2", two), two, noon); !more || !m.unwritten {
		t.Errorf("written while it went back: more %t, unwritten %t", more, m.unwritten)
	}
	m = begun()
	m.doubt() // the answer was lost
	if _, known := m.recognises(app("2", two)); !known || !m.unwritten {
		t.Errorf("found written while it went back: known %t, unwritten %t", known, m.unwritten)
	}
	m = begun()
	m.status = two
	if more := m.wrote(app("2", two), two, noon); more || m.unwritten {
		t.Errorf("written: more %t, unwritten %t", more, m.unwritten)
	}
}
