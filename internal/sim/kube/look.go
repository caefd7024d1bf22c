package kube

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Change is one write, as somebody sees it who sees all. The objects are the server's own, without managedFields: they must not be changed.
type Change struct {
	// Revision is the resourceVersion that the write made.
	Revision        int64
	Resource        schema.GroupResource
	Namespace, Name string
	// Before is nil for a creation, After for a deletion.
	Before, After *unstructured.Unstructured
}

// Changes returns the writes after a revision, oldest first, as far back as the history goes. It costs no request.
func (s *Server) Changes(after int64) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Change
	for _, c := range s.log[s.behind(after):] {
		out = append(out, Change{
			Revision: c.revision, Resource: c.key.resource, Namespace: c.key.name.namespace, Name: c.key.name.name, Before: c.old.seen(), After: c.next.seen(),
		})
	}
	return out
}

// Objects returns what exists of a resource, by namespace and name. The objects are the server's own, without managedFields: they must not be changed. It
// costs no request.
func (s *Server) Objects(r schema.GroupResource) []*unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*unstructured.Unstructured
	for _, i := range s.all(r) {
		out = append(out, i.state.seen())
	}
	return out
}

func (s *state) seen() *unstructured.Unstructured {
	if s == nil {
		return nil
	}
	return &s.Unstructured
}

// Convert fills an object of a Go type with what u holds but for managedFields, which are most of it, and which nobody asks of such an object.
func Convert(u *unstructured.Unstructured, into any) error {
	content := u.Object
	if metadata, _ := content["metadata"].(map[string]any); metadata["managedFields"] != nil {
		content, metadata = shallow(content), shallow(metadata)
		delete(metadata, "managedFields")
		content["metadata"] = metadata
	}
	return objectOf(content, into)
}

// Resources are those of which there is, or was, an object, in order.
func (s *Server) Resources() []schema.GroupResource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resources()
}
