package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fairlead-cd/fairlead/internal/app"
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
	var problems []error
	dec := yaml.NewYAMLOrJSONDecoder(strings.NewReader(s.ts.ReadFile(args[0])), 4096)
	n := 0
	for {
		want := &unstructured.Unstructured{}
		if err := dec.Decode(&want.Object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if len(want.Object) == 0 {
			continue
		}
		n++
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
	if n == 0 {
		return fmt.Errorf("%s has no object", args[0])
	}
	return errors.Join(problems...)
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
		if !strings.HasPrefix(text, ".metadata.labels.fairlead.dev/") && !has(want.Object, p) {
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
