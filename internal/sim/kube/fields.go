package kube

import (
	"fmt"
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
		return c.types.ObjectToTyped(obj, opts...)
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
	if s.raw {
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

// New implements runtime.ObjectCreater.
func (c converter) New(schema.GroupVersionKind) (runtime.Object, error) { return c.kind.empty, nil }

// update notes in the managedFields of next what manager changes by writing it over live.
func (k *kind) update(sub string, live, next *state, manager string, now time.Time) *state {
	times := timesOf(live, next)
	out, ok := k.keepers[sub].UpdateNoErrors(live, next, manager).(*state)
	if !ok {
		panic("a field manager made another object of a state")
	}
	out.stamp(times, now)
	return out
}

// apply merges what manager wants into live.
func (k *kind) apply(sub string, live *state, want *unstructured.Unstructured, manager string, force bool, now time.Time) (*state, error) {
	times := timesOf(live)
	out, err := k.keepers[sub].Apply(live, want, manager, force)
	if err != nil {
		return nil, err
	}
	s, ok := out.(*state)
	if !ok {
		panic("a field manager made another object of a state")
	}
	if s == live {
		s = live.copied()
	}
	s.stamp(times, now)
	return s, nil
}

func timesOf(states ...*state) []*metav1.Time {
	var times []*metav1.Time
	for _, s := range states {
		for _, e := range s.managed {
			times = append(times, e.Time)
		}
	}
	return times
}

// stamp replaces the times that a field manager took from the machine's clock, which are those that were not there before, and sorts as it does.
func (s *state) stamp(before []*metav1.Time, now time.Time) {
	s.managed = slices.Clone(s.managed)
	for i, e := range s.managed {
		if e.Time != nil && !slices.Contains(before, e.Time) {
			s.managed[i].Time = &metav1.Time{Time: now.UTC().Truncate(time.Second)}
		}
	}
	slices.SortFunc(s.managed, func(a, b metav1.ManagedFieldsEntry) int {
		if c := strings.Compare(string(a.Operation), string(b.Operation)); c != 0 {
			return c
		}
		if x, y := seconds(a.Time), seconds(b.Time); x != y {
			return int(x - y)
		}
		for _, p := range [][2]string{{a.Manager, b.Manager}, {a.APIVersion, b.APIVersion}, {a.Subresource, b.Subresource}} {
			if c := strings.Compare(p[0], p[1]); c != 0 {
				return c
			}
		}
		return 0
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
