package gotemplate

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// absent are Sprig's functions that templates do not have: they look at the process and the network.
var absent = []string{"env", "expandenv"}

// guarded are all functions, each wrapped so that it keeps to the budget.
func (x *execution) guarded() template.FuncMap {
	all := sprig.TxtFuncMap()
	for _, name := range absent {
		delete(all, name)
	}
	maps.Copy(all, helmFunctions())
	maps.Copy(all, x.generators())
	maps.Copy(all, template.FuncMap{
		// The standard library's own print what they are given, whatever it is.
		"print": fmt.Sprint, "printf": fmt.Sprintf, "println": fmt.Sprintln,
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
		"getHostByName": func(string) string { return "" }, // as Helm's, unless it is told otherwise
		"lookup":        x.lookup,
		"fail":          func(text string) (string, error) { return "", &refusal{text} },
		"required": func(text string, v any) (any, error) {
			if s, isText := v.(string); v == nil || isText && s == "" {
				return v, &refusal{text}
			}
			return v, nil
		},
	})
	maps.Copy(all, x.options.Functions)
	out := template.FuncMap{}
	for name, f := range all {
		out[name] = x.meter.guard(name, f)
	}
	return out
}

func (x *execution) lookup(apiVersion, kind, namespace, name string) (map[string]any, error) {
	if x.options.Lookup == nil {
		return map[string]any{}, nil
	}
	return x.options.Lookup(apiVersion, kind, namespace, name)
}

// guard wraps a function: what it walks and what it will make is counted before it is called, what it made after it.
func (m *meter) guard(name string, f any) any {
	fn := reflect.ValueOf(f)
	how := costs[name]
	walks := !slices.Contains(handing, name)
	return reflect.MakeFunc(fn.Type(), func(args []reflect.Value) []reflect.Value {
		m.step(1 + how.steps)
		size := 0
		if walks {
			for _, a := range args {
				size = m.plus(size, m.walk(a, 0))
			}
		}
		if how.makes != nil {
			most := how.makes(arguments(args, fn.Type().IsVariadic()))
			if most < 0 || most > m.limits.Bytes-m.bytes {
				m.weigh(m.limits.Bytes + 1)
			}
			m.step(most >> 10)
		}
		m.step(size >> 8)
		var out []reflect.Value
		if fn.Type().IsVariadic() {
			out = fn.CallSlice(args)
		} else {
			out = fn.Call(args)
		}
		if len(out) > 0 && name != "include" && name != "tpl" { // whose texts are weighed as they are written
			m.weigh(shallow(out[0]))
		}
		return out
	}).Interface()
}

// handing are the functions that hand values on without looking into them, however large those are.
var handing = strings.Fields(`include tpl dict list tuple get set unset hasKey pluck pick omit keys values append mustAppend push mustPush prepend mustPrepend first mustFirst
	rest mustRest last mustLast initial mustInitial reverse mustReverse slice mustSlice concat dig chunk mustChunk default empty coalesce all any compact mustCompact
	ternary typeOf typeIs typeIsLike kindOf kindIs required`)

// arguments are those of a call, one by one.
func arguments(args []reflect.Value, variadic bool) []any {
	var out []any
	for i, a := range args {
		if variadic && i == len(args)-1 {
			for j := range a.Len() {
				out = append(out, a.Index(j).Interface())
			}
			break
		}
		out = append(out, a.Interface())
	}
	return out
}

// cost is what a function takes beyond the values that it is given.
type cost struct {
	steps int
	// makes is the most bytes that come out, of those functions where that is more than what goes in.
	makes func(args []any) int
}

// costs are those of the functions that make much of little, or take long.
var costs = map[string]cost{
	"repeat":   {makes: func(a []any) int { return product(number(a, 0), length(a, 1)) }},
	"indent":   {makes: indented},
	"nindent":  {makes: indented},
	"wrap":     {makes: func(a []any) int { return 2*length(a, 1) + 16 }},
	"wrapWith": {makes: func(a []any) int { return product(length(a, 2)/max(number(a, 0), 1)+1, length(a, 1)) + length(a, 2) }},
	"replace": {makes: func(a []any) int {
		return product(length(a, 2)/max(length(a, 0), 1)+1, length(a, 1)) + length(a, 2)
	}},
	"join":      {makes: func(a []any) int { return product(count(a, 1), length(a, 0)) }},
	"until":     {makes: func(a []any) int { return counted(0, number(a, 0), 1) }},
	"untilStep": {makes: func(a []any) int { return counted(number(a, 0), number(a, 1), number(a, 2)) }},
	"seq":       {makes: sequence},

	"split": {makes: func(a []any) int { return parts(a, 1) }}, "splitList": {makes: func(a []any) int { return parts(a, 1) }}, "splitn": {makes: func(a []any) int { return parts(a, 2) }},
	"fromJson": {makes: func(a []any) int { return parts(a, 0) }}, "mustFromJson": {makes: func(a []any) int { return parts(a, 0) }}, "fromJsonArray": {makes: func(a []any) int { return parts(a, 0) }},
	"fromYaml": {makes: yamlSize}, "fromYamlArray": {makes: yamlSize}, "fromToml": {makes: func(a []any) int { return parts(a, 0) }},
	"deepCopy": {makes: nil, steps: 10}, "mustDeepCopy": {makes: nil, steps: 10},

	"regexMatch": {makes: matched}, "mustRegexMatch": {makes: matched}, "regexFind": {makes: matched}, "mustRegexFind": {makes: matched},
	"regexFindAll": {makes: matched}, "mustRegexFindAll": {makes: matched}, "regexSplit": {makes: matched}, "mustRegexSplit": {makes: matched},
	"regexReplaceAll": {makes: replaced}, "mustRegexReplaceAll": {makes: replaced}, "regexReplaceAllLiteral": {makes: replaced}, "mustRegexReplaceAllLiteral": {makes: replaced},

	"randAlphaNum": {makes: drawn}, "randAlpha": {makes: drawn},
	"randAscii": {makes: drawn}, "randNumeric": {makes: drawn}, "randBytes": {makes: drawn},
	"printf": {makes: formatted},

	// About as long as so many steps take.
	"bcrypt": {steps: 400_000}, "htpasswd": {steps: 400_000}, "derivePassword": {steps: 1_000_000}, "genPrivateKey": {steps: 10_000},
	"genCA": {steps: 20_000}, "genSelfSignedCert": {steps: 20_000}, "genSignedCert": {steps: 20_000},
	"genCAWithKey": {steps: 20_000}, "genSelfSignedCertWithKey": {steps: 20_000}, "genSignedCertWithKey": {steps: 20_000}, "buildCustomCert": {steps: 10_000},
}

// enough is more than any budget.
const enough = 1 << 40

// product multiplies sizes; what would be too much is enough.
func product(a, b int) int {
	switch {
	case a <= 0 || b <= 0:
		return 0
	case a > enough/b:
		return enough
	}
	return a * b
}

func number(a []any, i int) int {
	if i >= len(a) {
		return 0
	}
	v := reflect.ValueOf(a[i])
	if v.IsValid() && v.CanInt() {
		return int(v.Int())
	}
	return 0
}

func text(a []any, i int) string {
	if i >= len(a) {
		return ""
	}
	s, _ := a[i].(string)
	return s
}

func length(a []any, i int) int { return len(text(a, i)) }

// count is how many items a list has.
func count(a []any, i int) int {
	if i >= len(a) {
		return 0
	}
	if v := reflect.ValueOf(a[i]); v.Kind() == reflect.Slice || v.Kind() == reflect.Array {
		return v.Len()
	}
	return 1
}

func indented(a []any) int {
	return product(number(a, 0), strings.Count(text(a, 1), "\n")+1) + length(a, 1)
}

// counted is the size of a list of numbers.
func counted(from, to, step int) int {
	if step == 0 {
		return 0
	}
	distance := float64(to) - float64(from)
	if rounds := distance / float64(step); rounds > 0 {
		return product(int(min(rounds, enough)), 16)
	}
	return product(int(min(max(distance, -distance), enough)), 16) // Sprig's own goes the other way
}

func sequence(a []any) int {
	switch len(a) {
	case 1:
		return counted(1, number(a, 0), 1)
	case 2:
		return counted(number(a, 0), number(a, 1), 1)
	case 3:
		return counted(number(a, 0), number(a, 2), number(a, 1))
	}
	return 0
}

// parts is the most that a text can be taken apart into.
func parts(a []any, i int) int { return product(length(a, i), 32) }

func drawn(a []any) int { return product(number(a, 0), 64) }

func matched(a []any) int { return product(length(a, 0)/16+32, length(a, 1)) }

func replaced(a []any) int {
	return product(length(a, 1)+1, length(a, 2)+1) + matched(a)
}

// formatted refuses widths in which a few letters are megabytes.
func formatted(a []any) int {
	width, widest := 0, 0
	for _, c := range text(a, 0) {
		if c < '0' || c > '9' {
			width = 0
			continue
		}
		width = min(width*10+int(c-'0'), enough)
		widest = max(widest, width)
	}
	if strings.Contains(text(a, 0), "*") {
		for i := range a {
			widest = max(widest, number(a, i), -number(a, i))
		}
	}
	return product(widest, strings.Count(text(a, 0), "%")+1)
}

// yamlSize is the most that a YAML text can be: aliases multiply.
func yamlSize(a []any) int {
	n, err := YAMLSize([]byte(text(a, 0)))
	if errors.Is(err, errTooLarge) {
		return enough
	}
	return product(n, 4)
}
