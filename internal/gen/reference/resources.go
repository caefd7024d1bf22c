package main

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// order is the order in which people meet the kinds; others follow by name.
var order = []string{"Repository", "Environment", "App", "Approval", "Override", "Notifier"}

// resourcesPage describes every field of the definitions in files.
func resourcesPage(files fs.FS) (string, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return "", err
	}
	kinds := map[string]apiextensions.CustomResourceDefinition{}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err
		}
		var crd apiextensions.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(data, &crd); err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}
		kinds[crd.Spec.Names.Kind] = crd
	}
	var b strings.Builder
	b.WriteString("# Custom resources\n\n" + notice)
	b.WriteString("Users write Repository and Environment, Approval and Override where releases wait for people, and Notifier for who is to be told; Fairlead writes App. A field in **bold** must be set. `[]` stands for each element of a list.\n")
	for _, kind := range ranked(kinds) {
		for _, v := range kinds[kind].Spec.Versions {
			writeKind(&b, kinds[kind], v)
		}
	}
	return b.String(), nil
}

func ranked(kinds map[string]apiextensions.CustomResourceDefinition) []string {
	rank := func(kind string) int {
		if i := slices.Index(order, kind); i >= 0 {
			return i
		}
		return len(order)
	}
	names := slices.Sorted(maps.Keys(kinds))
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}

func writeKind(b *strings.Builder, crd apiextensions.CustomResourceDefinition, v apiextensions.CustomResourceDefinitionVersion) {
	n := crd.Spec.Names
	schema := v.Schema.OpenAPIV3Schema
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", n.Kind, prose(schema.Description))
	fmt.Fprintf(b, "`apiVersion: %s/%s`", crd.Spec.Group, v.Name)
	fmt.Fprintf(b, ", `kubectl get %s`", strings.Join(append([]string{n.Plural}, n.ShortNames...), "` or `kubectl get "))
	b.WriteString(".\n")
	for _, r := range schema.XValidations {
		fmt.Fprintf(b, "\nRule: %s.\n", prose(r.Message))
	}
	for _, part := range []string{"spec", "status"} {
		top, ok := schema.Properties[part]
		if !ok {
			continue
		}
		fmt.Fprintf(b, "\n### %s %s\n\n", n.Kind, part)
		if top.Description != "" {
			b.WriteString(prose(top.Description) + "\n\n")
		}
		b.WriteString("| Field | Type | Default | Description |\n|---|---|---|---|\n")
		writeFields(b, top, part)
	}
}

// writeFields writes a row for each field below a schema, depth first.
func writeFields(b *strings.Builder, s apiextensions.JSONSchemaProps, path string) {
	for _, name := range fieldNames(s) {
		p := s.Properties[name]
		at := path + "." + name
		field := "`" + at + "`"
		if slices.Contains(s.Required, name) {
			field = "**" + field + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", field, typeOf(p), defaultOf(p), describe(p))
		switch {
		case name == "conditions": // as everywhere in Kubernetes
		case p.Items != nil && p.Items.Schema != nil:
			writeFields(b, *p.Items.Schema, at+"[]")
		default:
			writeFields(b, p, at)
		}
	}
}

// fieldNames puts what must be set first.
func fieldNames(s apiextensions.JSONSchemaProps) []string {
	names := slices.Sorted(maps.Keys(s.Properties))
	slices.SortStableFunc(names, func(a, b string) int {
		return optional(s, a) - optional(s, b)
	})
	return names
}

func optional(s apiextensions.JSONSchemaProps, name string) int {
	if slices.Contains(s.Required, name) {
		return 0
	}
	return 1
}

func typeOf(p apiextensions.JSONSchemaProps) string {
	switch {
	case p.Items != nil && p.Items.Schema != nil:
		return "list of " + typeOf(*p.Items.Schema)
	case p.AdditionalProperties != nil && p.AdditionalProperties.Schema != nil:
		return "map of " + typeOf(*p.AdditionalProperties.Schema)
	case p.Format == "date-time":
		return "time"
	case len(p.Enum) > 0:
		words := make([]string, len(p.Enum))
		for i, e := range p.Enum {
			words[i] = "`" + strings.Trim(string(e.Raw), `"`) + "`"
		}
		return strings.Join(words, " or ")
	}
	return p.Type
}

func defaultOf(p apiextensions.JSONSchemaProps) string {
	if p.Default == nil || string(p.Default.Raw) == "{}" {
		return ""
	}
	return "`" + strings.Trim(string(p.Default.Raw), `"`) + "`"
}

// describe is the description and what the API server holds values to.
func describe(p apiextensions.JSONSchemaProps) string {
	parts := []string{prose(p.Description)}
	if p.Minimum != nil && p.Maximum != nil {
		parts = append(parts, fmt.Sprintf("From %v to %v.", *p.Minimum, *p.Maximum))
	} else if p.Minimum != nil {
		parts = append(parts, fmt.Sprintf("At least %v.", *p.Minimum))
	}
	if p.MaxItems != nil {
		parts = append(parts, fmt.Sprintf("At most %d.", *p.MaxItems))
	}
	for _, r := range p.XValidations {
		parts = append(parts, "Rule: "+prose(r.Message)+".")
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// prose makes one line of Markdown of a description: what Markdown would take for its own is escaped, but not within backticks.
func prose(s string) string {
	parts := strings.Split(strings.Join(strings.Fields(s), " "), "`")
	escape := strings.NewReplacer("*", `\*`, "<", "&lt;", ">", "&gt;", "|", `\|`)
	for i := range parts {
		if i%2 == 0 {
			parts[i] = escape.Replace(parts[i])
		} else {
			parts[i] = strings.ReplaceAll(parts[i], "|", `\|`)
		}
	}
	return strings.Join(parts, "`")
}
