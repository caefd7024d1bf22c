package check

import (
	"fmt"
	"slices"
	"strings"

	kubeversion "k8s.io/apimachinery/pkg/version"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/schema"
)

var apiVersionPath = object.PathOf("apiVersion")

// removedAPI is the rule for versions that Kubernetes serves no more, or not yet.
func removedAPI(c *call) {
	gvk, version := c.o.GVK(), c.catalog.Version()
	if _, served := c.kind(gvk); served {
		return
	}
	life, known := schema.LifecycleOf(gvk, version)
	switch {
	case !known:
	case life.Removed != "" && !schema.Before(version, life.Removed):
		c.say(apiVersionPath, atValue, instead(life), "%s of %s was removed in Kubernetes %s", gvk.Kind, gvk.APIVersion(), life.Removed)
	case schema.Before(version, life.Introduced):
		remedy := "check for a newer Kubernetes with --kubernetes-version"
		if others := c.catalog.APIVersions(gvk.Kind); len(others) > 0 {
			remedy = "write apiVersion: " + preferred(others)
		}
		c.say(apiVersionPath, atValue, remedy, "Kubernetes %s does not have %s of %s yet: it came in %s", version, gvk.Kind, gvk.APIVersion(), life.Introduced)
	}
}

func instead(life schema.Lifecycle) string {
	if life.Replacement == (object.GVK{}) {
		return "nothing replaces it: remove it"
	}
	return fmt.Sprintf("write apiVersion: %s", life.Replacement.APIVersion())
}

func deprecatedAPI(c *call) {
	gvk, version := c.o.GVK(), c.catalog.Version()
	life, known := schema.LifecycleOf(gvk, version)
	if _, served := c.kind(gvk); !served || !known || life.Deprecated == "" || schema.Before(version, life.Deprecated) {
		return
	}
	when := ""
	if life.Removed != "" {
		when = fmt.Sprintf(", and goes in %s", life.Removed)
	}
	remedy := ""
	if life.Replacement != (object.GVK{}) {
		remedy = instead(life)
	}
	c.say(apiVersionPath, atValue, remedy, "%s of %s is deprecated since Kubernetes %s%s", gvk.Kind, gvk.APIVersion(), life.Deprecated, when)
}

// unknownKind is the rule for kinds that Kubernetes does not have, and versions that a CustomResourceDefinition of the tree does not serve.
func unknownKind(c *call) {
	gvk := c.o.GVK()
	if _, ok := c.kind(gvk); ok {
		return
	}
	if _, was := schema.LifecycleOf(gvk, c.catalog.Version()); was {
		return // see removedAPI
	}
	if versions := c.versionsOf(gvk.GroupKind()); len(versions) > 0 {
		c.say(apiVersionPath, atValue, "write apiVersion: "+preferred(versions), "%s does not serve %s: it serves %s", gvk.Kind, gvk.APIVersion(), strings.Join(versions, ", "))
		return
	}
	if !c.ofKubernetes(gvk.Group) {
		return
	}
	if others := c.catalog.APIVersions(gvk.Kind); len(others) > 0 {
		c.say(apiVersionPath, atValue, "write apiVersion: "+preferred(others), "Kubernetes has no %s in %s", gvk.Kind, gvk.APIVersion())
		return
	}
	kinds := c.catalog.Kinds(gvk.APIVersion())
	if len(kinds) == 0 {
		remedy := meant(gvk.APIVersion(), c.catalog.APIVersions(""), "")
		if remedy == "" && c.o.app.Guessed {
			return // it is another program's, such as Skaffold's
		}
		c.say(apiVersionPath, atValue, remedy, "Kubernetes %s does not serve %s", c.catalog.Version(), gvk.APIVersion())
		return
	}
	c.say(object.PathOf("kind"), atValue, meant(gvk.Kind, kinds, ""), "Kubernetes %s has no kind %s in %s", c.catalog.Version(), gvk.Kind, gvk.APIVersion())
}

// preferred is the most mature and newest of some apiVersions.
func preferred(all []string) string {
	return slices.MaxFunc(all, func(a, b string) int {
		return kubeversion.CompareKubeAwareVersionStrings(object.ParseGVK(a, "").Version, object.ParseGVK(b, "").Version)
	})
}

// versionsOf are the versions that are served of a kind, Kubernetes' own or not.
func (w *world) versionsOf(kind object.GroupKind) []string {
	var out []string
	for gvk := range w.custom {
		if gvk.GroupKind() == kind {
			out = append(out, gvk.APIVersion())
		}
	}
	for _, v := range w.catalog.APIVersions(kind.Kind) {
		if object.ParseGVK(v, kind.Kind).Group == kind.Group {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

// ofKubernetes reports whether a group is one of Kubernetes' own, to which nobody can add kinds.
func (w *world) ofKubernetes(group string) bool {
	if !strings.Contains(group, ".") {
		return true
	}
	for _, v := range w.catalog.APIVersions("") {
		if object.ParseGVK(v, "").Group == group {
			return true
		}
	}
	return false
}

// noSchema is the rule for custom kinds that nothing is known of. It is said once of each kind.
func noSchema(c *call) {
	gvk := c.o.GVK()
	if _, ok := c.kind(gvk); ok || c.ofKubernetes(gvk.Group) || len(c.versionsOf(gvk.GroupKind())) > 0 {
		return
	}
	if c.config.isExternal(object.GroupKind{Kind: "CustomResourceDefinition"}, "", strings.ToLower(gvk.Kind)+"s."+gvk.Group) { // as most are named
		return
	}
	about := gvk.Kind + " " + gvk.APIVersion()
	if _, was := schema.LifecycleOf(gvk, c.catalog.Version()); was || c.said[about] {
		return
	}
	c.say(apiVersionPath, atValue, "give its CustomResourceDefinition with --crds, or under crds in "+ConfigFile, "the fields of %s of %s are not checked: its definition is not known", gvk.Kind, gvk.APIVersion())
	c.said[about] = len(c.findings) > 0
}
