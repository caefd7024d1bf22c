package health

import (
	"github.com/fairlead-cd/fairlead/internal/object"
)

func service(o object.Object) Verdict {
	if o.Text("spec", "type") != "LoadBalancer" {
		return say(Healthy, "")
	}
	if items, _ := o.At("status", "loadBalancer", "ingress").([]any); len(items) == 0 {
		return say(Progressing, "waits for the address of a load balancer")
	}
	return say(Healthy, "")
}

// gateway judges a Gateway and a GatewayClass of the Gateway API, of which the class has no Programmed.
func gateway(o object.Object) Verdict {
	cs := conditionsOf(o)
	kinds := []string{"Accepted", "Programmed"}
	if o.Kind() == "GatewayClass" {
		kinds = kinds[:1]
	}
	for _, kind := range kinds {
		if v, ok := notYet(cs, kind); ok {
			return v
		}
	}
	return say(Healthy, "")
}

// route judges the routes of the Gateway API, whose conditions are told by each Gateway that they name.
func route(o object.Object) Verdict {
	if refs, _ := o.At("spec", "parentRefs").([]any); len(refs) == 0 {
		return say(Healthy, "names no Gateway")
	}
	parents := list(o, "status", "parents")
	if len(parents) == 0 {
		return say(Progressing, "no Gateway has answered yet")
	}
	for _, parent := range parents {
		items, _ := parent.At("conditions").([]any)
		for _, kind := range []string{"Accepted", "ResolvedRefs"} {
			if v, ok := notYet(conditions{items, o.Generation()}, kind); ok {
				return sayf(v.Status, "Gateway %s: %s", parent.Text("parentRef", "name"), v.Message)
			}
		}
	}
	return say(Healthy, "")
}

// notYet says why a condition that must be True is not.
func notYet(cs conditions, kind string) (Verdict, bool) {
	c := cs.get(kind)
	switch {
	case !c.there():
		return sayf(Progressing, "waits to be %s", kind), true
	case c.stale:
		return sayf(Progressing, "its condition %s speaks of an earlier generation", kind), true
	case c.yes():
		return Verdict{}, false
	case c.why() == "":
		return sayf(Progressing, "%s is %s", kind, c.status), true
	}
	return sayf(Progressing, "not %s: %s", kind, c.why()), true
}
