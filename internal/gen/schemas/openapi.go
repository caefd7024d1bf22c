package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// document is one OpenAPI document, as far as it is read.
type document struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct{ Schemas map[string]*node }
}

// operation is what can be done at a path.
type operation struct {
	Action string `json:"x-kubernetes-action"`
	GVK    gvk    `json:"x-kubernetes-group-version-kind"`
}

type gvk struct{ Group, Version, Kind string }

// node is one schema.
type node struct {
	Ref        string `json:"$ref"`
	AllOf      []*node
	OneOf      []*node
	Type       string
	Format     string
	Properties map[string]*node
	Required   []string
	Items      *node
	Additional *node    `json:"additionalProperties"`
	Keys       []string `json:"x-kubernetes-list-map-keys"`
	ListType   string   `json:"x-kubernetes-list-type"`
	GVKs       []gvk    `json:"x-kubernetes-group-version-kind"`
	Preserve   bool     `json:"x-kubernetes-preserve-unknown-fields"`
}

// lenient are fields that the documents call required and API servers do not.
var lenient = map[string][]string{
	"apps.v1.StatefulSetSpec":         {"serviceName"},
	"networking.v1.NetworkPolicySpec": {"podSelector"},
	"rbac.v1.RoleRef":                 {"apiGroup"},
	"scheduling.v1.PriorityClass":     {"value"},
}

// archive gathers the schemas of all versions. A line that several versions have is written once.
type archive struct {
	kinds map[string]uint            // "kind apps/v1 Deployment namespaced apps.v1.Deployment" → the versions that have it
	types map[string]map[string]uint // a type → its lines → the versions that have them
}

func newArchive() *archive {
	return &archive{kinds: map[string]uint{}, types: map[string]map[string]uint{}}
}

// release is one version while it is read.
type release struct {
	*archive
	bit     uint
	schemas map[string]*node
	enums   map[string]map[string][]string // a type → a field → its values
}

func (a *archive) add(index int, version string) error {
	dir, err := module("k8s.io/kubernetes@" + version)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "api/openapi-spec/v3/*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no OpenAPI documents: %w", err)
	}
	r := &release{archive: a, bit: 1 << index, schemas: map[string]*node{}}
	if r.enums, err = readEnums("k8s.io/api@" + strings.Replace(version, "v1.", "v0.", 1)); err != nil {
		return err
	}
	scopes := map[gvk]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var d document
		if err := json.Unmarshal(data, &d); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		for name, s := range d.Components.Schemas {
			r.schemas[name] = s
		}
		d.scopes(scopes)
	}
	return r.writeKinds(scopes)
}

// scopes finds the kinds that can be created or replaced, and whether they live in a namespace.
func (d *document) scopes(out map[gvk]bool) {
	for path, verbs := range d.Paths {
		if strings.Contains(path, "{name}/") || strings.Contains(path, "/watch/") {
			continue
		}
		for _, raw := range verbs {
			var op operation
			if json.Unmarshal(raw, &op) != nil { // what is no operation, such as the parameters of a path
				continue
			}
			if op.GVK.Kind != "" && (op.Action == "post" || op.Action == "put") {
				out[op.GVK] = out[op.GVK] || strings.Contains(path, "/namespaces/{namespace}/")
			}
		}
	}
}

func (r *release) writeKinds(scopes map[gvk]bool) error {
	for name, s := range r.schemas {
		for _, id := range s.GVKs {
			namespaced, ok := scopes[id]
			if !ok || len(s.GVKs) != 1 {
				continue
			}
			scope := "cluster"
			if namespaced {
				scope = "namespaced"
			}
			version := strings.TrimPrefix(id.Group+"/"+id.Version, "/")
			r.kinds[fmt.Sprintf("kind %s %s %s %s", version, id.Kind, scope, short(name))] |= r.bit
			if err := r.writeType(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// short is the name of a type without what most of them begin with.
func short(name string) string {
	for long, abbreviated := range map[string]string{
		"io.k8s.api.": "", "io.k8s.apimachinery.pkg.apis.": "", "io.k8s.apiextensions-apiserver.pkg.apis.": "", "io.k8s.kube-aggregator.pkg.apis.": "",
	} {
		if rest, ok := strings.CutPrefix(name, long); ok {
			return abbreviated + rest
		}
	}
	return name
}

func (r *release) writeType(name string) error {
	s, ok := r.schemas[name]
	if !ok {
		return fmt.Errorf("no schema %s", name)
	}
	lines := r.types[short(name)]
	if lines == nil {
		lines = map[string]uint{}
		r.types[short(name)] = lines
	}
	const self = "="
	if lines[self]&r.bit != 0 {
		return nil
	}
	lines[self] |= r.bit
	for field, p := range s.Properties {
		if len(s.GVKs) > 0 && field == "status" {
			lines["  status any"] |= r.bit // no manifest says it: API servers drop it
			continue
		}
		text, err := r.expression(p)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, field, err)
		}
		if values := r.enums[name][field]; len(values) > 0 {
			text = strings.Replace(text, "string", "string("+strings.Join(values, ",")+")", 1)
		}
		if slices.Contains(s.Required, field) && !slices.Contains(lenient[short(name)], field) {
			field += "*"
		}
		lines["  "+field+" "+text] |= r.bit
	}
	return nil
}

// expression writes a schema: string, int32, [T], {T}, @type and the like; see package schema.
func (r *release) expression(s *node) (string, error) {
	switch {
	case len(s.AllOf) == 1 && s.Type == "":
		return r.expression(s.AllOf[0])
	case s.Ref != "":
		return r.reference(strings.TrimPrefix(s.Ref, "#/components/schemas/"))
	case s.Format == "int-or-string":
		return "intstr", nil
	case s.Type == "array":
		item, err := r.expression(s.Items)
		if s.ListType == "map" && len(s.Keys) > 0 {
			item += "|" + strings.Join(s.Keys, ",")
		}
		return "[" + item + "]", err
	case s.Type == "object" && s.Additional != nil:
		item, err := r.expression(s.Additional)
		return "{" + item + "}", err
	case s.Type == "object" && len(s.Properties) > 0:
		return "", fmt.Errorf("fields without a type of their own")
	case s.Type == "object" || s.Type == "" && len(s.OneOf) == 0:
		return "any", nil
	case s.Type == "integer":
		return "int" + strings.TrimPrefix(s.Format, "int"), nil
	case s.Type == "number":
		return "number", nil
	case s.Type == "boolean":
		return "bool", nil
	case s.Type == "string" && s.Format == "byte":
		return "bytes", nil
	case s.Type == "string" && s.Format == "date-time":
		return "time", nil
	case s.Type == "string":
		return "string", nil
	}
	return "", fmt.Errorf("an unknown form of schema: type %q, format %q", s.Type, s.Format)
}

func (r *release) reference(name string) (string, error) {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "Quantity":
		return "quantity", nil
	case "IntOrString":
		return "intstr", nil
	case "FieldsV1", "RawExtension", "JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray":
		return "any", nil
	}
	s, ok := r.schemas[name]
	if !ok {
		return "", fmt.Errorf("no schema %s", name)
	}
	if len(s.Properties) == 0 {
		return r.expression(s)
	}
	return "@" + short(name), r.writeType(name)
}

// text writes all versions as one.
func (a *archive) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "versions %s\n", strings.Join(kubernetes, " "))
	all := uint(1)<<len(kubernetes) - 1
	for _, line := range sorted(a.kinds) {
		b.WriteString(line + ranged(a.kinds[line], all) + "\n")
	}
	for _, name := range sorted(a.types) {
		lines := a.types[name]
		b.WriteString(name + "\n")
		for _, line := range sorted(lines) {
			if line != "=" {
				b.WriteString(line + ranged(lines[line], lines["="]) + "\n")
			}
		}
	}
	return b.String()
}

// ranged names the versions that have a line by their indices, unless all that could have it do.
func ranged(bits, all uint) string {
	if bits == all {
		return ""
	}
	out := " "
	for i := range kubernetes {
		if bits&(1<<i) != 0 {
			out += fmt.Sprint(i)
		}
	}
	return out
}
