package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

const (
	fluxSSA       = "kustomize.toolkit.fluxcd.io/ssa"
	fluxForce     = "kustomize.toolkit.fluxcd.io/force"
	fluxReconcile = "kustomize.toolkit.fluxcd.io/reconcile"
	fluxPrune     = "kustomize.toolkit.fluxcd.io/prune"
	argoOptions   = "argocd.argoproj.io/sync-options"
	argoWave      = "argocd.argoproj.io/sync-wave"
	helmPolicy    = "helm.sh/resource-policy"
)

// Contradiction is two annotations of different systems that say different things of one object.
type Contradiction struct {
	Wins, Loses string // their names
}

// said is what one annotation says about something.
type said struct{ name, what string }

// Contradictions lists what annotations of different systems say differently of an object: of each matter the one that counts, and the first that says something
// else.
func Contradictions(o object.Object) []Contradiction {
	var out []Contradiction
	for _, all := range [][]said{appliesOf(o), prunesOf(o), wavesOf(o), hooksOf(o)} {
		for _, s := range all {
			if s.what != all[0].what {
				out = append(out, Contradiction{Wins: all[0].name, Loses: s.name})
				break
			}
		}
	}
	return out
}

func appliesOf(o object.Object) (all []said) {
	if v := o.Annotation(AnnotationApply); v != "" {
		all = append(all, said{AnnotationApply, v})
	}
	if option(o, "Force=true") {
		all = append(all, said{argoOptions, string(ApplyReplace)})
	}
	for _, x := range []struct {
		name, value string
		is          Apply
	}{
		{fluxReconcile, "disabled", ApplyNever},
		{fluxSSA, "Ignore", ApplyNever},
		{fluxSSA, "IfNotPresent", ApplyOnce},
		{fluxForce, "enabled", ApplyReplace},
	} {
		if says(o, x.name, x.value) {
			return append(all, said{x.name, string(x.is)}) // one system does not contradict itself
		}
	}
	return all
}

func prunesOf(o object.Object) (all []said) {
	if v := o.Annotation(AnnotationPrune); v != "" {
		all = append(all, said{AnnotationPrune, v})
	}
	switch {
	case option(o, "Prune=confirm"), option(o, "Delete=confirm"):
		all = append(all, said{argoOptions, string(PruneConfirm)})
	case option(o, "Prune=false"), option(o, "Delete=false"):
		all = append(all, said{argoOptions, string(PruneNever)})
	}
	for _, name := range []string{fluxPrune, fluxReconcile} {
		if says(o, name, "disabled") {
			all = append(all, said{name, string(PruneNever)})
		}
	}
	if isKept(o) {
		all = append(all, said{helmPolicy, string(PruneNever)})
	}
	return all
}

func wavesOf(o object.Object) (all []said) {
	for _, name := range []string{AnnotationWave, argoWave} {
		if v := o.Annotation(name); v != "" {
			all = append(all, said{name, v})
		}
	}
	return all
}

// hooksOf is when an object is run by a release. That Helm tells an installation from an upgrade contradicts nothing, as long as it is run at the same moment.
func hooksOf(o object.Object) (all []said) {
	for _, name := range []string{AnnotationHook, argoHook, helmHook} {
		var at []string
		for _, w := range wordsIn(o, name) {
			moment := "never"
			if m := moments[name][w]; len(m.on) > 0 {
				moment = string(m.at)
			}
			if !slices.Contains(at, moment) {
				at = append(at, moment)
			}
		}
		if len(at) > 0 {
			slices.Sort(at)
			all = append(all, said{name, fmt.Sprint(at)})
		}
	}
	return all
}

// NeverRun lists what an object says of when it is to be run that nobody knows, and in which annotation. What is there to be skipped, or is a test, is not meant
// to be run.
func NeverRun(o object.Object) (by string, words []string) {
	by, all := hookWords(o)
	for _, w := range all {
		if len(moments[by][w].on) == 0 && w != "Skip" && !strings.HasPrefix(w, "test") {
			words = append(words, w)
		}
	}
	return by, words
}
