package check

import (
	"fmt"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

func missingServiceAccount(c *call) {
	kind := object.GroupKind{Kind: "ServiceAccount"}
	if pod, ok := c.o.pod(); ok {
		field := "serviceAccountName"
		name := pod.text(field)
		if name == "" {
			field = "serviceAccount"
			name = pod.text(field)
		}
		if name != "" && !c.exists(kind, c.o.key.Namespace, name) {
			c.missing(c.rule.Severity, c.o.key.Namespace, reference{path: pod.path.Field(field), kind: kind, name: name})
		}
		return
	}
	if group := c.o.GVK().Group; group != "rbac.authorization.k8s.io" {
		return
	}
	for _, s := range c.o.root().items("subjects") {
		namespace := s.text("namespace")
		// Whoever is given rights may well be another repository's, unless this one has others of that namespace.
		if s.text("kind") != "ServiceAccount" || namespace == "" || !c.holds(kind, namespace) || c.exists(kind, namespace, s.text("name")) {
			continue
		}
		c.missing(c.rule.Severity, namespace, reference{path: s.path.Field("name"), kind: kind, name: s.text("name")})
	}
}

func missingClaim(c *call) {
	pod, ok := c.o.pod()
	if !ok {
		return
	}
	kind := object.GroupKind{Kind: "PersistentVolumeClaim"}
	for _, v := range pod.items("volumes") {
		claim := v.field("persistentVolumeClaim")
		name := claim.text("claimName")
		if name == "" || c.exists(kind, c.o.key.Namespace, name) || c.claimed(name) {
			continue
		}
		c.missing(c.rule.Severity, c.o.key.Namespace, reference{path: claim.path.Field("claimName"), kind: kind, name: name})
	}
}

// claimed reports whether a StatefulSet makes a claim of that name.
func (c *call) claimed(name string) bool {
	for set := range c.all(object.GroupKind{Group: "apps", Kind: "StatefulSet"}) {
		for _, t := range set.root().field("spec").items("volumeClaimTemplates") {
			if strings.HasPrefix(name, t.field("metadata").text("name")+"-"+set.Name()+"-") {
				return true
			}
		}
	}
	return false
}

// all are the objects of a kind, in no order.
func (w *world) all(kind object.GroupKind) func(func(*thing) bool) {
	return func(yield func(*thing) bool) {
		for _, same := range w.byKind[kind] {
			for _, t := range same {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// brought are kinds that clusters bring: what is named need not be in the tree, unless the tree has others of the kind.
func (c *call) brought(kind object.GroupKind, p object.Path, name string) {
	if name == "" || !c.any(c.o.app, kind, "*") || c.exists(kind, "", name) {
		return
	}
	c.missing(c.rule.Severity, "", reference{path: p, kind: kind, name: name})
}

func missingStorageClass(c *call) {
	kind := object.GroupKind{Group: "storage.k8s.io", Kind: "StorageClass"}
	named := func(spec at) { c.brought(kind, spec.path.Field("storageClassName"), spec.text("storageClassName")) }
	if c.o.key.GroupKind() == (object.GroupKind{Kind: "PersistentVolumeClaim"}) {
		named(c.o.root().field("spec"))
	}
	for _, t := range c.o.root().field("spec").items("volumeClaimTemplates") {
		named(t.field("spec"))
	}
	if pod, ok := c.o.pod(); ok {
		for _, v := range pod.items("volumes") {
			named(v.field("ephemeral").field("volumeClaimTemplate").field("spec"))
		}
	}
}

func missingClass(c *call) {
	if c.o.key.GroupKind() == (object.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}) {
		spec := c.o.root().field("spec")
		c.brought(object.GroupKind{Group: "networking.k8s.io", Kind: "IngressClass"}, spec.path.Field("ingressClassName"), spec.text("ingressClassName"))
	}
	if pod, ok := c.o.pod(); ok {
		c.brought(object.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}, pod.path.Field("priorityClassName"), pod.text("priorityClassName"))
		c.brought(object.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"}, pod.path.Field("runtimeClassName"), pod.text("runtimeClassName"))
	}
}

// missingTarget is the rule for what an autoscaler scales.
func missingTarget(c *call) {
	spec := c.o.root().field("spec")
	ref := spec.field("scaleTargetRef")
	version := ref.text("apiVersion")
	switch c.o.key.GroupKind() {
	case object.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:
	case object.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}:
		if version == "" {
			version = "apps/v1"
		}
		if ref.value != nil && ref.text("kind") == "" {
			ref.value = map[string]any{"kind": "Deployment", "name": ref.text("name")}
		}
	case object.GroupKind{Group: "autoscaling.k8s.io", Kind: "VerticalPodAutoscaler"}:
		ref = spec.field("targetRef")
		version = ref.text("apiVersion")
	default:
		return
	}
	kind := object.ParseGVK(version, ref.text("kind")).GroupKind()
	if ref.text("name") == "" || ref.text("kind") == "" || c.exists(kind, c.o.key.Namespace, ref.text("name")) {
		return
	}
	c.missing(c.rule.Severity, c.o.key.Namespace, reference{path: ref.path.Field("name"), kind: kind, name: ref.text("name")})
}

func missingRole(c *call) {
	if c.o.GVK().Group != "rbac.authorization.k8s.io" || !strings.HasSuffix(c.o.Kind(), "RoleBinding") {
		return
	}
	ref := c.o.root().field("roleRef")
	kind := object.GroupKind{Group: "rbac.authorization.k8s.io", Kind: ref.text("kind")}
	switch kind.Kind {
	case "ClusterRole":
		c.brought(kind, ref.path.Field("name"), ref.text("name"))
	case "Role":
		if !c.exists(kind, c.o.key.Namespace, ref.text("name")) {
			c.missing(c.rule.Severity, c.o.key.Namespace, reference{path: ref.path.Field("name"), kind: kind, name: ref.text("name")})
		}
	}
}

func missingVolume(c *call) {
	pod, ok := c.o.pod()
	if !ok {
		return
	}
	known := map[string]bool{}
	var names []string
	for _, v := range append(pod.items("volumes"), c.o.root().field("spec").items("volumeClaimTemplates")...) {
		name := v.text("name")
		if name == "" {
			name = v.field("metadata").text("name")
		}
		known[name] = true
		names = append(names, name)
	}
	for _, ctr := range containers(pod) {
		for _, m := range ctr.items("volumeMounts", "volumeDevices") {
			if name := m.text("name"); name != "" && !known[name] {
				c.say(m.path.Field("name"), atValue, meant(name, names, fmt.Sprintf("add a volume %s", name)), "there is no volume %q", name)
			}
		}
	}
}
