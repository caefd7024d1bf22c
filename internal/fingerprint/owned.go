package fingerprint

import (
	"maps"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Owned is what manager applied of a live object: the values that the fields have now which it owns, beside apiVersion, kind, name and namespace. Items of lists
// come in the order of the live object. The zero Object if it applied nothing.
func Owned(live object.Object, manager string) object.Object {
	fields := ours(Entries(live), manager)
	if fields == nil {
		return object.Object{}
	}
	content, _ := only(fields, live.Content()).(map[string]any)
	out := object.New(map[string]any{}).With(live.APIVersion(), "apiVersion").With(live.Kind(), "kind")
	for _, name := range slices.Sorted(maps.Keys(content)) {
		out = out.With(content[name], name)
	}
	out = out.With(live.Name(), "metadata", "name")
	if live.Namespace() != "" {
		out = out.With(live.Namespace(), "metadata", "namespace")
	}
	return out
}

// only returns the parts of a value that a field tree names.
func only(fields map[string]any, value any) any {
	if !hasChildren(fields) {
		return value
	}
	if list, ok := value.([]any); ok {
		parts := map[int]any{}
		for key, below := range fields {
			if part, i, ok := find(key, list); ok {
				tree, _ := below.(map[string]any)
				parts[i] = only(tree, part)
			}
		}
		out := []any{}
		for _, i := range slices.Sorted(maps.Keys(parts)) {
			out = append(out, parts[i])
		}
		return out
	}
	out := map[string]any{}
	for key, below := range fields {
		if part, _, ok := find(key, value); ok {
			tree, _ := below.(map[string]any)
			out[key[len("f:"):]] = only(tree, part)
		}
	}
	return out
}
