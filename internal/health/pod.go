package health

import (
	"fmt"
	"regexp"

	"github.com/fairlead-cd/fairlead/internal/object"
)

func pod(o object.Object) Verdict {
	cs := conditionsOf(o)
	switch phase := o.Text("status", "phase"); phase {
	case "Succeeded":
		return say(Healthy, "completed")
	case "Failed":
		return say(Degraded, failedPod(o))
	case "Unknown":
		return sayf(Unknown, "its node does not report: %s", cs.get("Ready").why())
	}
	if cs.get("Ready").yes() {
		return say(Healthy, "")
	}
	if v, ok := containers(o); ok {
		return v
	}
	// A node may be added, or another pod may go, at any time: not scheduled is only a delay.
	if c := cs.get("PodScheduled"); c.no() {
		return sayf(Progressing, "not scheduled: %s", c.why())
	}
	if c := cs.get("Ready"); c.no() && c.message != "" {
		return say(Progressing, c.message)
	}
	return say(Progressing, "not ready")
}

func failedPod(o object.Object) string {
	if why := because(o.Text("status", "reason"), o.Text("status", "message")); why != "" {
		return why
	}
	for _, where := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, c := range list(o, "status", where) {
			if code := number(c, 0, "state", "terminated", "exitCode"); code != 0 {
				return fmt.Sprintf("container %s ended: %s", c.Text("name"), ending(c, "state"))
			}
		}
	}
	return "failed"
}

// containers returns what the first container that is not as it should be says of itself.
func containers(o object.Object) (Verdict, bool) {
	for _, where := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, c := range list(o, "status", where) {
			if v, ok := container(c); ok {
				return v, true
			}
		}
	}
	return Verdict{}, false
}

func container(c object.Object) (Verdict, bool) {
	name, reason := c.Text("name"), c.Text("state", "waiting", "reason")
	switch reason {
	case "":
	case "CrashLoopBackOff":
		return sayf(Degraded, "container %s: CrashLoopBackOff, %s, last: %s", name, restarts(c), ending(c, "lastState")), true
	// ErrImagePull and ImagePullBackOff alternate while the image cannot be had: one verdict for both.
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable":
		return sayf(Degraded, "container %s: %s", name, because(reason, c.Text("state", "waiting", "message"))), true
	case "PodInitializing", "ContainerCreating":
		return Verdict{}, false
	default: // such as CreateContainerConfigError: a Secret that somebody else makes may still come
		return sayf(Progressing, "container %s: %s", name, because(reason, c.Text("state", "waiting", "message"))), true
	}
	if number(c, 0, "restartCount") > 0 && c.At("ready") != true && c.At("state", "terminated", "exitCode") != int64(0) {
		return sayf(Progressing, "container %s is not ready, %s, last: %s", name, restarts(c), ending(c, "lastState")), true
	}
	return Verdict{}, false
}

// Stuck is why a container of a Pod does not start or stay up, with the image where that cannot be had; empty if none is known to be so.
func Stuck(pod object.Object) string {
	for _, where := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, c := range list(pod, "status", where) {
			switch reason := c.Text("state", "waiting", "reason"); reason {
			case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable":
				return fmt.Sprintf("container %s cannot have image %s: %s", c.Text("name"), c.Text("image"), reason)
			case "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
				if v, ok := container(c); ok {
					return v.Message
				}
			}
		}
	}
	return ""
}

func restarts(c object.Object) string {
	return "restarted " + plural(number(c, 0, "restartCount"), "time")
}

// ending is how a container ended: "OOMKilled, exit code 137". Its own termination message is left out: a program may write
// into it what it likes, passwords included.
func ending(c object.Object, state string) string {
	if c.At(state, "terminated") == nil {
		return "not known"
	}
	reason := c.Text(state, "terminated", "reason")
	if reason == "" {
		reason = "ended"
	}
	return fmt.Sprintf("%s, exit code %d", reason, number(c, 0, state, "terminated", "exitCode"))
}

// digest is how a container runtime says which image it runs: by the digest of its manifest. What docker calls by an id of its own has none.
var digest = regexp.MustCompile(`@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// Runs are the images of a Pod that the runtime says a digest of, as the Pod names them, with it: "web:1.2@sha256:…". A Pod that is going says nothing.
func Runs(pod object.Object) map[string]string {
	out := map[string]string{}
	if pod.Deleting() {
		return out
	}
	for _, where := range []string{"initContainer", "container"} {
		ids := map[string]string{}
		for _, c := range list(pod, "status", where+"Statuses") {
			if m := digest.FindStringSubmatch(c.Text("imageID")); m != nil {
				ids[c.Text("name")] = m[1]
			}
		}
		for _, c := range list(pod, "spec", where+"s") {
			if id, image := ids[c.Text("name")], c.Text("image"); id != "" {
				out[image] = image + "@" + id
			}
		}
	}
	return out
}
