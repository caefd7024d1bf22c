package controller

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fleet"
)

// TestCaughtUp: what a repository answers to a question that was put before an app was taken over may be older than what the app's last owner read, be it
// where the app is, which is not known here.
func TestCaughtUp(t *testing.T) {
	began := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	taken, answered := began.Add(time.Second), began.Add(2*time.Second)
	now := answered
	name := types.NamespacedName{Namespace: "team", Name: "shop"}
	r := &repository{}
	env := &v1alpha1.Environment{Spec: v1alpha1.EnvironmentSpec{Sources: []v1alpha1.Source{{Repository: "shop"}}}}
	env.Namespace = "team"
	c := &controller{
		repos: map[types.NamespacedName]*repository{name: r}, envs: map[fleet.Environment]*environment{{Namespace: "team", Name: "prod"}: {spec: env}},
		now: func() time.Time { return now }, fleet: fleet.New(nil), repoQueue: &wakeup{},
	}
	m := &member{name: app.Name{Namespace: "team", Environment: "prod", App: "web"}, roll: newRoll(), takenAt: taken}
	c.tellFollowers(r, nil, began, nil, false)
	if c.caughtUp(m, taken) || !r.hooked {
		t.Error("a question that was put before counts")
	}
	now = answered.Add(time.Second)
	c.tellFollowers(r, nil, answered, nil, false)
	if !c.caughtUp(m, taken) || !m.takenAt.IsZero() {
		t.Error("a question that was put since does not count")
	}
}
