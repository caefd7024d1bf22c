package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/restart"
)

// cmdSame compares the objects of a file with the cluster: every field of the file has its value there, and every leaf that Fairlead owns there is in the
// file, but for its marks. Quantities are compared by their value.
func (s *script) cmdSame(_ bool, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	all, err := s.manifests(args[0])
	if err != nil {
		return err
	}
	var problems []error
	for _, want := range all {
		kind := want.GetKind()
		if g := want.GroupVersionKind().Group; g != "" {
			kind += "." + g
		}
		ref := kind + "/" + want.GetName()
		live, err := w.Objects.Get(s.ctx(), s.namespace, ref)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", ref, err))
			continue
		}
		if err := compareObjects(want, live); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", ref, err))
		}
	}
	return errors.Join(problems...)
}

// manifests are the objects of a file, of which there has to be one.
func (s *script) manifests(file string) (all []*unstructured.Unstructured, err error) {
	dec := yaml.NewYAMLOrJSONDecoder(strings.NewReader(s.ts.ReadFile(file)), 4096)
	for {
		o := &unstructured.Unstructured{}
		switch err := dec.Decode(&o.Object); {
		case errors.Is(err, io.EOF) && len(all) == 0:
			return nil, fmt.Errorf("%s has no object", file)
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", file, err)
		case len(o.Object) > 0:
			all = append(all, o)
		}
	}
}

// cmdAlike compares files: the objects of the first are those of the others together, field for field, in any order: alike FILE FILE...
func (s *script) cmdAlike(neg bool, args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	one, err := s.printed(args[:1])
	if err != nil {
		return err
	}
	others, err := s.printed(args[1:])
	if err != nil {
		return err
	}
	switch d := cmp.Diff(one, others); {
	case d == "" && neg:
		return errors.New("they have the same objects")
	case d != "" && !neg:
		return fmt.Errorf("other objects are in %s than in %s:\n%s", strings.Join(args[1:], " and "), args[0], d)
	}
	return nil
}

// printed are the objects of files, by what they are, and each of them once.
func (s *script) printed(files []string) (map[string]any, error) {
	out := map[string]any{}
	for _, file := range files {
		all, err := s.manifests(file)
		if err != nil {
			return nil, err
		}
		for _, o := range all {
			key := strings.Join([]string{o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName()}, " ")
			if _, twice := out[key]; twice {
				return nil, fmt.Errorf("%s: %s is there twice", file, key)
			}
			out[key] = o.Object
		}
	}
	return out, nil
}

func compareObjects(want, live *unstructured.Unstructured) error {
	problems := []error{within(want.Object, live.Object, "")}
	owned := &fieldpath.Set{}
	for _, e := range live.GetManagedFields() {
		if e.Manager == app.Manager && e.Operation == "Apply" {
			if err := owned.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes())); err != nil {
				return err
			}
		}
	}
	if owned.Empty() {
		problems = append(problems, errors.New("fairlead owns nothing of it"))
	}
	owned.Leaves().Iterate(func(p fieldpath.Path) {
		text := p.String()
		mark := strings.HasPrefix(text, ".metadata.labels.fairlead.dev/") || strings.HasSuffix(text, ".metadata.annotations."+restart.Annotation)
		if !mark && !has(want.Object, p) {
			problems = append(problems, fmt.Errorf("fairlead owns %s, which is not in Git", text))
		}
	})
	return errors.Join(problems...)
}

// within says where live lacks something of want. The items of lists are compared in their order.
func within(want, live any, at string) error {
	switch x := want.(type) {
	case map[string]any:
		y, ok := live.(map[string]any)
		if !ok && len(x) > 0 {
			return fmt.Errorf("%s is %v, want %v", at, live, want)
		}
		var problems []error
		for k, v := range x {
			if at == "" && k == "stringData" {
				continue
			}
			problems = append(problems, within(v, y[k], at+"."+k))
		}
		return errors.Join(problems...)
	case []any:
		y, ok := live.([]any)
		if !ok || len(x) != len(y) {
			return fmt.Errorf("%s is %v, want %v", at, live, want)
		}
		var problems []error
		for i := range x {
			problems = append(problems, within(x[i], y[i], fmt.Sprintf("%s[%d]", at, i)))
		}
		return errors.Join(problems...)
	}
	if fmt.Sprint(want) == fmt.Sprint(live) || live == nil && (want == nil || want == "" || want == false || fmt.Sprint(want) == "0") {
		return nil // the server leaves zero values out
	}
	a, errA := resource.ParseQuantity(fmt.Sprint(want))
	b, errB := resource.ParseQuantity(fmt.Sprint(live))
	if errA == nil && errB == nil && a.Cmp(b) == 0 {
		return nil
	}
	return fmt.Errorf("%s is %v, want %v", at, live, want)
}

// has reports whether a path leads to a field.
func has(v any, path fieldpath.Path) bool {
	for _, e := range path {
		switch {
		case e.FieldName != nil:
			m, _ := v.(map[string]any)
			next, ok := m[*e.FieldName]
			if !ok {
				return false
			}
			v = next
		case e.Key != nil:
			found := false
			list, _ := v.([]any)
			for _, item := range list {
				m, _ := item.(map[string]any)
				matches := m != nil
				for _, k := range *e.Key {
					got, given := m[k.Name]
					// A key that was not given is what the schema says: protocol TCP.
					matches = matches && (!given || fmt.Sprint(got) == fmt.Sprint(k.Value.Unstructured()))
				}
				if matches {
					v, found = item, true
					break
				}
			}
			if !found {
				return false
			}
		}
	}
	return true
}
