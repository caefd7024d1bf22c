package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// manager is the field manager of what the demo sets up.
const manager = "fairlead-demo"

// resources are the kinds that the demo meets.
var resources = map[string]schema.GroupVersionResource{
	"Namespace":                {Version: "v1", Resource: "namespaces"},
	"ServiceAccount":           {Version: "v1", Resource: "serviceaccounts"},
	"Secret":                   {Version: "v1", Resource: "secrets"},
	"ConfigMap":                {Version: "v1", Resource: "configmaps"},
	"Service":                  {Version: "v1", Resource: "services"},
	"Deployment":               {Group: "apps", Version: "v1", Resource: "deployments"},
	"Job":                      {Group: "batch", Version: "v1", Resource: "jobs"},
	"CronJob":                  {Group: "batch", Version: "v1", Resource: "cronjobs"},
	"HorizontalPodAutoscaler":  {Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
	"PodDisruptionBudget":      {Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	"Role":                     {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"RoleBinding":              {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	"Lease":                    {Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	"Event":                    {Group: "events.k8s.io", Version: "v1", Resource: "events"},
	"Repository":               {Group: "fairlead.dev", Version: "v1alpha1", Resource: "repositories"},
	"Environment":              {Group: "fairlead.dev", Version: "v1alpha1", Resource: "environments"},
	"App":                      {Group: "fairlead.dev", Version: "v1alpha1", Resource: "apps"},
	"CustomResourceDefinition": {Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
}

// owned are the kinds of the shop's objects.
var owned = []string{
	"ServiceAccount", "ConfigMap", "Service", "Deployment", "Job", "CronJob", "HorizontalPodAutoscaler", "PodDisruptionBudget",
}

// kube is the cluster as the demo sees it: with the rights of the kubeconfig.
type kube struct {
	client  dynamic.Interface
	server  string
	version string
}

// connect reads a kubeconfig and asks the API server for its version.
func connect(kubeconfig string) (*kube, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	config.UserAgent = manager
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	v, err := d.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask the API server at %s: %w", config.Host, err)
	}
	return &kube{client: client, server: config.Host, version: v.GitVersion}, nil
}

// of returns one kind in a namespace; empty for all, or for kinds that have none.
func (k *kube) of(kind, namespace string) dynamic.ResourceInterface {
	res := k.client.Resource(resources[kind])
	if namespace == "" {
		return res
	}
	return res.Namespace(namespace)
}

// apply applies the documents of a manifest.
func (k *kube) apply(ctx context.Context, manifest string) error {
	for doc := range strings.SplitSeq(manifest, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			return fmt.Errorf("read manifest: %w", err)
		}
		_, err := k.of(u.GetKind(), u.GetNamespace()).Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: manager, Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// exists lists which of the named objects of a kind without namespace exist.
func (k *kube) exists(ctx context.Context, kind string, names []string) ([]string, error) {
	var found []string
	for _, name := range names {
		_, err := k.of(kind, "").Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			found = append(found, name)
		} else if !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("look for %s %s: %w", kind, name, err)
		}
	}
	return found, nil
}

// edit changes an object as a person does with kubectl, and returns the API server's answer.
func (k *kube) edit(ctx context.Context, o thing, as string, change map[string]any) (*unstructured.Unstructured, error) {
	patch, err := json.Marshal(change)
	if err != nil {
		return nil, err
	}
	return k.of(o.kind, o.namespace).Patch(ctx, o.name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: as})
}

// thing names an object.
type thing struct{ kind, namespace, name string }

func (o thing) String() string { return o.kind + " " + o.namespace + "/" + o.name }

// objects lists the objects that an app owns, by their label.
func (k *kube) objects(ctx context.Context, environment, app string) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	for _, kind := range owned {
		list, err := k.of(kind, placeOf(environment)).List(ctx, metav1.ListOptions{LabelSelector: "fairlead.dev/app=" + environment + "-" + app})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind, err)
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

var errEnded = errors.New("the API server ended the watch")
