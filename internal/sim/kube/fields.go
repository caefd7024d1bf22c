package kube

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// keepers are the field managers of a kind, which are the API server's own, by subresource.
type keepers map[string]*managedfields.FieldManager

// newKeepers makes the field managers of a kind. Types holds its schema; resets names the fields that a write to each subresource does not change.
func newKeepers(k *kind, types managedfields.TypeConverter, resets map[string][]string) (keepers, error) {
	newManager := managedfields.NewDefaultFieldManager
	if k.custom {
		newManager = managedfields.NewDefaultCRDFieldManager
	}
	c := converter{kind: k, types: types}
	out := keepers{}
	for sub, fields := range resets {
		set := fieldpath.NewSet()
		for _, f := range fields {
			path := fieldpath.Path{}
			for name := range strings.SplitSeq(f, ".") {
				path = append(path, fieldpath.PathElement{FieldName: &name})
			}
			set.Insert(path)
		}
		reset := fieldpath.NewExcludeFilterSetMap(map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(k.apiVersion()): set})
		m, err := newManager(c, c, c, c, k.gvk, k.gvk.GroupVersion(), sub, reset)
		if err != nil {
			return nil, fmt.Errorf("keep fields of %s: %w", k.gvk.Kind, err)
		}
		out[sub] = m
	}
	return out, nil
}

// converter lets the field managers work on states.
type converter struct {
	kind  *kind
	types managedfields.TypeConverter
}

// ObjectToTyped implements managedfields.TypeConverter.
func (c converter) ObjectToTyped(obj runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	s, ok := obj.(*state)
	if !ok {
		v, err := c.types.ObjectToTyped(obj, opts...)
		if u, ok := obj.(*unstructured.Unstructured); ok && err != nil {
			err = c.blame(u, err, opts...)
		}
		return v, err
	}
	if known := s.typed.Load(); known != nil {
		return known, nil
	}
	v, err := c.types.ObjectToTyped(&s.Unstructured, opts...)
	if err == nil && !s.raw {
		s.typed.Store(v)
	}
	return v, err
}

// blame finds one fault of several in an object, always the same: the check walks through maps as they come.
func (c converter) blame(u *unstructured.Unstructured, found error, opts ...typed.ValidationOptions) error {
	only := map[string]any{"apiVersion": u.Object["apiVersion"], "kind": u.Object["kind"]}
	at, whole := only, u.Object
	for whole != nil {
		var deeper map[string]any
		for _, name := range slices.Sorted(maps.Keys(whole)) {
			if name == "apiVersion" || name == "kind" {
				continue
			}
			at[name] = whole[name]
			_, err := c.types.ObjectToTyped(&unstructured.Unstructured{Object: only}, opts...)
			if err != nil {
				found = err
				if below, ok := whole[name].(map[string]any); ok {
					deeper = map[string]any{}
					at[name], at, whole = deeper, deeper, below
				}
				break
			}
			delete(at, name)
		}
		if deeper == nil {
			return found
		}
	}
	return found
}

// TypedToObject implements managedfields.TypeConverter.
func (c converter) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	content, ok := v.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a %T is no object", v.AsValue().Unstructured())
	}
	s := newState(content, nil)
	s.raw = true
	return s, nil
}

// ConvertToVersion implements runtime.ObjectConvertor: what was merged becomes what the server would have decoded.
func (c converter) ConvertToVersion(in runtime.Object, to runtime.GroupVersioner) (runtime.Object, error) {
	s, ok := in.(*state)
	if !ok {
		return in, nil
	}
	gv, ok := to.(schema.GroupVersion)
	if !ok || gv.Group != c.kind.gvk.Group || gv != c.kind.gvk.GroupVersion() && !slices.Contains(c.kind.versions, gv.Version) {
		return nil, runtime.NewNotRegisteredErrForTarget("the simulated API server", nil, to)
	}
	switch {
	case s.raw && c.kind.merged != nil:
		s = newState(c.kind.merged(s.Object), s.managed)
		s.coarse = true
	case s.raw:
		content, _, err := c.kind.decode(s.Object)
		if err != nil {
			return nil, fmt.Errorf("unable to convert unstructured object to %v: %w", c.kind.gvk, err)
		}
		s = newState(content, s.managed)
	}
	if s.GetAPIVersion() == gv.String() {
		return s, nil
	}
	out := newState(shallow(s.Object), s.managed)
	out.Object["apiVersion"] = gv.String()
	return out, nil
}

// Convert implements runtime.ObjectConvertor.
func (converter) Convert(in, _, _ any) error { return fmt.Errorf("convert %T: only by version", in) }

// ConvertFieldLabel implements runtime.ObjectConvertor.
func (converter) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

// Default implements runtime.ObjectDefaulter: decoding has done it.
func (converter) Default(runtime.Object) {}

// New implements runtime.ObjectCreater. The field managers write the kind into what they are given: it is their own.
func (c converter) New(schema.GroupVersionKind) (runtime.Object, error) {
	own := newState(shallow(c.kind.empty.Object), nil)
	own.typed.Store(c.kind.empty.typed.Load())
	return own, nil
}

// update notes in the managedFields of next what manager changes by writing it over live.
func (k *kind) update(sub string, live, next *state, manager string, at time.Time) *state {
	var before []*metav1.Time
	for _, e := range slices.Concat(live.managed, next.managed) {
		before = append(before, e.Time)
	}
	out := k.manage(sub, live, next, manager)
	out.managed = slices.Clone(out.managed)
	for i, e := range out.managed {
		if e.Time != nil && !slices.Contains(before, e.Time) { // it is from the machine's clock
			out.managed[i].Time = &metav1.Time{Time: at}
		}
	}
	out.sort()
	return out
}

// manage is update with times of the machine's clock.
func (k *kind) manage(sub string, live, next *state, manager string) *state {
	out, ok := k.keepers[sub].UpdateNoErrors(live, next, manager).(*state)
	if !ok {
		panic("a field manager made another object of a state")
	}
	return out
}

// apply merges what manager wants into live, with times of the machine's clock.
func (k *kind) apply(sub string, live *state, want *unstructured.Unstructured, manager string, force bool) (*state, error) {
	out, err := k.keepers[sub].Apply(live, want, manager, force)
	if err != nil {
		return nil, err
	}
	s, ok := out.(*state)
	if !ok {
		panic("a field manager made another object of a state")
	}
	return s, nil
}

// sort puts the managedFields into the order that the API server has them in.
func (s *state) sort() {
	slices.SortFunc(s.managed, func(a, b metav1.ManagedFieldsEntry) int {
		return cmp.Or(
			cmp.Compare(a.Operation, b.Operation), cmp.Compare(seconds(a.Time), seconds(b.Time)),
			cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.APIVersion, b.APIVersion), cmp.Compare(a.Subresource, b.Subresource),
		)
	})
}

func seconds(t *metav1.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

// keepTimes undoes a change of the managedFields that is one of times alone, as the API server does.
func (s *state) keepTimes(live *state) {
	if len(s.managed) == 0 || !slices.EqualFunc(s.managed, live.managed, sameEntry) || !equal(s.Object, live.Object) {
		return
	}
	s.managed = live.managed
}
