package substitute

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Variables are names and their values.
type Variables map[string]string

var name = regexp.MustCompile(`^[_\pL][_\pL\d]*$`)

// IsName reports whether a variable can have a name.
func IsName(s string) bool { return name.MatchString(s) }

// Error is what is wrong with a text. At names the place of the text that it is in, by its first characters.
type Error struct {
	// Name is the variable that has no value; empty if something else is wrong.
	Name string
	Text string // the expression, or its begin
	Why  string
}

func (e *Error) Error() string {
	if e.Name != "" {
		return fmt.Sprintf("variable %s has no value: name it in spec.render.substitute of the Environment, say what it is otherwise with ${%s:-…}, or write $${%s} for the text itself", e.Name, e.Name, e.Name)
	}
	return fmt.Sprintf("%s: %s; write $${ for the text ${", e.Text, e.Why)
}

// Bounds: what a text may grow to, and how deep defaults may lie within each other.
const (
	mostText  = 4 << 20
	mostDepth = 20
)

// Text puts values into a text. The error is of kind Invalid and wraps an [Error].
func Text(text string, vars Variables) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	e := expander{vars: vars, rest: text}
	if err := e.text(false, 0); err != nil {
		return "", fault.New(fault.Invalid, err)
	}
	return e.out.String(), nil
}

type expander struct {
	vars Variables
	rest string
	out  strings.Builder
}

func (e *expander) write(s string) error {
	if e.out.Len()+len(s) > mostText {
		return &Error{Text: "${", Why: "the text grows beyond 4 MiB"}
	}
	e.out.WriteString(s)
	return nil
}

// text copies up to the end, or up to the brace that closes a default.
func (e *expander) text(within bool, depth int) error {
	for e.rest != "" {
		i := strings.IndexByte(e.rest, '$')
		if end := strings.IndexByte(e.rest, '}'); within && end >= 0 && (i < 0 || end < i) {
			err := e.write(e.rest[:end])
			e.rest = e.rest[end:]
			return err
		}
		if i < 0 {
			i = len(e.rest)
		}
		if err := e.write(e.rest[:i]); err != nil {
			return err
		}
		e.rest = e.rest[i:]
		switch {
		case strings.HasPrefix(e.rest, "$$"):
			if err := e.write("$"); err != nil {
				return err
			}
			e.rest = e.rest[2:]
		case strings.HasPrefix(e.rest, "${"):
			value, err := e.expression(depth)
			if err == nil {
				err = e.write(value)
			}
			if err != nil {
				return err
			}
		case e.rest != "":
			if err := e.write("$"); err != nil {
				return err
			}
			e.rest = e.rest[1:]
		}
	}
	return nil
}

// expression reads what begins with ${, and returns its value.
func (e *expander) expression(depth int) (string, error) {
	begin := e.rest
	wrong := func(why string) error { return &Error{Text: clip(begin), Why: why} }
	if depth > mostDepth {
		return "", wrong("defaults lie too deep within each other")
	}
	e.rest = e.rest[2:]
	length := strings.HasPrefix(e.rest, "#")
	if length {
		e.rest = e.rest[1:]
	}
	n := e.take(func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
	if !IsName(n) {
		return "", wrong("that is no name of a variable")
	}
	value, known := e.vars[n]
	op := ""
	if !length {
		op = e.operator()
	}
	if op == ":-" || op == ":=" || op == "=" {
		return e.withDefault(value, depth, wrong)
	}
	end := strings.IndexByte(e.rest, '}')
	switch {
	case end < 0:
		return "", wrong("the } is missing")
	case end > 0 && length:
		return "", wrong("nothing may follow the name in ${#" + n + "}")
	case end > 0 && op == "":
		return "", wrong(unknown(n, e.rest[:end]))
	}
	word := e.rest[:end]
	e.rest = e.rest[end+1:]
	if !known {
		return "", &Error{Name: n}
	}
	if length {
		op = "length"
	}
	out, ok := apply(op, value, word)
	if !ok {
		return "", wrong(misused(op, n))
	}
	return out, nil
}

// withDefault returns the value, or what follows if it is empty, up to the brace. What is not needed is read, but needs no values.
func (e *expander) withDefault(value string, depth int, wrong func(string) error) (string, error) {
	inner := expander{vars: e.vars, rest: e.rest}
	if value != "" {
		inner.vars = nil
		if end := skip(e.rest, depth); end >= 0 {
			e.rest = e.rest[end+1:]
			return value, nil
		}
		return "", wrong("the } is missing")
	}
	if err := inner.text(true, depth+1); err != nil {
		return "", err
	}
	if !strings.HasPrefix(inner.rest, "}") {
		return "", wrong("the } is missing")
	}
	e.rest = inner.rest[1:]
	return inner.out.String(), nil
}

// skip is where the brace is that closes a default; less than 0 if there is none.
func skip(s string, depth int) int {
	open := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "$$"):
			i++
		case strings.HasPrefix(s[i:], "${"):
			if open++; open+depth > mostDepth {
				return -1
			}
			i++
		case s[i] == '}' && open == 0:
			return i
		case s[i] == '}':
			open--
		}
	}
	return -1
}

func (e *expander) take(is func(rune) bool) string {
	i := strings.IndexFunc(e.rest, func(r rune) bool { return !is(r) })
	if i < 0 {
		i = len(e.rest)
	}
	s := e.rest[:i]
	e.rest = e.rest[i:]
	return s
}

// operators are what may follow a name, longer ones first.
var operators = []string{":-", ":=", ",,", "^^", "##", "%%", "//", "/#", "/%", ",", "^", "#", "%", "/", ":", "="}

func (e *expander) operator() string {
	for _, op := range operators {
		if rest, ok := strings.CutPrefix(e.rest, op); ok {
			e.rest = rest
			return op
		}
	}
	return ""
}

// unknown is what to write in place of what follows a name and is no operator.
func unknown(name, word string) string {
	first, _ := utf8.DecodeRuneInString(word)
	if first == '-' {
		return fmt.Sprintf("- is not understood: write ${%s:-…} to say what it is without a value; a name is made of letters, digits and _ alone", name)
	}
	return fmt.Sprintf("%q is not understood: a name is made of letters, digits and _ alone, and :- := = : ^ , # %% or / may follow it", first)
}

// misused is what to write in place of what follows an operator.
func misused(op, name string) string {
	switch op[0] {
	case ':':
		return fmt.Sprintf("a : takes numbers, as in ${%s:2} or ${%s:2:3}, or - or = and what it is without a value, as in ${%s:-…}", name, name, name)
	case '/':
		return fmt.Sprintf("%s takes what is replaced, and by what, as in ${%s%sa/b} with \\/ for a slash, and makes at most 4 MiB", op, name, op)
	case '#', '%':
		return fmt.Sprintf("%s takes a pattern, as in ${%s%s*.}, of at most 100 bytes, for values of at most %d", op, name, op, mostMatched)
	}
	return "nothing may follow " + op
}

// apply makes something of a value.
func apply(op, value, word string) (string, bool) {
	switch op {
	case "":
		return value, true
	case "length":
		return strconv.Itoa(len(value)), word == ""
	case "^^":
		return strings.ToUpper(value), word == ""
	case ",,":
		return strings.ToLower(value), word == ""
	case "^", ",":
		return first(value, op), word == ""
	case ":":
		return part(value, word)
	case "/", "//", "/#", "/%":
		return replace(op, value, word)
	}
	return trim(op, value, word)
}

func first(s, op string) string {
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case n == 0:
		return s
	case op == "^":
		return string(unicode.ToUpper(r)) + s[n:]
	}
	return string(unicode.ToLower(r)) + s[n:]
}

func part(s, word string) (string, bool) {
	from, count, counted := strings.Cut(word, ":")
	at, err := strconv.Atoi(strings.TrimSpace(from))
	if err != nil {
		return "", false
	}
	if at < 0 {
		at = max(0, len(s)+at)
	}
	at = min(at, len(s))
	if !counted {
		return s[at:], true
	}
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil {
		return "", false
	}
	end := len(s) + n
	if n >= 0 {
		end = at + min(n, len(s)-at)
	}
	return s[at:max(at, end)], true
}

// replace takes apart what is replaced and what by; a \ before a slash or another \ takes away what they mean.
func replace(op, s, word string) (string, bool) {
	var parts [2]strings.Builder
	at := 0
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\\' && i+1 < len(word) && (word[i+1] == '/' || word[i+1] == '\\'):
			i++
			parts[at].WriteByte(word[i])
		case c == '/' && at == 0:
			at = 1
		default:
			parts[at].WriteByte(c)
		}
	}
	old, by := parts[0].String(), parts[1].String()
	if len(s)*(len(by)+1) > mostText {
		return "", false
	}
	switch op {
	case "/":
		s = strings.Replace(s, old, by, 1)
	case "//":
		s = strings.ReplaceAll(s, old, by)
	case "/#":
		if rest, ok := strings.CutPrefix(s, old); ok {
			s = by + rest
		}
	default:
		if rest, ok := strings.CutSuffix(s, old); ok {
			s = rest + by
		}
	}
	return s, at == 1
}

// mostMatched bounds what is compared with a pattern.
const mostMatched = 4096

// trim takes away the begin or the end of a value that a pattern means.
func trim(op, s, glob string) (string, bool) {
	if len(s) > mostMatched || len(glob) > 100 {
		return "", false
	}
	// A * means slashes as well.
	glob, plain := strings.ReplaceAll(glob, "/", "\x00"), strings.ReplaceAll(s, "/", "\x00")
	if _, err := path.Match(glob, ""); err != nil {
		return "", false
	}
	best := -1
	for n := range len(s) + 1 {
		of := plain[:n]
		if op[0] == '%' {
			of = plain[len(s)-n:]
		}
		if ok, _ := path.Match(glob, of); ok {
			if best = n; len(op) == 1 {
				break
			}
		}
	}
	switch {
	case best < 0:
		return s, true
	case op[0] == '#':
		return s[best:], true
	}
	return s[:len(s)-best], true
}

func clip(s string) string {
	const most = 40
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
