package cluster

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/internal/object"
)

func ofKind(kind string) object.Object {
	return object.New(map[string]any{"kind": kind})
}

// TestVeiledRefusal: where a field has a value out of a Secret, the server's words are kept back, and those about all others are not.
func TestVeiledRefusal(t *testing.T) {
	const kept = ": is not valid (the API server's words are not shown, since they may repeat a Secret's value)"
	web := ofKind("Deployment").WithVeiled([]string{"metadata.annotations[example.com/a]", "spec.template.spec.containers[web].env[KEY].value"})
	for field, hidden := range map[string]bool{
		"": true, "spec": true, "spec.template.spec.containers[0].env[3].value": true, "metadata.annotations": true,
		"spec.replicas": false, "spec.template.spec.containers[0].env[3].valueFrom": false, "spec.template.spec.containersx": false,
	} {
		st := metav1.Status{Message: "Invalid value: x", Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: field, Message: "Invalid value: x"}}}}
		if got := refusal(st, web).Message; strings.Contains(got, "Invalid value") == hidden || strings.Contains(got, kept[2:]) != hidden {
			t.Errorf("%s: %s", field, got)
		}
	}
}

// TestRefusal: the messages are a real API server's, of Kubernetes 1.36.
func TestRefusal(t *testing.T) {
	const failed = "failed to create typed patch object (shop/a; apps/v1, Kind=Deployment): "
	for _, c := range []struct{ message, want string }{
		{failed + `.data.x: expected string, got &value.valueUnstructured{Value:80}`, "data.x: expected a string, got 80: write it in quotes"},
		{failed + `.data.x: expected string, got &value.valueUnstructured{Value:true}`, "data.x: expected a string, got true (YAML reads y, yes and on as true): write it in quotes"},
		{failed + `.data.x: expected string, got &value.valueUnstructured{Value:false}`, "data.x: expected a string, got false (YAML reads n, no and off as false): write it in quotes"},
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
		if got := refusal(metav1.Status{Message: c.message}, object.Object{}).Message; got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.message, got, c.want)
		}
	}
}

// TestImmutable: what cannot be changed is said in one clause, without the object that the server repeats.
func TestImmutable(t *testing.T) {
	const pod = "{\"labels\":{\"a: b\":\"}: x\"},\"spec\":{\"containers\":[{\"image\":\"x:2\"}]}}"
	cause := func(field, message string) metav1.StatusCause {
		return metav1.StatusCause{Field: field, Message: message}
	}
	for _, c := range []struct {
		cause, second metav1.StatusCause
		secret        bool
		want          string
	}{
		{cause: cause("spec.template", "Invalid value: "+pod+": field is immutable"), want: "spec.template is immutable"},
		{cause: cause("spec.selector", `Invalid value: {"matchLabels":{"a":"c"}}: field is immutable`), want: "spec.selector is immutable"},
		{cause: cause("data", "Forbidden: field is immutable when `immutable` is set"), want: "data is immutable when `immutable` is set"},
		{cause: cause("data", "Forbidden: field is immutable when `immutable` is set"), secret: true, want: "data is immutable when `immutable` is set"},
		{cause: cause("type", `Invalid value: "field is immutable: x": field is immutable`), secret: true, want: "type is immutable"},
		{
			cause: cause("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template' and 'minReadySeconds' are forbidden"),
			want:  "spec is immutable but for replicas, ordinals, template and minReadySeconds",
		},
		{
			cause: cause("spec", "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.tolerations` (only additions to existing tolerations)\n  core.PodSpec{\n"),
			want:  "spec is immutable but for spec.containers[*].image, spec.tolerations (only additions to existing tolerations)",
		},
		{
			cause: cause("spec", "Forbidden: spec is immutable after creation except resources.requests for bound claims\n  core.PersistentVolumeClaimSpec{\n"),
			want:  "spec is immutable but for resources.requests for bound claims",
		},
		{cause: cause("roleRef", `Invalid value: {"kind":"Role","name":"b"}: cannot change roleRef`), want: "roleRef is immutable (cannot change roleRef)"},
		{cause: cause("spec.clusterIPs[0]", `Invalid value: ["10.0.0.9"]: may not change once set`), want: "spec.clusterIPs[0] is immutable (may not change once set)"},
		{cause: cause("spec.kind", `Invalid value: "string": spec.kind is immutable`), want: "spec.kind is immutable"},
		{
			cause:  cause("spec.template.metadata.labels", `Invalid value: {"a":"c"}: `+"`selector` does not match template `labels`"),
			second: cause("spec.selector", `Invalid value: {"matchLabels":{"a":"c"}}: field is immutable`),
			want:   "spec.selector is immutable (and 1 more)",
		},
	} {
		st := metav1.Status{Message: "x: " + c.cause.Message, Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{c.cause}}}
		if c.second != (metav1.StatusCause{}) {
			st.Message += ", " + c.second.Message
			st.Details.Causes = append(st.Details.Causes, c.second)
		}
		want := object.Object{}
		if c.secret {
			want = ofKind("Secret")
		}
		if got := refusal(st, want); got.Message != c.want || !got.Immutable {
			t.Errorf("%s\ngot  %v\nwant %s", st.Message, got, c.want)
		}
	}
	large := metav1.Status{Message: "x", Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{cause("[]", "Too long: may not be more than 1048576 bytes")}}}
	if got := refusal(large, object.Object{}); got.Message != "larger than the API server's limit of 1 MiB" || got.Field != "" {
		t.Errorf("got %+v", got)
	}
	plain := metav1.Status{Message: "x", Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{cause("spec.replicas", "Invalid value: -1: must be at least 0")}}}
	if got, want := refusal(plain, object.Object{}).Message, "spec.replicas: Invalid value: -1: must be at least 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
