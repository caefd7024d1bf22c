package install

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// Labels of what is Fairlead's own, which packages block, ledger and roster set as well.
const (
	labelOwn      = "app.kubernetes.io/name=fairlead"
	labelPolicies = "app.kubernetes.io/managed-by=fairlead,fairlead.dev/environment"
	labelLedger   = "fairlead.dev/ledger"
	labelReplica  = "fairlead.dev/replica"
)

// finalizer is that of Environments whose deletion prunes, which package controller sets as well.
const finalizer = "fairlead.dev/prune"

// A place is where objects of Fairlead are found.
type place struct {
	schema.GroupVersionResource
	kind     string
	inside   bool // of Fairlead's namespace alone
	selector string
}

func at(group, resource, kind string, inside bool, selector string) place {
	return place{schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}, kind, inside, selector}
}

// running is what makes Fairlead act: without it no object of an app is written any more. Bindings go before policies, and both before the Deployment, which
// they may guard.
var running = []place{
	at("admissionregistration.k8s.io", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", false, labelPolicies),
	at("admissionregistration.k8s.io", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", false, labelPolicies),
	at("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", false, labelOwn),
	at("apps", "deployments", "Deployment", true, labelOwn),
}

var definitions = at("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", false, "")

// rest is what is left once nothing runs and the definitions are gone.
var rest = []place{
	at("admissionregistration.k8s.io", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", false, labelOwn),
	at("admissionregistration.k8s.io", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", false, labelOwn),
	at("", "services", "Service", true, labelOwn),
	at("", "secrets", "Secret", true, labelLedger),
	at("", "secrets", "Secret", true, labelOwn),
	at("coordination.k8s.io", "leases", "Lease", true, labelReplica),
	at("rbac.authorization.k8s.io", "rolebindings", "RoleBinding", true, labelOwn),
	at("rbac.authorization.k8s.io", "roles", "Role", true, labelOwn),
	at("", "serviceaccounts", "ServiceAccount", true, labelOwn),
	at("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", false, labelOwn),
}

// Removal takes Fairlead out of a cluster. What the apps are made of is not touched.
type Removal struct {
	Client    dynamic.Interface
	Namespace string // Fairlead's own
	// Deleted is told of each object that is deleted.
	Deleted func(*unstructured.Unstructured)
}

// Find returns what would be deleted, in that order, but for the namespace.
func (r Removal) Find(ctx context.Context) ([]*unstructured.Unstructured, error) {
	if err := Here(ctx, r.Client, r.Namespace); err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, p := range slices.Concat(running, []place{definitions}, rest) {
		found, err := r.list(ctx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (r Removal) resource(p place) dynamic.ResourceInterface {
	if p.inside {
		return r.Client.Resource(p.GroupVersionResource).Namespace(r.Namespace)
	}
	return r.Client.Resource(p.GroupVersionResource)
}

// list returns what is in a place. A kind that the API server does not know has no objects.
func (r Removal) list(ctx context.Context, p place) ([]*unstructured.Unstructured, error) {
	list, err := r.resource(p).List(ctx, metav1.ListOptions{LabelSelector: p.selector})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", p.Resource, err)
	}
	var all []*unstructured.Unstructured
	for i := range list.Items {
		o := &list.Items[i]
		if p.Resource == definitions.Resource && !strings.HasSuffix(o.GetName(), ".fairlead.dev") {
			continue
		}
		o.SetGroupVersionKind(p.GroupVersion().WithKind(p.kind))
		all = append(all, o)
	}
	return all, nil
}

// clear deletes what is in a place, and says how much there was.
func (r Removal) clear(ctx context.Context, p place) (int, error) {
	all, err := r.list(ctx, p)
	if err != nil {
		return 0, err
	}
	background := metav1.DeletePropagationBackground
	for _, o := range all {
		if o.GetDeletionTimestamp() != nil {
			continue
		}
		uid := o.GetUID()
		err := r.resource(p).Delete(ctx, o.GetName(), metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid}})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // it is another one by now: the next look sees it
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("delete %s: %w", Name(o), err)
		}
		r.Deleted(o)
	}
	return len(all), nil
}

// Run takes Fairlead out of the cluster: first what makes it act, and once it does nothing any more all the rest. What it did is not undone: whatever the apps
// are made of is left as it is, with its labels. It may be run again after an error. The namespace stays.
//
// Waiting names what is waited for. The context bounds it.
func (r Removal) Run(ctx context.Context, waiting func(string)) error {
	if err := Here(ctx, r.Client, r.Namespace); err != nil {
		return err
	}
	if err := r.outside(ctx, waiting); err != nil {
		return err
	}
	if err := r.stop(ctx, waiting); err != nil {
		return err
	}
	if err := r.letGo(ctx); err != nil {
		return err
	}
	if _, err := r.clear(ctx, definitions); err != nil {
		return err
	}
	if err := r.gone(ctx, definitions, waiting); err != nil {
		return err
	}
	for _, p := range rest {
		if _, err := r.clear(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// letGo takes Fairlead's finalizer from Environments: nobody is there to act on it, and the objects of their apps are to stay.
func (r Removal) letGo(ctx context.Context) error {
	envs := r.Client.Resource(schema.GroupVersionResource{Group: "fairlead.dev", Version: "v1alpha1", Resource: "environments"})
	list, err := envs.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list environments: %w", err)
	}
	for i := range list.Items {
		e := &list.Items[i]
		left := slices.DeleteFunc(slices.Clone(e.GetFinalizers()), func(f string) bool { return f == finalizer })
		if len(left) == len(e.GetFinalizers()) {
			continue
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"finalizers": left, "resourceVersion": e.GetResourceVersion()}})
		if err != nil {
			return err
		}
		_, err = envs.Namespace(e.GetNamespace()).Patch(ctx, e.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("take the finalizer from Environment %s/%s: %w", e.GetNamespace(), e.GetName(), err)
		}
	}
	return nil
}

// look is how often it is looked whether something came about.
const look = 250 * time.Millisecond

// gone waits until there is nothing in a place.
func (r Removal) gone(ctx context.Context, p place, waiting func(string)) error {
	for {
		all, err := r.list(ctx, p)
		if err != nil || len(all) == 0 {
			return err
		}
		what := Name(all[0]) + " to be gone"
		waiting(what)
		if err := pause(ctx, what); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, what string) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("waited for %s: %w", what, context.Cause(ctx))
	case <-time.After(look):
		return nil
	}
}
