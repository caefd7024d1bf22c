package diff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Bounds of what is told of CustomResourceDefinitions.
const (
	mostTold   = 5
	mostNested = 50
)

var definition = object.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// Definitions tells what the CustomResourceDefinitions among some objects lose on the way to others, one text for each definition, in the order of their names:
// versions, fields, the definition itself. Of one that only gains something nothing is told.
func Definitions(from, to []object.Object) []string {
	is := map[object.Key]object.Object{}
	for _, o := range to {
		is[o.Key()] = o
	}
	var out []string
	for _, was := range from {
		if was.Key().GroupKind() != definition {
			continue
		}
		now, there := is[was.Key()]
		if !there {
			out = append(out, was.Key().String()+" is not wanted any more")
			continue
		}
		if lost := losses(was, now); len(lost) > 0 {
			if more := len(lost) - mostTold; more > 0 {
				lost = append(lost[:mostTold:mostTold], fmt.Sprintf("and %d more", more))
			}
			out = append(out, was.Key().String()+": "+strings.Join(lost, ", "))
		}
	}
	slices.Sort(out)
	return out
}

// losses are what one definition loses.
func losses(was, now object.Object) []string {
	var out []string
	before, after := versions(was), versions(now)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		v, there := after[name]
		switch {
		case !there:
			out = append(out, "version "+name+" goes")
			continue
		case flag(before[name], "served") && !flag(v, "served"):
			out = append(out, "version "+name+" is not served any more")
		}
		if flag(before[name], "storage") && !flag(v, "storage") {
			out = append(out, "objects are not stored as "+name+" any more")
		}
		for _, f := range gone(schemaOf(before[name]), schemaOf(v), "", 0) {
			out = append(out, name+" loses "+f)
		}
	}
	return out
}

func versions(o object.Object) map[string]map[string]any {
	out := map[string]map[string]any{}
	list, _ := o.At("spec", "versions").([]any)
	for _, x := range list {
		v, _ := x.(map[string]any)
		if name, _ := v["name"].(string); name != "" {
			out[name] = v
		}
	}
	return out
}

func flag(v map[string]any, name string) bool {
	is, _ := v[name].(bool)
	return is
}

func schemaOf(v map[string]any) map[string]any {
	s, _ := v["schema"].(map[string]any)
	root, _ := s["openAPIV3Schema"].(map[string]any)
	return root
}

// gone are the fields that a schema has and another one has not, the outermost of them.
func gone(was, now map[string]any, at string, depth int) []string {
	if depth > mostNested || now["x-kubernetes-preserve-unknown-fields"] == true {
		return nil
	}
	var out []string
	before, _ := was["properties"].(map[string]any)
	after, _ := now["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		path := strings.TrimPrefix(at+"."+name, ".")
		x, there := after[name].(map[string]any)
		if !there {
			out = append(out, path)
			continue
		}
		y, _ := before[name].(map[string]any)
		out = append(out, gone(y, x, path, depth+1)...)
	}
	items, _ := was["items"].(map[string]any)
	if inner, _ := now["items"].(map[string]any); items != nil && inner != nil {
		out = append(out, gone(items, inner, at+"[]", depth+1)...)
	}
	return out
}
