package object

import (
	"cmp"
	"strings"
)

// Key identifies an object in a cluster. It has no version: apps/v1 and apps/v1beta1 of one name are one object.
// Namespace is empty for cluster-scoped objects. Keys are comparable.
type Key struct {
	Group, Kind, Namespace, Name string
}

// String prints the key as people read it: "Deployment shop/web", "Namespace shop",
// "Certificate.cert-manager.io shop/tls" for groups that are not Kubernetes' own.
func (k Key) String() string {
	var b strings.Builder
	b.WriteString(k.KindName())
	b.WriteByte(' ')
	if k.Namespace != "" {
		b.WriteString(k.Namespace)
		b.WriteByte('/')
	}
	b.WriteString(k.Name)
	return b.String()
}

// KindName is the kind, with its group where the group is not Kubernetes' own.
func (k Key) KindName() string {
	if k.builtin() {
		return k.Kind
	}
	return k.Kind + "." + k.Group
}

func (k Key) builtin() bool {
	return !strings.Contains(k.Group, ".") || strings.HasSuffix(k.Group, ".k8s.io")
}

// GroupKind is the kind of an object without its version.
type GroupKind struct{ Group, Kind string }

// GroupKind returns the group and kind of the key.
func (k Key) GroupKind() GroupKind { return GroupKind{k.Group, k.Kind} }

// Compare orders keys by group, kind, namespace and name.
func (k Key) Compare(o Key) int {
	return cmp.Or(
		strings.Compare(k.Group, o.Group),
		strings.Compare(k.Kind, o.Kind),
		strings.Compare(k.Namespace, o.Namespace),
		strings.Compare(k.Name, o.Name),
	)
}
