package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
)

// references are the ConfigMaps and Secrets that an object names.
func (c *call) references() []reference {
	if pod, ok := c.o.pod(); ok {
		return configReferences(pod)
	}
	switch c.o.GVK().GroupKind() {
	case object.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}:
		var out []reference
		for _, t := range c.o.root().field("spec").items("tls") {
			if t.text("secretName") != "" && !c.issued() {
				out = append(out, refer("Secret", t, "secretName"))
			}
		}
		return out
	case object.GroupKind{Group: "gateway.networking.k8s.io", Kind: "Gateway"}:
		var out []reference
		for _, l := range c.o.root().field("spec").items("listeners") {
			for _, r := range l.field("tls").items("certificateRefs") {
				if kind := r.text("kind"); (kind == "" || kind == "Secret") && r.text("namespace") == "" && !c.issued() {
					out = append(out, refer("Secret", r, "name"))
				}
			}
		}
		return out
	}
	return nil
}

// issued reports whether an annotation asks cert-manager for the certificate.
func (c *call) issued() bool {
	annotations, _ := c.o.At("metadata", "annotations").(map[string]any)
	for name := range annotations {
		if strings.HasPrefix(name, "cert-manager.io/") || name == "kubernetes.io/tls-acme" {
			return true
		}
	}
	return false
}

// missingConfig is the rule for references to ConfigMaps, or to Secrets, that do not exist.
func missingConfig(kind string) func(*call) {
	return func(c *call) {
		for _, r := range c.references() {
			if r.kind.Kind != kind || r.optional || c.exists(r.kind, c.o.key.Namespace, r.name) {
				continue
			}
			severity := c.rule.Severity
			if kind == "Secret" && !c.holdsSecrets() {
				severity = Note // who keeps Secrets out of Git would hear it of each
			}
			c.missing(severity, c.o.key.Namespace, r)
		}
	}
}

// holdsSecrets reports whether the tree has Secrets, or what makes them, for the app's namespace.
func (c *call) holdsSecrets() bool {
	for _, kind := range []object.GroupKind{
		{Kind: "Secret"}, {Group: "bitnami.com", Kind: "SealedSecret"}, {Group: "external-secrets.io", Kind: "ExternalSecret"},
	} {
		if c.any(c.o.app, kind, c.o.key.Namespace) {
			return true
		}
	}
	return false
}

// exists reports whether there is an object of that name, or may be.
func (c *call) exists(kind object.GroupKind, namespace, name string) bool {
	return len(c.find(c.o.app, kind, namespace, name)) > 0 || c.made(c.o.app, kind, namespace, name)
}

// missing says that a reference into a namespace leads to nothing.
func (c *call) missing(severity Severity, namespace string, r reference) {
	remedy := fmt.Sprintf("add it, or list it under external in %s if it is made elsewhere", ConfigFile)
	if near, ok := nearest.Of(r.name, c.names(c.o.app, r.kind, namespace)); ok {
		remedy = fmt.Sprintf("did you mean %s?", near)
	} else if other := c.elsewhere(r, namespace); other != "" {
		remedy = fmt.Sprintf("there is one in namespace %s: an object can only refer to those of its own", other)
	}
	key := object.Key{Group: r.kind.Group, Kind: r.kind.Kind, Namespace: namespace, Name: r.name}
	c.sayAs(severity, r.path, origin.Value, remedy, "%s does not exist", key)
}

// elsewhere is another namespace in which there is what a reference means.
func (c *call) elsewhere(r reference, namespace string) string {
	for _, t := range c.find(c.o.app, r.kind, "", r.name) {
		if t.key.Namespace != namespace && t.key.Namespace != "" {
			return t.key.Namespace
		}
	}
	return ""
}

// missingKey is the rule for keys of ConfigMaps and Secrets that exist.
func missingKey(c *call) {
	for _, r := range c.references() {
		if r.optional {
			continue
		}
		found := c.find(c.o.app, r.kind, c.o.key.Namespace, r.name)
		if len(found) == 0 || c.config.isExternal(r.kind, c.o.key.Namespace, r.name) {
			continue
		}
		if slices.ContainsFunc(found, isFilled) {
			continue
		}
		var known []string
		for _, t := range found {
			known = append(known, keysOf(t.Object)...)
		}
		slices.Sort(known)
		for _, k := range r.keys {
			if slices.Contains(known, k.key) {
				continue
			}
			remedy := fmt.Sprintf("its keys are %s", strings.Join(known, ", "))
			if near, ok := nearest.Of(k.key, known); ok {
				remedy = fmt.Sprintf("did you mean %s?", near)
			} else if len(known) > 12 {
				remedy = ""
			}
			c.say(k.path, origin.Value, remedy, "%s has no key %q", found[0].key, k.key)
		}
	}
}

// isFilled reports whether somebody else puts the keys in: controllers fill what is written without any, and tokens of ServiceAccounts.
func isFilled(t *thing) bool {
	return len(keysOf(t.Object)) == 0 || t.Text("type") == "kubernetes.io/service-account-token"
}

func keysOf(o object.Object) []string {
	var out []string
	for _, field := range []string{"data", "binaryData", "stringData"} {
		if m, ok := o.At(field).(map[string]any); ok {
			out = slices.AppendSeq(out, maps.Keys(m))
		}
	}
	return out
}
