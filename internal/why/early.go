package why

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// unreachable: nobody answers, or only to say that the person may not ask. Nothing is known then, whatever was known before.
func unreachable(l *look, _ time.Time) (Answer, bool) {
	for _, r := range l.Replies {
		if r.Dead {
			l.unread = nil // nothing could be
			return Answer{
				State: Unknown, Says: "the API server cannot be reached: " + r.Trouble,
				Remedy: []string{"is it running, and is it the one you mean? --kubeconfig, KUBECONFIG and --context choose"},
			}, true
		}
	}
	app := Ask{Verb: Get, Key: l.ourKey("App", l.Name)}
	r := l.Replies[app]
	switch {
	case r.Denied:
		l.unread = nil
		return Answer{
			State: Unknown, Says: "you may not read " + app.what(),
			Remedy: []string{"ask for the right to get, list and watch repositories, environments and apps of fairlead.dev in namespace " + l.Namespace},
		}, true
	case r.Trouble != "":
		l.unread = nil
		return Answer{State: Unknown, Says: fmt.Sprintf("App %s could not be read: %s", l.Name, r.Trouble)}, true
	}
	return Answer{}, false
}

// suspended: a person stopped it.
func suspended(l *look, _ time.Time) (Answer, bool) {
	a := Answer{}
	switch {
	case l.app != nil && l.app.Spec.Suspend != nil:
		s := l.app.Spec.Suspend
		a.Says, a.Since = "suspended"+by(s.By, s.Because), ptr(s.Since.Time)
		a.Remedy = []string{fmt.Sprintf("fairlead resume %s/%s -n %s", l.app.Spec.Environment, l.app.Spec.Name, l.Namespace)}
	case l.env != nil && l.env.Spec.Sync.Suspend:
		a.Subject = "Environment " + l.Namespace + "/" + l.env.Name
		a.Says = "suspended" + by(l.env.Annotations["fairlead.dev/suspended-by"], l.env.Annotations["fairlead.dev/suspended-because"])
		a.Remedy = []string{fmt.Sprintf("fairlead resume %s -n %s", l.env.Name, l.Namespace)}
	default:
		return a, false
	}
	a.Because = l.standing()
	return a, true
}

func by(who, because string) string {
	text := ""
	if who != "" {
		text = " by " + who
	}
	if because != "" {
		text += ": " + because
	}
	return text
}

// unsigned: somebody known has to have signed what is applied, and has not, or nobody is known.
func unsigned(l *look, _ time.Time) (Answer, bool) {
	text, at := l.sourceTrouble()
	if text == "" || l.repo == nil || l.repo.Spec.Verify == nil || !ofSignature(text) {
		return Answer{}, false
	}
	a := l.blockedSource(text, at)
	secret := "Secret " + l.Namespace + "/" + l.repo.Spec.Verify.SecretRef.Name
	if len(a.Remedy) == 0 {
		a.Remedy = []string{"sign it with a key that " + secret + " knows, and push it again"}
	}
	if strings.Contains(text, " is refused: ") {
		a.Remedy = append(a.Remedy, "or, if who made it may do so, add the public key to "+secret)
	}
	return a, true
}

func ofSignature(text string) bool {
	return strings.Contains(text, "spec.verify") ||
		strings.Contains(text, " is refused: ") && (strings.Contains(text, "commit ") || strings.Contains(text, "tag ") || strings.Contains(text, "signed"))
}

// unfetched: Git cannot be asked, or what is followed is not there.
func unfetched(l *look, _ time.Time) (Answer, bool) {
	text, at := l.sourceTrouble()
	if text == "" {
		return Answer{}, false
	}
	return l.blockedSource(text, at), true
}

func (l *look) blockedSource(text string, at *time.Time) Answer {
	says, remedy := advised(text)
	if len(remedy) == 0 {
		remedy = gitAdvice(text)
	}
	a := Answer{Says: asked.ReplaceAllString(says, ""), Remedy: remedy, Since: at, Because: l.standing(), Subject: "Environment " + l.Namespace + "/" + l.env.Name}
	if l.repo != nil && !strings.HasPrefix(text, "directory ") {
		a.Subject, a.Says = "Repository "+l.Namespace+"/"+l.repo.Name, strings.TrimPrefix(a.Says, "repository "+l.repo.Name+": ")
		a.Because = append([]Evidence{{From: a.Subject, Says: l.repo.Spec.URL}}, a.Because...)
	}
	return a
}

// sourceTrouble is why the source of the app cannot be read, and since when; empty if it can, or if nothing is known.
func (l *look) sourceTrouble() (string, *time.Time) {
	if l.env == nil {
		return "", nil
	}
	c := meta.FindStatusCondition(l.env.Status.Conditions, "Ready")
	if c == nil || c.Reason != "SourceFailed" {
		return "", nil
	}
	at := ptr(c.LastTransitionTime.Time)
	if l.repo != nil {
		if r := meta.FindStatusCondition(l.repo.Status.Conditions, "Ready"); r != nil && r.Status == metav1.ConditionFalse {
			at = ptr(r.LastTransitionTime.Time)
		}
	}
	for _, s := range l.env.Status.Sources {
		if s.Error != "" && (l.app == nil || s.Repository == l.app.Spec.Repository) {
			return s.Error, at
		}
	}
	if l.app != nil && l.app.Status.Applied.Short != "" && len(l.env.Status.Sources) > 1 {
		return "", nil // another source of the environment
	}
	return c.Message, at
}

// unfound: there is no such app.
func unfound(l *look, _ time.Time) (Answer, bool) {
	if _, asked := l.Replies[Ask{Verb: Get, Key: l.ourKey("App", l.Name)}]; !asked || l.app != nil {
		return Answer{}, false
	}
	if l.Environment != "" && l.env == nil {
		if _, known := l.get(l.ourKey("Environment", l.Environment)); known {
			return l.noEnvironment()
		}
	}
	apps, known := l.list(ours, "App", l.Namespace, "")
	if !known {
		return Answer{State: Unknown, Says: "there is no App of this name"}, true
	}
	var names []string
	for _, o := range apps {
		if env := o.Text("spec", "environment"); l.Environment == "" || env == l.Environment {
			names = append(names, env+"/"+o.Text("spec", "name"))
		}
	}
	slices.Sort(names)
	name := l.Name
	if l.Environment != "" {
		name = l.Environment + "/" + l.App
	}
	a := Answer{State: Unknown, Says: fmt.Sprintf("there is no app %q in namespace %s", name, l.Namespace)}
	near, ok := nearest.Of(name, names)
	if i := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, "/"+name) }); i >= 0 && l.Environment == "" {
		near, ok = names[i], true // without its environment
	}
	if i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, name+"/") }); i >= 0 && l.Environment == "" {
		a.Says = fmt.Sprintf("%q is an environment: name one of its apps, such as %q", name, names[i])
	} else if ok {
		a.Says += fmt.Sprintf(": did you mean %q?", near)
	}
	if l.env == nil {
		a.Remedy = []string{allThere}
		return a, true
	}
	a.State, a.Subject = Blocked, "Environment "+l.Namespace+"/"+l.env.Name
	if len(l.env.Status.Sources) == 0 {
		a.State, a.Says = Unknown, "Fairlead has not read its sources yet"
		a.Remedy = []string{"does the controller run? kubectl get pods -n " + systemNamespace}
	}
	for _, s := range l.env.Status.Sources {
		a.Because = append(a.Because, Evidence{From: "source", Says: fmt.Sprintf("%s of repository %s at %s has %s", s.Path, s.Repository, s.Revision, plural(int(s.Apps), "app"))})
	}
	if len(a.Remedy) == 0 {
		a.Remedy = []string{"add the directory to Git, or let spec.sources of the Environment match it"}
	}
	return a, true
}

// allThere is the remedy for a name that is none.
const allThere = "fairlead status -A shows all there are; -n names the namespace"

// noEnvironment says that the environment which was named is not in the namespace, and which one may have been meant.
func (l *look) noEnvironment() (Answer, bool) {
	a := Answer{State: Unknown, Says: fmt.Sprintf("there is no environment %q in namespace %s", l.Environment, l.Namespace), Remedy: []string{allThere}}
	missed := len(l.unread)
	everywhere := Ask{Verb: List, Key: object.Key{Group: ours, Kind: "Environment"}}
	r, known := l.ask(everywhere)
	if _, asked := l.Replies[everywhere]; asked && !known { // few people may look everywhere
		l.unread = l.unread[:missed]
		r.Objects, _ = l.list(ours, "Environment", l.Namespace, "")
	}
	var here, elsewhere []string
	for _, o := range r.Objects {
		switch k := o.Key(); {
		case k.Namespace == l.Namespace:
			here = append(here, k.Name)
		case k.Name == l.Environment:
			elsewhere = append(elsewhere, k.Namespace)
		}
	}
	slices.Sort(elsewhere)
	if near, ok := nearest.Of(l.Environment, here); ok {
		a.Says += fmt.Sprintf(": did you mean %q?", near)
		a.Remedy = []string{fmt.Sprintf("fairlead why %s/%s -n %s", near, l.App, l.Namespace)}
	} else if len(elsewhere) > 0 {
		a.Says += ", but there is in " + strings.Join(elsewhere[:min(len(elsewhere), 3)], ", ")
		a.Remedy = []string{fmt.Sprintf("fairlead why %s/%s -n %s", l.Environment, l.App, elsewhere[0])}
	}
	return a, true
}

// systemNamespace is where Fairlead runs unless it was installed elsewhere.
const systemNamespace = "fairlead-system"

// unattended: no controller runs, so that all that is said of the app may be old.
func unattended(l *look, now time.Time) (Answer, bool) {
	if l.app == nil {
		return Answer{}, false
	}
	missed := len(l.unread)
	leases, _ := l.list("coordination.k8s.io", "Lease", systemNamespace, "fairlead.dev/replica")
	l.unread = l.unread[:missed] // few people may read them, and nothing follows from that
	newest, lasts := time.Time{}, time.Duration(0)
	for _, o := range leases {
		if at := o.Time("spec", "renewTime"); at.After(newest) {
			seconds, _ := o.At("spec", "leaseDurationSeconds").(int64)
			newest, lasts = at, time.Duration(seconds)*time.Second
		}
	}
	if !newest.IsZero() && now.Sub(newest) > 2*lasts+clockSkew {
		st := &l.app.Status
		return Answer{
			State: Unknown, Subject: "Fairlead", Says: fmt.Sprintf("no controller has been running for %s: what is said of the app is as old", age(newest, now)),
			Because: []Evidence{
				{From: "Lease in " + systemNamespace, At: &newest, Says: "was renewed last"},
				{From: "App " + l.Name, Says: fmt.Sprintf("was %s, %s", st.Phase, cmp.Or(st.Health, "health not known"))},
			},
			Remedy: []string{"kubectl -n " + systemNamespace + " get pods,events"},
		}, true
	}
	if l.app.Status.ObservedGeneration == 0 && l.app.Status.Phase == "" {
		return Answer{
			State: Unknown, Says: "Fairlead has not looked at it yet",
			Remedy: []string{"does the controller run? kubectl -n " + systemNamespace + " get pods"},
		}, true
	}
	return Answer{}, false
}

// clockSkew is by how much the clock of who asks may differ from that of the controller.
const clockSkew = 30 * time.Second

// unrendered: the files of the app cannot be read, or do not make objects.
func unrendered(l *look, _ time.Time) (Answer, bool) {
	if l.app == nil {
		return Answer{}, false
	}
	st := &l.app.Status
	if st.Phase != v1alpha1.PhaseFailed && st.Phase != v1alpha1.PhaseWaiting || !ofFiles(st.Reason, l.app.Spec.Path) {
		return Answer{}, false
	}
	says, remedy := advised(st.Reason)
	a := Answer{Says: says, Remedy: remedy, Because: l.wants()}
	if at, rest, ok := strings.Cut(says, ": "); ok && !strings.Contains(at, " ") {
		a.Subject, a.Says = at, rest
	}
	if len(a.Remedy) == 0 {
		a.Remedy = []string{"correct it in Git; fairlead render " + l.app.Spec.Path + " shows beforehand, from a working tree, what it renders to"}
	}
	return a, true
}

// ofFiles reports whether a reason is about files: it begins with a path, not with an object.
func ofFiles(reason, dir string) bool {
	if strings.Contains(reason, " is defined twice: in ") || dir != "" && strings.HasPrefix(reason, dir) {
		return true
	}
	head, _, ok := strings.Cut(reason, ": ")
	return ok && !strings.Contains(head, " ") && (strings.Contains(head, "/") || strings.Contains(head, ".y"))
}

// namespaceKey is the key of a namespace.
func namespaceKey(name string) object.Key { return object.Key{Kind: "Namespace", Name: name} }
