package schema

import (
	"maps"
	"regexp"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// IsDefinition reports whether an object is a CustomResourceDefinition.
func IsDefinition(o object.Object) bool {
	return o.Key().GroupKind() == object.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
}

// Custom returns the versions of the kind that a CustomResourceDefinition defines and serves. Metadata is the schema of the metadata of every object. What is
// wrong with the definition is not said: what cannot be understood admits everything.
func Custom(crd object.Object, metadata *Schema) map[object.GVK]Kind {
	out := map[object.GVK]Kind{}
	spec, _ := crd.At("spec").(map[string]any)
	names, _ := spec["names"].(map[string]any)
	group, _ := spec["group"].(string)
	kind, _ := names["kind"].(string)
	namespaced := spec["scope"] != "Cluster"
	versions, _ := spec["versions"].([]any)
	for _, v := range versions {
		version, _ := v.(map[string]any)
		name, _ := version["name"].(string)
		if kind == "" || name == "" || version["served"] == false {
			continue
		}
		structural, _ := version["schema"].(map[string]any)
		root, ok := structural["openAPIV3Schema"].(map[string]any)
		s := &Schema{}
		if ok {
			s = structure(root, 0)
			complete(s, metadata)
		}
		out[object.GVK{Group: group, Version: name, Kind: kind}] = Kind{Schema: s, Namespaced: namespaced}
	}
	return out
}

// complete gives the root of a custom kind the fields that every object has. Its status is none of a manifest's business.
func complete(s *Schema, metadata *Schema) {
	fields := maps.Clone(s.Fields)
	if fields == nil {
		fields = map[string]*Schema{}
	}
	fields["apiVersion"], fields["kind"], fields["metadata"] = simple["string"], simple["string"], metadata
	fields["status"] = simple["any"]
	s.Type, s.Fields = Map, fields
	s.Required = slices.DeleteFunc(slices.Clone(s.Required), func(name string) bool { return name == "status" || name == "metadata" })
}

// structure reads a structural schema. What it does not know is left out.
func structure(m map[string]any, depth int) *Schema {
	s := &Schema{}
	if depth > maxDepth {
		return s
	}
	s.typed(m)
	s.Format, _ = m["format"].(string)
	s.Nullable, _ = m["nullable"].(bool)
	s.Open = m["x-kubernetes-preserve-unknown-fields"] == true
	s.Embedded = m["x-kubernetes-embedded-resource"] == true
	s.Enum, _ = m["enum"].([]any)
	if pattern, ok := m["pattern"].(string); ok {
		s.Pattern, _ = regexp.Compile(pattern) // one that Go does not know is none: API servers refuse the definition
	}
	s.Required = texts(m["required"])
	inner := func(v any) *Schema {
		if child, ok := v.(map[string]any); ok {
			return structure(child, depth+1)
		}
		return nil
	}
	if fields, ok := m["properties"].(map[string]any); ok {
		s.Fields = make(map[string]*Schema, len(fields))
		for name, f := range fields {
			s.Fields[name] = inner(f)
		}
	}
	switch values := m["additionalProperties"].(type) {
	case bool:
		s.Open = s.Open || values
	case map[string]any:
		s.Values = structure(values, depth+1)
	}
	if s.Items = inner(m["items"]); m["x-kubernetes-list-type"] == "map" {
		s.keys(m)
	}
	s.Set = m["x-kubernetes-list-type"] == "set"
	each := func(name string) (out []*Schema) {
		list, _ := m[name].([]any)
		for _, v := range list {
			if child := inner(v); child != nil {
				out = append(out, child)
			}
		}
		return out
	}
	s.AllOf, s.AnyOf, s.OneOf, s.Not = each("allOf"), each("anyOf"), each("oneOf"), inner(m["not"])
	s.Bounds = bounds(m)
	return s
}

// keys are those of a list whose items are told apart by them. One that has a default may be left out by two items that differ, so it is not compared.
func (s *Schema) keys(m map[string]any) {
	s.Keys = texts(m["x-kubernetes-list-map-keys"])
	items, _ := m["items"].(map[string]any)
	fields, _ := items["properties"].(map[string]any)
	for _, k := range s.Keys {
		if f, _ := fields[k].(map[string]any); f["default"] != nil {
			s.Keys = nil
			return
		}
	}
}

func (s *Schema) typed(m map[string]any) {
	if m["x-kubernetes-int-or-string"] == true {
		s.Type = IntOrText
		return
	}
	switch m["type"] {
	case "string":
		s.Type = Text
	case "integer":
		s.Type = Integer
	case "number":
		s.Type = Number
	case "boolean":
		s.Type = Boolean
	case "array":
		s.Type = List
	case "object":
		s.Type = Map
	}
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

func bounds(m map[string]any) *Bounds {
	number := func(name string) *float64 {
		switch n := m[name].(type) {
		case int64:
			f := float64(n)
			return &f
		case float64:
			return &n
		}
		return nil
	}
	count := func(name string) *int64 {
		if n, ok := m[name].(int64); ok {
			return &n
		}
		return nil
	}
	b := Bounds{
		Minimum: number("minimum"), Maximum: number("maximum"), MultipleOf: number("multipleOf"),
		ExclusiveMinimum: m["exclusiveMinimum"] == true, ExclusiveMaximum: m["exclusiveMaximum"] == true,
		MinLength: count("minLength"), MaxLength: count("maxLength"),
		MinItems: count("minItems"), MaxItems: count("maxItems"),
		MinProperties: count("minProperties"), MaxProperties: count("maxProperties"),
	}
	if b == (Bounds{}) {
		return nil
	}
	return &b
}
