package kube

import (
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// remove deletes an object, or marks it if something still has to be done before. It returns the state that the deletion left, which is the last one if the
// object is gone.
func (s *Server) remove(t target, o metav1.DeleteOptions) (*state, error) {
	k, dry := t.kind, len(o.DryRun) > 0
	live := s.live(t.key())
	if live == nil {
		return nil, apierrors.NewNotFound(k.group(), t.name.name)
	}
	if k.isNamespace() && (t.name.name == metav1.NamespaceDefault || t.name.name == metav1.NamespaceSystem || t.name.name == metav1.NamespacePublic) {
		return nil, apierrors.NewForbidden(k.group(), t.name.name, fmt.Errorf("this namespace may not be deleted"))
	}
	if err := t.preconditions(live, o.Preconditions); err != nil {
		return nil, err
	}
	if k.isNamespace() || k.isDefinition() {
		if !live.ending() {
			return s.terminate(t, live, o, dry), nil
		}
		if k.finalizing(live) {
			return live, nil
		}
	}
	finalizers := finalizersFor(k, live, o)
	if len(finalizers) == 0 {
		if !dry {
			s.commit(t.key(), live, nil)
		}
		return live, nil
	}
	next := live.copied()
	setFinalizers(next, finalizers)
	s.mark(next)
	if next.same(live) {
		return live, nil
	}
	if !dry {
		s.commit(t.key(), live, next)
	}
	return next, nil
}

func (t target) preconditions(live *state, p *metav1.Preconditions) error {
	if p == nil {
		return nil
	}
	resource := t.kind.group()
	resource.Resource = t.kind.gvk.Kind // as the API server words it
	if p.UID != nil && *p.UID != live.GetUID() {
		if t.kind.isNamespace() || t.kind.isDefinition() {
			return t.conflict("", "UID", *p.UID, live.GetUID())
		}
		return apierrors.NewConflict(resource, t.name.name, fmt.Errorf("the UID in the precondition (%s) does not match the UID in record (%s). "+
			"The object might have been deleted and then recreated", *p.UID, live.GetUID()))
	}
	if is := live.GetResourceVersion(); p.ResourceVersion != nil && *p.ResourceVersion != is {
		if t.kind.isNamespace() || t.kind.isDefinition() {
			return t.conflict("", "ResourceVersion", types.UID(*p.ResourceVersion), types.UID(is))
		}
		return apierrors.NewConflict(resource, t.name.name, fmt.Errorf("the ResourceVersion in the precondition (%s) does not match the ResourceVersion "+
			"in record (%s). The object might have been modified", *p.ResourceVersion, is))
	}
	return nil
}

// terminate begins to end a namespace or a CustomResourceDefinition, what is within goes first.
func (s *Server) terminate(t target, live *state, o metav1.DeleteOptions, dry bool) *state {
	next := live.copied()
	next.edit("metadata")["deletionTimestamp"] = s.stamp()
	if t.kind.isNamespace() {
		next.edit("status")["phase"] = "Terminating"
		setFinalizers(next, finalizersFor(t.kind, live, o))
	} else {
		if !slices.Contains(live.GetFinalizers(), cleanup) {
			setFinalizers(next, append(live.GetFinalizers(), cleanup))
		}
		s.condition(next, "Terminating", "True", "InstanceDeletionPending", "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon")
	}
	if !dry {
		s.commit(t.key(), live, next)
	}
	return next
}

// cleanup holds a CustomResourceDefinition until its objects are gone.
const cleanup = "customresourcecleanup.apiextensions.k8s.io"

// mark notes in an object that it is being deleted.
func (s *Server) mark(next *state) {
	m := next.edit("metadata")
	if m["deletionTimestamp"] == nil {
		if generation, _ := m["generation"].(int64); generation > 0 {
			m["generation"] = generation + 1
		}
		m["deletionTimestamp"] = s.stamp()
	}
	m["deletionGracePeriodSeconds"] = int64(0)
}

// finalizersFor are the finalizers that an object has once its deletion was asked for: those of the garbage collector are as the request wants them.
func finalizersFor(k *kind, live *state, o metav1.DeleteOptions) []string {
	has := live.GetFinalizers()
	orphan, foreground := k.orphans, false
	switch {
	case o.OrphanDependents != nil: //nolint:staticcheck // clients still send it
		orphan = *o.OrphanDependents //nolint:staticcheck // clients still send it
	case o.PropagationPolicy != nil:
		orphan, foreground = *o.PropagationPolicy == metav1.DeletePropagationOrphan, *o.PropagationPolicy == metav1.DeletePropagationForeground
	case slices.Contains(has, metav1.FinalizerOrphanDependents):
		orphan = true
	case slices.Contains(has, metav1.FinalizerDeleteDependents):
		orphan, foreground = false, true
	}
	out := slices.DeleteFunc(slices.Clone(has), func(f string) bool {
		return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
	})
	if orphan {
		out = append(out, metav1.FinalizerOrphanDependents)
	}
	if foreground {
		out = append(out, metav1.FinalizerDeleteDependents)
	}
	return out
}

func setFinalizers(s *state, finalizers []string) {
	m := s.edit("metadata")
	if len(finalizers) == 0 {
		delete(m, "finalizers")
		return
	}
	list := make([]any, 0, len(finalizers))
	for _, f := range finalizers {
		list = append(list, f)
	}
	m["finalizers"] = list
}
