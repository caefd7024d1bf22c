package install_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestGateRules writes gates to a real API server, which knows what is none.
func TestGateRules(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	config, err := clientcmd.BuildConfigFromFlags("", plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	envs := client.Resource(schema.GroupVersionResource{Group: "fairlead.dev", Version: "v1alpha1", Resource: "environments"}).Namespace("default")
	for _, c := range []struct{ gate, want string }{
		{`approval: {}`, ""},
		{`{name: leads, approval: {required: 2, users: [ann], groups: [leads], notAuthor: true, identities: [{user: ann, mails: [a@example.com]}], validFor: 2h}}`, ""},
		{`window: {cron: "*/15 9-17 1,15 JAN-MAR MON-FRI", timeZone: America/Argentina/Buenos_Aires, deny: true}`, ""},
		{`freeze: {from: "2026-12-20T18:00", until: "2027-01-04", timeZone: Europe/Berlin, reason: holidays}`, ""},
		{`soak: {environment: staging, for: 1h}`, ""},
		{`soak: {environment: other/staging, for: 0s}`, ""},
		{`commitStatus: {context: ci/build}`, ""},
		{`metric: {prometheus: "http://prometheus.monitoring:9090/prefix", query: up, atLeast: 0.5, atMost: 2}`, ""},
		{`http: {url: "https://changes.example.com/{app}?strict=1", secretRef: {name: board}}`, ""},

		{`{}`, "exactly one of"},
		{`{approval: {}, soak: {environment: staging, for: 1h}}`, "exactly one of"},
		{`{name: "Not A Name", approval: {}}`, "name"},
		{`approval: {required: 0}`, "required"},
		{`approval: {required: 11}`, "required"},
		{`approval: {identities: [{user: ann, mails: [a@example.com]}]}`, "identities are read for notAuthor alone"},
		{`approval: {validFor: 1s}`, "validFor must be at least 1m"},
		{`window: {cron: "* * * *"}`, "cron"},
		{`window: {cron: "@daily"}`, "cron"},
		{`window: {cron: "* * * * *", timeZone: "../etc"}`, "timeZone"},
		{`freeze: {from: "2027-01-04", until: "2026-12-20"}`, "from must be before until"},
		{`freeze: {from: "2026-13-01", until: "2027-01-04"}`, "from"},
		{`freeze: {from: "tomorrow", until: "2027-01-04"}`, "from"},
		{`soak: {environment: a/b/c, for: 1h}`, "environment"},
		{`soak: {environment: staging, for: 721h}`, "for must be between 0s and 720h"},
		{`commitStatus: {}`, "context: Required"},
		{`metric: {prometheus: "http://prometheus:9090", query: up}`, "at least one of atMost and atLeast must be set"},
		{`metric: {prometheus: "http://user:pass@prometheus", query: up, atMost: 1}`, "prometheus"},
		{`http: {url: "ftp://changes.example.com"}`, "url"},
		{`http: {url: "https://user:pass@changes.example.com"}`, "url"},
	} {
		var gate map[string]any
		if err := yaml.Unmarshal([]byte(c.gate), &gate); err != nil {
			t.Fatal(err)
		}
		env := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "fairlead.dev/v1alpha1", "kind": "Environment", "metadata": map[string]any{"generateName": "x-"},
			"spec": map[string]any{
				"sources": []any{map[string]any{"repository": "config", "path": "apps/*", "ref": map[string]any{"branch": "main"}}},
				"release": map[string]any{"gates": []any{gate}},
			},
		}}
		_, err := envs.Create(t.Context(), env, metav1.CreateOptions{FieldValidation: "Strict", DryRun: []string{metav1.DryRunAll}})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: refused: %v", c.gate, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want a refusal with %q", c.gate, err, c.want)
		}
	}
}
