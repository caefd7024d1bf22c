package health

import (
	"maps"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

// DefaultDeadline is how long an object may be Progressing when nobody says otherwise.
const DefaultDeadline = 10 * time.Minute

// Rules are the built-in rules with those that users added. The zero Rules is the built-in rules only. Rules are immutable and safe
// for concurrent use.
type Rules struct {
	deadline time.Duration
	rules    map[target]rule
	in       place
}

// target is what a rule judges: the version counts, since another one may have other fields.
type target struct{ apiVersion, kind string }

func (t target) String() string { return t.apiVersion + " " + t.kind }

// Deadline is how long an object may be Progressing: always more than 0.
func (r Rules) Deadline() time.Duration {
	if r.deadline > 0 {
		return r.deadline
	}
	return DefaultDeadline
}

// Compile returns the built-in rules with those of layers: for each kind the last layer that has a rule for it decides, and the last that sets a
// deadline. Without rules it costs nothing. An error is of kind fault.Invalid and names the rule, the expression and the position in it.
func Compile(layers ...app.Health) (Rules, error) {
	var out Rules
	for _, layer := range layers {
		if layer.Deadline > 0 {
			out.deadline = layer.Deadline
		}
		if len(layer.Rules) == 0 {
			continue
		}
		compiled := make(map[target]rule, len(layer.Rules))
		for _, declared := range layer.Rules {
			t := target{declared.APIVersion, declared.Kind}
			if _, twice := compiled[t]; twice {
				return Rules{}, fault.Newf(fault.Invalid, "health rule for %s: there is a second one beside it: join them with || in one rule", t)
			}
			r, err := compile(t, declared)
			if err != nil {
				return Rules{}, err
			}
			compiled[t] = r
		}
		if out.rules == nil {
			out.rules = compiled
		} else {
			maps.Copy(out.rules, compiled)
		}
	}
	return out, nil
}
