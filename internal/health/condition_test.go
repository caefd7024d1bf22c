package health_test

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

func TestCondition(t *testing.T) {
	web := object.New(map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"}, "spec": map[string]any{"replicas": int64(3)}})
	api := web.With("api", "metadata", "name").With(int64(1), "spec", "replicas")
	secret := object.New(map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"key": "aHVudGVyMg=="}})
	for _, c := range []struct {
		text string
		objs []object.Object
		want string
	}{
		{"object.spec.replicas == 3", []object.Object{web, api}, "true"},
		{"objects.all(o, o.spec.replicas >= 2)", []object.Object{web, api}, "false"},
		{"objects.exists(o, o.metadata.name == 'api') && size(objects) == 2", []object.Object{web, api}, "true"},
		{"object.status.readyReplicas == 3", []object.Object{web}, "false"},
		{"size(objects) == 0", nil, "true"},
		{"object.spec.replicas == 3", nil, "false"},
		{"object.spec.replicas + 'x' != object.kind", []object.Object{web}, "error: no such overload"},
		{"object.data.key + 1 > 0", []object.Object{secret}, "error: cannot be evaluated"},
		{"object.spec.replicas", []object.Object{web}, "error: is a int, neither true nor false"},
	} {
		cond, err := health.CompileCondition(c.text)
		if err != nil {
			t.Fatal(err)
		}
		got := "false"
		switch yes, err := cond.Holds(c.objs); {
		case err != nil:
			got = "error: " + err.Error()
		case yes:
			got = "true"
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
	for _, text := range []string{" ", "objects.matches('a')", "thing == 1", strings.Repeat("(", 60)} {
		if _, err := health.CompileCondition(text); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
	if yes, err := (health.Condition{}).Holds(nil); yes || err != nil {
		t.Error("the zero Condition holds")
	}
}
