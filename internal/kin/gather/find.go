package gather

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Query says whose objects are looked for.
type Query struct {
	Apps []app.Owner
	// Namespaces are where to look for kinds that may not be listed in all namespaces.
	Namespaces []string
	// Claims alone: not what controllers made of them.
	Claims bool
	// Whole reads Secrets and ConfigMaps whole too: who asks for it must not show them.
	Whole bool
}

// Found is what there is.
type Found struct {
	Objects []object.Object
	// Unseen are the kinds that may not be listed, of those that an app may claim. Only who knows how many objects there should be can tell whether it matters.
	Unseen []string
	// UnseenBelow are the kinds that may not be listed though what was found is known to make objects of them.
	UnseenBelow []string

	listed []place
}

// place is one list, and its version: a watch goes on from there.
type place struct {
	kind                         object.Resource
	namespace, selector, version string
}

// atOnce is how many requests are under way at a time.
const atOnce = 16

// page is how many objects are asked for in one request.
const page = 500

// Find finds the objects that apps claim, and what is below them. It reads no kind that is not served, and nothing of other apps' objects but their metadata.
func (c *Cluster) Find(ctx context.Context, q Query) (Found, error) {
	kinds, err := c.Kinds()
	if err != nil {
		return Found{}, err
	}
	s := &search{c: c, kinds: kinds, found: map[string]object.Object{}, unseen: map[string]bool{}, below: map[string]bool{}, done: map[object.GroupKind]bool{}}
	if err := s.claimed(ctx, q); err != nil {
		return Found{}, err
	}
	if !q.Claims {
		if err := s.descend(ctx, q.Namespaces); err != nil {
			return Found{}, err
		}
	}
	objs, err := s.fill(ctx, q.Whole)
	if err != nil {
		return Found{}, err
	}
	return Found{Objects: objs, Unseen: slices.Sorted(maps.Keys(s.unseen)), UnseenBelow: slices.Sorted(maps.Keys(s.below)), listed: s.listed}, nil
}

type search struct {
	c     *Cluster
	kinds []object.Resource

	mu            sync.Mutex
	found         map[string]object.Object // by uid; metadata only
	unseen, below map[string]bool
	listed        []place
	done          map[object.GroupKind]bool // kinds that were looked through for what is below
}

// silent are kinds that nobody claims and that are many, or are made up at each request.
func silent(k object.GVK) bool {
	return k.Kind == "Event" || k.Group == "metrics.k8s.io" || k.GroupKind() == object.GroupKind{Kind: "ComponentStatus"}
}

// claimed lists what carries the owner mark, and keeps what is claimed.
func (s *search) claimed(ctx context.Context, q Query) error {
	wanted := map[app.Owner]bool{}
	for _, owner := range q.Apps {
		wanted[owner] = true
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, selector := range selectors(q.Apps) {
		for _, kind := range s.kinds {
			if silent(kind.GVK) {
				continue
			}
			g.Go(func() error {
				objs, denied, err := s.list(ctx, kind, selector, q.Namespaces)
				if err != nil {
					return err
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				if denied {
					s.unseen[kind.Plural] = true
				}
				for _, o := range objs {
					if wanted[kin.Claimant(o)] {
						s.found[o.UID()] = o
					}
				}
				return nil
			})
		}
	}
	return g.Wait()
}

// manyApps is how many apps one selector names.
const manyApps = 40

// selectors match the objects that carry the mark of one of the apps: one selector for each namespace.
func selectors(apps []app.Owner) []string {
	names := map[string][]string{}
	for _, a := range apps {
		names[a.Namespace] = append(names[a.Namespace], a.Name)
	}
	var out []string
	for _, namespace := range slices.Sorted(maps.Keys(names)) {
		selector := app.LabelNamespace + "=" + namespace + "," + app.LabelApp
		if len(names[namespace]) <= manyApps {
			selector += " in (" + strings.Join(names[namespace], ",") + ")"
		}
		out = append(out, selector)
	}
	return out
}

// list lists the metadata of a kind in all namespaces, or where that is denied, in some. Denied says that a part of it could not be seen.
func (s *search) list(ctx context.Context, kind object.Resource, selector string, namespaces []string) (objs []object.Object, denied bool, err error) {
	objs, err = s.listIn(ctx, kind, selector, "")
	if err == nil || !apierrors.IsForbidden(err) {
		return objs, false, ignore(err)
	}
	if !kind.Namespaced {
		return nil, true, nil
	}
	for _, namespace := range namespaces {
		some, err := s.listIn(ctx, kind, selector, namespace)
		if apierrors.IsForbidden(err) {
			denied = true
		} else if ignore(err) != nil {
			return nil, false, err
		}
		objs = append(objs, some...)
	}
	return objs, denied, nil
}

// ignore takes what discovery promised and the server does not serve for nothing there.
func ignore(err error) error {
	if absent.Kind(err) || absent.Object(err) || apierrors.IsMethodNotSupported(err) || apierrors.IsServiceUnavailable(err) {
		return nil
	}
	return err
}

func (s *search) listIn(ctx context.Context, kind object.Resource, selector, namespace string) ([]object.Object, error) {
	var objs []object.Object
	options := metav1.ListOptions{LabelSelector: selector, Limit: page}
	for {
		list, err := s.c.metadata.Resource(gvr(kind)).Namespace(namespace).List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Plural, err)
		}
		for i := range list.Items {
			o, err := partial(kind, &list.Items[i])
			if err != nil {
				return nil, err
			}
			objs = append(objs, o)
		}
		if options.Continue = list.Continue; options.Continue == "" {
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(objs) > 0 || selector == "" {
				s.listed = append(s.listed, place{kind, namespace, selector, list.ResourceVersion})
			}
			return objs, nil
		}
	}
}
