// Package diff tells how two objects differ, field by field, as people read it.
//
// It compares what the API server said before with what it says it would be after: both sides are defaulted, so that only real changes show. Values of
// Secrets never appear in a change; that a value changed does.
package diff

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Change is one field that differs. From and To are values as people read them, empty where the field is absent.
type Change struct {
	Path     string
	From, To string
}

// String prints a change on one line: "data.theme: light → dark".
func (c Change) String() string {
	switch {
	case c.From == "":
		return fmt.Sprintf("%s: + %s", c.Path, c.To)
	case c.To == "":
		return fmt.Sprintf("%s: - %s", c.Path, c.From)
	default:
		return fmt.Sprintf("%s: %s → %s", c.Path, c.From, c.To)
	}
}

// served are the fields that the API server writes by itself: they are never a change that somebody wants.
var served = [][]string{
	{"metadata", "managedFields"},
	{"metadata", "resourceVersion"},
	{"metadata", "generation"},
	{"metadata", "uid"},
	{"metadata", "creationTimestamp"},
	{"metadata", "selfLink"},
	{"status"},
}

// Between returns the changes from one object to another, in order of their paths. A zero object is absent: every field of
// the other is then added or removed. Equal objects give nil.
func Between(from, to object.Object) []Change {
	return Tagged(from, to, func(string, []byte) string { return hidden })
}

// Tag stands for a value that must not be shown: equal for equal values at a path, and telling nothing else of them.
type Tag func(path string, value []byte) string

// Tagged is Between, with tags for the values of Secrets, and those that are veiled.
func Tagged(from, to object.Object, tag Tag) []Change {
	d := differ{secret: from.Kind() == "Secret" || to.Kind() == "Secret", veiled: slices.Concat(from.Veiled(), to.Veiled()), tag: tag}
	d.compare("", strip(from), strip(to))
	slices.SortStableFunc(d.changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return d.changes
}

// Equal reports whether Between would return nothing.
func Equal(from, to object.Object) bool { return len(Between(from, to)) == 0 }

func strip(o object.Object) any {
	if o.IsZero() {
		return nil
	}
	for _, path := range served {
		o = o.With(nil, path...)
	}
	return o.Content()
}

type differ struct {
	secret  bool
	veiled  []string // paths, in an object that is no Secret
	tag     Tag
	changes []Change
}

func (d *differ) compare(path string, from, to any) {
	if reflect.DeepEqual(from, to) {
		return
	}
	if d.isVeiled(path) { // what is in it has names that are values, too
		d.changed(path, from, to)
		return
	}
	fm, fromMap := from.(map[string]any)
	tm, toMap := to.(map[string]any)
	if len(fm)+len(tm) > 0 && (fromMap || from == nil) && (toMap || to == nil) {
		for _, k := range keysOf(fm, tm) {
			d.compare(join(path, k), fm[k], tm[k])
		}
		return
	}
	fl, fromNamed := named(from)
	tl, toNamed := named(to)
	if fromNamed && toNamed && !d.secret { // a name is a value too
		for _, k := range keysOf(fl, tl) {
			d.compare(path+"["+k+"]", fl[k], tl[k])
		}
		d.order(path, from.([]any), to.([]any), fl, tl)
		return
	}
	d.changed(path, from, to)
}

// changed notes that a value is another one.
func (d *differ) changed(path string, from, to any) {
	was, is := d.show(path, from), d.show(path, to)
	if was == is && !d.hides(path) { // the number 1 and the text "1"
		was, is = asJSON(from), asJSON(to)
	}
	was, is = focus(was, is)
	d.changes = append(d.changes, Change{Path: path, From: was, To: is})
}

// order reports that the items which both lists have come in another order: of init containers, say, it is what they are about.
func (d *differ) order(path string, from, to []any, fl, tl map[string]any) {
	names := func(list []any, also map[string]any) []string {
		var out []string
		for _, item := range list {
			name, _ := item.(map[string]any)["name"].(string)
			if _, both := also[name]; both {
				out = append(out, name)
			}
		}
		return out
	}
	was, is := names(from, tl), names(to, fl)
	if !slices.Equal(was, is) {
		d.changes = append(d.changes, Change{Path: path, From: cut("order " + strings.Join(was, ", ")), To: cut("order " + strings.Join(is, ", "))})
	}
}

func keysOf(a, b map[string]any) []string {
	keys := make([]string, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// named views a list whose items are maps with distinct names as a map by name: containers, env, ports, volumes.
func named(v any) (map[string]any, bool) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, false
	}
	byName := make(map[string]any, len(list))
	for _, item := range list {
		m, _ := item.(map[string]any)
		name, ok := m["name"].(string)
		if _, twice := byName[name]; !ok || twice {
			return nil, false
		}
		byName[name] = item
	}
	return byName, true
}

func join(path, key string) string {
	if strings.ContainsAny(key, "./") {
		return path + "[" + key + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// longest is how many bytes of one value a change shows: enough for an image with its digest.
const longest = 160

// hidden stands for a value of a Secret.
const hidden = "(secret)"

func (d *differ) show(path string, v any) string {
	if v == nil {
		return ""
	}
	if d.hides(path) {
		return d.tag(path, []byte(asJSON(v)))
	}
	if text, ok := v.(string); ok && text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	return asJSON(v)
}

// hides reports whether values at a path are of a Secret. All of it is hidden but what names and sorts it: an annotation may repeat its data.
func (d *differ) hides(path string) bool {
	return d.isVeiled(path) || slices.ContainsFunc(d.veiled, func(v string) bool { return within(path, v) }) || d.secret && path != "type" && path != "immutable" && path != "metadata.labels" &&
		!strings.HasPrefix(path, "metadata.labels.") && !strings.HasPrefix(path, "metadata.labels[")
}

// isVeiled reports whether a path, or what it is in, is veiled.
func (d *differ) isVeiled(path string) bool {
	return slices.ContainsFunc(d.veiled, func(v string) bool { return within(v, path) })
}

// within reports whether a path is another one, or in it.
func within(whole, path string) bool {
	rest, ok := strings.CutPrefix(path, whole)
	return ok && (rest == "" || whole == "" || rest[0] == '.' || rest[0] == '[')
}

func asJSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "?"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// focus shortens two long values to where they differ first.
func focus(a, b string) (string, string) {
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	const before = 40
	if from := same - before; max(len(a), len(b)) > longest && from > before {
		for !utf8.RuneStart(a[from]) {
			from--
		}
		a, b = "…"+a[from:], "…"+b[from:]
	}
	return cut(a), cut(b)
}

func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	end := longest
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
