package form

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/check"
)

// Form is how findings are written.
type Form string

// The forms.
const (
	Text   Form = "text"
	JSON   Form = "json"
	SARIF  Form = "sarif"
	GitHub Form = "github"
	JUnit  Form = "junit"
)

// Names are the names of all forms.
var Names = []string{string(Text), string(JSON), string(SARIF), string(GitHub), string(JUnit)}

// Result is what a check came to.
type Result struct {
	Findings   []check.Finding
	Apps       []string // the titles of all that were looked at
	Kubernetes string
	Version    string // of the program
	// FailOn is the least severity that counts as a failure.
	FailOn check.Severity
	// Asides are what else there is to say, a sentence each.
	Asides []string
	// Shown turns a path of the tree into the one that people are shown; nil: it is the same.
	Shown  func(string) string
	Colour bool
}

// Failed reports whether a finding weighs enough.
func (r Result) Failed() bool {
	for _, f := range r.Findings {
		if f.Severity >= r.FailOn {
			return true
		}
	}
	return false
}

// Write writes a result in a form.
func Write(w io.Writer, f Form, r Result) error {
	switch f {
	case JSON:
		return writeJSON(w, r)
	case SARIF:
		return writeSARIF(w, r)
	case GitHub:
		return writeGitHub(w, r)
	case JUnit:
		return writeJUnit(w, r)
	default:
		return writeText(w, r)
	}
}

// sentence is what is wrong and with what: "Deployment shop/web: spec.replicas: wants an integer, found a text".
func sentence(f check.Finding) string {
	var parts []string
	if f.Object.Kind != "" {
		parts = append(parts, f.Object.String())
	}
	if f.Path != "" {
		parts = append(parts, f.Path)
	}
	text := strings.Join(append(parts, f.Message), ": ")
	if n := len(f.Also); n > 0 {
		text += fmt.Sprintf(" (and in %s)", plural(n, "more app"))
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// summary is how many there are of what.
func (r Result) summary() string {
	n := check.Count(r.Findings)
	var parts []string
	for _, s := range []check.Severity{check.Error, check.Warning, check.Note} {
		if n[s] > 0 {
			parts = append(parts, plural(n[s], s.String()))
		}
	}
	found := "nothing wrong"
	if len(parts) > 0 {
		found = strings.Join(parts, ", ")
	}
	return fmt.Sprintf("%s in %s, checked for Kubernetes %s", found, plural(len(r.Apps), "app"), r.Kubernetes)
}

type jsonFinding struct {
	Rule     string     `json:"rule"`
	Severity string     `json:"severity"`
	App      string     `json:"app"`
	Also     []string   `json:"also,omitempty"`
	Object   *jsonThing `json:"object,omitempty"`
	Path     string     `json:"path,omitempty"`
	File     string     `json:"file"`
	Line     int        `json:"line,omitempty"`
	Column   int        `json:"column,omitempty"`
	Message  string     `json:"message"`
	Remedy   string     `json:"remedy,omitempty"`
}

type jsonThing struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

func writeJSON(w io.Writer, r Result) error {
	n := check.Count(r.Findings)
	out := struct {
		Kubernetes string        `json:"kubernetes"`
		Apps       []string      `json:"apps"`
		Errors     int           `json:"errors"`
		Warnings   int           `json:"warnings"`
		Notes      int           `json:"notes"`
		Asides     []string      `json:"asides,omitempty"`
		Findings   []jsonFinding `json:"findings"`
	}{r.Kubernetes, r.Apps, n[check.Error], n[check.Warning], n[check.Note], r.Asides, []jsonFinding{}}
	for _, f := range r.Findings {
		j := jsonFinding{
			Rule: f.Rule, Severity: f.Severity.String(), App: f.App, Also: f.Also, Path: f.Path,
			File: f.Place.File, Line: f.Place.Line, Column: f.Place.Column, Message: f.Message, Remedy: f.Remedy,
		}
		if k := f.Object; k.Kind != "" {
			j.Object = &jsonThing{k.Group, k.Kind, k.Namespace, k.Name}
		}
		out.Findings = append(out.Findings, j)
	}
	return indented(w, out)
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
