package health

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// This file judges what extends the API server itself: types, aggregated APIs and admission webhooks.

func definition(o object.Object) Verdict {
	cs := conditionsOf(o)
	if c := cs.get("NamesAccepted"); c.no() {
		return say(Degraded, c.why())
	}
	if c := cs.get("Established"); c.yes() {
		return say(Healthy, "")
	} else if c.no() && c.reason != "Installing" {
		return say(Degraded, c.why())
	}
	return say(Progressing, "not established yet")
}

func apiService(o object.Object) Verdict {
	c := conditionsOf(o).get("Available")
	switch {
	case c.yes():
		return say(Healthy, "")
	case c.there():
		return say(Progressing, c.why())
	case o.At("spec", "service") == nil: // served by the API server itself
		return say(Healthy, "")
	}
	return say(Progressing, "its controller has not seen it yet")
}

// webhooks judges both kinds of webhook configuration: one that is served in the cluster needs a CA that somebody injects, and until then
// every request that it matches is refused.
func webhooks(o object.Object) Verdict {
	for _, w := range list(o, "webhooks") {
		if w.At("clientConfig", "service") != nil && noBundle(w.Text("clientConfig", "caBundle")) {
			return sayf(Progressing, "webhook %s waits for its caBundle", w.Text("name"))
		}
	}
	return say(Healthy, "")
}

// noBundle knows the placeholder of a newline that generators write for a bundle to be injected.
func noBundle(bundle string) bool { return bundle == "" || strings.TrimSpace(bundle) == "Cg==" }

// namespace is only ever wrong while it is being deleted.
func namespace(o object.Object) Verdict {
	if o.Text("status", "phase") == "Terminating" {
		return deleting(o)
	}
	return say(Healthy, "")
}

// deleting says what keeps an object that is being deleted. It is on its way out, whatever its own status says.
func deleting(o object.Object) Verdict {
	cs := conditionsOf(o)
	if o.Kind() == "Namespace" {
		_, c := cs.firstTrue("NamespaceDeletionContentFailure", "NamespaceDeletionDiscoveryFailure", "NamespaceFinalizersRemaining", "NamespaceContentRemaining")
		if c.there() {
			return sayf(Progressing, "being deleted: %s", c.message)
		}
	}
	var names []string
	items, _ := o.At("metadata", "finalizers").([]any)
	for _, item := range items {
		if name, ok := item.(string); ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return say(Progressing, "being deleted")
	}
	return sayf(Progressing, "being deleted, waits for finalizers: %s", strings.Join(names, ", "))
}
