package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// prefix begins every label and annotation that Fairlead gives meaning to.
const prefix = "fairlead.dev/"

// choices are the values of the annotations that take one of a few words; nil: CheckMarks does not know better than who reads it.
var choices = map[string][]string{
	AnnotationWave:        nil,
	AnnotationPrune:       {string(PruneAlways), string(PruneConfirm), string(PruneNever)},
	AnnotationApply:       {string(ApplyAlways), string(ApplyNever), string(ApplyOnce), string(ApplyReplace)},
	AnnotationIgnore:      nil,
	AnnotationCheckIgnore: nil,
	AnnotationHook:        {"after", "before", "failed"},
	AnnotationRestart:     {"enabled", "disabled"},
}

// CheckMarks refuses a rendered object with a misspelt annotation of Fairlead's: what was meant to protect must not be read as nothing. The error has kind
// fault.Invalid and names the object and what was probably meant. Fairlead's own kinds carry other annotations and are not looked at.
func CheckMarks(o object.Object) error {
	annotations, _ := o.At("metadata", "annotations").(map[string]any)
	if o.Key().Group == "fairlead.dev" {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		problem := misspelt(name, o.Annotation(name))
		if problem == "" {
			continue
		}
		where := o.String()
		if at := o.Origin().String(); at != "" {
			where = at + ": " + where
		}
		return fault.Newf(fault.Invalid, "%s: annotation %s", where, problem)
	}
	return nil
}

// misspelt says what is wrong with an annotation of Fairlead's; empty if nothing is.
func misspelt(name, value string) string {
	words, known := choices[name]
	switch {
	case !known:
		return name + " is not known" + meant(name)
	case words != nil && !slices.Contains(words, value):
		return fmt.Sprintf("%s is %.40q: it takes one of %s", name, value, strings.Join(words, ", "))
	case name == AnnotationIgnore:
		for _, p := range strings.Split(value, ",") {
			if p = strings.TrimSpace(p); !strings.HasPrefix(p, "/") {
				return fmt.Sprintf("%s has %.80q: write JSON pointers separated by commas, for example /spec/replicas", name, p)
			}
		}
	}
	return ""
}

// meant is what was probably meant by an annotation that is not known. What all names begin with says nothing of how near they are.
func meant(name string) string {
	var known []string
	for n := range choices {
		known = append(known, strings.TrimPrefix(n, prefix))
	}
	if near, ok := nearest.Of(strings.TrimPrefix(name, prefix), known); ok {
		return fmt.Sprintf(": did you mean %s%s?", prefix, near)
	}
	return ""
}

// Apply says how an object is applied.
type Apply string

// The choices for Apply. ApplyAlways is the default.
const (
	ApplyAlways  Apply = "always"
	ApplyOnce    Apply = "once"    // created if absent, then left alone
	ApplyNever   Apply = "never"   // not applied at all
	ApplyReplace Apply = "replace" // deleted and created anew where an immutable field stands in the way
)

// ApplyOf reads how an object wants to be applied: Fairlead's own annotation, then Argo CD's, then Flux's. A hook that is never run is never applied.
func ApplyOf(o object.Object) Apply {
	switch Apply(o.Annotation(AnnotationApply)) {
	case ApplyOnce:
		return ApplyOnce
	case ApplyNever:
		return ApplyNever
	case ApplyReplace:
		return ApplyReplace
	case ApplyAlways:
		return ApplyAlways
	}
	if isNeverRun(o) {
		return ApplyNever
	}
	switch {
	case option(o, "Force=true"): // Argo CD's Replace=true alone is a PUT: it never deletes.
		return ApplyReplace
	case says(o, fluxReconcile, "disabled"), says(o, fluxSSA, "Ignore"):
		return ApplyNever
	case says(o, fluxSSA, "IfNotPresent"):
		return ApplyOnce
	case says(o, fluxForce, "enabled"): // Flux asks last how, and first whether
		return ApplyReplace
	}
	return ApplyAlways
}

// Merges reports whether fields that people add to an object are theirs, as Flux has it with ssa: Merge. That somebody changes what was applied is drift still.
func Merges(o object.Object) bool { return says(o, fluxSSA, "Merge") }

// says reports whether an object is marked so for Flux: by an annotation or by a label, in whatever case.
func says(o object.Object, name, value string) bool {
	return strings.EqualFold(o.Annotation(name), value) || strings.EqualFold(o.Label(name), value)
}

// isKept reports whether an object says to Helm that it outlives its release.
func isKept(o object.Object) bool {
	return strings.EqualFold(strings.TrimSpace(o.Annotation(helmPolicy)), "keep")
}

// Prune says whether an object may be deleted when it is gone from Git.
type Prune string

// The choices for Prune. PruneDefault leaves it to the kind and to the budget.
const (
	PruneDefault Prune = ""
	PruneNever   Prune = "never"
	PruneConfirm Prune = "confirm"
	PruneAlways  Prune = "always"
)

// PruneOf reads from a live object whether it may be deleted: Fairlead's own annotation, then Argo CD's, Flux's, Helm's.
func PruneOf(o object.Object) Prune {
	switch Prune(o.Annotation(AnnotationPrune)) {
	case PruneNever:
		return PruneNever
	case PruneConfirm:
		return PruneConfirm
	case PruneAlways:
		return PruneAlways
	case PruneDefault:
	default:
		return PruneConfirm // misspelt: what was meant to protect must not be read as nothing
	}
	switch {
	case option(o, "Prune=confirm"), option(o, "Delete=confirm"):
		return PruneConfirm
	case option(o, "Prune=false"), option(o, "Delete=false"),
		says(o, fluxPrune, "disabled"), says(o, fluxReconcile, "disabled"), isKept(o):
		return PruneNever
	}
	return PruneDefault
}

func option(o object.Object, name string) bool {
	for _, part := range strings.Split(o.Annotation(argoOptions), ",") {
		if strings.TrimSpace(part) == name {
			return true
		}
	}
	return false
}

// IgnoredOf returns the JSON pointers of the fields that are applied at creation only: `fairlead.dev/ignore`.
func IgnoredOf(o object.Object) []string {
	var pointers []string
	for _, p := range strings.Split(o.Annotation(AnnotationIgnore), ",") {
		if p = strings.TrimSpace(p); strings.HasPrefix(p, "/") {
			pointers = append(pointers, p)
		}
	}
	return pointers
}
