package fingerprint_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/object"
)

func read(t *testing.T, text string) object.Object {
	t.Helper()
	u := unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return object.New(u.Object)
}

// applied is a Deployment whose Git says "annotations: {}", as the server answers its apply.
const applied = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {}
  managedFields:
  - {manager: fairlead, operation: Apply, fieldsType: FieldsV1, fieldsV1: {"f:metadata": {"f:annotations": {}}, "f:spec": {"f:selector": {}}}}
spec:
  selector: {matchLabels: {app: web}}
`

// What others put into a map that is applied empty is theirs, and no drift.
func TestEmptyMapIsShared(t *testing.T) {
	theirs := func(manager string) object.Object {
		return read(t, strings.Replace(applied, "annotations: {}\n", "annotations: {revision: \"2\"}\n", 1)+`
status: {}
`).With([]any{
			map[string]any{"manager": "fairlead", "operation": "Apply", "fieldsV1": map[string]any{
				"f:metadata": map[string]any{"f:annotations": map[string]any{}}, "f:spec": map[string]any{"f:selector": map[string]any{}},
			}},
			map[string]any{"manager": manager, "operation": "Update", "fieldsV1": map[string]any{
				"f:metadata": map[string]any{"f:annotations": map[string]any{".": map[string]any{}, "f:revision": map[string]any{}}},
			}},
		}, "metadata", "managedFields")
	}
	before := fingerprint.Of(read(t, applied), "fairlead", nil)
	after := fingerprint.Of(theirs("kube-controller-manager"), "fairlead", nil)
	if before != after {
		t.Errorf("a controller's annotation changes the print from %v to %v", before, after)
	}
	person := func(manager string) bool { return strings.HasPrefix(manager, "kubectl") }
	if fingerprint.Added(theirs("kube-controller-manager"), "fairlead", person, nil) {
		t.Error("a controller's annotation counts as a person's addition")
	}
	if !fingerprint.Added(theirs("kubectl-edit"), "fairlead", person, nil) {
		t.Error("a person's annotation does not count as an addition")
	}
}

// A map that is owned as a whole is compared with all that is in it.
func TestWholeMapCounts(t *testing.T) {
	before := fingerprint.Of(read(t, applied), "fairlead", nil)
	after := fingerprint.Of(read(t, strings.Replace(applied, "{app: web}", "{app: shop}", 1)), "fairlead", nil)
	if before == after {
		t.Error("a changed selector does not change the print")
	}
}
