package gather

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// offspring are the kinds that the controllers of Kubernetes make of its kinds. Of a kind of another group anything may be made.
var offspring = map[object.GroupKind][]object.GroupKind{
	{Group: "apps", Kind: "Deployment"}:  {{Group: "apps", Kind: "ReplicaSet"}},
	{Group: "apps", Kind: "ReplicaSet"}:  {{Kind: "Pod"}},
	{Group: "apps", Kind: "StatefulSet"}: {{Kind: "Pod"}, {Kind: "PersistentVolumeClaim"}, {Group: "apps", Kind: "ControllerRevision"}},
	{Group: "apps", Kind: "DaemonSet"}:   {{Kind: "Pod"}, {Group: "apps", Kind: "ControllerRevision"}},
	{Group: "batch", Kind: "CronJob"}:    {{Group: "batch", Kind: "Job"}},
	{Group: "batch", Kind: "Job"}:        {{Kind: "Pod"}},
	{Kind: "ReplicationController"}:      {{Kind: "Pod"}},
	{Kind: "Service"}:                    {{Group: "discovery.k8s.io", Kind: "EndpointSlice"}},
	{Kind: "Pod"}:                        {{Kind: "PersistentVolumeClaim"}}, // ephemeral volumes
}

// mayMake returns the kinds that may be below an object of a kind; all says that it may be any.
func mayMake(k object.GroupKind) (kinds []object.GroupKind, all bool) {
	if kinds, ok := offspring[k]; ok {
		return kinds, false
	}
	return nil, strings.Contains(k.Group, ".") && !strings.HasSuffix(k.Group, ".k8s.io")
}

// descend looks through the kinds that may be below what was found, until there is nothing more to be found.
func (s *search) descend(ctx context.Context, namespaces []string) error {
	in := map[string]bool{}
	for _, o := range s.found {
		if o.Namespace() != "" {
			in[o.Namespace()] = true
		} else if _, all := mayMake(o.Key().GroupKind()); all {
			for _, n := range namespaces {
				in[n] = true
			}
		}
	}
	var candidates []object.Object
	for {
		todo := s.next()
		if len(todo) == 0 {
			return nil
		}
		some, err := s.look(ctx, todo, in)
		if err != nil {
			return err
		}
		candidates = s.adopt(append(candidates, some...))
	}
}

// kindToDo is a kind to look through. Usual ones are told of if they may not be listed.
type kindToDo struct {
	object.Resource
	usual bool
}

// next returns the kinds that may be below what was found and were not looked through.
func (s *search) next() []kindToDo {
	usual := map[object.GroupKind]bool{}
	anything := false
	for _, o := range s.found {
		kinds, all := mayMake(o.Key().GroupKind())
		anything = anything || all
		for _, k := range kinds {
			usual[k] = true
		}
	}
	var todo []kindToDo
	for _, r := range s.kinds {
		k := r.GroupKind()
		if s.done[k] || !r.Namespaced || silent(r.GVK) || !usual[k] && !anything {
			continue
		}
		s.done[k] = true
		todo = append(todo, kindToDo{r, usual[k]})
	}
	return todo
}

// look lists kinds in namespaces, and returns what has an owner.
func (s *search) look(ctx context.Context, todo []kindToDo, namespaces map[string]bool) ([]object.Object, error) {
	var mu sync.Mutex
	var owned []object.Object
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, kind := range todo {
		for namespace := range namespaces {
			g.Go(func() error {
				objs, err := s.listIn(ctx, kind.Resource, "", namespace)
				mu.Lock()
				defer mu.Unlock()
				if apierrors.IsForbidden(err) {
					if kind.usual {
						s.below[kind.Plural] = true
					}
					return nil
				}
				for _, o := range objs {
					if len(kin.Refs(o)) > 0 {
						owned = append(owned, o)
					}
				}
				return ignore(err)
			})
		}
	}
	return owned, g.Wait()
}

// adopt keeps the candidates that belong to something that was found, and returns the others.
func (s *search) adopt(candidates []object.Object) []object.Object {
	for {
		before := len(s.found)
		candidates = slices.DeleteFunc(candidates, func(o object.Object) bool {
			belongs := slices.ContainsFunc(kin.Refs(o), func(r kin.Ref) bool { _, ok := s.found[r.UID]; return ok })
			if belongs {
				s.found[o.UID()] = o
			}
			return belongs
		})
		if len(s.found) == before {
			return candidates
		}
	}
}

// few is how many objects of a kind in a namespace are read one by one.
const few = 20

// fill reads the rest of the objects whose health depends on it. What is gone meanwhile is left out; what may not be read stays as it is.
func (s *search) fill(ctx context.Context, whole bool) ([]object.Object, error) {
	type shelf struct {
		gvk       object.GVK
		namespace string
	}
	shelves := map[shelf][]object.Object{}
	var out []object.Object
	for _, o := range s.found {
		if bare(o.GVK()) && !whole {
			out = append(out, o)
			continue
		}
		at := shelf{o.GVK(), o.Namespace()}
		shelves[at] = append(shelves[at], o)
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	put := func(objs []object.Object, err error) error {
		mu.Lock()
		defer mu.Unlock()
		out = append(out, objs...)
		return err
	}
	for at, objs := range shelves {
		if len(objs) > few {
			g.Go(func() error { return put(s.whole(ctx, s.kind(at.gvk), at.namespace, objs)) })
			continue
		}
		for _, o := range objs {
			g.Go(func() error { return put(s.one(ctx, o)) })
		}
	}
	err := g.Wait()
	return out, err
}

// one reads an object.
func (s *search) one(ctx context.Context, o object.Object) ([]object.Object, error) {
	full, err := s.c.whole(ctx, s.kind(o.GVK()), o.Namespace(), o.Name())
	switch {
	case absent.Object(err):
		return nil, nil
	case apierrors.IsForbidden(err):
		return []object.Object{o}, nil
	case err != nil:
		return nil, err
	}
	return []object.Object{full}, nil
}

// whole reads many objects of a kind in a namespace, by lists.
func (s *search) whole(ctx context.Context, kind object.Resource, namespace string, objs []object.Object) ([]object.Object, error) {
	wanted := map[string]bool{}
	for _, o := range objs {
		wanted[o.UID()] = true
	}
	var out []object.Object
	options := metav1.ListOptions{Limit: page}
	for {
		list, err := s.c.objects.Resource(gvr(kind)).Namespace(namespace).List(ctx, options)
		if apierrors.IsForbidden(err) {
			return objs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Plural, err)
		}
		for i := range list.Items {
			if wanted[string(list.Items[i].GetUID())] {
				out = append(out, object.New(list.Items[i].Object))
			}
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return out, nil
		}
	}
}

func (s *search) kind(gvk object.GVK) object.Resource {
	i := slices.IndexFunc(s.kinds, func(r object.Resource) bool { return r.GVK == gvk })
	return s.kinds[i]
}
