package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// parse reads a kustomization file: its content as Kustomize understands it, and its lines.
func (g *graph) parse(k *kustomization) error {
	data, err := g.files.read(k.file)
	if err != nil {
		return err
	}
	values, err := object.Values(k.file, data)
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return place{k.file, 1}.errorf("the kustomization is empty: list the app's files under resources")
	}
	if len(values) > 1 {
		return place{k.file, 1}.errorf("a kustomization is one document, found %d", len(values))
	}
	docs, err := object.Documents(k.file, data)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		if doc.Kind == yaml.MappingNode {
			k.root = doc
		}
	}
	if k.root == nil {
		return place{k.file, 1}.errorf("a kustomization is a map of fields such as resources")
	}
	if err := k.unknown(k.root, reflect.TypeFor[types.Kustomization](), ""); err != nil {
		return err
	}
	if err := k.notYet(); err != nil {
		return err
	}
	return k.decode(data)
}

// decode reads the fields with Kustomize's own decoder, from the very bytes that Kustomize will get.
func (k *kustomization) decode(data []byte) error {
	asJSON, err := k8syaml.YAMLToJSON(data)
	if err != nil {
		return place{k.file, 0}.errorf("%s", oneLine(err))
	}
	if k.checked, err = current(asJSON); err != nil {
		return place{k.file, 0}.errorf("%s", oneLine(err))
	}
	err = k.spec.Unmarshal(k.checked)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		field, _, _ := strings.Cut(wrong.Field, ".")
		return k.at(field, -1, "").errorf("%s cannot be %s: check the indentation and quotes", wrong.Field, an(wrong.Value))
	}
	if err != nil {
		return place{k.file, 0}.errorf("%s", oneLine(err))
	}
	return nil
}

func an(what string) string {
	switch what {
	case "array":
		return "a list"
	case "object":
		return "a map"
	case "bool":
		return "a boolean"
	}
	return "a " + what
}

// current moves fields that Kustomize has renamed to where it would move them itself: it would print a warning each time.
func current(asJSON []byte) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(asJSON, &fields); err != nil {
		return nil, err
	}
	for old, now := range map[string]string{"bases": "resources", "imageTags": "images"} {
		var was, is []json.RawMessage
		if fields[old] == nil || json.Unmarshal(fields[old], &was) != nil || json.Unmarshal(orNull(fields[now]), &is) != nil {
			continue
		}
		moved, err := json.Marshal(append(is, was...))
		if err != nil {
			return nil, err
		}
		fields[now] = moved
		delete(fields, old)
	}
	return json.Marshal(fields)
}

func orNull(m json.RawMessage) json.RawMessage {
	if m == nil {
		return json.RawMessage("null")
	}
	return m
}

// notYet refuses the old field for charts.
func (k *kustomization) notYet() error {
	if key, _ := pair(k.root, "helmChartInflationGenerator"); key != nil {
		return place{k.file, key.Line}.errorf("helmChartInflationGenerator is deprecated: write the charts under helmCharts (kustomize edit fix does it)")
	}
	return nil
}

// unknown refuses a field that t does not have, at any depth. Kustomize does so too, but without the line.
func (k *kustomization) unknown(n *yaml.Node, t reflect.Type, where string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	switch {
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for _, item := range n.Content {
			if err := k.unknown(item, t.Elem(), where); err != nil {
				return err
			}
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		fields := map[string]reflect.Type{}
		jsonFields(t, fields)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			ft, ok := fields[key.Value]
			if !ok && key.ShortTag() != "!!merge" {
				return k.unknownField(key, where, fields)
			}
			if ok {
				if err := k.unknown(n.Content[i+1], ft, key.Value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (k *kustomization) unknownField(key *yaml.Node, where string, fields map[string]reflect.Type) error {
	var known []string
	for name := range fields {
		known = append(known, name)
	}
	hint := ""
	if name, ok := nearest.Of(key.Value, known); ok {
		hint = fmt.Sprintf(": did you mean %q?", name)
	}
	if where != "" {
		where = " in " + where
	}
	return place{k.file, key.Line}.errorf("unknown field %q%s%s", key.Value, where, hint)
}

// jsonFields collects the fields of a struct as encoding/json knows them.
func jsonFields(t reflect.Type, out map[string]reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		ft := f.Type
		for ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case name != "":
			out[name] = f.Type
		case f.Anonymous && ft.Kind() == reflect.Struct:
			jsonFields(ft, out)
		default:
			out[f.Name] = f.Type
		}
	}
}

// oneLine makes one line of an error of Kustomize's and takes our mount out of it.
func oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), mount+"/", "")
	return strings.Join(strings.Fields(strings.ReplaceAll(text, mount, ".")), " ")
}
