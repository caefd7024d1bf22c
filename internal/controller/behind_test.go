package controller

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/source"
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

// TestBehind: what another process has read may not be shown here yet. It is asked for as often as if this one had the repository, for a while.
func TestBehind(t *testing.T) {
	now := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	c := &controller{now: func() time.Time { return now }, random: func() float64 { return 0 }}
	repo := &v1alpha1.Repository{}
	main := source.Ref{Branch: "main"}
	theirs := &repository{heads: map[source.Ref]head{main: {Resolved: source.Resolved{Ref: main, Commit: "two"}}}}
	r := &repository{heads: map[source.Ref]head{main: {Resolved: source.Resolved{Ref: main, Commit: "one"}}}}
	r.said, r.saidAt = theirs.headsWord(), now
	says := func(when string, want time.Duration) {
		t.Helper()
		c.schedule(r, repo, nil)
		if got := r.next.Sub(now); got != want {
			t.Errorf("%s, it is asked again after %s, want %s", when, got, want)
		}
	}
	says("told of what is not there yet", time.Minute)
	now = now.Add(seldom * time.Minute)
	says("if it never came", seldom*time.Minute)
	r.saidAt, r.heads = now, theirs.heads
	says("once it came", seldom*time.Minute)
}

// TestFailures: a server that is down for a moment is one however often it is asked in that moment.
func TestFailures(t *testing.T) {
	now := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	c := &controller{now: func() time.Time { return now }, random: func() float64 { return 0 }}
	r, repo, down := &repository{}, &v1alpha1.Repository{}, errors.New("connection refused")
	for range 2 * patience {
		c.schedule(r, repo, down)
		now = now.Add(50 * time.Millisecond)
	}
	if r.failures != 1 {
		t.Errorf("within a second it failed %d times", r.failures)
	}
	for range patience {
		now = r.next
		c.schedule(r, repo, down)
	}
	if r.failures != 1+patience || r.next.Sub(now) != 32*time.Second {
		t.Errorf("after half a minute it has failed %d times, and is asked again after %s", r.failures, r.next.Sub(now))
	}
	c.schedule(r, repo, fault.New(fault.Transient, down))
	if r.next.Sub(now) != 32*time.Second {
		t.Errorf("asked meanwhile, it is asked again after %s", r.next.Sub(now))
	}
}
