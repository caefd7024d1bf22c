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
