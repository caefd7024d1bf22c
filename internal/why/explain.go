package why

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// blocker says what stands in the way in one stage; false if nothing does.
type blocker func(*look, time.Time) (Answer, bool)

// way are the stages in their order. Who is suspended goes nowhere whatever else is amiss, and knows why: that is said before anything of the way.
var way = []struct {
	stage  Stage
	blocks blocker
}{
	{Cluster, unreachable},
	{Hold, suspended},
	{Signature, unsigned},
	{Source, unfetched},
	{Source, unfound},
	{Cluster, unattended},
	{Render, unrendered},
	{Preflight, refused},
	{Hold, held},
	{Dependency, depends},
	{Apply, unapplied},
	{Health, unhealthy},
}

// Explain names the first thing in the way of an app, from what is known. It never fails: what cannot be told is Unknown.
func Explain(f Facts, now time.Time) Answer {
	l := &look{Facts: f}
	l.read()
	for _, s := range way {
		a, blocks := s.blocks(l, now)
		if !blocks {
			continue
		}
		a.Stage, a.State = cmp.Or(a.Stage, s.stage), cmp.Or(a.State, Blocked)
		return l.finish(a)
	}
	return l.finish(l.well())
}

func (l *look) finish(a Answer) Answer {
	a.App, a.Namespace, a.Asks = l.Name, l.Namespace, l.asks
	if a.State != Unknown && a.Since == nil && l.app != nil {
		a.Since = since(l.app.Status.Conditions, a.State == Healthy)
	}
	a.Unread = append(a.Unread, l.unread...)
	return a.bound()
}

// since is when Ready became what it is; nil if it is not so.
func since(conditions []metav1.Condition, is bool) *time.Time {
	c := meta.FindStatusCondition(conditions, "Ready")
	if c == nil || (c.Status == metav1.ConditionTrue) != is || c.LastTransitionTime.IsZero() {
		return nil
	}
	return &c.LastTransitionTime.Time
}

// well is the answer if nothing was found in the way: only that is said which the App says of itself.
func (l *look) well() Answer {
	if l.app == nil {
		return Answer{State: Unknown, Stage: Cluster, Says: "nothing is known of it yet"}
	}
	st := &l.app.Status
	if c := meta.FindStatusCondition(st.Conditions, "Ready"); c == nil || c.Status != metav1.ConditionTrue {
		return Answer{State: Unknown, Stage: Health, Says: cmp.Or(st.Reason, "Fairlead does not say how it is")}
	}
	if r, asked := l.Replies[Ask{Verb: Get, Key: l.ourKey("Environment", l.app.Spec.Environment)}]; asked && l.env == nil {
		a := Answer{State: Unknown, Stage: Source, Because: l.standing(), Says: "whether newer commits come is not known"}
		if r.answered() {
			a.Says = "Environment " + l.app.Spec.Environment + " does not exist any more"
		}
		return a
	}
	a := Answer{State: Healthy, Says: fmt.Sprintf("%s is applied, %s; nothing is in the way", l.revision(st.Applied), plural(int(st.Objects), "object"))}
	if st.Health == "Suspended" {
		a.Says += " (some of it is paused in Git)"
	}
	return a
}

// revision is a commit as a person knows it.
func (l *look) revision(r v1alpha1.Revision) string {
	text := cmp.Or(r.Short, "what Git says")
	if r.Subject != "" {
		author, _, _ := strings.Cut(r.Author, " <")
		text += fmt.Sprintf(" (%s: %s)", cmp.Or(author, "?"), clip(r.Subject, 60))
	}
	return text
}

// standing is what the App says of itself, as evidence for what blocks before it.
func (l *look) standing() []Evidence {
	if l.app == nil || l.app.Status.Applied.Short == "" {
		return nil
	}
	st := &l.app.Status
	return []Evidence{{From: "App " + l.Name, Says: fmt.Sprintf("%s stays applied: %s, %s", l.revision(st.Applied), st.Phase, cmp.Or(st.Health, "health not known"))}}
}

// wants says which commit is not through.
func (l *look) wants() []Evidence {
	st := &l.app.Status
	switch {
	case st.Wanted.Short == "":
		return nil
	case st.Applied.Short == "":
		return []Evidence{{From: "Git", Says: l.revision(st.Wanted) + " is wanted, nothing was applied before"}}
	case st.Applied.Revision == st.Wanted.Revision:
		return []Evidence{{From: "Git", Says: l.revision(st.Wanted) + " is applied"}}
	}
	return []Evidence{{From: "Git", Says: fmt.Sprintf("%s is wanted, %s was applied before", l.revision(st.Wanted), st.Applied.Short)}}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func ptr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// about takes the object that a reason begins with off it: "Deployment shop/web: it is broken", "Deployment shop/web is Degraded: it is broken".
func about(reason string) (k object.Key, rest string) {
	reason = attempt.ReplaceAllString(reason, "")
	for _, sep := range []string{": ", " is "} {
		head, rest, _ := strings.Cut(reason, sep)
		if k, ok := keyOf(head); ok {
			return k, rest
		}
	}
	return object.Key{}, reason
}

// attempt is what was done to an object as a reason begins with it: "observe ConfigMap shop/flags: …".
var attempt = regexp.MustCompile(`^(observe|create|update|adopt|repair|replace|delete|apply|read|patch) `)

// written is where in Git an object is written, as a reason ends with it.
var written = regexp.MustCompile(` \(([^\s()]+:\d+)\)$`)

// located takes the place in Git that a reason ends with off it.
func located(reason string) (rest, at string) {
	reason = strings.TrimSuffix(strings.TrimSuffix(reason, "; nothing of this commit was applied"), "; what comes after it was not applied")
	if m := written.FindStringSubmatchIndex(reason); m != nil {
		return reason[:m[0]], reason[m[2]:m[3]]
	}
	return reason, ""
}

// keyOf reads a key as object.Key prints it.
func keyOf(text string) (object.Key, bool) {
	kind, name, ok := strings.Cut(text, " ")
	if !ok || kind == "" || name == "" || kind[0] < 'A' || kind[0] > 'Z' || strings.ContainsAny(name, " ,;()") {
		return object.Key{}, false
	}
	k := object.Key{Name: name}
	if ns, n, ok := strings.Cut(name, "/"); ok {
		k.Namespace, k.Name = ns, n
	}
	k.Kind, k.Group, _ = strings.Cut(kind, ".")
	if k.Group == "" {
		k.Group = groups[k.Kind]
	}
	return k, true
}

// groups are those of the kinds that are printed without one.
var groups = map[string]string{
	"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "ReplicaSet": "apps", "Job": "batch", "CronJob": "batch",
	"HorizontalPodAutoscaler": "autoscaling", "PodDisruptionBudget": "policy", "Ingress": "networking.k8s.io", "NetworkPolicy": "networking.k8s.io",
	"Role": "rbac.authorization.k8s.io", "RoleBinding": "rbac.authorization.k8s.io", "ClusterRole": "rbac.authorization.k8s.io",
	"ClusterRoleBinding": "rbac.authorization.k8s.io", "StorageClass": "storage.k8s.io", "CustomResourceDefinition": "apiextensions.k8s.io",
	"APIService": "apiregistration.k8s.io", "ValidatingWebhookConfiguration": "admissionregistration.k8s.io",
	"MutatingWebhookConfiguration": "admissionregistration.k8s.io", "PriorityClass": "scheduling.k8s.io",
	"Gateway": "gateway.networking.k8s.io", "GatewayClass": "gateway.networking.k8s.io", "HTTPRoute": "gateway.networking.k8s.io",
	"GRPCRoute": "gateway.networking.k8s.io", "TCPRoute": "gateway.networking.k8s.io", "TLSRoute": "gateway.networking.k8s.io", "UDPRoute": "gateway.networking.k8s.io",
}
