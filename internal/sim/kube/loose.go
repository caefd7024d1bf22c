package kube

import (
	"encoding/base64"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// contentOf is an object of a Go type as content.
func contentOf(in any) (map[string]any, error) {
	switch is := in.(type) {
	case *corev1.Secret:
		if out, ok := quickSecretContent(is); ok {
			return out, nil
		}
	case *coordinationv1.Lease:
		if out, ok := quickLeaseContent(is); ok {
			return out, nil
		}
	}
	return runtime.DefaultUnstructuredConverter.ToUnstructured(in)
}

// quickContent is the metadata as content, and false if there is something in it that it does not know.
func quickContent(in *metav1.ObjectMeta) (map[string]any, bool) {
	if in.SelfLink != "" || //nolint:staticcheck // who writes it is to find it again
		in.DeletionTimestamp != nil || in.DeletionGracePeriodSeconds != nil || len(in.OwnerReferences) > 0 || len(in.ManagedFields) > 0 {
		return nil, false
	}
	out := make(map[string]any, 8)
	for _, f := range [][2]string{
		{"name", in.Name}, {"generateName", in.GenerateName}, {"namespace", in.Namespace}, {"uid", string(in.UID)}, {"resourceVersion", in.ResourceVersion},
	} {
		if f[1] != "" {
			out[f[0]] = f[1]
		}
	}
	if in.Generation != 0 {
		out["generation"] = in.Generation
	}
	if !in.CreationTimestamp.IsZero() {
		out["creationTimestamp"] = in.CreationTimestamp.ToUnstructured()
	}
	if len(in.Labels) > 0 {
		out["labels"] = anyOf(in.Labels)
	}
	if len(in.Annotations) > 0 {
		out["annotations"] = anyOf(in.Annotations)
	}
	if len(in.Finalizers) > 0 {
		list := make([]any, len(in.Finalizers))
		for i, f := range in.Finalizers {
			list[i] = f
		}
		out["finalizers"] = list
	}
	return out, true
}

func anyOf(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// quickSecretContent is a Secret as content, without its kind.
func quickSecretContent(in *corev1.Secret) (map[string]any, bool) {
	meta, ok := quickContent(&in.ObjectMeta)
	if !ok || in.Immutable != nil || len(in.StringData) > 0 {
		return nil, false
	}
	out := map[string]any{"metadata": meta}
	if len(in.Data) > 0 {
		data := make(map[string]any, len(in.Data))
		for k, v := range in.Data {
			if v == nil {
				return nil, false
			}
			data[k] = base64.StdEncoding.EncodeToString(v)
		}
		out["data"] = data
	}
	if in.Type != "" {
		out["type"] = string(in.Type)
	}
	return out, true
}

// quickLeaseContent is a Lease as content, without its kind.
func quickLeaseContent(in *coordinationv1.Lease) (map[string]any, bool) {
	meta, ok := quickContent(&in.ObjectMeta)
	if !ok || in.Spec.LeaseTransitions != nil || in.Spec.Strategy != nil || in.Spec.PreferredHolder != nil {
		return nil, false
	}
	spec := map[string]any{}
	if s := in.Spec.HolderIdentity; s != nil {
		spec["holderIdentity"] = *s
	}
	if n := in.Spec.LeaseDurationSeconds; n != nil {
		spec["leaseDurationSeconds"] = int64(*n)
	}
	for name, t := range map[string]*metav1.MicroTime{"acquireTime": in.Spec.AcquireTime, "renewTime": in.Spec.RenewTime} {
		switch {
		case t == nil:
		case t.IsZero():
			return nil, false
		default:
			spec[name] = t.UTC().Format(metav1.RFC3339Micro)
		}
	}
	return map[string]any{"metadata": meta, "spec": spec}, true
}
