package gotemplate

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// File is one template. All of a Render know what the others define.
type File struct {
	Name, Text string
	// Values is what the template is executed with. It may be changed by the template.
	Values map[string]any
}

// Options are what templates may ask for beyond their values.
type Options struct {
	Limits Limits
	// Lookup answers the function of that name; nil: nothing is ever found.
	Lookup func(apiVersion, kind, namespace, name string) (map[string]any, error)
	// Draw is where generated values come from; nil: no value is generated.
	Draw *Draw
	// Functions are added to those of Helm, and take the place of those of the same name.
	Functions template.FuncMap
	// Strict has a key that is not there be an error.
	Strict bool
}

// Output is what a template printed.
type Output struct {
	Text  string
	Marks []Mark // in the order of the text
}

// Mark says from which line of its file a text comes, from an offset on.
type Mark struct {
	Offset, Line int
	Copied       bool // it is as it is written in the file, line by line
}

// Line is the line of the file that printed what is at an offset, 0 if it is not known.
func (o Output) Line(offset int) int {
	i, exact := slices.BinarySearchFunc(o.Marks, offset, func(m Mark, offset int) int { return m.Offset - offset })
	if !exact {
		i--
	}
	if i < 0 {
		return 0
	}
	m := o.Marks[i]
	if m.Copied {
		return m.Line + strings.Count(o.Text[m.Offset:offset], "\n")
	}
	return m.Line
}

// maxText bounds one template as it is written: the parser's stack grows with what is nested in it.
const maxText = 4 << 20

// Render parses all files, and executes those whose names do not begin with an underscore. Errors are of type *Error.
func Render(files []File, o Options) (map[string]Output, error) {
	x := &execution{meter: newMeter(o.Limits), options: o, root: template.New("gotpl").Option("missingkey=zero"), seen: map[*parse.Tree]bool{}, texts: map[string]string{}}
	if o.Strict {
		x.root.Option("missingkey=error")
	}
	x.functions(x.root)
	// The deepest first, so that a chart's own definition wins over that of a chart that it depends on: the order is Helm's.
	order := slices.SortedFunc(slices.Values(files), func(a, b File) int {
		if n := strings.Count(b.Name, "/") - strings.Count(a.Name, "/"); n != 0 {
			return n
		}
		return strings.Compare(b.Name, a.Name)
	})
	for _, f := range order {
		if err := x.parse(f); err != nil {
			return nil, err
		}
	}
	x.instrument(x.root)
	out := map[string]Output{}
	for _, f := range order {
		if strings.HasPrefix(path.Base(f.Name), "_") {
			continue
		}
		text, err := x.file(f)
		if err != nil {
			return nil, err
		}
		out[f.Name] = text
	}
	return out, nil
}

// execution is one Render.
type execution struct {
	meter   *meter
	options Options
	root    *template.Template
	seen    map[*parse.Tree]bool // trees that are instrumented
	texts   map[string]string    // of files, by name
	within  map[string]int       // how often each template is included within itself
	running string               // that is executed
	marks   []Mark
	drawn   map[string]int
}

func (x *execution) parse(f File) error {
	switch {
	case len(f.Text) > maxText:
		return &Error{File: f.Name, Message: "the template is larger than 4 MiB"}
	case strings.Contains(f.Text, reserved):
		return &Error{File: f.Name, Message: "a name that begins with " + reserved + " cannot be used"}
	}
	x.texts[f.Name] = f.Text
	if _, err := x.root.New(f.Name).Parse(f.Text); err != nil {
		return explain(f.Name, err)
	}
	return nil
}

// instrument changes the trees that are new. Those of a clone are shared with what it was cloned from.
func (x *execution) instrument(t *template.Template) {
	for _, t := range t.Templates() {
		if t.Tree == nil || t.Root == nil || x.seen[t.Tree] {
			continue
		}
		x.seen[t.Tree] = true
		instrument(t.Tree, x.texts[t.Name()], t.Name() == t.ParseName && x.texts[t.Name()] != "")
	}
}

func (x *execution) file(f File) (out Output, err error) {
	defer func() { // a function of a template may panic where the template does not call it: in a method of a value
		if p := recover(); p != nil {
			over, ok := p.(*exceeded)
			if !ok {
				panic(p)
			}
			err = &Error{File: f.Name, Message: over.text}
		}
	}()
	w := &writer{m: x.meter}
	x.running, x.meter.out, x.marks, x.within = f.Name, w, nil, map[string]int{}
	x.meter.depth = 0
	if err := x.root.ExecuteTemplate(w, f.Name, f.Values); err != nil {
		return Output{}, explain(f.Name, err)
	}
	return x.output(string(w.text)), nil
}

// noValue is what the standard library prints for what is not there, where Helm prints nothing.
const noValue = "<no value>"

func (x *execution) output(text string) Output {
	if !strings.Contains(text, noValue) {
		return Output{Text: text, Marks: x.marks}
	}
	var marks []Mark
	for _, m := range x.marks {
		m.Offset -= len(noValue) * strings.Count(text[:m.Offset], noValue)
		if n := len(marks); n > 0 && marks[n-1].Offset == m.Offset {
			marks = marks[:n-1]
		}
		marks = append(marks, m)
	}
	return Output{Text: strings.ReplaceAll(text, noValue, ""), Marks: marks}
}

// included executes a template for the function include.
func (x *execution) include(t *template.Template) func(string, any) (string, error) {
	return func(name string, data any) (string, error) {
		if x.within[name] > 1000 { // as in Helm, which begins to count at the second
			return "", errors.New("the template " + name + " includes itself without an end")
		}
		x.within[name]++
		defer func() { x.within[name]-- }()
		w := &writer{m: x.meter}
		err := t.ExecuteTemplate(w, name, data)
		return string(w.text), err
	}
}

// tpl executes a text as a template, which knows all others.
func (x *execution) tpl(parent *template.Template) func(string, any) (string, error) {
	return func(text string, data any) (string, error) {
		if len(text) > maxText {
			return "", errors.New("the text for tpl is larger than 4 MiB")
		}
		if strings.Contains(text, reserved) {
			return "", errors.New("a name that begins with " + reserved + " cannot be used")
		}
		x.meter.step(len(parent.Templates()) + len(text)/16)
		x.meter.weigh(4 * len(text))
		t, err := parent.Clone()
		if err != nil {
			return "", err
		}
		t.Option("missingkey=zero").Funcs(template.FuncMap{"include": x.include(t), "tpl": x.tpl(t)})
		if t, err = t.New(parent.Name()).Parse(text); err != nil {
			return "", err
		}
		x.instrument(t)
		x.meter.enter()
		defer x.meter.leave()
		w := &writer{m: x.meter}
		if err := t.Execute(w, data); err != nil {
			return "", err
		}
		return strings.ReplaceAll(string(w.text), noValue, ""), nil
	}
}

// mark notes which line what is printed next is from.
func (x *execution) mark(copied bool) func(int) string {
	return func(line int) string {
		if x.meter.depth == 1 {
			offset := len(x.meter.out.text)
			if n := len(x.marks); n > 0 && x.marks[n-1].Offset == offset {
				x.marks = x.marks[:n-1] // nothing was printed by it
			}
			x.marks = append(x.marks, Mark{offset, line, copied})
		}
		return ""
	}
}

// call is what it takes to count a pass, in steps.
const call = 4

// functions gives a template all that it may call.
func (x *execution) functions(t *template.Template) {
	m := x.meter
	all := x.guarded()
	maps.Copy(all, template.FuncMap{
		"include": x.include(t),
		"tpl":     x.tpl(t),
		nameEnter: func(n int) string { m.step(n + call); m.enter(); return "" },
		nameLeave: func(int) string { m.leave(); return "" },
		nameTick:  func(n int) string { m.step(n + call); return "" },
		nameMark:  x.mark(false),
		nameText:  x.mark(true),
		nameValue: m.value,
		namePrint: m.print,
	})
	t.Funcs(all)
}
