package app

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Apply says how an object is applied.
type Apply string

// The choices for Apply. ApplyAlways is the default.
const (
	ApplyAlways  Apply = "always"
	ApplyOnce    Apply = "once"    // created if absent, then left alone
	ApplyNever   Apply = "never"   // not applied at all
	ApplyReplace Apply = "replace" // deleted and created anew where an immutable field stands in the way
)

// ApplyOf reads how an object wants to be applied: Fairlead's own annotation, then Argo CD's, then Flux's.
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
	// Argo CD's Replace=true alone is a PUT: it never deletes.
	if option(o, "Force=true") || o.Annotation("kustomize.toolkit.fluxcd.io/force") == "enabled" {
		return ApplyReplace
	}
	switch o.Annotation("kustomize.toolkit.fluxcd.io/ssa") {
	case "IfNotPresent":
		return ApplyOnce
	case "Ignore":
		return ApplyNever
	}
	if o.Annotation("kustomize.toolkit.fluxcd.io/reconcile") == "disabled" {
		return ApplyNever
	}
	return ApplyAlways
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
		o.Annotation("kustomize.toolkit.fluxcd.io/prune") == "disabled",
		o.Annotation("helm.sh/resource-policy") == "keep":
		return PruneNever
	}
	return PruneDefault
}

func option(o object.Object, name string) bool {
	for _, part := range strings.Split(o.Annotation("argocd.argoproj.io/sync-options"), ",") {
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
