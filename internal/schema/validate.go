package schema

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Fault is the kind of a problem.
type Fault string

// The kinds of problems.
const (
	UnknownField  Fault = "unknown-field"
	MissingField  Fault = "missing-field"
	WrongType     Fault = "wrong-type"
	WrongValue    Fault = "wrong-value"
	WrongQuantity Fault = "quantity"
	DuplicateItem Fault = "duplicate-item"
)

// Problem is one thing that is wrong with a value.
type Problem struct {
	Fault   Fault
	Path    object.Path // of the field; of a missing field, of what should hold it
	Message string      // what is wrong, without the path
	Remedy  string      // what to do; may be empty
}

// maxProblems bounds what is said of one object, maxDepth how deep it is looked into.
const (
	maxProblems = 100
	maxDepth    = 300
)

// Validate returns what is wrong with a value, in the order of its fields' names. Apart from that the value admits what the schema does: no problems.
func Validate(s *Schema, value any) []Problem {
	v := &validator{}
	v.value(s, value, nil)
	return v.problems
}

type validator struct {
	problems []Problem
	path     object.Path
	quiet    bool // unknown fields are said elsewhere
}

func (v *validator) add(f Fault, remedy, format string, args ...any) {
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, Problem{f, slices.Clone(v.path), fmt.Sprintf(format, args...), remedy})
	}
}

func (v *validator) at(step object.Step, f func()) {
	v.path = append(v.path, step)
	f()
	v.path = v.path[:len(v.path)-1]
}

// value checks one value. Known are the fields that schemas around this one know, where it is a part of them.
func (v *validator) value(s *Schema, value any, known *Schema) {
	if s == nil || len(v.path) > maxDepth || value == nil {
		return // null is dropped where it is not admitted
	}
	if !v.typed(s, value) {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		v.object(s, value, known)
	case []any:
		v.list(s, value)
	case string:
		v.text(s, value)
	case int64:
		v.number(s, float64(value))
	case float64:
		v.number(s, value)
	}
	v.enum(s, value)
	v.combined(s, value)
}

// typed reports whether a value has the type of its schema; if not, it says so.
func (v *validator) typed(s *Schema, value any) bool {
	switch s.Type {
	case Any:
		return true
	case Text:
		if _, ok := value.(string); !ok {
			v.add(WrongType, quoted(value), "wants a text, found %s", describe(value))
			return false
		}
	case Integer:
		if _, ok := value.(int64); !ok {
			v.add(WrongType, unquoted(value), "wants an integer, found %s", describe(value))
			return false
		}
	case Number:
		if !isNumber(value) {
			v.add(WrongType, unquoted(value), "wants a number, found %s", describe(value))
			return false
		}
	case Boolean:
		if _, ok := value.(bool); !ok {
			v.add(WrongType, "write true or false, without quotes", "wants true or false, found %s", describe(value))
			return false
		}
	case List:
		if _, ok := value.([]any); !ok {
			v.add(WrongType, "write each item on a line of its own, after a -", "wants a list, found %s", describe(value))
			return false
		}
	case Map:
		if _, ok := value.(map[string]any); !ok {
			v.add(WrongType, "", "wants a map of fields, found %s", describe(value))
			return false
		}
	case IntOrText:
		switch value.(type) {
		case int64, string:
		default:
			v.add(WrongType, "", "wants an integer or a text, found %s", describe(value))
			return false
		}
	case Quantity:
		return v.quantity(value)
	}
	return true
}

func (v *validator) quantity(value any) bool {
	const example = "write for example 100m, 0.5 or 128Mi"
	switch value := value.(type) {
	case int64, float64:
		return true
	case string:
		if _, err := resource.ParseQuantity(strings.TrimSpace(value)); err != nil || value == "" {
			v.add(WrongQuantity, meantQuantity(value, example), "%.40q is not a quantity", value)
			return false
		}
		return true
	}
	v.add(WrongType, example, "wants a quantity, found %s", describe(value))
	return false
}

// meantQuantity knows the units that people write for those of Kubernetes.
func meantQuantity(text, otherwise string) string {
	number := strings.TrimRight(text, " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := strings.ToLower(strings.TrimSpace(text[len(number):]))
	for _, u := range []struct{ unit, long string }{{"Ki", "kib kb"}, {"Mi", "mib mb mi"}, {"Gi", "gib gb gi"}, {"Ti", "tib tb ti"}} {
		if unit != "" && slices.Contains(strings.Fields(u.long), unit) {
			return fmt.Sprintf("write %s%s", strings.TrimSpace(number), u.unit)
		}
	}
	return otherwise
}

func (v *validator) object(s *Schema, m map[string]any, around *Schema) {
	for _, name := range s.Required {
		mayBeNull := s.Fields[name] != nil && s.Fields[name].Nullable
		if m[name] == nil && (!mayBeNull || !has(m, name)) {
			v.add(MissingField, fmt.Sprintf("add %s", name), "%s is missing", name)
		}
	}
	if b := s.Bounds; b != nil {
		v.count("fields", int64(len(m)), b.MinProperties, b.MaxProperties)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		field, ok := s.Fields[name]
		if !ok && s.Embedded && embedded[name] != nil {
			field, ok = embedded[name], true
		}
		switch {
		case ok:
			v.at(object.Step{Key: name}, func() { v.value(field, m[name], nil) })
		case s.Values != nil:
			v.at(object.Step{Key: name}, func() { v.value(s.Values, m[name], nil) })
		case s.Type == Map && !s.Open && !v.quiet && around == nil:
			v.at(object.Step{Key: name}, func() { v.unknown(s, name) })
		}
	}
}

// embedded are the fields that every object has, whether its schema says so or not.
var embedded = map[string]*Schema{
	"apiVersion": {Type: Text},
	"kind":       {Type: Text},
	"metadata":   {Type: Map, Open: true},
}

func has(m map[string]any, name string) bool { _, ok := m[name]; return ok }

func (v *validator) unknown(s *Schema, name string) {
	names := slices.Sorted(maps.Keys(s.Fields))
	if near, ok := nearest.Of(name, names); ok {
		v.add(UnknownField, fmt.Sprintf("write %s", near), "no such field; did you mean %q?", near)
		return
	}
	remedy := "remove it, or check its indentation"
	if 0 < len(names) && len(names) <= 12 {
		remedy += ": the fields here are " + strings.Join(names, ", ")
	}
	v.add(UnknownField, remedy, "no such field")
}

func (v *validator) list(s *Schema, items []any) {
	if b := s.Bounds; b != nil {
		v.count("items", int64(len(items)), b.MinItems, b.MaxItems)
	}
	seen := map[string]int{}
	for i, item := range items {
		v.at(object.Step{Index: i, Item: true}, func() {
			v.value(s.Items, item, nil)
			if first, twice := v.twice(s, seen, i, item); twice {
				v.add(DuplicateItem, "remove one of them, or rename it", "the list has %s twice, first as item %d", identity(s, item), first+1)
			}
		})
	}
}

// twice reports whether an item of a list that is told apart by keys, or is a set, has been there before.
func (v *validator) twice(s *Schema, seen map[string]int, i int, item any) (int, bool) {
	if len(s.Keys) == 0 && !s.Set {
		return 0, false
	}
	id := fmt.Sprintf("%T %v", item, item)
	if len(s.Keys) > 0 {
		m, ok := item.(map[string]any)
		if !ok {
			return 0, false
		}
		id = ""
		for _, k := range s.Keys {
			id += fmt.Sprintf("%v\x00", m[k])
		}
	}
	first, was := seen[id]
	if !was {
		seen[id] = i
	}
	return first, was
}

func identity(s *Schema, item any) string {
	m, ok := item.(map[string]any)
	if !ok || len(s.Keys) == 0 {
		return describe(item)
	}
	var parts []string
	for _, k := range s.Keys {
		if m[k] != nil {
			parts = append(parts, fmt.Sprintf("%s %v", k, m[k]))
		}
	}
	return strings.Join(parts, ", ")
}

func (v *validator) text(s *Schema, text string) {
	if b := s.Bounds; b != nil {
		v.count("characters", int64(utf8.RuneCountInString(text)), b.MinLength, b.MaxLength)
	}
	if s.Pattern != nil && !s.Pattern.MatchString(text) {
		v.add(WrongValue, "", "%.60q does not match the pattern %s", text, s.Pattern)
	}
	switch s.Format {
	case "byte":
		if _, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(strings.ReplaceAll(text, "\n", ""), "\r", "")); err != nil {
			v.add(WrongValue, "encode it, or write the text itself under stringData where the kind has it", "is not base64") // may be a Secret: the value is not said
		}
	case "date-time":
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			v.add(WrongValue, "write for example 2026-03-03T10:00:00Z", "%.40q is not a time", text)
		}
	}
}

func (v *validator) number(s *Schema, n float64) {
	if s.Format == "int32" && (n > math.MaxInt32 || n < math.MinInt32) {
		v.add(WrongValue, "", "%s does not fit into 32 bits", digits(n))
	}
	b := s.Bounds
	if b == nil {
		return
	}
	if b.Minimum != nil && (n < *b.Minimum || b.ExclusiveMinimum && n == *b.Minimum) {
		v.add(WrongValue, "", "%s is less than %s, the least that is admitted", digits(n), digits(*b.Minimum))
	}
	if b.Maximum != nil && (n > *b.Maximum || b.ExclusiveMaximum && n == *b.Maximum) {
		v.add(WrongValue, "", "%s is more than %s, the most that is admitted", digits(n), digits(*b.Maximum))
	}
	if b.MultipleOf != nil && *b.MultipleOf != 0 {
		if q := n / *b.MultipleOf; math.Abs(q-math.Round(q)) > 1e-9*math.Max(1, math.Abs(q)) {
			v.add(WrongValue, "", "%s is not a multiple of %s", digits(n), digits(*b.MultipleOf))
		}
	}
}

func digits(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func (v *validator) count(what string, n int64, least, most *int64) {
	if least != nil && n < *least {
		v.add(WrongValue, "", "has %d %s, fewer than %d", n, what, *least)
	}
	if most != nil && n > *most {
		v.add(WrongValue, "", "has %d %s, more than %d", n, what, *most)
	}
}

func (v *validator) enum(s *Schema, value any) {
	if len(s.Enum) == 0 || slices.ContainsFunc(s.Enum, func(e any) bool { return reflect.DeepEqual(e, value) }) {
		return
	}
	if value == "" && s.EmptyText {
		return
	}
	var words []string
	for _, e := range s.Enum {
		words = append(words, fmt.Sprint(e))
	}
	text, _ := value.(string)
	list := strings.Join(words, ", ")
	if len(words) > 12 {
		list = strings.Join(words[:12], ", ") + " and others"
	}
	if near, ok := nearest.Of(text, words); ok {
		v.add(WrongValue, fmt.Sprintf("write %s", near), "%.60q is not one of %s; did you mean %q?", text, list, near)
		return
	}
	v.add(WrongValue, "take one of "+list, "%s is not one of %s", describe(value), list)
}

// describe names a value: a text of some length is not said.
func describe(value any) string {
	switch value := value.(type) {
	case nil:
		return "nothing"
	case string:
		if len(value) > 60 {
			return "a text"
		}
		return fmt.Sprintf("the text %q", value)
	case bool:
		return fmt.Sprintf("%t", value)
	case int64, float64:
		return fmt.Sprintf("the number %v", value)
	case []any:
		return "a list"
	}
	return "a map"
}

func isNumber(value any) bool {
	switch value.(type) {
	case int64, float64:
		return true
	}
	return false
}

func quoted(value any) string {
	switch value.(type) {
	case bool, int64, float64:
		return fmt.Sprintf("put it in quotes: \"%v\"", value)
	}
	return ""
}

func unquoted(value any) string {
	if text, ok := value.(string); ok {
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return "remove the quotes: " + text
		}
		if strings.HasPrefix(text, "${") {
			return "say in the Environment what the variable is, in spec.render.substitute: else nothing is substituted"
		}
	}
	return ""
}
