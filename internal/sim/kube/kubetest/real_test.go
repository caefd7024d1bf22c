package kubetest_test

import (
	"testing"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/sim/kube/kubetest"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// plane returns a control plane of its own.
func plane(t *testing.T, o testkit.Options) kubetest.Server {
	t.Helper()
	p := testkit.Start(t, o)
	config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	config.UserAgent, config.WarningHandler = "kubetest", rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	// A server that was restarted remembers nothing of what was before.
	return kubetest.Server{Client: client, Discovery: disco, Compact: func() { p.APIServer(t, "restart") }}
}

// TestReal holds the real server to the contract: where Kubernetes changes, this fails first, and -update writes its answers.
func TestReal(t *testing.T) {
	kubetest.Run(t, "testdata/bare/*.txtar", plane(t, testkit.Options{NoControllers: true}))
}

// TestRealControllers does so where controllers have to do something.
func TestRealControllers(t *testing.T) {
	kubetest.Run(t, "testdata/controllers/*.txtar", plane(t, testkit.Options{}))
}
