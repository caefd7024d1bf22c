package check

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
	"github.com/fairlead-cd/fairlead/internal/schema"
)

// Severity is how much a finding weighs.
type Severity uint8

// The severities, in ascending order. Off is that of a rule that is not looked at.
const (
	Off Severity = iota
	Note
	Warning
	Error
)

var severities = []string{"off", "note", "warning", "error"}

// String is "error", "warning", "note" or "off".
func (s Severity) String() string { return severities[s] }

// Finding is one thing that a person may want to change.
type Finding struct {
	Rule     string
	Severity Severity
	App      string   // where its name is known, else its directory
	Also     []string // other apps in which the same place gives the same
	Object   object.Key
	Path     string // of the field; empty: the whole object, or a file
	Place    origin.Place
	Message  string
	Remedy   string // may be empty
}

// App is one app, rendered.
type App struct {
	Name, Environment string // empty if they are not known
	// Group names the apps that go to one cluster side by side, as those of an environment do; empty: that is not known.
	Group     string
	Dir       string
	Namespace string // that its objects get which name none; empty if it is not known
	Objects   []object.Object
	// Sealed are the SealedSecrets of which Objects has the Secrets.
	Sealed []object.Object
	// Broken is why it could not be rendered; then there are no objects.
	Broken []Trouble
	// Unpinned are the charts that are named by a range of versions.
	Unpinned []Trouble
	// Doubled are the keys that stand twice in one map of its files of values.
	Doubled []Trouble
	// Origins finds what is written where; nil: only what the objects know.
	Origins Origins
	// Guessed apps may hold what is meant for other programs.
	Guessed bool
	// Open apps may have variables whose values are not known here: of what has one in it nothing is said.
	Open bool
	// Hidden apps count, but nothing is said of them.
	Hidden bool
}

// Title is what people call the app.
func (a App) Title() string {
	if a.Environment != "" {
		return a.Environment + "/" + a.Name
	}
	return a.Dir
}

// Trouble is something in the files of an app that stops it from being rendered.
type Trouble struct {
	Syntax bool // no YAML; else what is in it cannot be used
	// Elsewhere says that nothing is wrong but that something is not in the tree, and not fetched.
	Elsewhere bool
	Place     origin.Place
	Message   string
}

// Origins finds where a field of an object is written.
type Origins interface {
	Find(o object.Object, p object.Path, at origin.At) origin.Place
}

// Input is all that findings depend on.
type Input struct {
	Apps    []App
	Catalog *schema.Catalog
	// Misnamed are directories that are to be apps and cannot be.
	Misnamed []discover.Problem
	// Definitions are CustomResourceDefinitions besides those of the apps.
	Definitions []object.Object
	Config      Config
}

// Run finds what is wrong. Findings are in the order of their places; those of one place that several apps share are one.
func Run(in Input) []Finding {
	w := newWorld(in)
	var out []Finding
	for _, p := range in.Misnamed {
		t := Trouble{Place: origin.Place{File: p.Dir}, Message: p.Why}
		out = append(out, w.broken(&member{App: App{Dir: p.Dir, Broken: []Trouble{t}}})...)
	}
	for _, a := range w.apps {
		if a.Hidden {
			continue
		}
		out = append(out, w.broken(a)...)
		for _, o := range a.Sealed {
			out = append(out, w.sealed(a, o)...)
		}
		for _, o := range a.objects {
			for _, r := range table {
				if r.check != nil {
					c := &call{world: w, o: o, rule: r}
					r.check(c)
					out = append(out, a.known(c.findings)...)
				}
			}
		}
	}
	slices.SortStableFunc(out, order)
	return joined(out)
}

// variable is how one is written that has no value yet.
var variable = regexp.MustCompile(`\$\{[A-Za-z_]`)

// known are the findings that no variable can take away: what they are about is named in their words.
func (a *member) known(all []Finding) []Finding {
	if !a.Open {
		return all
	}
	return slices.DeleteFunc(all, func(f Finding) bool {
		return variable.MatchString(f.Message) || variable.MatchString(f.Object.String())
	})
}

// broken are the findings of an app that are about no object: why it cannot be rendered, which charts it does not pin, and which values it says twice.
func (w *world) broken(a *member) []Finding {
	var out []Finding
	for _, t := range a.Broken {
		f := Finding{Rule: ruleRender, Severity: Error, App: a.Title(), Place: t.Place, Message: t.Message}
		switch {
		case t.Syntax:
			f.Rule = ruleSyntax
		case t.Elsewhere:
			f.Rule, f.Severity = ruleElsewhere, Warning
		}
		out = w.noted(out, f)
	}
	for _, t := range a.Unpinned {
		out = w.noted(out, Finding{Rule: ruleUnpinned, Severity: Note, App: a.Title(), Place: t.Place, Message: t.Message, Remedy: "name a version, or its digest as VERSION@sha256:…"})
	}
	for _, t := range a.Doubled {
		out = w.noted(out, Finding{Rule: ruleDoubled, Severity: Warning, App: a.Title(), Place: t.Place, Message: t.Message, Remedy: "remove one"})
	}
	return out
}

// noted adds a finding with the severity that the configuration gives it, unless that is none.
func (w *world) noted(out []Finding, f Finding) []Finding {
	if f.Severity = w.config.severity(f.Rule, f.Severity, f.Place.File); f.Severity == Off {
		return out
	}
	return append(out, f)
}

func order(a, b Finding) int {
	return cmp.Or(
		strings.Compare(a.Place.File, b.Place.File),
		cmp.Compare(a.Place.Line, b.Place.Line),
		cmp.Compare(a.Place.Column, b.Place.Column),
		strings.Compare(a.Rule, b.Rule),
		strings.Compare(a.Path, b.Path),
		a.Object.Compare(b.Object),
		strings.Compare(a.App, b.App),
		strings.Compare(a.Message, b.Message),
	)
}

// joined makes one finding of those that several apps have of the same place, as of a base that they share, and of those that a place gives to several
// objects, as the labels of a kustomization.
func joined(all []Finding) []Finding {
	type id struct {
		rule  string
		place origin.Place
		about string
	}
	first := map[id]int{}
	var out []Finding
	for _, f := range all {
		word := id{f.Rule, f.Place, f.Message}
		field := id{f.Rule, f.Place, f.Object.Kind + " " + f.Path}
		i, was := first[word]
		if !was && f.Place.Line > 0 && f.Path != "" {
			if i, was = first[field]; was && out[i].App == f.App {
				was = false // of one app, other words are another finding
			}
		}
		switch {
		case !was:
			first[word], first[field] = len(out), len(out)
			out = append(out, f)
		case f.App != out[i].App && !slices.Contains(out[i].Also, f.App):
			out[i].Also = append(out[i].Also, f.App)
			out[i].Severity = max(out[i].Severity, f.Severity)
		}
	}
	return out
}

// Count returns how many findings there are of each severity.
func Count(all []Finding) map[Severity]int {
	n := map[Severity]int{}
	for _, f := range all {
		n[f.Severity]++
	}
	return n
}
