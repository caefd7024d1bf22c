package why

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// unhealthy: all is applied that may be, and an object does not do its work.
func unhealthy(l *look, now time.Time) (Answer, bool) {
	if l.app == nil {
		return Answer{}, false
	}
	st := &l.app.Status
	note, gate := l.worst()
	k, ok := keyOf(note.Object)
	if !ok {
		if st.Phase == v1alpha1.PhaseSynced && st.Health == "Unknown" && st.Objects == 0 {
			return Answer{State: Unknown, Says: st.Reason, Because: l.wants(), Remedy: []string{"add manifests to " + l.app.Spec.Path}}, true
		}
		return Answer{}, false
	}
	a := Answer{Subject: note.Object, Says: note.Message, Because: l.wants()}
	if note.Health == string(health.Unknown) {
		a.State = Unknown
	}
	if gate {
		a.Because = append(a.Because, Evidence{From: "order", Says: "later waves of the app wait for it"})
	}
	if more := len(st.Unhealthy) - 1; more > 0 {
		a.Because = append(a.Because, Evidence{From: "besides", Says: fmt.Sprintf("%s is %s: %s", st.Unhealthy[1].Object, st.Unhealthy[1].Health, st.Unhealthy[1].Message)})
	}
	o, known := l.get(k)
	switch {
	case !known:
	case o.IsZero():
		a.Says = "does not exist in the cluster"
		a.Remedy = []string{"it is made again with the next pass: fairlead sync " + l.app.Spec.Environment + "/" + l.app.Spec.Name + " -n " + l.Namespace}
	default:
		l.cause(&a, o, now)
	}
	if len(a.Remedy) == 0 && o.Name() != "" {
		a.Remedy = []string{fmt.Sprintf("kubectl%s describe %s %s", inNamespace(o.Namespace()), strings.ToLower(o.Kind()), o.Name())}
	}
	return a, true
}

// worst is the object that the App names first, and whether the rest of the app waits for it.
func (l *look) worst() (v1alpha1.ObjectNote, bool) {
	st := &l.app.Status
	if rest, ok := strings.CutPrefix(st.Reason, "the rest waits for "); ok && st.Phase != v1alpha1.PhaseSynced {
		k, text := about(rest)
		for _, u := range st.Unhealthy {
			if u.Object == k.String() {
				return u, true
			}
		}
		return v1alpha1.ObjectNote{Object: k.String(), Message: text}, true
	}
	if len(st.Unhealthy) > 0 {
		return st.Unhealthy[0], false
	}
	return v1alpha1.ObjectNote{}, false
}

// cause looks for what is behind an object that is not well: in itself, in what was made of it, and in the Events about both.
func (l *look) cause(a *Answer, o object.Object, now time.Time) {
	if o.Deleting() {
		l.going(a, o.Key())
		return
	}
	switch k := o.Key(); k.GroupKind() {
	case object.GroupKind{Group: "apps", Kind: "Deployment"}:
		l.deployment(a, o, now)
	case object.GroupKind{Group: "apps", Kind: "StatefulSet"}, object.GroupKind{Group: "apps", Kind: "DaemonSet"}, object.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
		l.workload(a, o, o, now)
	case object.GroupKind{Group: "batch", Kind: "Job"}:
		l.job(a, o, now)
	case object.GroupKind{Kind: "Pod"}:
		l.pod(a, o, now)
	case object.GroupKind{Kind: "PersistentVolumeClaim"}:
		l.claim(a, o)
	case object.GroupKind{Kind: "Service"}:
		l.service(a, o)
	default:
		l.warnings(a, o)
	}
}

// deployment looks at the Pods of its newest ReplicaSet: those of the older ones run on meanwhile.
func (l *look) deployment(a *Answer, o object.Object, now time.Time) {
	selector := selectorOf(o)
	if selector == "" {
		l.warnings(a, o)
		return
	}
	sets, known := l.list("apps", "ReplicaSet", o.Namespace(), selector)
	_, _ = l.list("", "Pod", o.Namespace(), selector) // asked for at once
	newest := object.Object{}
	for _, rs := range sets {
		if ownedBy(rs, o) && rs.Annotation(revision) == o.Annotation(revision) {
			newest = rs
		}
	}
	if known && newest.IsZero() {
		if c := condition(o, "Progressing"); c.Text("status") == "False" {
			a.Says = c.Text("message")
		}
		l.warnings(a, o)
		return
	}
	l.workload(a, o, newest, now)
}

const revision = "deployment.kubernetes.io/revision"

// workload looks at the Pods that a controller makes for an object: of is the object that owns them.
func (l *look) workload(a *Answer, o, of object.Object, now time.Time) {
	deadline := a.Says
	pods, known := l.list("", "Pod", o.Namespace(), selectorOf(o))
	pods = slices.DeleteFunc(slices.Clone(pods), func(p object.Object) bool { return !of.IsZero() && !ownedBy(p, of) })
	if bad, n := sickest(pods); n > 0 {
		l.pod(a, bad, now)
		a.Because = append(a.Because, Evidence{From: o.Kind(), Says: fmt.Sprintf("%s; %d of %s not ready", deadline, n, plural(len(pods), "Pod"))})
		return
	}
	if known {
		l.uncreated(a, o, of)
	}
}

// uncreated: a controller that should have made a Pod could not.
func (l *look) uncreated(a *Answer, o, of object.Object) {
	c := condition(of, "ReplicaFailure")
	because := Evidence{From: "condition ReplicaFailure of " + of.String(), Says: c.Text("message"), At: ptr(c.Time("lastTransitionTime"))}
	if c.Text("status") != "True" {
		because = Evidence{}
		for _, e := range l.events(of) {
			if e.Text("type") == "Warning" {
				because = evidence(e)
				break
			}
		}
	}
	if because.Says == "" {
		if of.UID() != o.UID() {
			l.warnings(a, o)
		}
		return
	}
	says, remedy := refusal(because.Says, o.Namespace())
	a.Says, a.Remedy = "no Pod can be made: "+says, remedy
	a.Because = append([]Evidence{because}, a.Because...)
}

// job looks at the Pod that failed last.
func (l *look) job(a *Answer, o object.Object, now time.Time) {
	failed := condition(o, "Failed")
	pods, known := l.list("", "Pod", o.Namespace(), selectorOf(o))
	slices.SortFunc(pods, func(x, y object.Object) int { return y.Created().Compare(x.Created()) })
	if failed.Text("status") != "True" {
		if bad, n := sickest(pods); n > 0 {
			l.pod(a, bad, now)
		} else if known {
			l.uncreated(a, o, o)
		}
		return
	}
	a.Says = fmt.Sprintf("failed: %s", cmp.Or(failed.Text("message"), failed.Text("reason")))
	a.Since = ptr(failed.Time("lastTransitionTime"))
	a.Remedy = []string{
		"correct what it runs; its Pods are in kubectl" + inNamespace(o.Namespace()) + " get pods -l " + selectorOf(o),
		"a Job cannot be changed: give it another name, or the annotation fairlead.dev/apply: replace",
	}
	for _, p := range pods {
		if p.Text("status", "phase") != "Failed" {
			continue
		}
		for _, c := range statuses(p) {
			if code, _ := c.At("state", "terminated", "exitCode").(int64); code != 0 {
				a.Because = append([]Evidence{{From: p.String(), Says: "container " + c.Text("name") + " ended: " + ending(c, "state")}}, a.Because...)
				l.log(a, p, c.Text("name"), false)
				return
			}
		}
	}
	if known && len(pods) == 0 {
		a.Because = append([]Evidence{{From: "Pods", Says: "none is left, and with them their logs"}}, a.Because...)
	}
}

// claim: a volume that does not come.
func (l *look) claim(a *Answer, o object.Object) {
	class, named := o.At("spec", "storageClassName").(string)
	if o.Text("status", "phase") == "Bound" {
		return
	}
	if named && class != "" {
		if c, known := l.get(object.Key{Group: "storage.k8s.io", Kind: "StorageClass", Name: class}); known && c.IsZero() {
			a.Subject, a.Says = o.String(), "StorageClass "+class+" does not exist"
			a.Remedy = []string{"create it, or name another one in spec.storageClassName: kubectl get storageclasses"}
			return
		}
	}
	if !named {
		a.Subject, a.Says = o.String(), "no volume comes: it names no StorageClass, and the cluster has no default one"
		a.Remedy = []string{"name one in spec.storageClassName, or make one the default: kubectl get storageclasses"}
	} else if o.Text("spec", "volumeName") == "" {
		a.Subject, a.Says = o.String(), "no volume comes from StorageClass "+class
	}
	l.warnings(a, o)
}

// service: an address that nobody gives.
func (l *look) service(a *Answer, o object.Object) {
	if !l.warnings(a, o) && o.Text("spec", "type") == "LoadBalancer" {
		if _, known := l.Replies[Ask{Verb: Events, Key: o.Key()}]; known {
			a.Because = append([]Evidence{{From: "Events of " + o.String(), Says: "none: nothing in this cluster seems to give out load balancers"}}, a.Because...)
		}
		a.Remedy = []string{"install what gives out addresses (a cloud's controller, or one such as MetalLB)", "or let it be of type ClusterIP, behind an Ingress or Gateway"}
	}
}

func inNamespace(name string) string {
	if name == "" {
		return ""
	}
	return " -n " + name
}
