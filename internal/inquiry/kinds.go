package inquiry

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// known are the kinds that nearly every answer is made from: nobody has to be asked how they are served.
var known = map[object.GroupKind]schema.GroupVersionResource{
	{Group: "fairlead.dev", Kind: "App"}:          {Group: "fairlead.dev", Version: "v1alpha1", Resource: "apps"},
	{Group: "fairlead.dev", Kind: "Environment"}:  {Group: "fairlead.dev", Version: "v1alpha1", Resource: "environments"},
	{Group: "fairlead.dev", Kind: "Repository"}:   {Group: "fairlead.dev", Version: "v1alpha1", Resource: "repositories"},
	{Group: "coordination.k8s.io", Kind: "Lease"}: {Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	{Kind: "Event"}:                 {Version: "v1", Resource: "events"},
	{Kind: "Pod"}:                   {Version: "v1", Resource: "pods"},
	{Kind: "Node"}:                  {Version: "v1", Resource: "nodes"},
	{Kind: "Namespace"}:             {Version: "v1", Resource: "namespaces"},
	{Kind: "Service"}:               {Version: "v1", Resource: "services"},
	{Kind: "PersistentVolumeClaim"}: {Version: "v1", Resource: "persistentvolumeclaims"},
	{Group: "storage.k8s.io", Kind: "StorageClass"}:         {Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"},
	{Group: "apps", Kind: "Deployment"}:                     {Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Kind: "ReplicaSet"}:                     {Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "apps", Kind: "StatefulSet"}:                    {Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "apps", Kind: "DaemonSet"}:                      {Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Group: "batch", Kind: "Job"}:                           {Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}: {Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
}

// kinds finds how a cluster serves a kind. It asks once, and only for kinds that are not among the known.
type kinds struct {
	client discovery.DiscoveryInterface

	once  sync.Once
	found map[object.GroupKind]schema.GroupVersionResource
	err   error
}

func newKinds(c discovery.DiscoveryInterface) *kinds { return &kinds{client: c} }

func (k *kinds) find(ctx context.Context, gk object.GroupKind) (schema.GroupVersionResource, error) {
	if r, ok := known[gk]; ok {
		return r, nil
	}
	asked := make(chan struct{})
	go func() { // the library takes no context
		defer close(asked)
		k.once.Do(k.discover)
	}()
	select {
	case <-ctx.Done():
		return schema.GroupVersionResource{}, ctx.Err()
	case <-asked:
	}
	if r, ok := k.found[gk]; ok {
		return r, nil
	}
	if k.err != nil {
		return schema.GroupVersionResource{}, fmt.Errorf("discover kinds: %w", k.err)
	}
	return schema.GroupVersionResource{}, fmt.Errorf("the cluster does not know the kind %s of group %q", gk.Kind, gk.Group)
}

func (k *kinds) discover() {
	k.found = map[object.GroupKind]schema.GroupVersionResource{}
	lists, err := k.client.ServerPreferredResources()
	k.err = err
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range list.APIResources {
			k.found[object.GroupKind{Group: gv.Group, Kind: r.Kind}] = gv.WithResource(r.Name)
		}
	}
}
