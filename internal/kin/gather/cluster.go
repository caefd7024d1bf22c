package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Cluster reads objects of any kind. It is safe for concurrent use.
type Cluster struct {
	plain     discovery.ServerGroupsInterface
	discovery discovery.CachedDiscoveryInterface
	objects   dynamic.Interface
	metadata  metadata.Interface
	mapper    meta.RESTMapper
}

// Open returns the cluster of a config. It asks nothing yet.
func Open(config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NoWarnings{} // that a kind is deprecated is no news to who looks through all kinds
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Cluster{plain: disco, discovery: memory.NewMemCacheClient(disco)}
	if c.objects, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if c.metadata, err = metadata.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c.mapper = restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(c.discovery), c.discovery, nil)
	return c, nil
}

// Kinds are those that can be listed, each in the version that the server prefers. Groups that cannot be asked are left out.
func (c *Cluster) Kinds() ([]object.Resource, error) {
	lists, err := discovery.ServerPreferredResources(c.discovery)
	if err != nil && len(lists) == 0 {
		return nil, fmt.Errorf("discover kinds: %w", err)
	}
	var kinds []object.Resource
	for _, list := range lists {
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "list") && !strings.Contains(r.Name, "/") {
				kinds = append(kinds, object.Resource{GVK: object.ParseGVK(list.GroupVersion, r.Kind), Plural: r.Name, Namespaced: r.Namespaced})
			}
		}
	}
	return kinds, nil
}

// Kind finds a kind by any of the names that kubectl takes: "deploy", "deployments.apps", "Deployment".
func (c *Cluster) Kind(name string) (object.Resource, error) {
	if _, err := c.plain.ServerGroups(); err != nil { // the cache would write it to standard error
		return object.Resource{}, fmt.Errorf("ask for server groups: %w", err)
	}
	gr := schema.ParseGroupResource(strings.ToLower(name))
	gvk, err := c.mapper.KindFor(gr.WithVersion(""))
	switch {
	case err != nil && !meta.IsNoMatchError(err):
		return object.Resource{}, fmt.Errorf("find kind %q: %w", name, err)
	case err != nil:
		return object.Resource{}, fmt.Errorf("the cluster knows no kind %q: 'kubectl api-resources' lists those that it knows", name)
	}
	return c.served(object.GVK(gvk))
}

func (c *Cluster) served(gvk object.GVK) (object.Resource, error) {
	m, err := c.mapper.RESTMapping(schema.GroupKind{Group: gvk.Group, Kind: gvk.Kind}, gvk.Version)
	if err != nil {
		return object.Resource{}, fmt.Errorf("find kind %s of %s: %w", gvk.Kind, gvk.APIVersion(), err)
	}
	return object.Resource{GVK: gvk, Plural: m.Resource.Resource, Namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}, nil
}

// Object reads one object: of a Secret or a ConfigMap its metadata alone.
func (c *Cluster) Object(ctx context.Context, kind object.Resource, namespace, name string) (object.Object, error) {
	if !kind.Namespaced {
		namespace = ""
	}
	if bare(kind.GVK) {
		m, err := c.metadata.Resource(gvr(kind)).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return object.Object{}, fmt.Errorf("read %s %s: %w", kind.Kind, name, err)
		}
		return partial(kind, m)
	}
	return c.whole(ctx, kind, namespace, name)
}

// Named lists the namespaces, in order, that have an object of a kind and a name; none if that may not be seen.
func (c *Cluster) Named(ctx context.Context, kind object.Resource, name string) []string {
	list, err := c.metadata.Resource(gvr(kind)).List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	if err != nil {
		return nil
	}
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Namespace)
	}
	slices.Sort(out)
	return out
}

func (c *Cluster) whole(ctx context.Context, kind object.Resource, namespace, name string) (object.Object, error) {
	u, err := c.objects.Resource(gvr(kind)).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return object.Object{}, fmt.Errorf("read %s %s: %w", kind.Kind, name, err)
	}
	return object.New(u.Object), nil
}

// ErrGone says that what an object names as its owner is not there any more.
var ErrGone = errors.New("is gone")

// Owner reads what an owner reference of an object means: the very object, not another one of that name.
func (c *Cluster) Owner(ctx context.Context, of object.Object, ref kin.Ref) (object.Object, error) {
	kind, err := c.served(ref.GVK)
	if err != nil {
		return object.Object{}, err
	}
	o, err := c.Object(ctx, kind, of.Namespace(), ref.Name)
	if err != nil {
		return object.Object{}, err
	}
	if o.UID() != ref.UID {
		return object.Object{}, fmt.Errorf("%s %s, the owner of %s, %w: there is another one of that name", ref.GVK.Kind, ref.Name, of, ErrGone)
	}
	return o, nil
}

// bare tells the kinds of which only metadata is read: their content is nobody's business here, and their health does not depend on it.
func bare(k object.GVK) bool {
	switch k.GroupKind() {
	case object.GroupKind{Kind: "Secret"}, object.GroupKind{Kind: "ConfigMap"}, object.GroupKind{Group: "apps", Kind: "ControllerRevision"}:
		return true
	}
	return false
}

func gvr(kind object.Resource) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: kind.Plural}
}

// partial makes an object of its metadata.
func partial(kind object.Resource, m *metav1.PartialObjectMetadata) (object.Object, error) {
	m.APIVersion, m.Kind = kind.APIVersion(), kind.Kind
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(m)
	if err != nil {
		return object.Object{}, fmt.Errorf("read %s %s: %w", kind.Kind, m.Name, err)
	}
	return object.New(content), nil
}

// Names are the names of the objects of a kind in a namespace: the first of them, if there are very many.
func (c *Cluster) Names(ctx context.Context, kind object.Resource, namespace string) ([]string, error) {
	if !kind.Namespaced {
		namespace = ""
	}
	list, err := c.metadata.Resource(gvr(kind)).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: page})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Plural, err)
	}
	var names []string
	for _, m := range list.Items {
		names = append(names, m.Name)
	}
	return names, nil
}
