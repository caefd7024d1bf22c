package kube

import (
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Step does one thing that controllers of every cluster do by themselves, and reports whether there was one to do: a CustomResourceDefinition is established,
// or its objects are deleted with it; what is in a namespace that ends is deleted, and then the namespace; what has lost its owners is deleted. Which one
// comes first is always the same for the same state.
func (s *Server) Step() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle {
		return false
	}
	s.idle = !s.define1() && !s.endNamespace() && !s.collect()
	return !s.idle
}

// Settle makes all steps there are to make.
func (s *Server) Settle() {
	for s.Step() {
		continue
	}
}

// all are the objects of a resource that exist, in order.
func (s *Server) all(r schema.GroupResource) []item {
	return s.those(r, func(*state) bool { return true })
}

// those are the ones that are meant. A Step comes after every write: most of the time, none is.
func (s *Server) those(r schema.GroupResource, meant func(*state) bool) []item {
	var out []item
	for n, v := range s.objects[r] {
		if v.state != nil && meant(v.state) {
			out = append(out, item{key{r, n}, v.state})
		}
	}
	slices.SortFunc(out, func(a, b item) int { return a.key.name.compare(b.key.name) })
	return out
}

func (s *Server) resources() []schema.GroupResource {
	return slices.SortedFunc(maps.Keys(s.objects), func(a, b schema.GroupResource) int {
		return name{a.Group, a.Resource}.compare(name{b.Group, b.Resource})
	})
}

// delete deletes an object as a controller does, and reports whether that changed anything.
func (s *Server) delete(i item, policy metav1.DeletionPropagation) bool {
	k := s.kindOf(i.key.resource)
	if k == nil {
		return false
	}
	before := s.revision
	uid := i.state.GetUID()
	_, err := s.remove(target{kind: k, name: i.key.name}, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &policy,
	})
	return (err == nil || apierrors.IsNotFound(err)) && s.revision != before
}

// kindOf is a version of a resource, nil if none is served.
func (s *Server) kindOf(r schema.GroupResource) *kind {
	var found *kind
	for gvr, k := range s.kinds {
		if gvr.GroupResource() == r && (found == nil || k.gvk.Version < found.gvk.Version) {
			found = k
		}
	}
	return found
}

// endNamespace deletes one thing in a namespace that ends, or the namespace once it is empty.
func (s *Server) endNamespace() bool {
	for _, ns := range s.those(namespaces, (*state).ending) {
		empty := true
		for _, r := range s.resources() {
			for _, i := range s.all(r) {
				if i.key.name.namespace != ns.key.name.name {
					continue
				}
				empty = false
				if !i.state.ending() && s.delete(i, metav1.DeletePropagationBackground) {
					return true
				}
			}
		}
		if empty && len(ns.state.GetFinalizers()) == 0 {
			s.commit(ns.key, ns.state, nil)
			return true
		}
		if empty && ns.state.at("spec", "finalizers") != nil {
			next := ns.state.copied()
			delete(next.edit("spec"), "finalizers")
			s.commit(ns.key, ns.state, next)
			return true
		}
	}
	return false
}

// collect does one step of the garbage collector.
func (s *Server) collect() bool {
	for _, k := range slices.SortedFunc(maps.Keys(s.tied), key.compare) {
		if i := (item{k, s.live(k)}); s.released(i) || s.orphaned(i) {
			return true
		}
	}
	return false
}

// orphaned deletes an object whose owners are all gone, or one that its owner's deletion waits for.
func (s *Server) orphaned(i item) bool {
	refs := i.state.GetOwnerReferences()
	if len(refs) == 0 || i.state.ending() {
		return false
	}
	waited := false
	for _, ref := range refs {
		owner, exists := s.uids[string(ref.UID)]
		if !exists || owner.name.namespace != "" && owner.name.namespace != i.key.name.namespace {
			continue
		}
		o := s.live(owner)
		if !o.ending() || !slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents) {
			return false
		}
		waited = true
	}
	if waited {
		return s.delete(i, metav1.DeletePropagationForeground)
	}
	return s.delete(i, metav1.DeletePropagationBackground)
}

// released lets an object go on with its deletion when nothing that it owns is in the way: orphans are let go, and what is deleted before it is gone.
func (s *Server) released(i item) bool {
	if !i.state.ending() {
		return false
	}
	finalizers := i.state.GetFinalizers()
	orphan := slices.Contains(finalizers, metav1.FinalizerOrphanDependents)
	if !orphan && !slices.Contains(finalizers, metav1.FinalizerDeleteDependents) {
		return false
	}
	for _, r := range s.resources() {
		for _, d := range s.all(r) {
			refs := d.state.GetOwnerReferences()
			at := slices.IndexFunc(refs, func(ref metav1.OwnerReference) bool { return ref.UID == i.state.GetUID() })
			switch {
			case at < 0:
			case orphan:
				next := d.state.copied()
				next.SetOwnerReferences(slices.Delete(refs, at, at+1))
				if len(refs) == 1 {
					delete(next.edit("metadata"), "ownerReferences")
				}
				s.tend(d, next)
				return true
			case refs[at].BlockOwnerDeletion != nil && *refs[at].BlockOwnerDeletion:
				return false
			}
		}
	}
	left := slices.DeleteFunc(finalizers, func(f string) bool {
		return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
	})
	return s.finalize(i, left)
}

// finalize leaves an object that is being deleted with the finalizers given, and deletes it if there are none.
func (s *Server) finalize(i item, left []string) bool {
	if len(left) == 0 {
		s.commit(i.key, i.state, nil)
		return true
	}
	next := i.state.copied()
	setFinalizers(next, left)
	s.tend(i, next)
	return true
}

// tend stores what a controller made of an object.
func (s *Server) tend(i item, next *state) {
	if k := s.kindOf(i.key.resource); k != nil {
		next = k.update("", i.state, next, "kube-controller-manager", s.now())
	}
	s.commit(i.key, i.state, next)
}
