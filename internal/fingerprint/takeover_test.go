package fingerprint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

const was = `apiVersion: apps/v1
kind: Deployment
metadata: {name: old, namespace: default, annotations: {note: gone}}
spec:
  replicas: 3
  revisionHistoryLimit: 4
  selector: {matchLabels: {app: old}}
  template:
    metadata: {labels: {app: old}}
    spec: {containers: [{name: old, image: "old:1"}]}
`

// A real API server accepts what a take-over writes; then an apply removes what is no longer in Git, and nothing of what people did as an action.
func TestTakeoverOnAServer(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	file := filepath.Join(t.TempDir(), "object.yaml")
	kubectl := func(content string, args ...string) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := plane.Kubectl(t.Context(), "default", args...)
		if err != nil {
			t.Fatalf("kubectl %v: %v\n%s", args, err, out)
		}
		return out
	}
	live := func() object.Object {
		t.Helper()
		objs, err := object.Parse("live.yaml", []byte(kubectl("", "get", "deployment/old", "-o", "yaml", "--show-managed-fields")))
		if err != nil {
			t.Fatal(err)
		}
		return objs[0]
	}
	kubectl(was, "apply", "-f", file)
	kubectl("", "rollout", "restart", "deployment/old")
	restarted := live().Text("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")

	take := func(m string) bool { return fingerprint.Earlier(m) || (app.Policy{}).IsInteractive(m) }
	fields, ok := fingerprint.Takeover(live(), app.Manager, "apps/v1", take, nil)
	if !ok {
		t.Fatal("nothing to take over")
	}
	kubectl(string(live().With(fields, "metadata", "managedFields").YAML()), "replace", "-f", file)
	want := strings.NewReplacer("  replicas: 3\n", "", "  revisionHistoryLimit: 4\n", "", ", annotations: {note: gone}", "").Replace(was)
	kubectl(want, "apply", "--server-side", "--field-manager="+app.Manager, "-f", file)

	o := live()
	for path, is := range map[string]any{
		"spec.revisionHistoryLimit": int64(10), // the default
		"spec.replicas":             int64(3),
		"metadata.annotations.note": nil,
		"spec.template.metadata.annotations.kubectl~kubernetes~io/restartedAt": restarted,
	} {
		keys := strings.Split(path, ".")
		for i := range keys {
			keys[i] = strings.ReplaceAll(keys[i], "~", ".")
		}
		if got := o.At(keys...); got != is || restarted == "" {
			t.Errorf("%s is %v, want %v", path, got, is)
		}
	}
	if o.Annotation("kubectl.kubernetes.io/last-applied-configuration") != "" {
		t.Error("the annotation of kubectl apply is still there")
	}
	if !fingerprint.Applied(o, app.Manager) {
		t.Error("nothing is ours")
	}
}
