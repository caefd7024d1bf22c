package jsonnet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// Limits are what one evaluation may cost. Zero fields have the defaults.
type Limits struct {
	Computing time.Duration // 10 s of a processor, counted in whole seconds
	Wall      time.Duration // a minute
	Memory    int           // 256 MiB
	Output    int           // 64 MiB of JSON
	Stack     int           // 500 calls that wait for one another, as jsonnet has it
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Computing: cmp.Or(l.Computing, 10*time.Second),
		Wall:      cmp.Or(l.Wall, time.Minute),
		Memory:    cmp.Or(l.Memory, 256<<20),
		Output:    cmp.Or(l.Output, 64<<20),
		Stack:     cmp.Or(l.Stack, 500),
	}
}

// Variable is an external variable or an argument of the top level: a text, or code.
type Variable struct {
	Name, Value string
	Code        bool
}

// Place is where something is written. Line and Column are zero if they are not known.
type Place struct {
	File         string
	Line, Column int
}

// String is the place as errors begin with it.
func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Found is an object in what was evaluated, Path the fields that lead to it, and At where it was written, as well as that can be said of what is computed.
type Found struct {
	Path string
	At   Place
	JSON json.RawMessage
}

// job is what a child is told.
type job struct {
	File     string
	External []Variable
	TopLevel []Variable
	Limits   Limits
}

// message is what a child says: that it needs a file, or how it ended.
type message struct {
	Import *importing `json:",omitempty"`
	Found  []Found    `json:",omitempty"`
	Wrong  *wrong     `json:",omitempty"`
}

type importing struct{ From, Path string }

// contents answers an import.
type contents struct {
	Name  string // by which the file is known from then on
	Data  []byte
	Error string
}

// wrong is why there are no objects.
type wrong struct {
	At   Place
	From Place // who called what is wrong; zero: nobody else
	Text string
}

// Flag is the first argument of a process that evaluates. It is no argument of anything else: a program that does not know it ends at once.
const Flag = "--evaluate-jsonnet"

// The exit codes of a child that say something. Panics of the interpreter are caught: if the runtime of Go ends a program, it is that it got no memory, whatever
// it says of it.
const (
	exitRuntime = 2

	exitMemory = iota + 69
	exitComputing
	exitProtocol
)
