package cluster

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

func TestKindOf(t *testing.T) {
	apply := string(types.ApplyPatchType)
	for _, c := range []struct{ method, path, content, want string }{
		{"GET", "/api/v1/namespaces", "", "list namespaces"},
		{"GET", "/api/v1/namespaces/shop", "", "get namespaces"},
		{"PUT", "/api/v1/namespaces/shop/finalize", "", "update namespaces/finalize"},
		{"GET", "/api/v1/namespaces/shop/secrets", "", "list secrets"},
		{"GET", "/api/v1/namespaces/shop/secrets/git", "", "get secrets"},
		{"GET", "/api/v1/configmaps?labelSelector=a&watch=true", "", "watch configmaps"},
		{"GET", "/apis/apps/v1/deployments", "", "list deployments"},
		{"PATCH", "/apis/apps/v1/namespaces/shop/deployments/web?force=true", apply, "apply deployments"},
		{"PATCH", "/apis/apps/v1/namespaces/shop/deployments/web?dryRun=All", apply, "dry-run deployments"},
		{"PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", "application/json-patch+json", "patch deployments"},
		{"PATCH", "/apis/fairlead.dev/v1alpha1/namespaces/shop/apps/prod-web/status", "application/merge-patch+json", "patch apps/status"},
		{"POST", "/api/v1/namespaces/shop/serviceaccounts/a/token", "", "create serviceaccounts/token"},
		{"DELETE", "/api/v1/namespaces/shop/configmaps/a", "", "delete configmaps"},
		{"DELETE", "/api/v1/namespaces/shop/configmaps", "", "deletecollection configmaps"},
		{"PUT", "/apis/coordination.k8s.io/v1/namespaces/fairlead-system/leases/fairlead", "", "update leases"},
		{"GET", "/k8s/clusters/c-1/api/v1/nodes/n", "", "get nodes"},
		{"GET", "/apis", "", "discover "},
		{"GET", "/apis/apps/v1", "", "discover "},
		{"GET", "/api/v1", "", "discover "},
		{"GET", "/version", "", "discover "},
	} {
		u, err := url.Parse(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if verb, resource := kindOf(c.method, u, c.content); verb+" "+resource != c.want {
			t.Errorf("%s %s %s: got %q, want %q", c.method, c.path, c.content, verb+" "+resource, c.want)
		}
	}
}

// TestCounted: every attempt counts, not every call.
func TestCounted(t *testing.T) {
	busy := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if busy {
			busy = false
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`))
	}))
	t.Cleanup(server.Close)
	told := map[string]int{}
	client, err := dynamic.NewForConfig(Counted(&rest.Config{Host: server.URL}, func(verb, resource string) { told[verb+" "+resource]++ }))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("x").Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil || len(told) != 1 || told["get configmaps"] != 2 {
		t.Errorf("told of %v, error %v; want two attempts to get configmaps", told, err)
	}
}
