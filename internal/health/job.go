package health

import "github.com/fairlead-cd/fairlead/internal/object"

// job is Healthy when it has completed, not while it runs: the next wave waits for what it does.
func job(o object.Object) Verdict {
	cs := conditionsOf(o)
	switch kind, c := cs.firstTrue("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"); kind {
	case "Complete":
		return say(Healthy, "completed")
	case "Failed", "FailureTarget":
		return say(Degraded, because(c.reason, c.message))
	case "SuccessCriteriaMet":
		return say(Progressing, "done, its pods are ending")
	}
	if suspended, _ := o.At("spec", "suspend").(bool); suspended || cs.get("Suspended").yes() {
		return say(Suspended, "suspended (spec.suspend)")
	}
	if o.Text("status", "startTime") == "" {
		return say(Progressing, "not started yet")
	}
	active, failed := number(o, 0, "status", "active"), number(o, 0, "status", "failed")
	want := number(o, number(o, 1, "spec", "parallelism"), "spec", "completions")
	v := sayf(Progressing, "%d of %d succeeded, %d running", number(o, 0, "status", "succeeded"), want, active)
	if failed > 0 {
		v.Message += ", " + plural(failed, "pod") + " failed"
	}
	return v
}

// Ended is what became of an object that has done its work and is removed by the cluster itself, a finished Job with a time to live: Healthy or Degraded.
// That it is gone then is neither drift nor a reason to run it again. It is empty for every other object.
func Ended(o object.Object) Status {
	if o.Key().GroupKind() != (object.GroupKind{Group: "batch", Kind: "Job"}) || o.At("spec", "ttlSecondsAfterFinished") == nil {
		return ""
	}
	switch kind, _ := conditionsOf(o).firstTrue("Complete", "Failed"); kind {
	case "Complete":
		return Healthy
	case "Failed":
		return Degraded
	}
	return ""
}

// Outcome is how an object stands that was made to do something once, going by the verdict on it: Healthy when it has done it, Degraded when it failed for good.
func Outcome(o object.Object, v Verdict) Verdict {
	if o.Key().GroupKind() != (object.GroupKind{Kind: "Pod"}) {
		return v
	}
	if phase := o.Text("status", "phase"); phase == "Succeeded" || phase == "Failed" {
		return v
	}
	if v.Message == "" {
		v.Message = "is running"
	}
	return say(Progressing, v.Message)
}

// cronJob says nothing of its Jobs: one run that failed is no fault of the declaration.
func cronJob(o object.Object) Verdict {
	if suspended, _ := o.At("spec", "suspend").(bool); suspended {
		return say(Suspended, "suspended (spec.suspend)")
	}
	return say(Healthy, "")
}
