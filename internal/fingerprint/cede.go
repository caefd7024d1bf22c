package fingerprint

import (
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Cede gives up fields of an object that exists already: those at the pointers (RFC 6901), which Fairlead applies at creation only.
//
// A field that another manager owns is left out of the apply. A field that only manager owns is applied with its live value: leaving it out would make the
// server remove it.
func Cede(want, live object.Object, manager string, pointers []string) object.Object {
	if live.IsZero() {
		return want
	}
	entries := Entries(live)
	for _, p := range pointers {
		path := strings.Split(strings.TrimPrefix(p, "/"), "/")
		for i, s := range path {
			path[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
		}
		value, present := lookup(live.Content(), path)
		if _, wanted := lookup(want.Content(), path); !wanted {
			continue
		}
		if !present || heldByOther(entries, manager, live.Content(), path) {
			value = nil
		}
		if content, ok := set(want.Content(), path, value).(map[string]any); ok {
			want = object.New(content).WithOrigin(want.Origin())
		}
	}
	return want
}

func heldByOther(entries []Entry, manager string, content any, path []string) bool {
	for _, e := range entries {
		if e.Manager == manager && e.Operation == "Apply" {
			continue
		}
		if covers(e.fields, content, path) {
			return true
		}
	}
	return false
}

// covers reports whether a field tree owns the field at path of value.
func covers(fields map[string]any, value any, path []string) bool {
	for key, below := range fields {
		if key == "." {
			continue
		}
		part, index, ok := find(key, value)
		if !ok || segment(key, index) != segment("f:"+path[0], -1) {
			continue
		}
		next, _ := below.(map[string]any)
		if len(path) == 1 || !hasChildren(next) {
			return true
		}
		return covers(next, part, path[1:])
	}
	return false
}

func lookup(v any, path []string) (any, bool) {
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = x[p]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// set returns v with value at path, copying what is on the way. A nil value removes a map's field.
func set(v any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, old := range x {
			out[k] = old
		}
		if len(path) == 1 && value == nil {
			delete(out, path[0])
		} else {
			out[path[0]] = set(x[path[0]], path[1:], value)
		}
		return out
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(x) {
			return v
		}
		out := append([]any(nil), x...)
		out[i] = set(x[i], path[1:], value)
		return out
	}
	return v
}

// Scaled reports whether something other than a person sets spec.replicas of a live object through its scale subresource: an autoscaler.
func Scaled(live object.Object, interactive func(string) bool) bool {
	for _, e := range Entries(live) {
		if e.Subresource == "scale" && !interactive(e.Manager) && covers(e.fields, live.Content(), []string{"spec", "replicas"}) {
			return true
		}
	}
	return false
}
