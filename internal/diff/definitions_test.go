package diff_test

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// TestDefinitions holds what is told of definitions that lose something.
func TestDefinitions(t *testing.T) {
	crd := func(versions string) string {
		return "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\nspec: {versions: [" + versions + "]}\n"
	}
	version := func(name, flags, properties string) string {
		return "{name: " + name + ", " + flags + ", schema: {openAPIV3Schema: {type: object, properties: {" + properties + "}}}}"
	}
	both := "served: true, storage: true"
	size := "spec: {type: object, properties: {size: {type: integer}}}"
	for _, c := range []struct{ name, from, to, want string }{
		{"the same", crd(version("v1", both, size)), crd(version("v1", both, size)), ""},
		{"gains", crd(version("v1", both, "")), crd(version("v1", both, size)), ""},
		{"a field", crd(version("v1", both, size+", more: {type: string}")), crd(version("v1", both, "spec: {type: object}")), "v1 loses more, v1 loses spec.size"},
		{"a field of a list", crd(version("v1", both, "a: {type: array, items: {type: object, properties: {b: {type: string}}}}")), crd(version("v1", both, "a: {type: array, items: {type: object}}")), "v1 loses a[].b"},
		{"whatever comes is kept", crd(version("v1", both, size)), crd(version("v1", both, "spec: {type: object, x-kubernetes-preserve-unknown-fields: true}")), ""},
		{"a version", crd(version("v1", "served: true, storage: false", size) + "," + version("v2", both, size)), crd(version("v1", both, size)), "version v2 goes"},
		{"the stored version", crd(version("v1", "served: true, storage: false", size) + "," + version("v2", both, size)), crd(version("v1", both, size) + "," + version("v2", "served: false, storage: false", size)), "version v2 is not served any more, objects are not stored as v2 any more"},
		{"all of it", crd(version("v1", both, size)), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "is not wanted any more"},
		{"another kind", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", crd(version("v1", both, size)), ""},
		{"nonsense", crd("{name: v1, schema: 5}, 7"), crd("{name: v1}"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			parse := func(text string) []object.Object {
				objs, err := object.Parse("crd.yaml", []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				return objs
			}
			got := strings.Join(diff.Definitions(parse(c.from), parse(c.to)), "\n")
			if want := strings.TrimSpace(c.want); (want == "") != (got == "") || !strings.Contains(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
