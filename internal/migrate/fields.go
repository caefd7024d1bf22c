package migrate

import (
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// fields are a mapping of an object, and which of them were read.
type fields struct {
	at   string // such as spec.ref
	m    map[string]any
	read map[string]bool
	subs []*fields
}

// specOf is an object's spec.
func specOf(o object.Object) *fields {
	m, _ := o.At("spec").(map[string]any)
	return &fields{at: "spec", m: m, read: map[string]bool{}}
}

func (f *fields) value(name string) any {
	f.read[name] = true
	return f.m[name]
}

func (f *fields) text(name string) string { s, _ := f.value(name).(string); return s }

func (f *fields) flag(name string) bool { b, _ := f.value(name).(bool); return b }

func (f *fields) list(name string) []any { l, _ := f.value(name).([]any); return l }

// skip notes that fields are of no consequence here.
func (f *fields) skip(names ...string) {
	for _, n := range names {
		f.read[n] = true
	}
}

// has reports whether there is a field, which is not read by that.
func (f *fields) has(name string) bool { _, ok := f.m[name]; return ok }

func (f *fields) sub(name string) *fields {
	m, _ := f.value(name).(map[string]any)
	s := &fields{at: f.at + "." + name, m: m, read: map[string]bool{}}
	f.subs = append(f.subs, s)
	return s
}

func (f *fields) items(name string) []*fields {
	var out []*fields
	for _, v := range f.list(name) {
		m, _ := v.(map[string]any)
		s := &fields{at: f.at + "." + name + "[]", m: m, read: map[string]bool{}}
		f.subs = append(f.subs, s)
		out = append(out, s)
	}
	return out
}

// rest calls for each field that nobody has read and that says something. They count as read then.
func (f *fields) rest(each func(name string)) {
	for _, n := range slices.Sorted(maps.Keys(f.m)) {
		if !f.read[n] && says(f.m[n]) {
			f.read[n] = true
			each(f.at + "." + n)
		}
	}
	for _, s := range f.subs {
		s.rest(each)
	}
}

// says reports whether a value is more than what is meant without it.
func says(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// leave makes notes of what was not read: none of it is lost without a word.
func (m *migration) leave(about string, f *fields, a advice) {
	f.rest(func(name string) { m.note(about, name, "%s", a.of(strings.TrimPrefix(name, f.at+"."))) })
}
