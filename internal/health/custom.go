package health

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// custom judges every kind without a rule of its own, mostly custom resources, by the conventions for conditions.
func custom(o object.Object) Verdict {
	kind := o.Key().GroupKind()
	if suspended, _ := o.At("spec", "suspend").(bool); suspended && strings.HasSuffix(kind.Group, ".toolkit.fluxcd.io") {
		return say(Suspended, "suspended (spec.suspend)")
	}
	status, _ := o.At("status").(map[string]any)
	if len(status) == 0 {
		if reports(kind) {
			return say(Progressing, "its controller has not reported yet")
		}
		return say(Healthy, "")
	}
	if v, ok := outdated(o); ok {
		return v
	}
	if v, ok := byConditions(conditionsOf(o)); ok {
		return v
	}
	return byPhase(o)
}

// terminal are reasons of Ready=False that no waiting changes. The list is short on purpose: most reasons that look final (a provider
// that is not valid, a failed sync) go away when another object of the same app arrives.
var terminal = map[string]bool{
	"BackoffLimitExceeded":     true,
	"DeadlineExceeded":         true,
	"InvalidSpec":              true,
	"ProgressDeadlineExceeded": true,
	"RetriesExceeded":          true,
	"TerminalError":            true,
}

// byConditions judges by the first convention that the conditions follow; false if they follow none.
func byConditions(cs conditions) (Verdict, bool) {
	if len(cs.items) == 0 {
		return Verdict{}, false
	}
	if kind, c := cs.firstTrue("Stalled", "Failed", "Degraded"); kind != "" && !c.stale {
		return say(Degraded, orKind(c, kind)), true
	}
	if c := cs.get("Reconciling"); c.yes() {
		return say(Progressing, orKind(c, "Reconciling")), true
	}
	// Crossplane and Sealed Secrets: Synced=False means that the spec did not arrive, whatever Ready says of what was there before.
	if c := cs.get("Synced"); c.no() {
		return say(Progressing, orKind(c, "not Synced")), true
	}
	kind, c := cs.first("Ready", "Succeeded", "Complete", "Completed", "Available", "Programmed", "Accepted", "Established", "Synced")
	switch {
	case kind == "":
		return Verdict{}, false
	case c.stale:
		return sayf(Progressing, "its condition %s speaks of an earlier generation", kind), true
	case c.yes():
		return say(Healthy, ""), true
	case c.no() && (kind == "Succeeded" || terminal[c.reason]):
		return say(Degraded, orKind(c, "not "+kind)), true
	}
	return say(Progressing, orKind(c, "not "+kind)), true
}

func orKind(c condition, kind string) string {
	if why := c.why(); why != "" {
		return why
	}
	return kind
}

// byPhase judges a status without conditions by the words that status.phase is most often given.
func byPhase(o object.Object) Verdict {
	phase, message := o.Text("status", "phase"), o.Text("status", "message")
	switch phase {
	case "Failed", "Error":
		return say(Degraded, because(phase, message))
	case "Pending", "Creating", "Provisioning", "Initializing", "Progressing":
		return say(Progressing, because(phase, message))
	}
	return say(Healthy, "")
}

// application judges Argo CD's Application, which tells its health in our words. One that is out of sync may be meant to be.
func application(o object.Object) Verdict {
	status, message := Status(o.Text("status", "health", "status")), o.Text("status", "health", "message")
	if status == "" {
		return say(Progressing, "its controller has not reported yet")
	}
	return say(worsening[status.rank()], message)
}

// rollout judges Argo Rollouts' Rollout, whose observedGeneration is a text.
func rollout(o object.Object) Verdict {
	observed := o.Text("status", "observedGeneration")
	if observed == "" || observed != itoa(o.Generation()) {
		return sayf(Progressing, "its controller has not seen generation %d yet", o.Generation())
	}
	message := o.Text("status", "message")
	switch o.Text("status", "phase") {
	case "Healthy":
		return say(Healthy, message)
	case "Paused":
		return say(Suspended, because("paused", message))
	case "Degraded":
		return say(Degraded, message)
	}
	return say(Progressing, message)
}
