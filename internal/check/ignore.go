package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// everyRule in the annotation stands for all rules.
const everyRule = "all"

// ignored reports whether the object says that the rule is not for it.
func (c *call) ignored() bool {
	names := ignoredBy(c.o.Object)
	return slices.Contains(names, c.rule.Name) || slices.Contains(names, everyRule)
}

func ignoredBy(o object.Object) []string {
	var out []string
	for name := range strings.SplitSeq(o.Annotation(app.AnnotationCheckIgnore), ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// unknownRule is the rule for annotations that mean no rule.
func unknownRule(c *call) {
	for _, name := range ignoredBy(c.o.Object) {
		if name == everyRule || slices.Contains(c.rules, name) {
			continue
		}
		c.say(object.PathOf("metadata", "annotations", app.AnnotationCheckIgnore), atValue,
			meant(name, c.rules, "the rules are in docs/reference/check.md"), "%s", fmt.Sprintf("there is no rule %q", name))
	}
}
