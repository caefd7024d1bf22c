package schema

import "strings"

// combined checks what schemas say together: allOf, anyOf, oneOf, not. The parts of a structural schema only restrict the values of fields that the schema
// itself names, so that they say nothing of unknown fields.
func (v *validator) combined(s *Schema, value any) {
	for _, part := range s.AllOf {
		v.part(part, value)
	}
	if len(s.AnyOf) > 0 {
		v.some("any of", s.AnyOf, value, 1, len(s.AnyOf))
	}
	if len(s.OneOf) > 0 {
		v.some("exactly one of", s.OneOf, value, 1, 1)
	}
	if s.Not != nil && v.admits(s.Not, value) {
		v.add(WrongValue, "", "is of a form that the schema forbids%s", requiring(s.Not))
	}
}

func (v *validator) part(s *Schema, value any) {
	was := v.quiet
	v.quiet = true
	v.value(s, value, s)
	v.quiet = was
}

// some wants at least and at most so many of the parts to admit the value.
func (v *validator) some(words string, parts []*Schema, value any, least, most int) {
	n := 0
	var forms []string
	for _, p := range parts {
		if v.admits(p, value) {
			n++
		}
		if len(p.Required) > 0 {
			forms = append(forms, strings.Join(p.Required, " and "))
		}
	}
	if least <= n && n <= most {
		return
	}
	remedy := ""
	if len(forms) == len(parts) {
		remedy = "set " + words + " " + strings.Join(forms, ", ")
	}
	if n == 0 {
		v.add(WrongValue, remedy, "has none of the %d forms that the schema admits", len(parts))
	} else {
		v.add(WrongValue, remedy, "has %d of the forms that the schema admits, of which it may have one", n)
	}
}

func (v *validator) admits(s *Schema, value any) bool {
	inner := &validator{path: v.path, quiet: true}
	inner.value(s, value, s)
	return len(inner.problems) == 0
}

func requiring(s *Schema) string {
	if len(s.Required) == 0 {
		return ""
	}
	return ": " + strings.Join(s.Required, " and ") + " may not be set"
}
