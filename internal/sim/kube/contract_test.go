package kube_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/api/crds"
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
	s := kube.New(kube.Options{Now: clock()})
	install(t, s)
	kubetest.Run(t, "kubetest/testdata/bare/*.txtar", held(s))
}

func TestContractControllers(t *testing.T) {
	kubetest.Run(t, "kubetest/testdata/controllers/*.txtar", held(kube.New(kube.Options{Now: clock()})))
}

// install defines Fairlead's kinds.
func install(t *testing.T, s *kube.Server) {
	t.Helper()
	entries, err := crds.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	at := s.Client("", "test").Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for _, e := range entries {
		data, err := crds.Files.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		crd := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(data, &crd.Object); err != nil {
			t.Fatal(err)
		}
		if _, err := at.Create(t.Context(), crd, metav1.CreateOptions{FieldManager: "test", FieldValidation: "Strict"}); err != nil {
			t.Fatal(err)
		}
	}
	s.Settle()
}
