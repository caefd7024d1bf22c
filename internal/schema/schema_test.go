package schema_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/schema"
)

func catalog(t testing.TB, version string) *schema.Catalog {
	t.Helper()
	c, err := schema.Builtin(version)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestData reads all types of all versions.
func TestData(t *testing.T) {
	for _, version := range schema.Versions() {
		c, kinds := catalog(t, version), 0
		for _, apiVersion := range c.APIVersions("") {
			for _, kind := range c.Kinds(apiVersion) {
				k, ok := c.Find(object.ParseGVK(apiVersion, kind))
				if !ok || k.Schema.Fields["metadata"] == nil || k.Schema.Fields["kind"] == nil {
					t.Errorf("%s: %s %s: %t, %v", version, apiVersion, kind, ok, k.Schema)
				}
				kinds++
			}
		}
		if kinds < 70 {
			t.Errorf("%s: only %d kinds", version, kinds)
		}
	}
	if v := schema.Versions(); len(v) < 4 || v[len(v)-1] != schema.Latest() || !slices.IsSortedFunc(v, func(a, b string) int {
		if schema.Before(a, b) {
			return -1
		}
		return 1
	}) {
		t.Errorf("versions are %v, the latest %s", v, schema.Latest())
	}
	if _, err := schema.Builtin("1.2"); err == nil || !strings.Contains(err.Error(), schema.Latest()) {
		t.Errorf("an unknown version: %v", err)
	}
	if c := catalog(t, "v"+schema.Latest()+".7"); c.Version() != schema.Latest() {
		t.Errorf("a patch release is one of %s", c.Version())
	}
}

// TestVersions holds that fields and kinds come with their versions.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		version, apiVersion, kind string
		want                      bool
	}{
		{"1.33", "resource.k8s.io/v1", "DeviceClass", false},
		{"1.34", "resource.k8s.io/v1", "DeviceClass", true},
		{"1.33", "apps/v1", "Deployment", true},
		{"1.36", "extensions/v1beta1", "Deployment", false},
	} {
		if _, got := catalog(t, c.version).Find(object.ParseGVK(c.apiVersion, c.kind)); got != c.want {
			t.Errorf("%v: %t", c, got)
		}
	}
	env := func(version string) bool {
		k, _ := catalog(t, version).Find(object.ParseGVK("v1", "Pod"))
		source := k.Schema.Fields["spec"].Fields["containers"].Items.Fields["env"].Items.Fields["valueFrom"]
		return source.Fields["fileKeyRef"] != nil
	}
	if env("1.33") || !env("1.34") {
		t.Error("fileKeyRef came with 1.34")
	}
}

func TestLifecycle(t *testing.T) {
	for _, c := range []struct{ apiVersion, kind, removed, replacement string }{
		{"extensions/v1beta1", "Ingress", "1.22", "networking.k8s.io/v1 Ingress"},
		{"flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema", "1.26", "flowcontrol.apiserver.k8s.io/v1 FlowSchema"}, // by way of v1beta3, which is gone too
		{"policy/v1beta1", "PodSecurityPolicy", "1.25", " "},
		{"extensions/v1beta1", "PodSecurityPolicy", "1.16", " "},
		{"autoscaling/v2beta2", "HorizontalPodAutoscaler", "1.26", "autoscaling/v2 HorizontalPodAutoscaler"},
		{"apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", "1.22", "apiextensions.k8s.io/v1 CustomResourceDefinition"},
	} {
		life, ok := schema.LifecycleOf(object.ParseGVK(c.apiVersion, c.kind), schema.Latest())
		got := life.Replacement.APIVersion() + " " + life.Replacement.Kind
		if !ok || life.Removed != c.removed || got != c.replacement {
			t.Errorf("%s %s: %t, %+v", c.apiVersion, c.kind, ok, life)
		}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{{"1.9", "1.16", true}, {"1.16", "1.9", false}, {"1.16", "1.16", false}, {"", "1.1", false}, {"0.9", "1.0", true}} {
		if got := schema.Before(c.a, c.b); got != c.want {
			t.Errorf("%s is before %s: %t", c.a, c.b, got)
		}
	}
}

// definition is a CustomResourceDefinition with a schema of one's spec.
func definition(spec string) object.Object {
	objs, err := object.Parse("crd.yaml", []byte(fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
"spec":{"group":"example.com","scope":"Namespaced","names":{"kind":"Widget","plural":"widgets"},"versions":[{"name":"v1","served":true,"storage":true,
"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":%s}}}}]}}`, spec)))
	if err != nil {
		panic(err)
	}
	return objs[0]
}

// TestAgreesWithServer compares verdicts with those of the validator that API servers use, for schemas and values that nobody has written.
func TestAgreesWithServer(t *testing.T) {
	metadata := catalog(t, "").Metadata()
	refused, admitted := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := genSchema(t, 3)
		value := genValue(t, 3)
		var server spec.Schema
		// API servers put it so before they validate.
		if err := json.Unmarshal([]byte(strings.ReplaceAll(text, `"x-kubernetes-int-or-string":true`, `"anyOf":[{"type":"integer"},{"type":"string"}]`)), &server); err != nil {
			t.Fatal(err)
		}
		want := validate.NewSchemaValidator(&server, nil, "", strfmt.Default).Validate(value).Errors
		kind := schema.Custom(definition(text), metadata)[object.ParseGVK("example.com/v1", "Widget")]
		got := slices.DeleteFunc(schema.Validate(kind.Schema.Fields["spec"], value), func(p schema.Problem) bool {
			return p.Fault == schema.UnknownField || p.Fault == schema.DuplicateItem // which the server prunes, and finds elsewhere
		})
		if len(want) > 0 {
			refused++
		} else {
			admitted++
		}
		if (len(want) > 0) != (len(got) > 0) {
			t.Fatalf("schema %s\nvalue %v\nthe server: %v\nwe: %v", text, value, want, got)
		}
	})
	if refused == 0 || admitted == 0 {
		t.Errorf("nothing was compared: %d refused, %d admitted", refused, admitted)
	}
}

var words = []string{"a", "b", "c"}

func genSchema(t *rapid.T, depth int) string {
	kinds := []string{`"type":"string"`, `"type":"integer"`, `"type":"number"`, `"type":"boolean"`, `"x-kubernetes-int-or-string":true`}
	if depth > 0 {
		kinds = append(kinds, "map", "list", "values", "either")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "map":
		var fields []string
		for _, w := range words[:rapid.IntRange(1, 3).Draw(t, "fields")] {
			fields = append(fields, fmt.Sprintf("%q:%s", w, genSchema(t, depth-1)))
		}
		required := ""
		if rapid.Bool().Draw(t, "required") {
			required = `,"required":["a"]`
		}
		return fmt.Sprintf(`{"type":"object","properties":{%s}%s}`, strings.Join(fields, ","), required)
	case "list":
		return fmt.Sprintf(`{"type":"array","items":%s,"minItems":%d,"maxItems":%d}`, genSchema(t, depth-1), rapid.IntRange(0, 2).Draw(t, "least"), rapid.IntRange(1, 3).Draw(t, "most"))
	case "values":
		return fmt.Sprintf(`{"type":"object","additionalProperties":%s,"maxProperties":%d}`, genSchema(t, depth-1), rapid.IntRange(0, 3).Draw(t, "most"))
	case "either":
		word := rapid.SampledFrom([]string{"oneOf", "anyOf", "allOf"}).Draw(t, "word")
		return fmt.Sprintf(`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},%q:[{"required":["a"]},{"required":["b"],"properties":{"b":{"minLength":1}}}],"not":{"required":["c"]}}`, word)
	case `"type":"string"`:
		more := rapid.SampledFrom([]string{"", `,"enum":["a","b"]`, `,"minLength":2`, `,"maxLength":1`, `,"pattern":"^a"`}).Draw(t, "more")
		return "{" + kind + more + "}"
	case `"type":"integer"`, `"type":"number"`:
		more := rapid.SampledFrom([]string{"", `,"minimum":1`, `,"maximum":2`, `,"minimum":1,"exclusiveMinimum":true`, `,"multipleOf":2`, `,"enum":[1,3]`}).Draw(t, "more")
		return "{" + kind + more + "}"
	default:
		return "{" + kind + "}"
	}
}

func genValue(t *rapid.T, depth int) any {
	kinds := []string{"string", "int", "float", "bool"}
	if depth > 0 {
		kinds = append(kinds, "map", "map", "list")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "value") {
	case "string":
		return rapid.SampledFrom([]string{"", "a", "b", "abc", "é"}).Draw(t, "text")
	case "int":
		return int64(rapid.IntRange(0, 4).Draw(t, "int"))
	case "float":
		return rapid.SampledFrom([]float64{0.5, 1.5}).Draw(t, "float")
	case "bool":
		return rapid.Bool().Draw(t, "bool")
	case "list":
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			out = append(out, genValue(t, depth-1))
		}
		return out
	}
	out := map[string]any{}
	for _, w := range words {
		if rapid.Bool().Draw(t, "has") {
			out[w] = genValue(t, depth-1)
		}
	}
	return out
}

// FuzzValidate holds that no schema and no object make it panic, or run for ever.
func FuzzValidate(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}}}`, `{"a":[{"a":1},{"a":1}]}`)
	f.Add(`{"not":{},"oneOf":[{}],"pattern":"(","enum":[null],"multipleOf":0}`, `[]`)
	f.Fuzz(func(t *testing.T, text, value string) {
		crd, err := object.Parse("crd", []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"w"},"spec":{"group":"example.com","names":{"kind":"Widget"},"versions":[{"name":"v1","schema":{"openAPIV3Schema":`+text+`}}]}}`))
		values, valueErr := object.Values("value", []byte(value))
		if err != nil || valueErr != nil || len(crd) != 1 || len(values) == 0 {
			return
		}
		c, err := schema.Builtin("")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range schema.Custom(crd[0], c.Metadata()) {
			for _, p := range schema.Validate(k.Schema, values[0]) {
				if p.Message == "" || p.Fault == "" {
					t.Errorf("an empty problem: %v", p)
				}
			}
		}
	})
}
