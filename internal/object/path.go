package object

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Path leads from an object to one of its fields. The empty Path is the object itself.
type Path []Step

// Step is one element of a path: a key of a map, or an item of a list.
type Step struct {
	Key   string
	Index int // of an item
	Item  bool
}

// PathOf is the path of keys.
func PathOf(keys ...string) Path { return Path(nil).Field(keys...) }

// Field returns the path of a field below p.
func (p Path) Field(keys ...string) Path {
	out := slices.Clip(slices.Clone(p))
	for _, k := range keys {
		out = append(out, Step{Key: k})
	}
	return out
}

// Item returns the path of an item of the list at p.
func (p Path) Item(i int) Path {
	return append(slices.Clip(slices.Clone(p)), Step{Index: i, Item: true})
}

// Parent returns the path without its last step; that of the empty path is empty.
func (p Path) Parent() Path { return p[:max(0, len(p)-1)] }

// Last is the last step, the zero Step of an empty path.
func (p Path) Last() Step {
	if len(p) == 0 {
		return Step{}
	}
	return p[len(p)-1]
}

// Follow returns the value at a path, and whether there is one.
func (o Object) Follow(p Path) (any, bool) {
	var v any = o.content
	for _, s := range p {
		if s.Item {
			list, _ := v.([]any)
			if s.Index >= len(list) {
				return nil, false
			}
			v = list[s.Index]
			continue
		}
		m, _ := v.(map[string]any)
		inner, ok := m[s.Key]
		if !ok {
			return nil, false
		}
		v = inner
	}
	return v, true
}

// Show prints a path in o as people read it: spec.template.spec.containers[web].image. Items without a name have their index.
func (o Object) Show(p Path) string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case !s.Item && plainKey.MatchString(s.Key):
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Key)
		case !s.Item:
			fmt.Fprintf(&b, "[%s]", s.Key)
		default:
			item, _ := o.Follow(p[:i+1])
			m, _ := item.(map[string]any)
			if name, ok := m["name"].(string); ok && name != "" {
				fmt.Fprintf(&b, "[%s]", name)
			} else {
				fmt.Fprintf(&b, "[%d]", s.Index)
			}
		}
	}
	return b.String()
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_$-]+$`)
