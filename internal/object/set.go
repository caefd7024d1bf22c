package object

import (
	"fmt"
	"slices"
)

// Set is a collection of objects with distinct keys. The zero Set is empty and ready to read. A Set is a value:
// treat one that you were given as read-only.
type Set struct {
	byKey map[Key]Object
}

// NewSet collects objs. Two objects of one key are an error that names both places.
func NewSet(objs ...Object) (Set, error) {
	s := Set{byKey: make(map[Key]Object, len(objs))}
	for _, o := range objs {
		k := o.Key()
		if was, twice := s.byKey[k]; twice {
			return Set{}, fmt.Errorf("%s is defined twice: in %s and in %s", k, place(was), place(o))
		}
		s.byKey[k] = o
	}
	return s, nil
}

func place(o Object) string {
	if at := o.Origin().String(); at != "" {
		return at
	}
	return "an unknown file"
}

// Len returns the number of objects.
func (s Set) Len() int { return len(s.byKey) }

// Get returns the object of key, the zero Object if the set has none.
func (s Set) Get(k Key) Object { return s.byKey[k] }

// Has reports whether the set has an object of key.
func (s Set) Has(k Key) bool { _, ok := s.byKey[k]; return ok }

// Keys returns all keys in order.
func (s Set) Keys() []Key {
	keys := make([]Key, 0, len(s.byKey))
	for k := range s.byKey {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, Key.Compare)
	return keys
}

// Objects returns all objects in the order of their keys.
func (s Set) Objects() []Object {
	objs := make([]Object, 0, len(s.byKey))
	for _, k := range s.Keys() {
		objs = append(objs, s.byKey[k])
	}
	return objs
}
