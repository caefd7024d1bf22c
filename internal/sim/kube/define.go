package kube

import (
	"slices"
)

// define1 does one step for a CustomResourceDefinition: it is established, or, if it is being deleted, one of its objects is, and at last the definition.
func (s *Server) define1() bool {
	for _, crd := range s.those(definitions, func(st *state) bool { return st.ending() || !s.is(st, "Established") }) {
		if crd.state.ending() {
			if s.undefine(crd) {
				return true
			}
			continue
		}
		next := crd.state.copied()
		next.edit("status")["acceptedNames"] = crd.state.at("spec", "names")
		if !s.is(next, "NamesAccepted") {
			s.condition(next, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
		}
		s.condition(next, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
		s.commit(crd.key, crd.state, next)
		return true
	}
	return false
}

func (s *Server) undefine(crd item) bool {
	finalizers := crd.state.GetFinalizers()
	if !slices.Contains(finalizers, cleanup) {
		return false
	}
	empty := true
	for _, k := range s.kinds {
		if k.custom && k.plural+"."+k.gvk.Group == crd.key.name.name {
			for _, i := range s.all(k.group()) {
				empty = false
				if !i.state.ending() && s.delete(i, "Background") {
					return true
				}
			}
			break
		}
	}
	return empty && s.finalize(crd, slices.DeleteFunc(finalizers, func(f string) bool { return f == cleanup }))
}

// define serves the kinds that a CustomResourceDefinition defines in a new state, which is nil if it is gone, and no others.
func (s *Server) define(k key, next *state) {
	for gvr, old := range s.kinds {
		if old.custom && gvr.Resource+"."+gvr.Group == k.name.name {
			delete(s.kinds, gvr)
		}
	}
	if next == nil || !s.is(next, "Established") {
		return
	}
	kinds, err := customKinds(next)
	if err != nil {
		return // as a real server does with a schema that it cannot serve
	}
	for _, k := range kinds {
		s.kinds[k.gvk.GroupVersion().WithResource(k.plural)] = k
	}
}

// terminating reports whether the definition of a custom kind is being deleted.
func (s *Server) terminating(k *kind) bool {
	crd := s.live(key{definitions, name{name: k.plural + "." + k.gvk.Group}})
	return crd != nil && s.is(crd, "Terminating")
}

// is reports whether a condition is true.
func (s *Server) is(st *state, condition string) bool {
	list, _ := st.at("status", "conditions").([]any)
	return slices.ContainsFunc(list, func(v any) bool {
		m, _ := v.(map[string]any)
		return m["type"] == condition && m["status"] == "True"
	})
}

// condition sets one.
func (s *Server) condition(st *state, t, value, reason, message string) {
	status := st.edit("status")
	list, _ := status["conditions"].([]any)
	list = slices.DeleteFunc(slices.Clone(list), func(v any) bool {
		m, _ := v.(map[string]any)
		return m["type"] == t
	})
	status["conditions"] = append(list, map[string]any{
		"type": t, "status": value, "reason": reason, "message": message, "lastTransitionTime": s.stamp(),
	})
}
