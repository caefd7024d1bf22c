package cluster

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRefusal: the messages are a real API server's, of Kubernetes 1.36.
func TestRefusal(t *testing.T) {
	const failed = "failed to create typed patch object (shop/a; apps/v1, Kind=Deployment): "
	for _, c := range []struct{ message, want string }{
		{failed + `.data.x: expected string, got &value.valueUnstructured{Value:80}`, "data.x: expected a string, got 80: write it in quotes"},
		{failed + `.data.x: expected string, got &value.valueUnstructured{Value:true}`, "data.x: expected a string, got true: write it in quotes"},
		{failed + `.data.x: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":1}}`, "data.x: expected a string, got a map"},
		{failed + `.data.x: expected string, got &value.valueUnstructured{Value:[]interface {}{1, "a"}}`, "data.x: expected a string, got a list"},
		{failed + `.data: expected map, got &{[a b]}`, "data: expected a map, got a list"},
		{failed + `.data: expected map, got &{hello}`, "data: expected a map, got hello"},
		{failed + `.spec.ports: expected list, got &{map[a:b]}`, "spec.ports: expected a list, got a map"},
		{failed + `.spec.publishNotReadyAddresses: expected boolean, got &{yes}`, "spec.publishNotReadyAddresses: expected a boolean, got yes"},
		{failed + `.spec.replicas: expected numeric (int or float), got string`, "spec.replicas: expected a number, got a string"},
		{failed + `.spec.replica: field not declared in schema`, "spec.replica: unknown field"},
		{
			failed + `.spec.template.spec.containers[name="a"].env[name="X"].value: expected string, got &value.valueUnstructured{Value:1}`,
			`spec.template.spec.containers[name="a"].env[name="X"].value: expected a string, got 1: write it in quotes`,
		},
		{`strict decoding error: unknown field "spec.foo"`, "spec.foo: unknown field"},
	} {
		if got := refusal(metav1.Status{Message: c.message}, false).Message; got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.message, got, c.want)
		}
	}
}
