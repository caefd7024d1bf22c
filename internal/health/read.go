package health

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// number returns the whole number at path, otherwise otherwise.
func number(o object.Object, otherwise int64, path ...string) int64 {
	switch n := o.At(path...).(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return otherwise
}

// list returns the maps of the list at path; what is no map is left out.
func list(o object.Object, path ...string) []object.Object {
	items, _ := o.At(path...).([]any)
	if len(items) == 0 {
		return nil
	}
	out := make([]object.Object, 0, len(items))
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, object.New(m))
		}
	}
	return out
}

// condition is one entry of status.conditions. The zero condition is absent.
type condition struct {
	status, reason, message string
	// stale says that it speaks of an earlier generation of the object.
	stale bool
}

func (c condition) there() bool { return c.status != "" }
func (c condition) yes() bool   { return c.status == "True" }
func (c condition) no() bool    { return c.status == "False" }

// why is the reason and the message, either of which may be empty.
func (c condition) why() string {
	if c.reason == "Progressing" && c.message != "" { // says no more than the verdict
		return c.message
	}
	return because(c.reason, c.message)
}

func because(reason, message string) string {
	switch {
	case message == "" || strings.EqualFold(reason, message):
		return reason
	case reason == "" || strings.HasPrefix(message, reason):
		return message
	}
	return reason + ": " + message
}

// conditions are those of an object, by type.
type conditions struct {
	items      []any
	generation int64
}

func conditionsOf(o object.Object) conditions {
	items, _ := o.At("status", "conditions").([]any)
	return conditions{items, o.Generation()}
}

// get returns the condition of a type, the zero condition if there is none.
func (cs conditions) get(kind string) condition {
	for _, item := range cs.items {
		m, _ := item.(map[string]any)
		if m["type"] != kind {
			continue
		}
		var c condition
		c.status, _ = m["status"].(string)
		c.reason, _ = m["reason"].(string)
		c.message, _ = m["message"].(string)
		observed, ok := m["observedGeneration"].(int64)
		c.stale = ok && observed > 0 && observed < cs.generation
		return c
	}
	return condition{}
}

// first returns the first condition that is there of several types, with its type.
func (cs conditions) first(kinds ...string) (string, condition) {
	for _, kind := range kinds {
		if c := cs.get(kind); c.there() {
			return kind, c
		}
	}
	return "", condition{}
}

// firstTrue returns the first of several types whose condition is True, with its type.
func (cs conditions) firstTrue(kinds ...string) (string, condition) {
	for _, kind := range kinds {
		if c := cs.get(kind); c.yes() {
			return kind, c
		}
	}
	return "", condition{}
}

// plural is "1 pod", "2 pods".
func plural(n int64, what string) string {
	text := itoa(n) + " " + what
	if n != 1 {
		text += "s"
	}
	return text
}
