package render

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/fairlead-cd/fairlead/internal/object"
)

func (v *visitor) openAPI() error {
	spec := v.k.spec.OpenAPI
	if len(spec) == 0 {
		return nil
	}
	v.ownSchema = true
	if p, ok := spec["path"]; ok {
		_, value := pair(v.k.root, "openapi")
		at := v.k.at("openapi", -1, "")
		if key, _ := pair(value, "path"); key != nil {
			at.line = key.Line
		}
		return v.values(at, p)
	}
	return nil
}

func (v *visitor) patches() error {
	spec := &v.k.spec
	for i, p := range spec.PatchesStrategicMerge { //nolint:staticcheck // deprecated, but read: people have it
		if err := v.pathOrPatch(v.k.at("patchesStrategicMerge", i, ""), string(p)); err != nil {
			return err
		}
	}
	for i, p := range spec.PatchesJson6902 { //nolint:staticcheck // deprecated, but read: people have it
		if err := v.patch(v.k.at("patchesJson6902", i, "path"), p.Path, v.k.at("patchesJson6902", i, "patch"), p.Patch); err != nil {
			return err
		}
	}
	for i, p := range spec.Patches {
		if err := v.patch(v.k.at("patches", i, "path"), p.Path, v.k.at("patches", i, "patch"), p.Patch); err != nil {
			return err
		}
	}
	return nil
}

// patch is in a file, or written into the kustomization.
func (v *visitor) patch(pathAt place, file string, inlineAt place, inline string) error {
	if file != "" {
		name, data, err := v.file(pathAt, file)
		if err == nil {
			err = v.secrets.ofSecrets(name)
		}
		if err != nil {
			return err
		}
		return v.patchContent(place{name, 0}, data)
	}
	return v.patchContent(inlineAt, []byte(inline))
}

// pathOrPatch is the old form, in which a text is either.
func (v *visitor) pathOrPatch(at place, text string) error {
	// Kustomize tries it as a path first: "https://host/a: b" is one, though it is a map as well.
	inline := strings.Contains(text, "\n") || strings.Contains(text, ": ")
	if inline && !remote(text) {
		return v.patchContent(at, []byte(text))
	}
	return v.patch(at, text, at, "")
}

// patchContent checks that a patch is YAML and remembers which objects it is about. At has a line if it is written inline.
func (v *visitor) patchContent(at place, data []byte) error {
	file := at.file
	if at.line > 0 {
		file = object.Origin{File: at.file, Line: at.line}.String() + ": patch"
	}
	values, err := object.Values(file, data)
	if err != nil {
		return err
	}
	v.k.bytes += len(data)
	places := []place{at}
	if at.line == 0 {
		places = documentPlaces(file, data)
	}
	for i, value := range values {
		if m, ok := value.(map[string]any); ok {
			at := places[min(i, len(places)-1)]
			v.patched = append(v.patched, object.New(m).WithOrigin(object.Origin{File: at.file, Line: at.line}))
		}
	}
	return nil
}

func (v *visitor) replacements() error {
	for i, r := range v.k.spec.Replacements {
		if r.Path == "" {
			continue
		}
		if err := v.values(v.k.at("replacements", i, "path"), r.Path); err != nil {
			return err
		}
	}
	return nil
}

// generators are the ConfigMaps and Secrets that are made of files.
func (v *visitor) generators() error {
	spec := &v.k.spec
	for i, g := range spec.ConfigMapGenerator {
		v.generated("ConfigMap", g.Name, v.k.at("configMapGenerator", i, ""))
		if err := v.sources(generator{"configMapGenerator", "ConfigMap", i}, g.KvPairSources); err != nil {
			return err
		}
	}
	for i, g := range spec.SecretGenerator {
		v.generated("Secret", g.Name, v.k.at("secretGenerator", i, ""))
		if err := v.sources(generator{"secretGenerator", "Secret", i}, g.KvPairSources); err != nil {
			return err
		}
	}
	v.k.total += len(spec.ConfigMapGenerator) + len(spec.SecretGenerator)
	return nil
}

func (v *visitor) generated(kind, name string, at place) {
	o := object.New(map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name}})
	v.k.parts = append(v.k.parts, part{objs: []object.Object{o.WithOrigin(object.Origin{File: at.file, Line: at.line})}})
}

// generator is one item of a list of generators.
type generator struct {
	field, kind string
	index       int
}

func (v *visitor) sources(g generator, from types.KvPairSources) error {
	if err := v.literals(g, from.LiteralSources); err != nil {
		return err
	}
	if from.EnvSource != "" {
		if err := v.env(g, v.k.at(g.field, g.index, "env"), from.EnvSource); err != nil {
			return err
		}
	}
	for i, p := range from.EnvSources {
		if err := v.env(g, v.item(g.field, g.index, "envs", i), p); err != nil {
			return err
		}
	}
	for i, p := range from.FileSources {
		if _, after, ok := strings.Cut(p, "="); ok {
			p = after
		}
		if _, _, err := v.source(g, v.item(g.field, g.index, "files", i), p); err != nil {
			return err
		}
	}
	return nil
}

// literals refuses what Kustomize would refuse with all values in its words.
func (v *visitor) literals(g generator, all []string) error {
	var names []string
	for i, l := range all {
		name, _, ok := strings.Cut(l, "=")
		switch {
		case !ok || name == "":
			return v.item(g.field, g.index, "literals", i).errorf("a literal is written as name=value, and this one has no name or no =")
		case slices.Contains(names, name):
			return v.item(g.field, g.index, "literals", i).errorf("%s is given twice: a %s has one value of a name", name, g.kind)
		}
		names = append(names, name)
	}
	return nil
}

// env is a file of variables. Kustomize repeats a line that is no text.
func (v *visitor) env(g generator, at place, p string) error {
	name, data, err := v.source(g, at, p)
	if err != nil {
		return err
	}
	n := 0
	for line := range bytes.Lines(data) {
		if n++; !utf8.Valid(line) {
			return place{name, n}.errorf("the line is no text in UTF-8: a file of variables has a name=value in each; take binary data with files")
		}
	}
	return nil
}

// source is a file that a generator reads.
func (v *visitor) source(g generator, at place, p string) (string, []byte, error) {
	name, data, err := v.file(at, p)
	if err != nil {
		return "", nil, err
	}
	v.sourced[name] = true
	return name, data, v.secrets.generates(g.kind, at, name)
}

// item is the line of an item of a list within the item of a list.
func (v *visitor) item(field string, index int, inner string, i int) place {
	at := v.k.at(field, index, inner)
	_, list := pair(v.k.root, field)
	if list == nil || list.Kind != yaml.SequenceNode || index >= len(list.Content) {
		return at
	}
	if _, items := pair(list.Content[index], inner); items != nil && i < len(items.Content) {
		at.line = items.Content[i].Line
	}
	return at
}
