package check

import (
	"slices"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
	"github.com/fairlead-cd/fairlead/internal/secret/sealed"
)

// sealed is the rule for the form of SealedSecrets. All other rules look at the Secrets that they become.
func (w *world) sealed(a *member, o object.Object) []Finding {
	rule := table[slices.IndexFunc(table, func(r Rule) bool { return r.Name == ruleSealed })]
	c := &call{world: w, o: w.placed(a, o), rule: rule}
	for _, p := range sealed.Problems(o) {
		at := origin.Value
		if p.Missing {
			at = origin.Holder
		}
		c.say(p.Path, at, p.Remedy, "%s", p.Message)
	}
	return c.findings
}
