package install

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// usual are objects that Kubernetes itself puts into every namespace.
var usual = []string{"configmap/kube-root-ca.crt", "serviceaccount/default"}

// passing are kinds that speak of other objects, and are nobody's loss.
var passing = []string{"events", "endpoints", "endpointslices", "podmetrics"}

// Others returns what is in the namespace and neither Fairlead's nor Kubernetes' own, by its names. If something cannot be listed, that is an error: it may
// be there.
func (r Removal) Others(ctx context.Context, disco discovery.DiscoveryInterface) ([]string, error) {
	lists, err := disco.ServerPreferredResources()
	if err != nil {
		return nil, fmt.Errorf("ask the API server for its kinds: %w", err)
	}
	var found []string
	for _, l := range lists {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, res := range l.APIResources {
			if !res.Namespaced || !slices.Contains(res.Verbs, "list") || slices.Contains(passing, res.Name) {
				continue
			}
			list, err := r.Client.Resource(gv.WithResource(res.Name)).Namespace(r.Namespace).List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("list %s in namespace %s: %w", res.Name, r.Namespace, err)
			}
			for i := range list.Items {
				if o := &list.Items[i]; isForeign(o) {
					found = append(found, Name(o))
				}
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// isForeign reports whether an object would be missed: neither usual, nor going, nor made of another one.
func isForeign(o *unstructured.Unstructured) bool {
	return o.GetDeletionTimestamp() == nil && len(o.GetOwnerReferences()) == 0 && !slices.Contains(usual, Name(o))
}

// DeleteNamespace deletes the namespace. Whatever is in it goes with it.
func (r Removal) DeleteNamespace(ctx context.Context, waiting func(string)) error {
	p := at("", "namespaces", "Namespace", false, "")
	ns, err := r.resource(p).Get(ctx, r.Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read namespace %s: %w", r.Namespace, err)
	}
	if err := r.resource(p).Delete(ctx, r.Namespace, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete namespace %s: %w", r.Namespace, err)
	}
	r.Deleted(ns)
	for {
		if _, err := r.resource(p).Get(ctx, r.Namespace, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read namespace %s: %w", r.Namespace, err)
		}
		what := "namespace/" + r.Namespace + " to be gone"
		waiting(what)
		if err := pause(ctx, what); err != nil {
			return err
		}
	}
}
