package gotemplate

import (
	"fmt"
	"reflect"
)

// Limits bound one Render. Zero fields have the defaults.
type Limits struct {
	Steps int // 10 million: about the nodes of templates that are executed, and the values that functions walk
	Bytes int // 256 MiB: of all that is made, the text of included templates counted again where it is included
	Depth int // 2,000: templates within templates
}

const (
	defaultSteps = 10_000_000
	defaultBytes = 256 << 20
	defaultDepth = 2000
)

// maxNested bounds how deep a value may be that a function walks. One that contains itself has no end.
const maxNested = 1000

// exceeded is that a budget is used up. It is what a template fails with, and not its message.
type exceeded struct{ text string }

func (e *exceeded) Error() string { return e.text }

// meter counts what one Render uses.
type meter struct {
	limits              Limits
	steps, bytes, depth int
	// out is the text of the file that is executed, while no other template is.
	out *writer
}

func newMeter(l Limits) *meter {
	if l.Steps == 0 {
		l.Steps = defaultSteps
	}
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Depth == 0 {
		l.Depth = defaultDepth
	}
	return &meter{limits: l}
}

// step counts work. Text and template execution turn its panic into an error.
func (m *meter) step(n int) {
	if m.steps += max(n, 1); m.steps > m.limits.Steps {
		panic(&exceeded{fmt.Sprintf("the templates take more than %d million steps: a loop has no end, or far too many rounds", m.limits.Steps/1_000_000)})
	}
}

// weigh counts bytes that are made, before they are.
func (m *meter) weigh(n int) {
	if n < 0 || n > m.limits.Bytes-m.bytes {
		panic(&exceeded{fmt.Sprintf("the templates make more than %d MiB", m.limits.Bytes>>20)})
	}
	m.bytes += n
	m.step(n >> 10)
}

func (m *meter) enter() {
	if m.depth++; m.depth > m.limits.Depth {
		panic(&exceeded{fmt.Sprintf("templates are nested deeper than %d: one includes itself without an end", m.limits.Depth)})
	}
}

func (m *meter) leave() { m.depth-- }

// shallow is what a value takes by itself.
func shallow(v reflect.Value) int {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return 0
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Slice, reflect.Array:
		return v.Len() * int(v.Type().Elem().Size())
	case reflect.Map:
		return v.Len() * 48
	default:
		return 0
	}
}

// walk counts a value that a function is going to walk, all of it, and returns about how many bytes it is as text. What is shared counts as often as it is met.
func (m *meter) walk(v reflect.Value, depth int) int {
	if depth > maxNested {
		panic(&exceeded{fmt.Sprintf("a value is nested deeper than %d levels, or contains itself", maxNested)})
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return 4
		}
		return m.walk(v.Elem(), depth+1)
	case reflect.String:
		return v.Len()
	case reflect.Slice, reflect.Array:
		m.step(v.Len())
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Len()
		}
		n := 2
		for i := range v.Len() {
			n = m.plus(n, m.walk(v.Index(i), depth+1)+2+depth)
		}
		return n
	case reflect.Map:
		m.step(v.Len())
		n := 2
		for each := v.MapRange(); each.Next(); {
			n = m.plus(n, m.walk(each.Key(), depth+1)+m.walk(each.Value(), depth+1)+4+2*depth)
		}
		return n
	case reflect.Struct:
		n := 2
		for i := range v.NumField() {
			n = m.plus(n, m.walk(v.Field(i), depth+1)+8)
		}
		return n
	default:
		return 8
	}
}

// value weighs the value of a pipeline.
func (m *meter) value(v any) any {
	m.weigh(shallow(reflect.ValueOf(v)))
	return v
}

// print walks a value that is going to be printed: a text is weighed when it is.
func (m *meter) print(v any) any {
	if _, text := v.(string); !text {
		m.weigh(m.walk(reflect.ValueOf(v), 0))
	}
	return v
}

// plus adds sizes, and stops where the sum alone is more than there may be.
func (m *meter) plus(a, b int) int {
	if a+b > m.limits.Bytes {
		m.weigh(a + b)
	}
	return a + b
}

// writer takes what a template prints.
type writer struct {
	m    *meter
	text []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.m.weigh(len(p))
	w.text = append(w.text, p...)
	return len(p), nil
}
