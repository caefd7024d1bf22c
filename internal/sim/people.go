package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/controller"
)

// served says how the kinds that scenarios speak of are served.
var served = map[string]schema.GroupVersionResource{
	"ConfigMap":                {Version: "v1", Resource: "configmaps"},
	"Secret":                   {Version: "v1", Resource: "secrets"},
	"Service":                  {Version: "v1", Resource: "services"},
	"Namespace":                {Version: "v1", Resource: "namespaces"},
	"ServiceAccount":           {Version: "v1", Resource: "serviceaccounts"},
	"Deployment":               deployments,
	"Job":                      {Group: "batch", Version: "v1", Resource: "jobs"},
	"CustomResourceDefinition": definitions,
	"Widget":                   {Group: "test.fairlead.dev", Version: "v1", Resource: "widgets"},
	"Repository":               {Group: "fairlead.dev", Version: "v1alpha1", Resource: "repositories"},
	"Environment":              {Group: "fairlead.dev", Version: "v1alpha1", Resource: "environments"},
	"App":                      apps,
	"Approval":                 {Group: "fairlead.dev", Version: "v1alpha1", Resource: "approvals"},
	"Override":                 {Group: "fairlead.dev", Version: "v1alpha1", Resource: "overrides"},
	"Notifier":                 {Group: "fairlead.dev", Version: "v1alpha1", Resource: "notifiers"},
}

var (
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	apps        = schema.GroupVersionResource{Group: "fairlead.dev", Version: "v1alpha1", Resource: "apps"}
)

// at is where objects of a kind are, as people reach them, and the name of the one that a word such as "shop/flags" means.
func (w *world) at(kind, word string) (dynamic.ResourceInterface, string, error) {
	gvr, ok := served[kind]
	if !ok {
		return nil, "", fmt.Errorf("the simulator does not know how a %s is served: add it", kind)
	}
	if ns, name, ok := strings.Cut(word, "/"); ok {
		return w.people.Resource(gvr).Namespace(ns), name, nil
	}
	return w.people.Resource(gvr), word, nil
}

// apply creates or changes objects.
func (w *world) apply(objs []*unstructured.Unstructured) error {
	for _, u := range objs {
		word := strings.TrimPrefix(u.GetNamespace()+"/"+u.GetName(), "/")
		at, name, err := w.at(u.GetKind(), word)
		if err != nil {
			return err
		}
		_, err = at.Create(context.Background(), u.DeepCopy(), metav1.CreateOptions{FieldManager: "kubectl-create"})
		if apierrors.IsAlreadyExists(err) {
			var data []byte
			if data, err = json.Marshal(u.Object); err == nil {
				_, err = at.Patch(context.Background(), name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: "kubectl-edit"})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remake deletes objects, if they are there, and creates them anew.
func (w *world) remake(objs []*unstructured.Unstructured) error {
	for _, u := range objs {
		if err := w.remove(u.GetKind(), u.GetNamespace()+"/"+u.GetName()); err != nil {
			return err
		}
	}
	return w.apply(objs)
}

// edit changes an object by hand, if it is there.
func edit(manager, kind, word, patch string) (func(*world) error, error) {
	if !json.Valid([]byte(patch)) {
		return nil, fmt.Errorf("%s is not JSON", patch)
	}
	return func(w *world) error {
		at, name, err := w.at(kind, word)
		if err != nil {
			return err
		}
		_, err = at.Patch(context.Background(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: manager})
		return missed(err)
	}, nil
}

// remove deletes an object by hand, if it is there.
func (w *world) remove(kind, word string) error {
	at, name, err := w.at(kind, word)
	if err != nil {
		return err
	}
	policy := metav1.DeletePropagationBackground
	return missed(at.Delete(context.Background(), name, metav1.DeleteOptions{PropagationPolicy: &policy}))
}

// approve approves what an App holds.
func (w *world) approve(word string) error {
	at, name, err := w.at("App", word)
	if err != nil {
		return err
	}
	u, err := at.Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	hold, _, _ := unstructured.NestedString(u.Object, "status", "holdID")
	if hold == "" {
		return fmt.Errorf("nothing is held by App %s", word)
	}
	_, err = at.Patch(context.Background(), name, types.MergePatchType,
		fmt.Appendf(nil, `{"metadata": {"annotations": {%q: %q}}}`, controller.AnnotationApprove, hold), metav1.PatchOptions{FieldManager: "fairlead-cli"})
	return err
}

// missed lets pass that there was nothing to do a thing to: people come too early, or too late.
func missed(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// rollOut lets Deployments become available, as their controller does, and reports whether one was not.
func (w *world) rollOut() bool {
	for _, u := range w.server.Objects(deployments.GroupResource()) {
		seen, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
		if seen == u.GetGeneration() || u.GetDeletionTimestamp() != nil {
			continue
		}
		n, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
		patch := fmt.Appendf(nil, `{"status": {"observedGeneration": %d, "replicas": %d, "updatedReplicas": %d, "readyReplicas": %d, "availableReplicas": %d}}`,
			u.GetGeneration(), n, n, n, n)
		_, err := w.people.Resource(deployments).Namespace(u.GetNamespace()).Patch(
			context.Background(), u.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kube-controller-manager"}, "status")
		if err != nil {
			w.fail("roll out %s: %v", u.GetName(), err)
		}
		return true
	}
	return false
}
