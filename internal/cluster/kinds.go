package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// UnknownKindError says that the cluster was asked and does not know a kind.
type UnknownKindError struct {
	GVK object.GVK
	// Hint names what was probably meant, or what to install.
	Hint string
}

func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("the cluster does not know %s of %s: %s", e.GVK.Kind, e.GVK.APIVersion(), e.Hint)
}

// Discovery is what Kinds need of client-go's discovery.
type Discovery interface {
	ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error)
}

// Kinds are the kinds that the API server serves, learned by discovery and kept until told that they changed.
type Kinds struct {
	client  Discovery
	version func() (string, error)
	now     func() time.Time

	mu     sync.Mutex
	byGVK  map[object.GVK]object.Resource
	byKind map[object.GroupKind][]object.Resource // preferred version first
	broken map[string]error                       // group/version whose discovery failed
	served map[string][]string                    // by group/version: its kinds, those of before where its discovery failed
	known  string                                 // the version of Kubernetes
	stale  bool
	asked  time.Time
}

// again is how soon an unknown kind may cause another discovery: a stopgap for changes that nobody told us of.
const again = 10 * time.Second

// Changed tells that kinds were added or removed: the next Find asks the server again.
func (k *Kinds) Changed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stale = true
}

// Find returns how the cluster serves a kind. The error is an *UnknownKindError if the cluster certainly does not know it, of kind
// Transient if it could not be asked.
func (k *Kinds) Find(ctx context.Context, gvk object.GVK) (object.Resource, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, known := k.byGVK[gvk]
	if known && !k.stale {
		return r, nil
	}
	if k.stale || k.now().Sub(k.asked) > again {
		if err := k.load(ctx); err != nil {
			return object.Resource{}, err
		}
		if r, known = k.byGVK[gvk]; known {
			return r, nil
		}
	}
	if err := k.broken[gvk.APIVersion()]; err != nil {
		return object.Resource{}, fault.New(fault.Transient, fmt.Errorf("discover %s: %w", gvk.APIVersion(), err))
	}
	return object.Resource{}, fault.New(fault.Invalid, &UnknownKindError{GVK: gvk, Hint: k.hint(gvk)})
}

// Any returns how the cluster serves a kind in the given version, or else in any version of the same group.
func (k *Kinds) Any(ctx context.Context, gvk object.GVK) (object.Resource, error) {
	r, err := k.Find(ctx, gvk)
	if err == nil || fault.KindOf(err) != fault.Invalid {
		return r, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for version, cause := range k.broken {
		if group, _, ok := strings.Cut(version, "/"); ok && group == gvk.Group {
			return object.Resource{}, fault.New(fault.Transient, fmt.Errorf("discover %s: %w", version, cause))
		}
	}
	if others := k.byKind[gvk.GroupKind()]; len(others) > 0 {
		return others[0], nil
	}
	return object.Resource{}, err
}

// Served returns the version of Kubernetes, and all versions and kinds that are served, such as apps/v1 and apps/v1/Deployment, in order. An answer that may
// lack something is an error of kind Transient: what a cluster cannot do is not rendered for it.
func (k *Kinds) Served(ctx context.Context) (version string, apis []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stale || k.known == "" {
		if err := k.load(ctx); err != nil {
			return "", nil, err
		}
		if k.known, err = k.version(); err != nil {
			return "", nil, fault.New(fault.Transient, fmt.Errorf("ask for the version of Kubernetes: %w", err))
		}
	}
	for gv, cause := range k.broken {
		if k.served[gv] == nil {
			return "", nil, fault.New(fault.Transient, fmt.Errorf("discover %s: %w", gv, cause))
		}
	}
	for gv, kinds := range k.served {
		apis = append(apis, gv)
		for _, kind := range kinds {
			apis = append(apis, gv+"/"+kind)
		}
	}
	slices.Sort(apis)
	return k.known, apis, nil
}

func (k *Kinds) load(context.Context) error {
	groups, lists, err := k.client.ServerGroupsAndResources()
	broken := map[string]error{}
	if err != nil {
		failed, ok := discovery.GroupDiscoveryFailedErrorGroups(err)
		if !ok {
			return fault.New(fault.Transient, fmt.Errorf("discover kinds: %w", err))
		}
		for gv, cause := range failed {
			broken[gv.String()] = cause
		}
	}
	preferred := map[string]string{}
	for _, g := range groups {
		preferred[g.Name] = g.PreferredVersion.Version
	}
	k.byGVK, k.byKind = map[object.GVK]object.Resource{}, map[object.GroupKind][]object.Resource{}
	served := map[string][]string{}
	for _, list := range lists {
		k.add(list, preferred)
		kinds := map[string]bool{}
		for _, r := range list.APIResources {
			kinds[r.Kind] = true
		}
		served[list.GroupVersion] = slices.Sorted(maps.Keys(kinds))
	}
	for gv := range broken {
		if was := k.served[gv]; was != nil && served[gv] == nil {
			served[gv] = was
		}
	}
	k.broken, k.served, k.known, k.stale, k.asked = broken, served, "", false, k.now()
	return nil
}

func (k *Kinds) add(list *metav1.APIResourceList, preferred map[string]string) {
	for _, r := range list.APIResources {
		if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "patch") {
			continue
		}
		gvk := object.ParseGVK(list.GroupVersion, r.Kind)
		res := object.Resource{GVK: gvk, Plural: r.Name, Namespaced: r.Namespaced}
		k.byGVK[gvk] = res
		gk := gvk.GroupKind()
		if preferred[gvk.Group] == gvk.Version {
			k.byKind[gk] = append([]object.Resource{res}, k.byKind[gk]...)
		} else {
			k.byKind[gk] = append(k.byKind[gk], res)
		}
	}
}

func (k *Kinds) hint(gvk object.GVK) string {
	if others := k.byKind[gvk.GroupKind()]; len(others) > 0 {
		return "it serves the kind as " + others[0].APIVersion()
	}
	var near []string
	for known := range k.byGVK {
		if known.Group == gvk.Group && known.Version == gvk.Version {
			near = append(near, known.Kind)
		}
	}
	if word, ok := nearest.Of(gvk.Kind, near); ok {
		return fmt.Sprintf("did you mean %s?", word)
	}
	return "install its CustomResourceDefinition first"
}
