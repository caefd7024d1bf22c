package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Labels of a Job that was made for a release. They are not the owner mark: the Job is none of the app's objects.
const (
	LabelApp       = "fairlead.dev/verifies"           // the name of the App
	LabelNamespace = "fairlead.dev/verifies-namespace" // and its namespace
	LabelRelease   = "fairlead.dev/release"            // the serial of the release
)

// Bounds of a Job that does not say so itself, in seconds.
const (
	usualTTL      = 3600
	usualDeadline = 3600
	leastTTL      = 60 // so that its end is seen
)

// JobFor is the Job of the app's directory as it is made for one release: under a name that no other release gives it, with what cleans it up. Before is when
// the release began: an app that was deleted and came back counts its releases anew.
func JobFor(declared object.Object, name app.Name, serial int, before time.Time, namespace string) object.Object {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s", name, serial, before.Unix(), declared.Hash()))
	suffix := "-r" + strconv.Itoa(serial) + "-" + hex.EncodeToString(sum[:3])
	base := declared.Name()
	base = strings.TrimRight(base[:min(len(base), 63-len(suffix))], "-.")

	labels, _ := declared.At("metadata", "labels").(map[string]any)
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]any{}
	}
	labels[LabelApp], labels[LabelNamespace], labels[LabelRelease] = name.Object(), name.Namespace, strconv.Itoa(serial)
	meta := map[string]any{"name": base + suffix, "namespace": namespace, "labels": labels}
	if notes := annotations(declared); len(notes) > 0 {
		meta["annotations"] = notes
	}
	job := object.New(map[string]any{"apiVersion": declared.APIVersion(), "kind": declared.Kind(), "metadata": meta, "spec": declared.At("spec")})
	for field, usual := range map[string]int64{"ttlSecondsAfterFinished": usualTTL, "activeDeadlineSeconds": usualDeadline} {
		if job.At("spec", field) == nil {
			job = job.With(usual, "spec", field)
		}
	}
	if ttl, ok := job.At("spec", "ttlSecondsAfterFinished").(int64); ok && ttl < leastTTL {
		job = job.With(int64(leastTTL), "spec", "ttlSecondsAfterFinished")
	}
	return job
}

// annotations are those of an object, without what Fairlead itself reads.
func annotations(o object.Object) map[string]any {
	all, _ := o.At("metadata", "annotations").(map[string]any)
	out := map[string]any{}
	for k, v := range all {
		if !strings.HasPrefix(k, "fairlead.dev/") {
			out[k] = v
		}
	}
	return out
}

// Unfit says why a declared Job cannot be made for releases; empty if it can.
func Unfit(declared object.Object) string {
	switch {
	case declared.IsZero():
		return "is not in the app's directory"
	case app.ApplyOf(declared) != app.ApplyNever:
		return "is applied with the app: give it the annotation " + app.AnnotationApply + ": " + string(app.ApplyNever)
	}
	return ""
}

// Ended reports whether a Job has finished.
func Ended(job object.Object) bool {
	s := health.Rules{}.Assess(job).Status
	return s == health.Healthy || s == health.Degraded
}

// Bounds of what is kept of a log.
const (
	mostLines   = 20
	mostLogLine = 200
)

// Tail is the end of a log, fit to be shown.
func Tail(log []byte) []string {
	var lines []string
	for _, l := range strings.Split(string(log), "\n") {
		if l = line(l, mostLogLine); l != "" {
			lines = append(lines, l)
		}
	}
	return lines[max(0, len(lines)-mostLines):]
}
