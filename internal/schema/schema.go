package schema

import "regexp"

// Type is what a value has to be.
type Type uint8

// The types. Any is the zero value.
const (
	Any Type = iota
	Text
	Integer
	Number
	Boolean
	List
	Map
	IntOrText
	Quantity
)

// Schema says what a value may be. The zero Schema admits everything. Schemas may contain themselves, and are not changed once they are made.
type Schema struct {
	Type     Type
	Format   string // int32, int64, byte, date-time, date, duration; any other is not looked at
	Nullable bool   // null is a value, and not an absent field

	// Of a map:
	Fields   map[string]*Schema
	Required []string
	Values   *Schema // of keys that are no fields; nil: there are none, unless Open
	Open     bool    // fields that are not known are kept
	Embedded bool    // an object of its own, with apiVersion, kind and metadata

	// Of a list:
	Items *Schema
	Keys  []string // by which items are told apart: no two may have the same
	Set   bool     // no two items may be equal

	Enum      []any
	EmptyText bool // an empty text is admitted, whatever the enum
	Pattern   *regexp.Regexp
	Bounds    *Bounds

	AllOf, AnyOf, OneOf []*Schema
	Not                 *Schema
}

// Bounds are the limits of a value; nil is none.
type Bounds struct {
	Minimum, Maximum, MultipleOf       *float64
	ExclusiveMinimum, ExclusiveMaximum bool
	MinLength, MaxLength               *int64
	MinItems, MaxItems                 *int64
	MinProperties, MaxProperties       *int64
}

// Kind is a version of a kind.
type Kind struct {
	Schema     *Schema
	Namespaced bool
}
