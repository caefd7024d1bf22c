package kube

import (
	"encoding/base64"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// What follows does what runtime.DefaultUnstructuredConverter does, for the types that are converted most, several times as fast: that one goes by reflection.
// Of what these do not know they say so.

// objectOf fills an empty object of a Go type with content.
func objectOf(content map[string]any, into any) error {
	switch is := into.(type) {
	case *corev1.Secret:
		if quickSecret(content, is) {
			return nil
		}
		*is = corev1.Secret{}
	case *coordinationv1.Lease:
		if quickLease(content, is) {
			return nil
		}
		*is = coordinationv1.Lease{}
	case metav1.ObjectMetaAccessor:
		if meta, ok := is.GetObjectMeta().(*metav1.ObjectMeta); ok {
			return restOf(content, into, meta)
		}
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(content, into)
}

// restOf is objectOf, with the metadata apart if that is known.
func restOf(content map[string]any, into any, meta *metav1.ObjectMeta) error {
	var is metav1.ObjectMeta
	m, ok := content["metadata"].(map[string]any)
	if !ok || !quickMeta(m, &is) {
		return runtime.DefaultUnstructuredConverter.FromUnstructured(content, into)
	}
	rest := shallow(content)
	delete(rest, "metadata")
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(rest, into)
	*meta = is
	return err
}

// quickMeta reads metadata, and reports whether it knows all that is in it.
func quickMeta(m map[string]any, into *metav1.ObjectMeta) bool {
	for name, v := range m {
		var known bool
		switch name {
		case "name":
			into.Name, known = v.(string)
		case "namespace":
			into.Namespace, known = v.(string)
		case "generateName":
			into.GenerateName, known = v.(string)
		case "resourceVersion":
			into.ResourceVersion, known = v.(string)
		case "uid":
			into.UID, known = quickText[types.UID](v)
		case "generation":
			into.Generation, known = v.(int64)
		case "creationTimestamp":
			known = v == nil || quickTime(v, time.RFC3339, &into.CreationTimestamp.Time)
		case "labels":
			into.Labels, known = quickStrings(v)
		case "annotations":
			into.Annotations, known = quickStrings(v)
		case "finalizers":
			into.Finalizers, known = quickList(v)
		case "ownerReferences":
			into.OwnerReferences, known = quickOwners(v)
		default:
			known = false
		}
		if !known {
			return false
		}
	}
	return true
}

func quickTime(v any, layout string, into *time.Time) bool {
	text, ok := v.(string)
	if !ok {
		return false
	}
	t, err := time.Parse(layout, text)
	*into = t.Local() //nolint:gosmopolitan // as metav1.Time reads it
	return err == nil
}

func quickOwners(v any) ([]metav1.OwnerReference, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]metav1.OwnerReference, len(list))
	for i, x := range list {
		m, ok := x.(map[string]any)
		if !ok || !quickOwner(m, &out[i]) {
			return nil, false
		}
	}
	return out, true
}

func quickOwner(m map[string]any, into *metav1.OwnerReference) bool {
	for name, v := range m {
		var known bool
		switch name {
		case "apiVersion":
			into.APIVersion, known = v.(string)
		case "kind":
			into.Kind, known = v.(string)
		case "name":
			into.Name, known = v.(string)
		case "uid":
			into.UID, known = quickText[types.UID](v)
		case "controller":
			into.Controller, known = quickPointer[bool](v)
		case "blockOwnerDeletion":
			into.BlockOwnerDeletion, known = quickPointer[bool](v)
		default:
			known = false
		}
		if !known {
			return false
		}
	}
	return true
}

func quickText[T ~string](v any) (T, bool) {
	text, ok := v.(string)
	return T(text), ok
}

func quickPointer[T any](v any) (*T, bool) {
	is, ok := v.(T)
	return &is, ok
}

func quickStrings(v any) (map[string]string, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	out := make(map[string]string, len(m))
	for k, x := range m {
		if out[k], ok = x.(string); !ok {
			return nil, false
		}
	}
	return out, true
}

func quickList(v any) ([]string, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, len(list))
	for i, x := range list {
		if out[i], ok = x.(string); !ok {
			return nil, false
		}
	}
	return out, true
}

// quickSecret reads a Secret.
func quickSecret(m map[string]any, into *corev1.Secret) bool {
	for name, v := range m {
		var known bool
		switch name {
		case "apiVersion":
			into.APIVersion, known = v.(string)
		case "kind":
			into.Kind, known = v.(string)
		case "type":
			into.Type, known = quickText[corev1.SecretType](v)
		case "metadata":
			var meta map[string]any
			if meta, known = v.(map[string]any); known {
				known = quickMeta(meta, &into.ObjectMeta)
			}
		case "data":
			into.Data, known = quickBytes(v)
		default:
			known = false
		}
		if !known {
			return false
		}
	}
	return true
}

func quickBytes(v any) (map[string][]byte, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	out := make(map[string][]byte, len(m))
	for k, x := range m {
		text, ok := x.(string)
		if !ok {
			return nil, false
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, false
		}
		out[k] = data
	}
	return out, true
}

// quickLease reads a Lease.
func quickLease(m map[string]any, into *coordinationv1.Lease) bool {
	for name, v := range m {
		var known bool
		switch name {
		case "apiVersion":
			into.APIVersion, known = v.(string)
		case "kind":
			into.Kind, known = v.(string)
		case "metadata":
			var meta map[string]any
			if meta, known = v.(map[string]any); known {
				known = quickMeta(meta, &into.ObjectMeta)
			}
		case "spec":
			var spec map[string]any
			if spec, known = v.(map[string]any); known {
				known = quickLeaseSpec(spec, &into.Spec)
			}
		default:
			known = false
		}
		if !known {
			return false
		}
	}
	return true
}

func quickLeaseSpec(m map[string]any, into *coordinationv1.LeaseSpec) bool {
	for name, v := range m {
		var known bool
		switch name {
		case "holderIdentity":
			into.HolderIdentity, known = quickPointer[string](v)
		case "leaseDurationSeconds":
			var n int64
			n, known = v.(int64)
			seconds := int32(n) //nolint:gosec // as the other one does
			into.LeaseDurationSeconds = &seconds
		case "renewTime":
			into.RenewTime = &metav1.MicroTime{}
			known = quickTime(v, metav1.RFC3339Micro, &into.RenewTime.Time)
		case "acquireTime":
			into.AcquireTime = &metav1.MicroTime{}
			known = quickTime(v, metav1.RFC3339Micro, &into.AcquireTime.Time)
		default:
			known = false
		}
		if !known {
			return false
		}
	}
	return true
}
