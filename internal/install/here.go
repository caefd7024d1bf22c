package install

import (
	"context"
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// Here says, as an error, that the Fairlead of a cluster is in another namespace: there is one in a cluster.
func Here(ctx context.Context, client dynamic.Interface, namespace string) error {
	bindings := client.Resource(schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"})
	b, err := bindings.Get(ctx, "fairlead", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read ClusterRoleBinding fairlead: %w", err)
	}
	subjects, _, _ := unstructured.NestedSlice(b.Object, "subjects")
	for _, s := range subjects {
		m, _ := s.(map[string]any)
		if ns, _ := m["namespace"].(string); ns != "" && ns != namespace {
			return fmt.Errorf("the Fairlead of this cluster is in namespace %s, not in %s: say --namespace %[1]s", ns, namespace)
		}
	}
	return nil
}

// Forbidden returns the first right that is missing to apply objects, such as "create customresourcedefinitions.apiextensions.k8s.io"; empty if none is. It asks
// once for each kind.
func Forbidden(ctx context.Context, reviews authorization.SelfSubjectAccessReviewInterface, objs []*unstructured.Unstructured) (string, error) {
	var asked []string
	for _, o := range objs {
		gr := schema.GroupResource{Group: o.GroupVersionKind().Group, Resource: plurals[o.GetKind()]}
		if slices.Contains(asked, gr.String()) {
			continue
		}
		asked = append(asked, gr.String())
		for _, verb := range []string{"create", "patch"} {
			review, err := reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: gr.Group, Resource: gr.Resource, Namespace: o.GetNamespace()},
			}}, metav1.CreateOptions{})
			if err != nil {
				return "", fmt.Errorf("ask which rights there are: %w", err)
			}
			if !review.Status.Allowed {
				return verb + " " + gr.String(), nil
			}
		}
	}
	return "", nil
}
