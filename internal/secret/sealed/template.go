package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"text/template"
	"text/template/parse"

	"github.com/Masterminds/sprig/v3"
)

// Bounds of the templates of one SealedSecret. An API server stores Secrets of one MiB.
const (
	maxTemplate = 256 << 10 // bytes of a template
	maxSize     = 2 << 20   // of what a template, or a function, gives
	maxProduct  = 64 << 20  // sizes of arguments, multiplied: what a function may make of them at most
	maxNumber   = 10_000    // of what counts characters or items
	maxSteps    = 100_000   // calls, and rounds of loops
)

// without are the functions of Sprig that a template has not: they look outside, they give something else each time, which would be a change without end, or
// what they cost is nobody's to bound.
var without = regexp.MustCompile(`^(env|expandenv|getHostByName|gen.*|rand.*|shuffle|uuidv4|now|ago|date.*|htmlDate.*|buildCustomCert|derivePassword|bcrypt|htpasswd|encryptAES|decryptAES|fail|exec|include|tpl)$`)

// counting are those that take a number of characters or items.
var counting = []string{"until", "untilStep", "seq", "repeat", "indent", "nindent", "trunc", "abbrev", "abbrevboth", "substr", "wrap", "wrapWith", "chunk", "slice", "initial"}

var wideVerb = regexp.MustCompile(`%[^a-zA-Z%]*(\*|\d{4})`)

// templates renders spec.template.data.
func (u *unsealing) templates(values map[string][]byte) (map[string]string, error) {
	sources, ok := u.o.At("spec", "template", "data").(map[string]any)
	if !ok && u.o.At("spec", "template", "data") != nil {
		return nil, u.errorf("spec.template.data is no map")
	}
	if len(sources) > maxValues {
		return nil, u.errorf("more than %d templates", maxValues)
	}
	data := map[string]string{}
	for k, v := range values {
		data[k] = string(v)
	}
	out := map[string]string{}
	budget := &budget{steps: maxSteps, size: maxSize}
	for _, key := range slices.Sorted(maps.Keys(sources)) {
		source, ok := sources[key].(string)
		if !ok || len(source) > maxTemplate {
			return nil, u.errorf("spec.template.data.%s is no text of at most %d KiB", key, maxTemplate>>10)
		}
		text, err := budget.execute(source, data)
		if err != nil {
			return nil, u.errorf("spec.template.data.%s %w", key, err)
		}
		out[key] = text
	}
	return out, nil
}

var errBudget = errors.New("takes more than the templates of a Secret may")

// budget is what is left for the templates of one object.
type budget struct{ steps, size int }

func (b *budget) tick() (string, error) {
	if b.steps--; b.steps < 0 {
		return "", errBudget
	}
	return "", nil
}

// Write counts what a template prints.
func (b *budget) Write(p []byte) (int, error) {
	if b.size -= len(p); b.size < 0 {
		return 0, errBudget
	}
	return len(p), nil
}

// parse reads a template; nil: there is nothing in it.
func (b *budget) parse(source string) (*template.Template, error) {
	t, err := template.New("").Funcs(b.functions()).Parse(source)
	if err != nil {
		return nil, errors.New("is no template: " + parseReason(err))
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("defines a template of its own, which the template of a value cannot")
	}
	if t.Tree == nil {
		return nil, nil
	}
	return t, loops(t.Root)
}

func (b *budget) execute(source string, data map[string]string) (string, error) {
	t, err := b.parse(source)
	if t == nil || err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := t.Execute(writers{&out, b}, data); err != nil {
		if errors.Is(err, errBudget) {
			return "", errBudget
		}
		// What the library says may quote values.
		return "", errors.New("does not work with the decrypted values" + position(err))
	}
	return out.String(), nil
}

type writers struct {
	to *bytes.Buffer
	b  *budget
}

func (w writers) Write(p []byte) (int, error) {
	if n, err := w.b.Write(p); err != nil {
		return n, err
	}
	return w.to.Write(p)
}

var inTemplate = regexp.MustCompile(`^template: :(\d+)(:\d+)?: `)

// position is the line of the template that an error is about.
func position(err error) string {
	if m := inTemplate.FindStringSubmatch(err.Error()); m != nil {
		return ": see its line " + m[1]
	}
	return ""
}

func parseReason(err error) string {
	text := err.Error()
	if m := inTemplate.FindStringSubmatch(text); m != nil {
		return "line " + m[1] + ": " + text[len(m[0]):]
	}
	return text
}

// loops has each round of a loop counted, and refuses what could call itself.
func loops(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, item := range n.Nodes {
			if err := loops(item); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(loops(n.List), loops(n.ElseList))
	case *parse.WithNode:
		return errors.Join(loops(n.List), loops(n.ElseList))
	case *parse.RangeNode:
		tick, err := parse.Parse("", "{{tick}}", "{{", "}}", map[string]any{"tick": true})
		if err != nil {
			return err
		}
		n.List.Nodes = append(slices.Clone(tick[""].Root.Nodes), n.List.Nodes...)
		return errors.Join(loops(n.List), loops(n.ElseList))
	case *parse.TemplateNode:
		return errors.New("calls a template, which the template of a value cannot")
	}
	return nil
}

// functions are those of Sprig, and those of the library that can make much of little, each bounded.
func (b *budget) functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	all["printf"], all["print"], all["println"] = fmt.Sprintf, fmt.Sprint, fmt.Sprintln
	for name, f := range all {
		if without.MatchString(name) {
			delete(all, name)
			continue
		}
		all[name] = b.bounded(name, reflect.ValueOf(f))
	}
	all["tick"] = b.tick
	return all
}

// bounded wraps a function: its arguments are looked at before it is called, and its result after.
func (b *budget) bounded(name string, f reflect.Value) any {
	t := f.Type()
	in := make([]reflect.Type, t.NumIn())
	for i := range in {
		in[i] = t.In(i)
	}
	first := reflect.TypeFor[any]()
	if t.NumOut() > 0 {
		first = t.Out(0)
	}
	wrapped := reflect.FuncOf(in, []reflect.Type{first, reflect.TypeFor[error]()}, t.IsVariadic())
	return reflect.MakeFunc(wrapped, func(args []reflect.Value) []reflect.Value {
		fail := func(err error) []reflect.Value {
			return []reflect.Value{reflect.Zero(first), reflect.ValueOf(&err).Elem()}
		}
		if _, err := b.tick(); err != nil {
			return fail(err)
		}
		if err := affordable(name, args); err != nil {
			return fail(err)
		}
		call := f.Call
		if t.IsVariadic() {
			call = f.CallSlice
		}
		out := call(args)
		if len(out) == 2 {
			if err, failed := out[1].Interface().(error); failed {
				return fail(err)
			}
		}
		if size(out[0], 0) > maxSize {
			return fail(errBudget)
		}
		return []reflect.Value{out[0], reflect.Zero(reflect.TypeFor[error]())}
	}).Interface()
}

// affordable reports what a function may not be called with.
func affordable(name string, args []reflect.Value) error {
	product := 1.0
	for _, a := range args {
		product *= float64(size(a, 0) + 1)
		if slices.Contains(counting, name) && number(a) > maxNumber {
			return errBudget
		}
	}
	if name == "printf" && len(args) > 0 && wideVerb.MatchString(args[0].String()) {
		return errBudget
	}
	if product > maxProduct && !slices.Contains(additive, name) {
		return errBudget
	}
	return nil
}

// additive are functions whose result is never larger than a few times their arguments together.
var additive = []string{
	"print", "println", "cat", "dict", "list", "set", "get", "hasKey", "merge", "mergeOverwrite", "tuple", "default", "coalesce", "ternary", "eq", "ne", "contains", "hasPrefix", "hasSuffix",
	"index", "append", "prepend", "concat", "toJson", "toPrettyJson", "b64enc", "b64dec", "quote", "squote", "trimPrefix", "trimSuffix", "trimAll", "pluck", "pick", "omit", "first", "last",
}

// number is the largest number in an argument, or in the list of a variadic one.
func number(v reflect.Value) int64 {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return 0
		}
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		if v.Int() == math.MinInt64 {
			return math.MaxInt64
		}
		return max(v.Int(), -v.Int())
	case v.CanUint():
		return int64(min(v.Uint(), math.MaxInt64))
	case v.CanFloat():
		return int64(min(math.Abs(v.Float()), 1e18))
	case v.Kind() == reflect.Slice:
		most := int64(0)
		for i := range v.Len() {
			most = max(most, number(v.Index(i)))
		}
		return most
	}
	return 0
}

// size is about how much a value takes when it is printed, as far as it is within the bounds.
func size(v reflect.Value, depth int) int {
	if depth > 100 {
		return maxSize + 1
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return 1
		}
		return size(v.Elem(), depth+1)
	case reflect.String:
		return v.Len()
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Len()
		}
		sum := v.Len()
		for i := 0; i < v.Len() && sum <= maxSize; i++ {
			sum += size(v.Index(i), depth+1)
		}
		return sum
	case reflect.Map:
		sum := v.Len()
		for it := v.MapRange(); it.Next() && sum <= maxSize; {
			sum += size(it.Key(), depth+1) + size(it.Value(), depth+1)
		}
		return sum
	default:
		return 1
	}
}
