package kube

import (
	"slices"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// state is one state of an object: its content, and apart from it the managedFields, which the field managers read as values.
//
// Invariant: once stored, a state never changes, and neither does anything its content reaches: states share what is equal, between servers, too.
// Who makes a state of another edits it by edit alone.
type state struct {
	unstructured.Unstructured // without metadata.managedFields
	managed                   []metav1.ManagedFieldsEntry

	// stored is what is kept of it, where that lacks what every reader sees: the next write is compared with it. Else nil.
	stored map[string]any

	raw    bool // just merged: not yet as the server would have decoded it
	coarse bool // merged by an apply, which leaves what decoding would have cleaned
	own    bool // its metadata is nobody else's: until it is stored, that may be changed as it is

	typed atomic.Pointer[typed.TypedValue]
	whole atomic.Pointer[map[string]any]
	sum   atomic.Pointer[digest]
}

func newState(content map[string]any, managed []metav1.ManagedFieldsEntry) *state {
	return &state{Unstructured: unstructured.Unstructured{Object: content}, managed: managed}
}

// GetManagedFields implements metav1.Object.
func (s *state) GetManagedFields() []metav1.ManagedFieldsEntry { return s.managed }

// SetManagedFields implements metav1.Object.
func (s *state) SetManagedFields(managed []metav1.ManagedFieldsEntry) { s.managed = managed }

// DeepCopyObject returns a state whose metadata may be set; all else is shared.
func (s *state) DeepCopyObject() runtime.Object { return s.copied() }

func (s *state) copied() *state {
	c := newState(shallow(s.Object), s.managed)
	c.Object["metadata"], c.own = shallow(s.metadata()), true
	return c
}

func (s *state) metadata() map[string]any {
	m, _ := s.Object["metadata"].(map[string]any)
	return m
}

// ending reports whether the object is being deleted.
func (s *state) ending() bool { return s.metadata()["deletionTimestamp"] != nil }

// at returns what is at a path of maps, nil if there is nothing.
func (s *state) at(path ...string) any {
	var v any = s.Object
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// edit returns the map at a path, its own of this state down from the root, so that it may be changed.
func (s *state) edit(path ...string) map[string]any {
	m := s.Object
	for i, name := range path {
		if i == 0 && name == "metadata" {
			m = s.ownMetadata()
			continue
		}
		child, _ := m[name].(map[string]any)
		child = shallow(child)
		m[name] = child
		m = child
	}
	return m
}

func (s *state) ownMetadata() map[string]any {
	if is := s.metadata(); is != nil && s.own {
		return is
	}
	m := shallow(s.metadata())
	s.Object["metadata"], s.own = m, true
	return m
}

// put sets a field of a map, or removes it if there is no value.
func put(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

// answer returns the object as a client gets it: its own, unless it is shared by all who ask.
func (s *Server) answer(st *state, k *kind) *unstructured.Unstructured {
	content := st.read(k.apiVersion(), s.memo)
	if !s.o.Shared {
		content = runtime.DeepCopyJSON(content)
	}
	return &unstructured.Unstructured{Object: content}
}

// read returns the content as clients read it, with managedFields.
func (s *state) read(apiVersion string, m *memo) map[string]any {
	whole := s.whole.Load()
	if whole == nil {
		content := s.Object
		if len(s.managed) > 0 {
			content = shallow(content)
			metadata := shallow(s.metadata())
			metadata["managedFields"] = m.managedFields(s.managed)
			content["metadata"] = metadata
		}
		whole = &content
		s.whole.Store(whole)
	}
	if (*whole)["apiVersion"] == apiVersion {
		return *whole
	}
	content := shallow(*whole)
	content["apiVersion"] = apiVersion
	return content
}

// same reports whether a new state is just what is kept of another, managedFields and their times included.
func (s *state) same(live *state) bool {
	kept := live.Object
	if live.stored != nil {
		kept = live.stored
	}
	return equal(s.Object, kept) && slices.EqualFunc(s.managed, live.managed, func(a, b metav1.ManagedFieldsEntry) bool {
		return a.Time.Equal(b.Time) && sameEntry(a, b)
	})
}

// sameEntry compares but for the time.
func sameEntry(a, b metav1.ManagedFieldsEntry) bool {
	if a.Manager != b.Manager || a.Operation != b.Operation || a.APIVersion != b.APIVersion || a.Subresource != b.Subresource {
		return false
	}
	return a.FieldsV1 == nil && b.FieldsV1 == nil || a.FieldsV1 != nil && b.FieldsV1 != nil && a.FieldsV1.GetRawString() == b.FieldsV1.GetRawString()
}

func shallow(m map[string]any) map[string]any {
	c := make(map[string]any, len(m)+2)
	for k, v := range m {
		c[k] = v
	}
	return c
}

// equal compares two values of JSON.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, has := b[k]
			if !has || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	}
	return a == b
}
