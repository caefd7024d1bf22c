package why

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// refused: the API server, a right that is missing or a policy does not let an object in. The dry run says so, before anything is applied.
func refused(l *look, _ time.Time) (Answer, bool) {
	if l.app == nil {
		return Answer{}, false
	}
	st := &l.app.Status
	if m := noNamespaceLeft.FindStringSubmatch(st.Reason); m != nil {
		return l.terminating(m[1]), true
	}
	if len(st.Refused) > 0 && st.Phase == v1alpha1.PhaseFailed && !strings.HasPrefix(st.Reason, "ServiceAccount ") {
		n := st.Refused[0]
		k, _ := keyOf(n.Object)
		says, remedy := refusal(n.Message, cmp.Or(k.Namespace, l.Namespace))
		a := Answer{Subject: n.Object, Says: says, At: n.At, Remedy: remedy, Because: l.wants()}
		if len(remedy) == 0 {
			a.Remedy = []string{"correct " + cmp.Or(n.At, "it") + " in Git"}
		}
		if more := len(st.Refused) - 1; more > 0 {
			a.Because = append(a.Because, Evidence{From: "besides", Says: fmt.Sprintf("%s: %s", st.Refused[1].Object, st.Refused[1].Message)})
			if more > 1 {
				a.Because[len(a.Because)-1].Says += fmt.Sprintf("; and %d more", more-1)
			}
		}
		if strings.HasSuffix(st.Reason, "what comes after it was not applied") {
			a.Stage = Apply
		}
		return a, true
	}
	for _, words := range []string{" may not ", "ServiceAccount ", "failed calling webhook", "the cluster does not know ", "CustomResourceDefinition of ", "credentials"} {
		if (st.Phase == v1alpha1.PhaseFailed || st.Phase == v1alpha1.PhaseWaiting) && strings.Contains(st.Reason, words) && !waitsForApp(st.Reason) {
			k, rest := about(st.Reason)
			rest, at := located(rest)
			says, remedy := refusal(rest, cmp.Or(k.Namespace, l.Namespace))
			a := Answer{Says: says, Remedy: remedy, At: at, Because: l.wants()}
			if k != (object.Key{}) {
				a.Subject = k.String()
			}
			return a, true
		}
	}
	return Answer{}, false
}

// terminating: the namespace of the app is being deleted; what keeps it from going is its own to say.
func (l *look) terminating(name string) Answer {
	a := Answer{
		Subject: "Namespace " + name, Says: "is being deleted: nothing can be applied until it is gone", Because: l.wants(),
		Remedy: []string{"find out who deleted it; when it is gone, it is made again if spec.destination.createNamespace says so"},
	}
	o, known := l.get(namespaceKey(name))
	if !known || o.IsZero() {
		return a
	}
	a.Since = ptr(o.Time("metadata", "deletionTimestamp"))
	for _, c := range conditionsOf(o) {
		if c.Text("status") == "True" && c.Text("message") != "" && c.Text("type") != "NamespaceDeletionDiscoveryFailure" || c.Text("status") == "True" && strings.Contains(c.Text("type"), "Failure") {
			a.Because = append(a.Because, Evidence{From: "condition " + c.Text("type"), Says: c.Text("message"), At: ptr(c.Time("lastTransitionTime"))})
		}
	}
	return a
}

// held: what is to be done waits for a person.
func held(l *look, _ time.Time) (Answer, bool) {
	if l.app == nil || l.app.Status.Phase != v1alpha1.PhaseHeld {
		return Answer{}, false
	}
	st := &l.app.Status
	a := Answer{State: Held, Says: st.Reason, Because: l.wants()}
	if len(st.Held) == 0 {
		return a, true
	}
	h := st.Held[0]
	a.Subject = h.Object
	says, remedy := advised(h.Why)
	a.Says, a.Remedy = says, remedy
	if h.Action != "replace" {
		a.Says = h.Action + " is held: " + says
	}
	for _, more := range st.Held[1:min(len(st.Held), 3)] {
		a.Because = append(a.Because, Evidence{From: "held too", Says: more.Action + " " + more.Object})
	}
	if more := len(st.Held) - 3; more > 0 {
		a.Because[len(a.Because)-1].Says += fmt.Sprintf("; and %d more", more)
	}
	return a, true
}

func waitsForApp(reason string) bool {
	return strings.HasPrefix(reason, "waits for app ") || strings.HasPrefix(reason, "depends on app ") || strings.HasPrefix(reason, "dependsOn goes round")
}

// depends: another app has to be ready first.
func depends(l *look, _ time.Time) (Answer, bool) {
	if l.app == nil || !waitsForApp(l.app.Status.Reason) || l.app.Status.Phase == v1alpha1.PhaseSynced {
		return Answer{}, false
	}
	reason := l.app.Status.Reason
	a := Answer{Says: reason, Because: l.wants()}
	name, ok := strings.CutPrefix(reason, "waits for app ")
	if !ok {
		a.Remedy = []string{"correct dependsOn in " + l.app.Spec.Path + "/fairlead.yaml"}
		return a, true
	}
	name, _, _ = strings.Cut(name, " ")
	object := l.app.Spec.Environment + "-" + name
	if at := strings.LastIndexByte(name, '/'); at >= 0 { // as an App object is named, with its namespace
		object = name[at+1:]
	}
	a.Remedy = []string{"fairlead why " + object + " -n " + l.Namespace}
	other, _ := decoded[v1alpha1.App](l, "App", object)
	if other == nil {
		return a, true
	}
	a.Because = append([]Evidence{{From: "App " + object, Says: fmt.Sprintf("%s, %s: %s", other.Status.Phase,
		cmp.Or(other.Status.Health, "health not known"), cmp.Or(other.Status.Reason, "no reason given"))}}, a.Because...)
	if c := meta.FindStatusCondition(other.Status.Conditions, "Ready"); c != nil {
		a.Because[0].At = ptr(c.LastTransitionTime.Time)
	}
	return a, true
}

// unapplied: a step cannot be done, or is undone again.
func unapplied(l *look, _ time.Time) (Answer, bool) {
	if l.app == nil {
		return Answer{}, false
	}
	st := &l.app.Status
	k, rest := about(st.Reason)
	rest, at := located(rest)
	says, remedy := refusal(rest, cmp.Or(k.Namespace, l.Namespace))
	a := Answer{Says: says, Remedy: remedy, At: at, Because: l.wants()}
	if k != (object.Key{}) {
		a.Subject = k.String()
	}
	switch {
	case st.Phase == v1alpha1.PhaseSynced:
		return Answer{}, false
	case strings.HasPrefix(st.Reason, "the rest waits for "):
		return Answer{}, false // for an object of an earlier wave to be healthy
	case strings.Contains(st.Reason, "is being deleted") && k != (object.Key{}):
		l.going(&a, k)
		return a, true
	case st.Phase == v1alpha1.PhaseDrifted && len(remedy) == 0:
		a.Remedy = []string{"undo it by hand, or take it into Git; spec.sync.drift: Correct of the Environment undoes such edits at once"}
	case st.Phase == v1alpha1.PhaseApplying && len(st.Unhealthy) > 0:
		return Answer{}, false
	case st.Phase == "", st.Phase == v1alpha1.PhasePending:
		a.State, a.Says = Unknown, "Fairlead has not looked at it yet"
	}
	if a.Says == "" {
		a.Says = fmt.Sprintf("it is %s", st.Phase)
	}
	return a, true
}

// going says what keeps an object that is being deleted.
func (l *look) going(a *Answer, k object.Key) {
	a.Says = "is being deleted"
	o, known := l.get(k)
	if !known || o.IsZero() {
		return
	}
	if k.Kind == "Namespace" && k.Group == "" {
		was := l.terminating(k.Name)
		a.Because, a.Since = was.Because, was.Since
		return
	}
	finalizers := texts(o, "metadata", "finalizers")
	a.Since = ptr(o.Time("metadata", "deletionTimestamp"))
	if len(finalizers) == 0 {
		return
	}
	a.Says = "is being deleted, and waits for finalizer " + strings.Join(finalizers, ", ")
	a.Remedy = finalizerAdvice(o, finalizers[0])
	l.warnings(a, o)
}

func finalizerAdvice(o object.Object, name string) []string {
	switch name {
	case "kubernetes.io/pvc-protection":
		return []string{"a Pod still uses it: kubectl -n " + o.Namespace() + " describe pvc " + o.Name() + "  # Used By"}
	case "foregroundDeletion":
		return []string{"what it owns is deleted first: fairlead tree shows it"}
	}
	in := ""
	if o.Namespace() != "" {
		in = " -n " + o.Namespace()
	}
	return []string{
		"let the controller that set " + name + " run again: it removes it when its work is done",
		fmt.Sprintf(`if that controller is gone for good: kubectl%s patch %s %s --type=merge -p '{"metadata":{"finalizers":null}}'`, in, strings.ToLower(o.Key().KindName()), o.Name()),
	}
}
