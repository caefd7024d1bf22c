package app

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

const (
	// AnnotationHook makes an object a hook: before, after or failed.
	AnnotationHook = "fairlead.dev/hook"
	// AnnotationRun is set by Fairlead on a hook that it runs: for which release, and when in it.
	AnnotationRun = "fairlead.dev/run"

	argoHook   = "argocd.argoproj.io/hook"
	argoDelete = "argocd.argoproj.io/hook-delete-policy"
	helmHook   = "helm.sh/hook"
	helmDelete = "helm.sh/hook-delete-policy"
	helmWeight = "helm.sh/hook-weight"
)

// Occasion is what a hook is run for.
type Occasion string

// The occasions.
const (
	Install  Occasion = "install"  // nothing of the app was good before
	Upgrade  Occasion = "upgrade"  // every later release
	Rollback Occasion = "rollback" // the way back from a release
	Deletion Occasion = "deletion" // its directory is gone from Git, or its Environment takes it along
)

// Moment is when in a release a hook is run.
type Moment string

// The moments, in their order.
const (
	Before    Moment = "before" // before anything is applied, but what holds objects
	During    Moment = "during" // in its wave
	After     Moment = "after"  // when all is healthy, before it is verified
	OnFailure Moment = "failed" // when the release has failed
)

// Hook says of an object that releases run it, once each, or the deletion of its app, instead of keeping it applied. The zero Hook is none.
type Hook struct {
	// when says at which moments it is run on each occasion. One that is run on failures is so on each.
	when map[Occasion][]Moment
	// Weight is its place among those of its moment that name no wave, and Alone says that no other runs beside it: both as Helm has it.
	Weight int
	Alone  bool
	// Succeeded and Failed say that it is deleted when it has ended so. Else it stays until it is run again.
	Succeeded, Failed bool
}

// IsZero reports whether it is no hook.
func (h Hook) IsZero() bool { return len(h.when) == 0 }

// Moments are when a hook is run on an occasion; none if it is not.
func (h Hook) Moments(on Occasion) []Moment { return h.when[on] }

// IsOnly reports whether a hook is run on no other occasion.
func (h Hook) IsOnly(on Occasion) bool { return len(h.when[on]) > 0 && len(h.when) == 1 }

// Has reports whether a hook is run at a moment of an occasion.
func (h Hook) Has(on Occasion, at Moment) bool { return slices.Contains(h.when[on], at) }

// IsSpent reports whether a hook that ended so is to be deleted for it.
func (h Hook) IsSpent(succeeded bool) bool { return succeeded && h.Succeeded || !succeeded && h.Failed }

type meaning struct {
	on []Occasion
	at Moment
}

// moments are the words for hooks of all systems; those that never come to be run have none.
var (
	released = []Occasion{Install, Upgrade}
	always   = []Occasion{Install, Upgrade, Rollback}
	deleted  = []Occasion{Deletion}
	never    = meaning{}

	moments = map[string]map[string]meaning{
		AnnotationHook: {"before": {released, Before}, "after": {released, After}, "failed": {always, OnFailure}},
		argoHook: {
			"PreSync": {released, Before}, "Sync": {released, During}, "PostSync": {released, After}, "SyncFail": {always, OnFailure},
			"PreDelete": {deleted, Before}, "PostDelete": {deleted, After}, "Skip": never,
		},
		helmHook: {
			"pre-install": {[]Occasion{Install}, Before}, "post-install": {[]Occasion{Install}, After},
			"pre-upgrade": {[]Occasion{Upgrade}, Before}, "post-upgrade": {[]Occasion{Upgrade}, After},
			"pre-rollback": {[]Occasion{Rollback}, Before}, "post-rollback": {[]Occasion{Rollback}, After},
			"pre-delete": {deleted, Before}, "post-delete": {deleted, After}, "test": never, "test-success": never, "test-failure": never,
		},
	}
)

// hookWords are what an object says of when it is run, and in whose annotation: Fairlead's own, then Argo CD's, then Helm's. Empty: it is no hook. A word of
// Argo CD's that nobody knows makes none; with one of Helm's the object is no less one.
func hookWords(o object.Object) (by string, words []string) {
	for _, name := range []string{AnnotationHook, argoHook, helmHook} {
		if words := wordsIn(o, name); len(words) > 0 {
			return name, words
		}
	}
	return "", nil
}

// wordsIn are the words of one annotation.
func wordsIn(o object.Object, name string) (words []string) {
	text := o.Annotation(name)
	if text == "" {
		return nil
	}
	if name == helmHook {
		text = strings.ToLower(text) // as Helm reads it
	}
	for _, w := range strings.Split(text, ",") {
		if w = strings.TrimSpace(w); w != "" {
			if name == helmHook { // in small letters or capital ones
				w = strings.ToLower(w)
			}
			if _, known := moments[name][w]; known || name == helmHook {
				words = append(words, w)
			}
		}
	}
	return words
}

// HookOf reads whether an object is a hook that releases run. One that is never run is not applied either: see [ApplyOf].
func HookOf(o object.Object) Hook {
	by, words := hookWords(o)
	if by == "" || ApplyOf(o) == ApplyNever {
		return Hook{}
	}
	h := Hook{when: map[Occasion][]Moment{}, Alone: by == helmHook}
	for _, w := range words {
		m := moments[by][w]
		for _, on := range m.on {
			if !slices.Contains(h.when[on], m.at) {
				h.when[on] = append(h.when[on], m.at)
			}
		}
	}
	if weight, err := strconv.ParseInt(strings.TrimSpace(o.Annotation(helmWeight)), 10, 32); err == nil && by == helmHook {
		h.Weight = int(weight)
	}
	for _, name := range []string{argoDelete, helmDelete} {
		policy := strings.ToLower(strings.ReplaceAll(o.Annotation(name), "-", "")) // HookSucceeded, hook-succeeded
		for _, p := range strings.Split(policy, ",") {
			h.Succeeded = h.Succeeded || strings.TrimSpace(p) == "hooksucceeded"
			h.Failed = h.Failed || strings.TrimSpace(p) == "hookfailed"
		}
		if policy != "" {
			break
		}
	}
	return h
}

// isNeverRun reports whether an object is a hook of which Fairlead never comes to run it: of tests, and what Argo CD skips.
func isNeverRun(o object.Object) bool {
	by, words := hookWords(o)
	for _, w := range words {
		if len(moments[by][w].on) > 0 {
			return false
		}
	}
	return by != ""
}
