package health

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// autoscaler judges a HorizontalPodAutoscaler. Metrics of new pods come late, and on a cluster without a metrics server never: the workload then runs
// at the scale that it has, which is no reason to call the app ill. The message says so.
func autoscaler(o object.Object) Verdict {
	cs := conditionsOf(o)
	for _, kind := range []string{"AbleToScale", "ScalingActive"} {
		c := cs.get(kind)
		switch {
		case !c.no():
		case c.reason == "ScalingDisabled":
			return say(Suspended, because("scaling is disabled", c.message))
		case c.reason == "InvalidSelector", c.reason == "InvalidMetricSourceType", c.reason == "AmbiguousSelector":
			return say(Degraded, c.why())
		case strings.HasPrefix(c.reason, "FailedGet") && strings.HasSuffix(c.reason, "Metric"):
			return say(Healthy, because("it does not scale, its metrics cannot be read", c.message))
		default:
			return say(Progressing, c.why())
		}
	}
	// Before autoscaling/v2 there were no conditions in the status.
	if len(cs.items) == 0 && o.Version() == "v2" {
		return say(Progressing, "its controller has not seen it yet")
	}
	return say(Healthy, "")
}

// disruptionBudget is Healthy while it allows no disruption: that is what it is for.
func disruptionBudget(o object.Object) Verdict {
	if v, ok := unseen(o); ok {
		return v
	}
	if c := conditionsOf(o).get("DisruptionAllowed"); c.no() && c.reason == "SyncFailed" {
		return say(Progressing, c.why())
	}
	return say(Healthy, "")
}
