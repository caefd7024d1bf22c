package kube_test

import (
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/sim/kube"
	"github.com/fairlead-cd/fairlead/internal/sim/kube/kubetest"
)

// clock stands still.
func clock() func() time.Time {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		return now
	}
}

// held returns the simulated server as the contract knows one.
func held(s *kube.Server) kubetest.Server {
	return kubetest.Server{
		Client: s.Client("", "kubetest"), Discovery: s.Discovery("", "kubetest"), Settle: s.Settle, Compact: func() { s.Compact(s.Revision()) },
	}
}

// TestContract holds the simulated server to what the real one answered. Never run it with -update: package kubetest does that with a real one.
func TestContract(t *testing.T) {
	kubetest.Run(t, "kubetest/testdata/bare/*.txtar", held(kube.New(kube.Options{Now: clock()})))
}

func TestContractControllers(t *testing.T) {
	kubetest.Run(t, "kubetest/testdata/controllers/*.txtar", held(kube.New(kube.Options{Now: clock()})))
}
