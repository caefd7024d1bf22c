package why

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// sickest is the Pod that says most of why it is not ready, and how many are not. A Pod that ended well is ready.
func sickest(pods []object.Object) (worst object.Object, n int) {
	rank := -1
	slices.SortFunc(pods, func(a, b object.Object) int { return a.Key().Compare(b.Key()) })
	for _, p := range pods {
		v := health.Rules{}.Assess(p)
		if v.Status == health.Healthy || p.Deleting() && len(pods) > 1 {
			continue
		}
		n++
		r := 0
		switch {
		case v.Status == health.Degraded:
			r = 3
		case !troubled(p).IsZero():
			r = 2
		case condition(p, "PodScheduled").Text("status") == "False":
			r = 1
		}
		if r > rank {
			worst, rank = p, r
		}
	}
	return worst, n
}

// statuses are those of the containers of a Pod, the initial ones first.
func statuses(p object.Object) []object.Object {
	return slices.Concat(items(p, "status", "initContainerStatuses"), items(p, "status", "containerStatuses"))
}

// troubled is the status of the first container that says what is wrong with it; zero if none does.
func troubled(p object.Object) object.Object {
	for _, c := range statuses(p) {
		code, _ := c.At("state", "terminated", "exitCode").(int64)
		switch reason := c.Text("state", "waiting", "reason"); {
		case reason == "PodInitializing", reason == "ContainerCreating":
		case reason != "", code != 0:
			return c
		}
	}
	for _, c := range statuses(p) {
		if n, _ := c.At("restartCount").(int64); n > 0 && c.At("ready") != true {
			return c
		}
	}
	return object.Object{}
}

// pod says what is wrong with a Pod.
func (l *look) pod(a *Answer, p object.Object, now time.Time) {
	about := func(says string) {
		a.Says = says
		if a.Subject == "" {
			a.Subject = p.String()
		}
	}
	c := troubled(p)
	name, reason := c.Text("name"), c.Text("state", "waiting", "reason")
	restarts, _ := c.At("restartCount").(int64)
	switch {
	case strings.Contains(reason, "Image") || reason == "RegistryUnavailable":
		l.image(a, p, c)
	case reason == "CreateContainerConfigError", reason == "CreateContainerError", reason == "RunContainerError":
		text := cmp.Or(c.Text("state", "waiting", "message"), reason)
		about(fmt.Sprintf("container %s cannot be started: %s", name, text))
		a.Remedy = absent(text, p.Namespace())
		l.warnings(a, p)
	case !c.IsZero() && c.Text("lastState", "terminated", "reason") == "OOMKilled":
		about(fmt.Sprintf("container %s is killed again and again: it takes more memory than its limit%s (restarted %s)", name, limitOf(p, name), plural(int(restarts), "time")))
		a.Remedy = []string{"raise resources.limits.memory of container " + name + ", or let it take less"}
	case !c.IsZero() && (restarts > 0 || reason == "CrashLoopBackOff" || c.At("state", "terminated") != nil):
		last := "lastState"
		if c.At("state", "terminated") != nil {
			last = "state"
		}
		about(fmt.Sprintf("container %s ends again and again: %s (restarted %s)", name, ending(c, last), plural(int(restarts), "time")))
		a.Because = append([]Evidence{{From: p.String(), Says: "container " + name + ": " + cmp.Or(reason, "not ready")}}, a.Because...)
		a.Remedy = []string{fmt.Sprintf("kubectl -n %s logs %s -c %s --previous", p.Namespace(), p.Name(), name)}
		l.log(a, p, name, last == "lastState")
	case condition(p, "PodScheduled").Text("status") == "False":
		l.unscheduled(a, p)
	default:
		l.unready(a, p, now)
	}
}

var missing = regexp.MustCompile(`(?i)\b(secret|configmap) "([^"]+)" not found`)

// absent says what to do if a text says that a Secret or a ConfigMap is not there.
func absent(text, namespace string) []string {
	m := missing.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	kind := map[string]string{"secret": "Secret", "configmap": "ConfigMap"}[strings.ToLower(m[1])]
	return []string{fmt.Sprintf("create %s %s/%s, or correct the reference to it in Git", kind, namespace, m[2])}
}

// image: an image that cannot be had.
func (l *look) image(a *Answer, p, c object.Object) {
	image, text := c.Text("image"), c.Text("state", "waiting", "message")
	var event Evidence
	for _, e := range l.events(p) {
		if strings.Contains(e.Text("message"), "pull") && e.Text("type") == "Warning" {
			event = evidence(e)
			if strings.Contains(event.Says, "ailed to pull") {
				text = e.Text("message")
				break
			}
		}
	}
	what, remedy := pulling(text, image)
	if c.Text("state", "waiting", "reason") == "InvalidImageName" {
		what, remedy = "that is no name of an image", "correct the name in Git"
	}
	a.Says = fmt.Sprintf("container %s cannot pull %s: %s", c.Text("name"), image, what)
	a.Remedy = []string{remedy}
	if event.From == "" {
		event = Evidence{From: p.String(), Says: cmp.Or(text, c.Text("state", "waiting", "reason"))}
	}
	a.Because = append([]Evidence{event}, a.Because...)
}

// pulling says in a clause what a container runtime said at length.
func pulling(text, image string) (what, remedy string) {
	low := strings.ToLower(text)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(low, w) })
	}
	registry, _, _ := strings.Cut(image, "/")
	switch {
	case has("not found", "manifest unknown", "notfound"):
		return "not found", "push it, or correct its name or tag in Git"
	case has("unauthorized", "authorization failed", "authentication required", "no basic auth", "denied", "401", "403"):
		return "the registry does not let it be read", "name a Secret that may read it in imagePullSecrets of the Pod or of its ServiceAccount"
	case has("no such host", "connection refused", "i/o timeout", "no route to host"):
		return "registry " + registry + " cannot be reached", "is the registry's name right, and can the nodes reach it?"
	case has("x509", "certificate"):
		return "the nodes do not trust the certificate of registry " + registry, "let the nodes trust its authority"
	case has("toomanyrequests", "too many requests", "429"):
		return "registry " + registry + " limits how often it is asked", "log in with imagePullSecrets, or pull through a cache"
	}
	return cmp.Or(lastClauses(text, 1), "no reason given"), "is the name right, and may the nodes read it?"
}

// unscheduled: no node takes the Pod.
func (l *look) unscheduled(a *Answer, p object.Object) {
	text := condition(p, "PodScheduled").Text("message")
	var event Evidence
	for _, e := range l.events(p) {
		if e.Text("reason") == "FailedScheduling" {
			event, text = evidence(e), cmp.Or(e.Text("message"), text)
			break
		}
	}
	if strings.Contains(text, "PersistentVolumeClaim") || strings.Contains(text, "persistentvolumeclaim") {
		for _, v := range items(p, "spec", "volumes") {
			name := v.Text("persistentVolumeClaim", "claimName")
			if name == "" {
				continue
			}
			k := object.Key{Kind: "PersistentVolumeClaim", Namespace: p.Namespace(), Name: name}
			o, known := l.get(k)
			if known && o.IsZero() {
				a.Says, a.Remedy = fmt.Sprintf("its Pods wait for PersistentVolumeClaim %s, which does not exist", name), []string{"add it to Git, or correct the name"}
				return
			}
			if known && o.Text("status", "phase") != "Bound" {
				of := a.Subject
				l.claim(a, o)
				a.Because = append(a.Because, Evidence{From: of, Says: "its Pods wait for that volume"})
				return
			}
		}
	}
	text, _, _ = strings.Cut(text, " preemption:")
	text = strings.TrimSuffix(text, " no new claims to deallocate,")
	if event.From == "" {
		event = Evidence{From: "condition PodScheduled of " + p.String()}
	}
	event.Says = text
	a.Says = "no node takes Pod " + p.Name() + ": " + strings.TrimSuffix(text, ".")
	a.Because = append([]Evidence{event}, a.Because...)
	a.Remedy = []string{"add nodes that fit, free some, or let the Pod ask for less: kubectl describe nodes"}
	if strings.Contains(text, "taint") || strings.Contains(text, "affinity") || strings.Contains(text, "selector") {
		a.Remedy = []string{"correct nodeSelector, affinity or tolerations of the Pod, or label and untaint nodes: kubectl get nodes --show-labels"}
	}
}

// unready: a Pod that runs, or starts, and is not ready.
func (l *look) unready(a *Answer, p object.Object, now time.Time) {
	if name := p.Text("spec", "nodeName"); name != "" {
		n, known := l.get(object.Key{Kind: "Node", Name: name})
		if ready := condition(n, "Ready"); known && !n.IsZero() && ready.Text("status") != "True" {
			a.Says = fmt.Sprintf("node %s of Pod %s is not ready", name, p.Name())
			a.Because = append([]Evidence{{
				From: "condition Ready of Node " + name, Says: cmp.Or(ready.Text("message"), ready.Text("reason")), At: ptr(ready.Time("lastTransitionTime")),
			}}, a.Because...)
			a.Remedy = []string{"kubectl describe node " + name}
			return
		}
	}
	after := ""
	if at := p.Created(); !at.IsZero() {
		after = " after " + age(at, now)
	}
	a.Says = fmt.Sprintf("Pod %s is not ready%s: %s", p.Name(), after, health.Rules{}.Assess(p).Message)
	for _, e := range l.events(p) {
		if e.Text("type") != "Warning" {
			continue
		}
		a.Says = fmt.Sprintf("Pod %s is not ready%s: %s", p.Name(), after, e.Text("message"))
		a.Because = append([]Evidence{evidence(e)}, a.Because...)
		switch e.Text("reason") {
		case "Unhealthy":
			a.Remedy = []string{"let the probe ask for what the program answers, or correct the program: kubectl -n " + p.Namespace() + " logs " + p.Name()}
		case "FailedMount", "FailedAttachVolume":
			a.Remedy = absent(e.Text("message"), p.Namespace())
		}
		break
	}
	if len(a.Remedy) == 0 {
		a.Remedy = []string{fmt.Sprintf("kubectl -n %s describe pod %s", p.Namespace(), p.Name())}
	}
}

// log adds the last lines of a container.
func (l *look) log(a *Answer, p object.Object, container string, previous bool) {
	r, known := l.ask(Ask{Verb: Log, Key: p.Key(), Container: container, Previous: previous})
	if !known {
		return
	}
	var lines []Evidence
	for _, line := range r.Lines {
		if line = clip(escapes.ReplaceAllString(line, ""), maxLine); line != "" {
			lines = append(lines, Evidence{From: "log", Says: line})
		}
	}
	if len(lines) == 0 {
		lines = []Evidence{{From: "log", Says: "(empty)"}}
	}
	a.Because = append(lines[max(0, len(lines)-maxLines):], a.Because...)
}

// escapes are what programs write to colour a terminal.
var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// Bounds of what is shown of a log: it may hold anything.
const (
	maxLines = 3
	maxLine  = 160
)

// ending is how a container ended.
func ending(c object.Object, state string) string {
	if c.At(state, "terminated") == nil {
		return "how is not known"
	}
	code, _ := c.At(state, "terminated", "exitCode").(int64)
	text := fmt.Sprintf("exit code %d", code)
	if reason := c.Text(state, "terminated", "reason"); reason != "" && reason != "Error" {
		text += ", " + reason
	}
	return text
}

func limitOf(p object.Object, container string) string {
	for _, where := range []string{"containers", "initContainers"} {
		for _, c := range items(p, "spec", where) {
			if limit := c.Text("resources", "limits", "memory"); c.Text("name") == container && limit != "" {
				return " of " + limit
			}
		}
	}
	return ""
}
