package health

import (
	"strconv"

	"github.com/fairlead-cd/fairlead/internal/object"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// unseen says that the controller of a built-in workload has not seen the newest spec. Unlike custom resources they always report
// observedGeneration in the end.
func unseen(o object.Object) (Verdict, bool) {
	if observed := number(o, 0, "status", "observedGeneration"); observed == 0 {
		return say(Progressing, "its controller has not seen it yet"), true
	}
	return outdated(o)
}

// outdated says that the status speaks of an earlier generation than the spec.
func outdated(o object.Object) (Verdict, bool) {
	observed, ok := o.At("status", "observedGeneration").(int64)
	if want := o.Generation(); ok && observed < want {
		return sayf(Progressing, "its controller has not seen generation %d yet, its status is of %d", want, observed), true
	}
	return Verdict{}, false
}

func deployment(o object.Object) Verdict {
	if paused, _ := o.At("spec", "paused").(bool); paused {
		return say(Suspended, "the rollout is paused (spec.paused)")
	}
	if v, ok := unseen(o); ok {
		return v
	}
	cs := conditionsOf(o)
	if c := cs.get("Progressing"); c.reason == "ProgressDeadlineExceeded" {
		return say(Degraded, c.why())
	}
	want := number(o, 1, "spec", "replicas")
	updated := number(o, 0, "status", "updatedReplicas")
	all := number(o, 0, "status", "replicas")
	switch {
	case cs.get("ReplicaFailure").yes():
		return say(Progressing, cs.get("ReplicaFailure").why())
	case updated < want:
		return sayf(Progressing, "%d of %d replicas updated", updated, want)
	case all > updated:
		return sayf(Progressing, "%s still running%s", plural(all-updated, "old replica"), lacking(number(o, 0, "status", "unavailableReplicas")))
	case all > want:
		return sayf(Progressing, "%s still running", plural(all-want, "surplus replica"))
	}
	return running(number(o, 0, "status", "availableReplicas"), want, "replica", "available")
}

// lacking says why old replicas stay: new ones may not get ready.
func lacking(unavailable int64) string {
	if unavailable <= 0 {
		return ""
	}
	return ", " + plural(unavailable, "replica") + " not available"
}

// running is the last question about a workload: is enough of it up?
func running(up, want int64, what, how string) Verdict {
	switch {
	case want <= 0:
		return say(Healthy, "scaled to 0")
	case up < want:
		return sayf(Progressing, "%d of %s %s", up, plural(want, what), how)
	}
	return sayf(Healthy, "%s %s", plural(want, what), how)
}

// replicaSet judges ReplicationControllers too.
func replicaSet(o object.Object) Verdict {
	if v, ok := unseen(o); ok {
		return v
	}
	// A quota that is full or an account that is not there yet may change without us.
	if c := conditionsOf(o).get("ReplicaFailure"); c.yes() {
		return say(Progressing, c.why())
	}
	want, all := number(o, 1, "spec", "replicas"), number(o, 0, "status", "replicas")
	if all > want {
		return sayf(Progressing, "%s still running", plural(all-want, "surplus replica"))
	}
	return running(number(o, 0, "status", "availableReplicas"), want, "replica", "available")
}

func statefulSet(o object.Object) Verdict {
	if v, ok := unseen(o); ok {
		return v
	}
	want, all := number(o, 1, "spec", "replicas"), number(o, 0, "status", "replicas")
	updated := number(o, 0, "status", "updatedReplicas")
	partition := number(o, 0, "spec", "updateStrategy", "rollingUpdate", "partition")
	byHand := o.Text("spec", "updateStrategy", "type") == "OnDelete"
	settled := o.Text("status", "currentRevision") == o.Text("status", "updateRevision")
	switch {
	case all > want:
		return sayf(Progressing, "%s still running", plural(all-want, "surplus replica"))
	// With OnDelete a person replaces pods when they like: older ones are no delay.
	case !byHand && !settled && updated < want-partition:
		return sayf(Progressing, "%d of %d replicas updated", updated, want-partition)
	}
	up, how := number(o, 0, "status", "readyReplicas"), "ready"
	if available := number(o, up, "status", "availableReplicas"); available < up {
		up, how = available, "available"
	}
	v := running(up, want, "replica", how)
	if v.Status == Healthy && want > 0 && !settled && (byHand || partition > 0) {
		return sayf(Healthy, "%s, %d of them updated (%s)", v.Message, updated, strategy(byHand))
	}
	return v
}

func strategy(byHand bool) string {
	if byHand {
		return "OnDelete"
	}
	return "partition"
}

func daemonSet(o object.Object) Verdict {
	if v, ok := unseen(o); ok {
		return v
	}
	want := number(o, -1, "status", "desiredNumberScheduled")
	updated := number(o, 0, "status", "updatedNumberScheduled")
	switch {
	case want < 0:
		return say(Progressing, "its controller has not counted nodes yet")
	case want == 0:
		return say(Healthy, "no node matches")
	case updated < want && o.Text("spec", "updateStrategy", "type") != "OnDelete":
		return sayf(Progressing, "%d of %d pods updated", updated, want)
	}
	return running(number(o, 0, "status", "numberAvailable"), want, "pod", "available")
}
