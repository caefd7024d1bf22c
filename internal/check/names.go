package check

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
)

var (
	subdomain  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	label      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	labelValue = regexp.MustCompile(`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`)
)

// wrongName is the rule for names and labels that API servers refuse.
func wrongName(c *call) {
	name, p := c.o.Name(), object.PathOf("metadata", "name")
	switch {
	case c.isCustom(c.o.GVK()), c.o.GVK().Group == "rbac.authorization.k8s.io", c.o.Kind() == "APIService":
	case c.o.key.GroupKind() == serviceKind, c.o.key.GroupKind() == (object.GroupKind{Kind: "Namespace"}):
		if len(name) > 63 || !label.MatchString(name) {
			c.say(p, atValue, "take lower-case letters, digits and -, beginning and ending with a letter or digit, 63 at most", "%q cannot be the name of a %s", name, c.o.Kind())
		}
	case len(name) > 253 || !subdomain.MatchString(name):
		c.say(p, atValue, "take lower-case letters, digits, - and ., beginning and ending with a letter or digit", "%q cannot be the name of a %s", name, c.o.Kind())
	}
	c.wrongLabels(object.PathOf("metadata", "labels"))
	if pod, ok := podPath(c.o.Object); ok && len(pod) > 0 {
		c.wrongLabels(pod.Field("metadata", "labels"))
	}
}

func (c *call) wrongLabels(p object.Path) {
	labels := c.o.at(p).value
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		value, isText := labels[k].(string)
		if isText && (len(value) > 63 || !labelValue.MatchString(value)) {
			c.say(p.Field(k), atValue, "take letters, digits, -, _ and ., beginning and ending with a letter or digit, 63 at most", "%.70q cannot be the value of a label", value)
		}
		bare := path.Base(k)
		if len(bare) > 63 || bare == "" || !labelValue.MatchString(bare) || strings.Count(k, "/") > 1 {
			c.say(p.Field(k), atKey, "", "%.70q cannot be the name of a label", k)
		}
	}
}

// imageTag is the rule for images that may be another tomorrow.
func imageTag(c *call) {
	pod, ok := c.o.pod()
	if !ok {
		return
	}
	for _, ctr := range containers(pod) {
		image := ctr.text("image")
		if image == "" || strings.Contains(image, "@") || strings.ContainsAny(image, "${}<> ") {
			continue
		}
		tag := ""
		if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
			tag = image[i+1:]
		}
		const remedy = "name a version, or a digest: what runs is not known otherwise, and cannot be rolled back"
		switch tag {
		case "":
			c.say(ctr.path.Field("image"), atValue, remedy, "the image %s has no tag, which means latest", image)
		case "latest":
			c.say(ctr.path.Field("image"), atValue, remedy, "the image %s is another with each release", image)
		}
	}
}

// duplicate is the rule for objects that two apps of an environment want, or one app twice.
func duplicate(c *call) {
	for _, t := range c.byKind[c.o.key.GroupKind()][c.o.Name()] {
		if t == c.o || t.key != c.o.key || t.app != c.o.app && (c.o.app.Group == "" || t.app.Group != c.o.app.Group) {
			continue
		}
		if t.app != c.o.app && c.o.app.Name > t.app.Name && !t.app.Hidden || t.app == c.o.app && slices.Index(c.o.app.objects, t) > slices.Index(c.o.app.objects, c.o) {
			continue // said once, of the other
		}
		at := t.place(nil, atKey)
		where := "app " + t.app.Title()
		if t.app == c.o.app {
			where = "this app"
		}
		severity := c.rule.Severity
		if c.o.app.Guessed {
			severity = Note // the files of a directory that is no app may be alternatives
		}
		c.sayAs(severity, object.PathOf("metadata", "name"), atValue, "keep one: an object belongs to one app", "%s wants it as well: %s", where, at)
		return
	}
}

// clusterScoped is the rule for namespaces of objects that live in none. One that a kustomization gives to everything is not meant.
func clusterScoped(c *call) {
	if !c.o.clustered || c.o.Namespace() == "" {
		return
	}
	p := object.PathOf("metadata", "namespace")
	if at := c.o.place(p, atValue); strings.HasPrefix(strings.ToLower(path.Base(at.File)), "kustomization") {
		return
	}
	c.say(p, atKey, "remove the namespace", "a %s lives in no namespace", c.o.Kind())
}

// series reports whether two names are told apart by a short last part on purpose, as team-a and team-b are.
func series(a, b string) bool {
	i, j := strings.LastIndexByte(a, '-'), strings.LastIndexByte(b, '-')
	const short = 3
	return i > 0 && i == j && a[:i] == b[:j] && len(a)-i-1 <= short && len(b)-j-1 <= short
}

// missingNamespace is the rule for namespaces that nothing in the tree makes.
func missingNamespace(c *call) {
	namespace := c.o.Namespace()
	if namespace == "" || c.o.clustered || c.spaces[namespace] || namespace == "default" || strings.HasPrefix(namespace, "kube-") || len(c.spaces) == 0 {
		return
	}
	kind := object.GroupKind{Kind: "Namespace"}
	if c.config.isExternal(kind, "", namespace) {
		return
	}
	p := object.PathOf("metadata", "namespace")
	if near, ok := nearest.Of(namespace, slices.Sorted(maps.Keys(c.spaces))); ok && !series(namespace, near) {
		c.say(p, atValue, fmt.Sprintf("did you mean %s?", near), "nothing in the tree makes the namespace %s", namespace)
		return
	}
	about := "Namespace " + namespace
	if c.said[about] || !c.any(c.o.app, kind, "*") {
		return
	}
	c.sayAs(Note, p, atValue, fmt.Sprintf("add a Namespace, or list it under external in %s", ConfigFile), "nothing in the tree makes the namespace %s", namespace)
	c.said[about] = len(c.findings) > 0
}
