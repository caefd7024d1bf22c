package install

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
)

// Manager is the field manager of an installation. Package fingerprint takes over what it applied once that is in Git. It is not that of other commands: what
// they set, such as a suspension, is to stay.
const Manager = "fairlead-install"

// plurals are the resources of the kinds that are installed. Asking the API server would be of no use: it does not know ours yet.
var plurals = map[string]string{
	"CustomResourceDefinition": "customresourcedefinitions",
	"Namespace":                "namespaces",
	"ServiceAccount":           "serviceaccounts",
	"ClusterRole":              "clusterroles",
	"ClusterRoleBinding":       "clusterrolebindings",
	"Role":                     "roles",
	"RoleBinding":              "rolebindings",
	"Deployment":               "deployments",
	"Service":                  "services",
	"Secret":                   "secrets",
	"PersistentVolumeClaim":    "persistentvolumeclaims",
	"Repository":               "repositories",
	"Environment":              "environments",

	"ValidatingAdmissionPolicy":        "validatingadmissionpolicies",
	"ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}

// groupOwn is that of Fairlead's own kinds.
const groupOwn = "fairlead.dev"

// Known reports whether Apply can apply objects of a kind.
func Known(kind string) bool { return plurals[kind] != "" }

// Apply applies objects in their order, calls applied after each, and returns once all CustomResourceDefinitions are established. Applying again changes
// nothing. It may be given a context with a deadline.
func Apply(ctx context.Context, client dynamic.Interface, objs []*unstructured.Unstructured, applied func(*unstructured.Unstructured)) error {
	var fresh []*unstructured.Unstructured // definitions that may not be served yet
	served := func() error {
		for _, o := range fresh {
			if err := established(ctx, client, o); err != nil {
				return err
			}
		}
		fresh = nil
		return nil
	}
	for _, o := range objs {
		res, err := resource(client, o)
		if err != nil {
			return err
		}
		if o.GroupVersionKind().Group == groupOwn {
			if err := served(); err != nil {
				return err
			}
		}
		if _, err := res.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: Manager, Force: true}); err != nil {
			return fmt.Errorf("apply %s: %w", Name(o), err)
		}
		if o.GetKind() == "CustomResourceDefinition" {
			fresh = append(fresh, o)
		}
		applied(o)
	}
	return served()
}

func resource(client dynamic.Interface, o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	plural, ok := plurals[gvk.Kind]
	if !ok {
		return nil, fmt.Errorf("apply %s: kind %s is not among those that are installed", Name(o), gvk.Kind)
	}
	res := client.Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: plural})
	if ns := o.GetNamespace(); ns != "" {
		return res.Namespace(ns), nil
	}
	return res, nil
}

// established waits until the API server serves a definition.
func established(ctx context.Context, client dynamic.Interface, crd *unstructured.Unstructured) error {
	res, err := resource(client, crd)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		live, err := res.Get(ctx, crd.GetName(), metav1.GetOptions{})
		if err != nil {
			return false, ignoreNotFound(err)
		}
		return isEstablished(live), nil
	})
	if err != nil {
		return fmt.Errorf("wait until %s is established: %w", Name(crd), err)
	}
	return nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func isEstablished(crd *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Established" && m["status"] == "True" {
			return true
		}
	}
	return false
}
