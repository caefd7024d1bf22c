package substitute

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Disabled is the annotation or label of Flux by which an object is left as it is; its value is "disabled".
const Disabled = "kustomize.toolkit.fluxcd.io/substitute"

// Object puts values into an object. One that has nothing to put in, or that says so, is returned as it is.
func Object(o object.Object, vars Variables) (object.Object, error) {
	if o.Annotation(Disabled) == "disabled" || o.Label(Disabled) == "disabled" {
		return o, nil
	}
	f := filler{vars: vars, builtin: !strings.Contains(o.Key().Group, ".") || strings.HasSuffix(o.Key().Group, ".k8s.io"), entries: o.Key().Group == "" && (o.Kind() == "ConfigMap" || o.Kind() == "Secret")}
	out, changed, err := f.value(o.Content(), nil)
	if err != nil || !changed {
		return o, err
	}
	content, ok := out.(map[string]any)
	if !ok {
		return o, fault.Newf(fault.Internal, "%s is no object any more", o)
	}
	return object.New(content).WithOrigin(o.Origin()), nil
}

// MissingOf returns the variable that an error says is missing, and the expression that is wrong.
func MissingOf(err error) (name, text string, ok bool) {
	var e *Error
	if !errors.As(err, &e) {
		return "", "", false
	}
	return e.Name, e.Text, true
}

type filler struct {
	vars    Variables
	builtin bool // the object is of a kind of Kubernetes' own
	entries bool // its data are entries of texts
}

// value returns a value with the values of variables in it, and whether that is another one. What it is given is not changed.
func (f filler) value(v any, at []string) (any, bool, error) {
	switch v := v.(type) {
	case string:
		return f.text(v, at)
	case []any:
		return f.list(v, at)
	case map[string]any:
		return f.fields(v, at)
	}
	return v, false, nil
}

func (f filler) list(v []any, at []string) (any, bool, error) {
	var out []any
	for i, item := range v {
		x, changed, err := f.value(item, append(at, "[]"))
		if err != nil {
			return nil, false, err
		}
		if !changed {
			continue
		}
		if out == nil {
			out = slices.Clone(v)
		}
		out[i] = x
	}
	if out == nil {
		return v, false, nil
	}
	return out, true, nil
}

func (f filler) fields(v map[string]any, at []string) (any, bool, error) {
	var out map[string]any
	for _, key := range slices.Sorted(maps.Keys(v)) {
		name, err := Text(key, f.vars)
		if err != nil {
			return nil, false, err
		}
		x, changed, err := f.value(v[key], append(at, name))
		if err != nil {
			return nil, false, err
		}
		if name == key && !changed {
			continue
		}
		if out == nil {
			out = maps.Clone(v)
		}
		if name != key {
			delete(out, key)
			if _, twice := out[name]; twice {
				return nil, false, fault.New(fault.Invalid, fmt.Errorf("%s: with the values of its variables, two fields have this name", clip(key)))
			}
		}
		out[name] = x
	}
	if out == nil {
		return v, false, nil
	}
	return out, true, nil
}

func (f filler) text(v string, at []string) (any, bool, error) {
	out, err := Text(v, f.vars)
	if err != nil || out == v {
		return v, false, err
	}
	if f.isText(at) || quoted(v) {
		return out, true, nil
	}
	return typed(out), true, nil
}

// isText reports whether a field has to hold a text.
func (f filler) isText(at []string) bool {
	n := len(at)
	switch {
	case n == 1:
		return true // apiVersion, kind, and whatever is like them
	case n == 2 && at[0] == "metadata":
		return true
	case n == 3 && at[0] == "metadata" && (at[1] == "labels" || at[1] == "annotations"):
		return true
	case f.entries && n == 2 && (at[0] == "data" || at[0] == "stringData" || at[0] == "binaryData"):
		return true
	case !f.builtin:
		return false
	}
	last, parent := at[n-1], at[n-2]
	switch {
	case parent == "labels", parent == "annotations", parent == "matchLabels", parent == "nodeSelector":
		return true
	case last == "[]" && (parent == "command" || parent == "args"):
		return true
	case last == "value" && n > 3 && parent == "[]" && at[n-3] == "env":
		return true
	}
	return false
}

// quoted reports whether a tool that prints YAML quotes a text, or writes it as a block: then it stays a text whatever is put into it.
func quoted(v string) bool {
	if strings.ContainsAny(v, "\n\t\r") || v != strings.TrimSpace(v) {
		return true
	}
	if strings.Contains(v, ": ") || strings.Contains(v, " #") || strings.HasSuffix(v, ":") {
		return true
	}
	return strings.ContainsAny(v[:1], "{}[],&*!|>%@`\"'#=") || strings.HasPrefix(v, "- ") || strings.HasPrefix(v, "? ") || v == "-" || v == "?"
}

// typed reads a text as YAML where it is one value: a number, a boolean, nothing, a quoted text, a list or a map in brackets. Else it is the text.
func typed(v string) any {
	s := strings.TrimSpace(v)
	if s == "" {
		return nil
	}
	switch s[0] {
	case '&', '*', '!', '|', '>', '%', '@', '`', '#', '?', ',', ']', '}':
		return v
	}
	flow := s[0] == '[' || s[0] == '{' || s[0] == '"' || s[0] == '\''
	if !flow && (strings.ContainsAny(s, "\n\r") || strings.Contains(s, ": ") || strings.HasSuffix(s, ":") || strings.Contains(s, " #") || s == "-" || strings.HasPrefix(s, "- ") || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...")) {
		return v
	}
	if flow && strings.ContainsAny(s, "&*!") && (s[0] == '[' || s[0] == '{') { // anchors and tags: nothing is to refer to anything
		return v
	}
	// As a field of an object, so that it is read as it would be there.
	read, err := object.Parse("", []byte("apiVersion: v1\nkind: Value\nmetadata: {name: value}\nvalue: "+s+"\n"))
	if err != nil || len(read) != 1 || len(read[0].Content()) != 4 {
		return v
	}
	return read[0].Content()["value"]
}
