package verifier

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

var (
	podsResource = object.Resource{GVK: object.GVK{Version: "v1", Kind: "Pod"}, Plural: "pods", Namespaced: true}
	jobsResource = object.Resource{GVK: object.GVK{Group: "batch", Version: "v1", Kind: "Job"}, Plural: "jobs", Namespaced: true}
)

func (x *reach) at(r object.Resource, namespace string) dynamic.ResourceInterface {
	res := x.objects.Resource(schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Plural})
	if r.Namespaced {
		return res.Namespace(namespace)
	}
	return res
}

// live reads an object; the zero Object if it does not exist.
func (x *reach) live(ctx context.Context, r object.Resource, namespace, name string) (object.Object, error) {
	u, err := x.at(r, namespace).Get(ctx, name, metav1.GetOptions{})
	if absent.Object(err) {
		return object.Object{}, nil
	}
	if err != nil {
		return object.Object{}, x.plain("get", r, namespace, err)
	}
	return object.New(u.Object), nil
}

// list reads at most a hundred objects.
func (x *reach) list(ctx context.Context, r object.Resource, namespace string, with map[string]string) ([]unstructured.Unstructured, error) {
	l, err := x.at(r, namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(with).String(), Limit: 100})
	if err != nil {
		return nil, x.plain("list", r, namespace, err)
	}
	return l.Items, nil
}

// plain says in a few words what is wrong with a request.
func (x *reach) plain(verb string, r object.Resource, namespace string, err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%s may not %s %s in namespace %s", x.user, verb, r.Plural, namespace)
	}
	return fmt.Errorf("%s %s: %w", verb, r.Plural, err)
}

// mostPods bounds how many Pods one try asks.
const mostPods = 20

// readyPods are the names of the Pods of a target that are ready.
func (x *reach) readyPods(ctx context.Context, t app.Target, timeout time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pods, err := x.list(ctx, podsResource, t.Namespace, t.Labels)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range pods {
		if isReady(object.New(p.Object)) && len(names) < mostPods {
			names = append(names, p.GetName())
		}
	}
	return names, nil
}

func isReady(pod object.Object) bool {
	conditions, _ := pod.At("status", "conditions").([]any)
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Ready" {
			return m["status"] == "True" && !pod.Deleting()
		}
	}
	return false
}
