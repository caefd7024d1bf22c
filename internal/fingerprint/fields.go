package fingerprint

import (
	"encoding/json"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Entry is one element of metadata.managedFields: who wrote which fields last, and when.
// Format: https://kubernetes.io/docs/reference/using-api/server-side-apply (FieldsV1 is a tree of "f:name", "k:{key}", "v:value", "i:index" and ".").
type Entry struct {
	Manager, Operation, Subresource, APIVersion, Time string
	fields                                            map[string]any
}

// Entries reads the managedFields of a live object. Entries that are not of the type FieldsV1 are left out.
func Entries(live object.Object) []Entry {
	list, _ := live.At("metadata", "managedFields").([]any)
	entries := make([]Entry, 0, len(list))
	for _, e := range list {
		m, _ := e.(map[string]any)
		fields, ok := m["fieldsV1"].(map[string]any)
		if !ok {
			continue
		}
		text := func(k string) string { s, _ := m[k].(string); return s }
		entries = append(entries, Entry{
			Manager: text("manager"), Operation: text("operation"), Subresource: text("subresource"),
			APIVersion: text("apiVersion"), Time: text("time"), fields: fields,
		})
	}
	return entries
}

// appliedBy returns the entry of what manager applied; the zero Entry if it applied nothing.
func appliedBy(entries []Entry, manager string) Entry {
	for _, e := range entries {
		if e.Manager == manager && e.Operation == "Apply" && e.Subresource == "" {
			return e
		}
	}
	return Entry{}
}

// ours returns the field tree that manager applied, nil if it applied nothing.
func ours(entries []Entry, manager string) map[string]any { return appliedBy(entries, manager).fields }

// Applied reports whether manager has applied the live object: it has an Apply entry of its own.
func Applied(live object.Object, manager string) bool {
	return ours(Entries(live), manager) != nil
}

// element finds the part of value that one element of a field tree names.
func element(key string, value any) (any, bool) {
	part, _, ok := find(key, value)
	return part, ok
}

// find is element, and says at which place of a list the part is; -1 for a part of a map.
func find(key string, value any) (part any, index int, ok bool) {
	kind, rest, _ := strings.Cut(key, ":")
	if kind == "f" {
		m, _ := value.(map[string]any)
		part, ok = m[rest]
		return part, -1, ok
	}
	var want any
	if json.Unmarshal([]byte(rest), &want) != nil {
		return nil, -1, false
	}
	keys, _ := want.(map[string]any)
	list, _ := value.([]any)
	for i, item := range list {
		m, isMap := item.(map[string]any)
		if kind == "k" && isMap && matches(m, keys) || kind == "v" && sameScalar(item, want) {
			return item, i, true
		}
	}
	return nil, -1, false
}

func matches(item, want map[string]any) bool {
	for k, v := range want {
		if !sameScalar(item[k], v) {
			return false
		}
	}
	return true
}

// sameScalar compares scalars of which one was decoded by encoding/json alone: its numbers are float64.
func sameScalar(a, b any) bool {
	if n, ok := a.(int64); ok {
		if f, ok := b.(float64); ok {
			return float64(n) == f
		}
	}
	switch a.(type) {
	case map[string]any, []any:
		return false
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// union returns the field tree of both a and b.
func union(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		mine, _ := out[k].(map[string]any)
		theirs, _ := v.(map[string]any)
		if _, both := out[k]; !both {
			out[k] = v
			continue
		}
		out[k] = union(mine, theirs)
	}
	return out
}

// Path is the way to a field, as people write it: "spec.template.spec.containers[web].image".
type Path string

// join appends one element of a field tree to a path.
func (p Path) join(key string) Path {
	kind, rest, _ := strings.Cut(key, ":")
	switch kind {
	case "f":
		if strings.ContainsAny(rest, "./") {
			return p + Path("["+rest+"]")
		}
		if p == "" {
			return Path(rest)
		}
		return p + Path("."+rest)
	case "k":
		var m map[string]any
		if json.Unmarshal([]byte(rest), &m) == nil {
			if name := label(m); name != "" {
				return p + Path("["+name+"]")
			}
		}
	}
	return p + Path("["+strings.Trim(rest, `"`)+"]")
}

// identifying are the fields that tell the items of Kubernetes' lists apart, the best first.
var identifying = []string{"name", "key", "containerPort", "port", "mountPath", "devicePath", "ip", "topologyKey", "type", "uid"}

// label names an item of a list by its keys, as people read it: "web", "80", "53/UDP". It is empty if none is known.
func label(keys map[string]any) string {
	for _, name := range identifying {
		v, ok := keys[name]
		if !ok {
			continue
		}
		text := plainText(v)
		if p, _ := keys["protocol"].(string); p != "" && p != "TCP" {
			text += "/" + p
		}
		return text
	}
	return ""
}

func plainText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return strings.Trim(string(text), `"`)
}
