package render

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// gather returns what a kustomization builds that only puts the objects of files together, as most do in the end. Kustomize takes a time that grows with the
// square of their number for that. It is false for every other: Kustomize has to be asked.
func (k *kustomization) gather() ([]object.Object, bool) {
	if !k.onlyLists() {
		return nil, false
	}
	objs := k.expected(nil)
	type id struct {
		gvk             object.GVK
		namespace, name string
	}
	seen := make(map[id]bool, len(objs))
	for _, o := range objs {
		is := id{o.GVK(), o.Namespace(), o.Name()}
		if is.namespace == "default" { // to Kustomize that is no namespace
			is.namespace = ""
		}
		if is.name == "" || seen[is] || isTold(o) {
			return nil, false // it has its own words for what is wrong, or its own way with it
		}
		seen[is] = true
	}
	return objs, true
}

// onlyLists reports whether a kustomization, and each of its bases, has no field but the list of its resources.
func (k *kustomization) onlyLists() bool {
	for i := 0; i+1 < len(k.root.Content); i += 2 {
		switch field := k.root.Content[i].Value; field {
		case "apiVersion", "resources", "bases":
		case "kind":
			if k.root.Content[i+1].Value != "Kustomization" {
				return false
			}
		default:
			return false
		}
	}
	for _, p := range k.parts {
		if p.base != nil && !p.base.onlyLists() {
			return false
		}
	}
	return true
}

// isTold reports whether an object tells Kustomize something, or has metadata that it would tidy.
func isTold(o object.Object) bool {
	for _, part := range []string{"annotations", "labels"} {
		value := o.At("metadata", part)
		m, isMap := value.(map[string]any)
		if value != nil && !isMap || isMap && len(m) == 0 {
			return true
		}
		for name := range m {
			if strings.Contains(name, "config.kubernetes.io") || strings.Contains(name, "config.k8s.io") || strings.Contains(name, "kustomize") {
				return true
			}
		}
	}
	return false
}
