package fingerprint

import (
	"slices"
	"strconv"

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
		path := tokens(p)
		there, ok := counterpart(want.Content(), live.Content(), path)
		if !ok {
			continue
		}
		value, present := lookup(live.Content(), there)
		if !present || heldByOther(entries, manager, live.Content(), there) {
			value = nil
		}
		if content, ok := set(want.Content(), path, value).(map[string]any); ok {
			want = object.New(content).WithOrigin(want.Origin())
		}
	}
	return want
}

// counterpart is the way in live to the field that is at path of want: items of lists are found by their names, since others may have put theirs between
// them. It is false if want has no such field, or if live does not have the item of a list that it belongs to: then it is still to be created.
func counterpart(want, live any, path []string) ([]string, bool) {
	there := make([]string, 0, len(path))
	for _, p := range path {
		switch x := want.(type) {
		case map[string]any:
			var ok bool
			if want, ok = x[p]; !ok {
				return nil, false
			}
			m, _ := live.(map[string]any)
			live = m[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			list, _ := live.([]any)
			j := itemLike(x[i], list, i)
			if j < 0 {
				return nil, false
			}
			want, live, p = x[i], list[j], strconv.Itoa(j)
		default:
			return nil, false
		}
		there = append(there, p)
	}
	return there, true
}

// itemLike is the place of an item in another list: that of the same name, or the same place for items that have none. -1: it is not there.
func itemLike(item any, list []any, at int) int {
	m, _ := item.(map[string]any)
	name := label(m)
	if name == "" {
		if at < len(list) {
			return at
		}
		return -1
	}
	return slices.IndexFunc(list, func(x any) bool { other, _ := x.(map[string]any); return label(other) == name })
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
		if !ok || index >= 0 && strconv.Itoa(index) != path[0] || index < 0 && key != "f:"+path[0] {
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

// set returns v with value at path, copying what is on the way. A nil value removes the field or the item.
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
		out := slices.Clone(x)
		if len(path) == 1 && value == nil {
			return slices.Delete(out, i, i+1)
		}
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
