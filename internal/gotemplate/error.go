package gotemplate

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// Error is what is wrong with a template: the file and the line where it went wrong, and the file that was executed, if that is another one.
type Error struct {
	File    string
	Line    int
	Message string
	// From is where the file that was executed came to it.
	From     string
	FromLine int
}

func (e *Error) Error() string {
	at := e.File
	if e.Line > 0 {
		at += ":" + strconv.Itoa(e.Line)
	}
	return at + ": " + e.Message
}

// refusal is what a template says itself with fail or required.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

var (
	location  = regexp.MustCompile(`template: ([^\s:]+):(\d+)(?::\d+)?: `)
	context   = regexp.MustCompile(`^executing ".*?" at <.*?>: `)
	undefined = regexp.MustCompile(`^function "([A-Za-z]+)" not defined$`)
	calling   = regexp.MustCompile(`^error calling [A-Za-z0-9_]+: `)
)

// explain finds in an error of the standard library where the error is: where the innermost of the templates was.
func explain(file string, err error) error {
	text := strings.NewReplacer(" | "+nameValue, "", " | "+namePrint, "").Replace(err.Error())
	e := &Error{File: file, Message: strings.TrimPrefix(text, "template: ")}
	if places := location.FindAllStringSubmatchIndex(text, -1); len(places) > 0 {
		last, first := places[len(places)-1], places[0]
		e.File, e.Message = text[last[2]:last[3]], text[last[1]:]
		e.Line, _ = strconv.Atoi(text[last[4]:last[5]])
		line, _ := strconv.Atoi(text[first[4]:first[5]])
		if from := text[first[2]:first[3]]; from != e.File || line != e.Line {
			e.From, e.FromLine = from, line
		}
	}
	var own *refusal
	var over *exceeded
	switch {
	case errors.As(err, &own):
		e.Message = own.text
	case errors.As(err, &over):
		e.Message = over.text
	default:
		e.Message = calling.ReplaceAllString(context.ReplaceAllString(e.Message, ""), "")
	}
	if m := undefined.FindStringSubmatch(e.Message); m != nil && slices.Contains(absent, m[1]) {
		e.Message = "the function " + m[1] + " is not to be had, as in Helm: what templates need is in their values"
	}
	if exec := (template.ExecError{}); errors.As(err, &exec) && e.File == "" {
		e.File = exec.Name
	}
	e.Message = clip(strings.Join(strings.Fields(e.Message), " "))
	return e
}

// maxMessage bounds what an error repeats of a template.
const maxMessage = 600

func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + " …"
}
