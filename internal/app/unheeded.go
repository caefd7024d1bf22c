package app

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Unheeded is a word in an annotation of another system that means nothing, there or here: as a rule a misspelt one.
type Unheeded struct {
	Name, Word string
	Known      []string // what could stand there; none: a whole number
}

// words are what the annotations of other systems may say, as their documentation lists them. Of those that have several words they are parted by commas.
var words = []struct {
	name    string
	known   []string
	listed  bool
	anyCase bool
}{
	{argoHook, slices.Sorted(maps.Keys(moments[argoHook])), true, false},
	{argoDelete, []string{"BeforeHookCreation", "HookFailed", "HookSucceeded"}, true, false},
	{helmDelete, []string{"before-hook-creation", "hook-failed", "hook-succeeded"}, true, true},
	{helmPolicy, []string{"keep"}, false, true},
	{fluxSSA, []string{"Ignore", "IfNotPresent", "Merge", "Override"}, false, true},
	{fluxForce, []string{"disabled", "enabled"}, false, true},
	{fluxPrune, []string{"disabled", "enabled"}, false, true},
	{fluxReconcile, []string{"disabled", "enabled"}, false, true},
}

// argoOptionNames are the sync options of Argo CD, those included that say nothing of a single object.
var argoOptionNames = []string{
	"ApplyOutOfSyncOnly", "ClientSideApplyMigration", "CreateNamespace", "Delete", "FailOnSharedResource", "Force", "Prune", "PruneLast", "PrunePropagationPolicy", "Replace",
	"RespectIgnoreDifferences", "ServerSideApply", "SkipDryRunOnMissingResource", "Validate",
}

// UnheededWords lists those of an object.
func UnheededWords(o object.Object) (out []Unheeded) {
	for _, w := range words {
		text := o.Annotation(w.name)
		parts := []string{text}
		if w.listed {
			parts = strings.Split(text, ",")
		}
		for _, p := range parts {
			is := func(known string) bool { return known == p || w.anyCase && strings.EqualFold(known, p) }
			if p = strings.TrimSpace(p); p != "" && !slices.ContainsFunc(w.known, is) {
				out = append(out, Unheeded{w.name, p, w.known})
			}
		}
	}
	for _, p := range strings.Split(o.Annotation(argoOptions), ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(p), "=")
		if name != "" && !slices.Contains(argoOptionNames, name) {
			out = append(out, Unheeded{argoOptions, name, argoOptionNames})
		}
	}
	for _, name := range []string{argoWave, helmWeight} {
		if text := o.Annotation(name); text != "" {
			if _, err := strconv.Atoi(strings.TrimSpace(text)); err != nil {
				out = append(out, Unheeded{Name: name, Word: text})
			}
		}
	}
	return out
}
