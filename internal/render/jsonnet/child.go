package jsonnet

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-jsonnet"
	"github.com/google/go-jsonnet/ast"
)

// Main evaluates, and does not return, if this process was started to. It has to be called before anything else is done.
func Main() {
	if len(os.Args) != 2 || os.Args[1] != Flag {
		return
	}
	os.Exit(serve(os.Stdin, os.Stdout))
}

// serve is the life of a child.
func serve(in io.Reader, out io.Writer) int {
	lines := make(chan []byte)
	go func() {
		r := bufio.NewReader(in)
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				os.Exit(exitProtocol) // the parent is gone, or does not want the answer
			}
			lines <- line
		}
	}()
	var j job
	if err := json.Unmarshal(<-lines, &j); err != nil {
		return exitProtocol
	}
	confine(j.Limits)
	w := bufio.NewWriterSize(out, 64<<10)
	say := func(m message) bool { return json.NewEncoder(w).Encode(m) == nil && w.Flush() == nil }
	e := evaluation{job: j, imports: &imports{
		byName: map[string]jsonnet.Contents{}, known: map[importing]imported{},
		ask: func(i importing) (c contents, err error) {
			if !say(message{Import: &i}) {
				return c, errGone
			}
			err = json.Unmarshal(<-lines, &c)
			return c, err
		},
	}}
	found, err := e.run()
	m := message{Found: found}
	if err != nil {
		m = message{Wrong: describe(err)}
		if m.Wrong.At.File == "" {
			m.Wrong.At.File = j.File
		}
	}
	if !say(m) {
		return exitProtocol
	}
	return 0
}

// confine limits this process for the rest of its life.
func confine(l Limits) {
	limit(l)
	debug.SetMemoryLimit(int64(l.Memory))
	debug.SetMaxStack(l.Memory / 2)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for range time.Tick(5 * time.Millisecond) {
			metrics.Read(sample)
			// The garbage collector keeps to the limit as long as it can.
			if used := sample[0].Value.Uint64() - sample[1].Value.Uint64(); used > uint64(l.Memory)*5/4 {
				os.Exit(exitMemory)
			}
		}
	}()
}

// imports asks the parent for files, once for each.
type imports struct {
	ask    func(importing) (contents, error)
	known  map[importing]imported
	byName map[string]jsonnet.Contents
}

type imported struct {
	contents jsonnet.Contents
	name     string
	err      error
}

// Import implements jsonnet.Importer.
func (m *imports) Import(from, path string) (jsonnet.Contents, string, error) {
	i := importing{from, path}
	got, ok := m.known[i]
	if !ok {
		got = m.fetch(i)
		m.known[i] = got
	}
	return got.contents, got.name, got.err
}

func (m *imports) fetch(i importing) imported {
	c, err := m.ask(i)
	if err != nil {
		return imported{err: err}
	}
	if c.Error != "" {
		return imported{err: errors.New(c.Error)}
	}
	if _, ok := m.byName[c.Name]; !ok {
		m.byName[c.Name] = jsonnet.MakeContentsRaw(c.Data)
	}
	return imported{contents: m.byName[c.Name], name: c.Name}
}

// evaluation is that of one job.
type evaluation struct {
	job
	imports *imports
	vm      *jsonnet.VM
}

func (e *evaluation) run() ([]Found, error) {
	e.vm = jsonnet.MakeVM()
	e.vm.MaxStack = e.Limits.Stack
	e.vm.Importer(e.imports)
	e.vm.SetTraceOut(io.Discard)
	for name, parameters := range foreign {
		e.vm.NativeFunction(&jsonnet.NativeFunction{Name: name, Params: parameters, Func: func([]any) (any, error) {
			return nil, fmt.Errorf("std.native('%s') is a function of Tanka or Kubecfg, and not here: %s", name, cmp.Or(instead[name], "use the functions of std"))
		}})
	}
	for _, v := range e.External {
		if v.Code {
			e.vm.ExtCode(v.Name, v.Value)
		} else {
			e.vm.ExtVar(v.Name, v.Value)
		}
	}
	for _, v := range e.TopLevel {
		if v.Code {
			e.vm.TLACode(v.Name, v.Value)
		} else {
			e.vm.TLAVar(v.Name, v.Value)
		}
	}
	root, name, err := e.vm.ImportAST("", e.File)
	if err != nil {
		return nil, err
	}
	text, err := e.vm.Evaluate(root)
	if err != nil {
		return nil, err
	}
	if len(text) > e.Limits.Output {
		return nil, wrongError{wrong{At: Place{File: name}, Text: fmt.Sprintf("renders to more than %d MiB: split the app", e.Limits.Output>>20)}}
	}
	g := gathering{vm: e.vm}
	start := spot{node: root, file: name}
	return g.out, g.value(json.RawMessage(text), nil, start, Place{File: name, Line: 1}, &g.out)
}

// foreign are native functions that other programs have, with their parameters: that they are not here is said clearly.
var foreign = map[string]ast.Identifiers{
	"helmTemplate": {"name", "chart", "conf"}, "kustomizeBuild": {"path", "conf"},
	"parseYaml": {"yaml"}, "parseJson": {"json"}, "manifestYamlFromJson": {"json"}, "manifestJsonFromJson": {"json", "indent"},
	"regexMatch": {"regex", "string"}, "regexSubst": {"regex", "src", "repl"}, "escapeStringRegex": {"str"}, "sha256": {"str"},
	"resolveImage": {"image"},
}

// instead says what takes their place.
var instead = map[string]string{
	"helmTemplate": "make the chart an app of its own, or name it under helmCharts in a kustomization.yaml", "kustomizeBuild": "make the kustomization an app of its own",
	"parseYaml": "std.parseYaml is", "parseJson": "std.parseJson is", "manifestYamlFromJson": "std.manifestYamlDoc is", "manifestJsonFromJson": "std.manifestJsonEx is",
	"sha256": "std.sha256 is",
}

// wrongError is an error that is described already.
type wrongError struct{ wrong }

func (w wrongError) Error() string { return w.Text }

// placed is an error of the parser, and of what checks the program before it runs.
type placed interface {
	error
	Loc() ast.LocationRange
}

var crashed = regexp.MustCompile(`(?s)^\(CRASH\) (.*?)\n.*$`)

// inImported is how the interpreter says where in an imported file an error is.
var inImported = regexp.MustCompile(`^([^\s:]+):\(?(\d+):(\d+)\)?(?:-[\d(:)]+)? (.*)$`)

// describe says where an error is, in the words of people who write Jsonnet for Fairlead.
func describe(err error) *wrong {
	var own wrongError
	var static placed
	var running jsonnet.RuntimeError
	switch {
	case errors.As(err, &own):
		return &own.wrong
	case errors.As(err, &running):
		w := &wrong{Text: remedy(running.Msg)}
		var trace []Place
		for _, frame := range running.StackTrace {
			if p := placeOf(frame.Loc); p.Line > 0 {
				trace = append(trace, p)
			}
		}
		if len(trace) > 0 { // the innermost is the last
			w.At = trace[len(trace)-1]
			if trace[0].File != w.At.File {
				w.From = trace[0]
			}
		}
		if m := inImported.FindStringSubmatch(running.Msg); m != nil { // the file that is imported does not parse
			line, _ := strconv.Atoi(m[2])
			column, _ := strconv.Atoi(m[3])
			w.From, w.At, w.Text = w.At, Place{File: m[1], Line: line, Column: column}, remedy(m[4])
		}
		return w
	case errors.As(err, &static):
		at := static.Loc()
		text := strings.TrimSpace(strings.TrimPrefix(static.Error(), at.String()))
		return &wrong{At: placeOf(at), Text: remedy(text)}
	}
	text := err.Error()
	if m := crashed.FindStringSubmatch(text); m != nil {
		text = "the interpreter crashed: " + m[1]
	}
	return &wrong{Text: text}
}

// placeOf is a place in a file of the tree, or in the text of a variable; zero for what is built in.
func placeOf(l ast.LocationRange) Place {
	name := l.FileName
	if l.File != nil && name == "" {
		name = string(l.File.DiagnosticFileName)
	}
	if variable := variableFile.FindStringSubmatch(name); variable != nil {
		return Place{File: "jsonnet: the code of " + variable[2], Line: l.Begin.Line, Column: l.Begin.Column}
	}
	if name == "" || strings.HasPrefix(name, "<") || name == "std" {
		return Place{}
	}
	return Place{File: name, Line: l.Begin.Line, Column: l.Begin.Column}
}

var variableFile = regexp.MustCompile(`^<(extvar|top-level-arg):(.*)>$`)

// remedies are what can be done about errors that are not about what is written at their place.
var remedies = []struct {
	is     *regexp.Regexp
	remedy string
}{
	{regexp.MustCompile(`^Undefined external variable: (\S+)`), "give it under jsonnet.extVars in fairlead.yaml: {name: $1, value: …}"},
	{regexp.MustCompile(`^Missing argument: (\S+)`), "if this is the function of the file itself, give it under jsonnet.tlas in fairlead.yaml: {name: $1, value: …}"},
	{regexp.MustCompile(`^[Ff]unction has no parameter (\S+)`), "jsonnet.tlas in fairlead.yaml are the arguments of the file's own function: correct the name, or leave it out"},
	{regexp.MustCompile(`(?i)^max stack frames exceeded`), "something needs itself without an end, a function, a field or a file"},
	{regexp.MustCompile(`^Unexpected type null, expected function`), "std.native gives null, as there are no native functions here: use the functions of std"},
	{regexp.MustCompile(`[Cc]ouldn't manifest function`), "call the function, or hide the field with two colons"},
}

func remedy(text string) string {
	for _, r := range remedies {
		if m := r.is.FindStringSubmatchIndex(text); m != nil {
			return strings.TrimSuffix(text, ".") + ": " + string(r.is.ExpandString(nil, r.remedy, text, m))
		}
	}
	return text
}
