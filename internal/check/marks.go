package check

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// contradictingMarks is the rule for objects that are annotated for two systems, and differently.
func contradictingMarks(c *call) {
	for _, x := range app.Contradictions(c.o.Object) {
		in := "annotations"
		if c.o.Annotation(x.Loses) == "" {
			in = "labels" // as Flux reads them, too
		}
		c.say(object.PathOf("metadata", in, x.Loses), atValue, "remove one of the two", "%s says something else, and counts", x.Wins)
	}
}

// hookNotRun is the rule for hooks that never run.
func hookNotRun(c *call) {
	if by, words := app.NeverRun(c.o.Object); len(words) > 0 {
		c.say(object.PathOf("metadata", "annotations", by), atValue, "these are known: docs/tasks/hooks.md",
			"Fairlead runs nothing at %s", strings.Join(words, ", "))
	}
}

// neverApplied is the rule for objects that stand in Git and do nothing.
func neverApplied(c *call) {
	if c.o.Annotation(app.AnnotationApply) == string(app.ApplyNever) && c.o.Kind() != "Job" {
		c.say(object.PathOf("kind"), atValue, "if it is an order of an engine that Fairlead took over from, remove it", "it is not applied, as its annotation fairlead.dev/apply or spec.render.neverApply of the Environment says")
	}
}

// unheededMark is the rule for words in the annotations of other systems that mean nothing.
func unheededMark(c *call) {
	for _, u := range app.UnheededWords(c.o.Object) {
		known := "a whole number stands there"
		if len(u.Known) > 0 {
			known = "these are known: " + strings.Join(u.Known, ", ")
		}
		c.say(object.PathOf("metadata", "annotations", u.Name), atValue, known, "nobody knows %.60q, and it has no effect", u.Word)
	}
}
