package verifier

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

// jobRun is the Job of a release.
type jobRun struct {
	*run
	trial verify.Trial
	made  bool
}

// declared is the Job of the app's directory.
func (j *jobRun) declared() object.Object {
	for _, o := range j.Objects {
		if isJob(o, j.trial) {
			return o
		}
	}
	return object.Object{}
}

// job makes the Job of the release if it was not made yet, and looks at it.
func (v *Verifier) job(ctx context.Context, j *jobRun) verify.Observation {
	ctx, cancel := context.WithTimeout(ctx, j.trial.Pace.Timeout)
	defer cancel()
	declared := j.declared()
	if why := verify.Unfit(declared); why != "" {
		return verify.Observation{Says: verify.Final, What: why}
	}
	x, err := v.reaches.of(j.Identity)
	if err != nil {
		return verify.Observation{What: "cannot be made: " + err.Error()}
	}
	namespace := cmp.Or(declared.Namespace(), j.Namespace)
	job := verify.JobFor(declared, j.App, j.Serial, j.Before, namespace)
	if !j.made {
		_, err := x.at(jobsResource, namespace).Create(ctx, &unstructured.Unstructured{Object: job.Content()}, metav1.CreateOptions{FieldManager: app.Manager})
		switch {
		case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
			return verify.Observation{Says: verify.Final, What: "was refused by the API server: " + err.Error()}
		case err != nil && !apierrors.IsAlreadyExists(err): // which a process before this one made
			return verify.Observation{What: "cannot be made: " + x.plain("create", jobsResource, namespace, err).Error()}
		}
		j.made = true
	}
	live, err := x.live(ctx, jobsResource, namespace, job.Name())
	if err != nil {
		return verify.Observation{What: "cannot be looked at: " + err.Error()}
	}
	j.made = !live.IsZero() // if somebody deleted it, it is made again
	o := j.trial.OfJob(live, nil)
	if o.Says == verify.Final {
		o = j.trial.OfJob(live, x.tail(ctx, namespace, job.Name()))
	}
	return o
}

// LastWords says what the last lines are that a Job or a Pod wrote, or why they cannot be read. Empty for every other kind, and for one that wrote nothing.
func (v *Verifier) LastWords(ctx context.Context, id app.Identity, of object.Key) string {
	ctx, cancel := context.WithTimeout(ctx, reading)
	defer cancel()
	x, err := v.reaches.of(id)
	if err != nil {
		return ""
	}
	switch of.GroupKind() {
	case object.GroupKind{Group: "batch", Kind: "Job"}:
		return verify.LastWords(x.tail(ctx, of.Namespace, of.Name))
	case object.GroupKind{Kind: "Pod"}:
		pod, err := x.live(ctx, podsResource, of.Namespace, of.Name)
		if err != nil || pod.IsZero() {
			return ""
		}
		return verify.LastWords(x.tailOf(ctx, pod))
	}
	return ""
}

// reading bounds how long the end of a log is read.
const reading = 10 * time.Second

// tail is the end of what the newest Pod of a Job wrote. What cannot be read is said instead.
func (x *reach) tail(ctx context.Context, namespace, job string) []string {
	pods, err := x.list(ctx, podsResource, namespace, map[string]string{"batch.kubernetes.io/job-name": job})
	if err != nil {
		return verify.Unread(err.Error())
	}
	if len(pods) == 0 {
		return nil
	}
	newest := slices.MaxFunc(pods, func(a, b unstructured.Unstructured) int {
		return a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time)
	})
	return x.tailOf(ctx, object.New(newest.Object))
}

// tailOf is the end of what a Pod wrote.
func (x *reach) tailOf(ctx context.Context, pod object.Object) []string {
	namespace, ask := pod.Namespace(), url.Values{"tailLines": {"20"}, "container": {failedContainer(pod)}}
	a := x.get(ctx, fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/log?%s", url.PathEscape(namespace), url.PathEscape(pod.Name()), ask.Encode()))
	switch {
	case a.Unasked != "":
		return verify.Unread(a.Unasked)
	case a.Status == http.StatusForbidden:
		return verify.Unread(fmt.Sprintf("%s may not get pods/log in namespace %s", x.user, namespace))
	case a.Status != http.StatusOK:
		return verify.Unread(fmt.Sprintf("the API server answered %d", a.Status))
	}
	return verify.Tail(a.Body)
}

// failedContainer is the container of a Pod that failed, or else the first.
func failedContainer(pod object.Object) string {
	for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
		statuses, _ := pod.At("status", list).([]any)
		for _, s := range statuses {
			m, _ := s.(map[string]any)
			status := object.New(m)
			if code, ok := status.At("state", "terminated", "exitCode").(int64); ok && code != 0 {
				return status.Text("name")
			}
		}
	}
	containers, _ := pod.At("spec", "containers").([]any)
	for _, c := range containers {
		if m, ok := c.(map[string]any); ok {
			return object.New(m).Text("name")
		}
	}
	return ""
}

// cleaning bounds how long Jobs are cleaned up.
const cleaning = 30 * time.Second

// sweep deletes the Jobs of other releases of an app, of which the last may be known.
func (v *Verifier) sweep(r, last *run) {
	where := r.jobNamespaces()
	if last != nil {
		where = append(where, last.jobNamespaces()...)
	}
	v.clean(r.ctx, r, where, func(j object.Object) bool { return j.Label(verify.LabelRelease) != strconv.Itoa(r.Serial) })
}

// abandon deletes the Jobs of an app that have not ended.
func (v *Verifier) abandon(r *run) {
	v.clean(v.ctx, r, r.jobNamespaces(), func(j object.Object) bool { return !verify.Ended(j) })
}

func (v *Verifier) clean(ctx context.Context, r *run, where []string, which func(object.Object) bool) {
	ctx, cancel := context.WithTimeout(ctx, cleaning)
	defer cancel()
	x, err := v.reaches.of(r.Identity)
	if err != nil {
		return
	}
	slices.Sort(where)
	for _, namespace := range slices.Compact(where) {
		jobs, err := x.list(ctx, jobsResource, namespace, map[string]string{verify.LabelApp: r.App.Object(), verify.LabelNamespace: r.App.Namespace})
		if err != nil {
			v.Log.WarnContext(ctx, "jobs of earlier releases are not cleaned up", "app", r.App.String(), "error", err)
			continue
		}
		for _, job := range jobs {
			if !which(object.New(job.Object)) {
				continue
			}
			uid, background := job.GetUID(), metav1.DeletePropagationBackground
			exactly := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &background}
			err := x.at(jobsResource, namespace).Delete(ctx, job.GetName(), exactly)
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
				v.Log.WarnContext(ctx, "a job of an earlier release is not deleted", "app", r.App.String(), "job", job.GetName(), "error", err)
			}
		}
	}
}

// jobNamespaces are where Jobs of the app's releases are.
func (r *run) jobNamespaces() []string {
	all := []string{r.Namespace}
	for _, o := range r.Objects {
		if o.Kind() == "Job" && o.Namespace() != "" {
			all = append(all, o.Namespace())
		}
	}
	return all
}
