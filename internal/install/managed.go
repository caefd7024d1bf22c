package install

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// Managed prepares objects to be in Git, for a Fairlead that manages itself: a commit that does not have them any more deletes neither the definitions, with which
// all Environments would go, nor the namespace, in which the ledger is; everything else of Fairlead's only once a person has approved it.
func Managed(objs []*unstructured.Unstructured) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, 0, len(objs))
	for _, o := range objs {
		o = o.DeepCopy()
		prune := "confirm"
		if kind := o.GetKind(); kind == "CustomResourceDefinition" || kind == "Namespace" {
			prune = "never"
		}
		annotations := o.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["fairlead.dev/prune"] = prune
		o.SetAnnotations(annotations)
		out = append(out, o)
	}
	return out
}
