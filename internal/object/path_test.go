package object_test

import (
	"testing"

	"github.com/fairlead-cd/fairlead/internal/object"
)

func TestPath(t *testing.T) {
	objs, err := object.Parse("a.yaml", []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app.kubernetes.io/name: x}}\nspec:\n  containers:\n  - {name: web, args: [a, b]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	pod, containers := objs[0], object.PathOf("spec", "containers")
	for _, c := range []struct {
		path object.Path
		want string
		ok   bool
	}{
		{nil, "", true},
		{containers.Item(0).Field("args").Item(1), "spec.containers[web].args[1]", true},
		{containers.Item(1).Field("args"), "spec.containers[1].args", false},
		{object.PathOf("metadata", "labels", "app.kubernetes.io/name"), "metadata.labels[app.kubernetes.io/name]", true},
		{object.PathOf("spec", "containers", "name"), "spec.containers.name", false},
	} {
		_, ok := pod.Follow(c.path)
		if got := pod.Show(c.path); got != c.want || ok != c.ok {
			t.Errorf("%v: shown as %s, there: %t; want %s, %t", c.path, got, ok, c.want, c.ok)
		}
	}
	a, b := containers.Item(0), containers.Item(1)
	if a.Last().Index != 0 || b.Last().Index != 1 || len(a.Parent()) != 2 || len(object.Path(nil).Parent()) != 0 {
		t.Error("paths of one parent share their last step")
	}
}
