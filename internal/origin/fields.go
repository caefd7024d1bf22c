package origin

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// fields are the places of a kustomization that set what patches have left: images and replicas.
func (l layer) fields(t target) []spot {
	g := fragment{file: l.file, root: l.root}
	full := len(t.path)
	if full == 0 {
		return nil
	}
	value, _ := t.Follow(t.path)
	if image, ok := value.(string); ok && t.path.Last().Key == "image" {
		for _, n := range slices.Backward(list(l.root, "images")) {
			if at := imageOf(n, image); at != nil {
				return []spot{{g.place(at), full}}
			}
		}
	}
	if slices.Equal(t.path, object.PathOf("spec", "replicas")) {
		for _, n := range list(l.root, "replicas") {
			if _, count := entry(n, "count"); count != nil && t.names(scalar(n, "name")) {
				return []spot{{g.place(count), full}}
			}
		}
	}
	return nil
}

// imageOf returns what of an entry of images says an image; nil if it is about another.
func imageOf(n *yaml.Node, image string) *yaml.Node {
	name, tag := image, ""
	if i := strings.IndexByte(name, '@'); i >= 0 {
		name, tag = name[:i], name[i+1:]
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	is := scalar(n, "newName")
	if is == "" {
		is = scalar(n, "name")
	}
	if is != name {
		return nil
	}
	for _, field := range []string{"digest", "newTag", "newName"} {
		_, v := entry(n, field)
		if v != nil && (field == "newName" || v.Value == tag) {
			return v
		}
	}
	return nil
}

// marks are the places of a kustomization that set what patches come after: namespace, labels, annotations.
func (l layer) marks(t target) []spot {
	g := fragment{file: l.file, root: l.root}
	if slices.Equal(t.path, object.PathOf("metadata", "namespace")) {
		if _, n := entry(l.root, "namespace"); n != nil {
			return []spot{{g.place(n), len(t.path)}}
		}
	}
	last := t.path.Last().Key
	var maps []*yaml.Node
	switch t.path.Parent().Last().Key {
	case "labels", "matchLabels", "selector", "podSelector":
		_, common := entry(l.root, "commonLabels")
		maps = append(maps, common)
		for _, n := range list(l.root, "labels") {
			_, pairs := entry(n, "pairs")
			maps = append(maps, pairs)
		}
	case "annotations":
		_, common := entry(l.root, "commonAnnotations")
		maps = append(maps, common)
	}
	for _, m := range maps {
		if m == nil {
			continue
		}
		if key, value := entry(m, last); key != nil {
			return []spot{t.spot(g, found{key, value, len(t.path)})}
		}
	}
	return nil
}

// generator returns the entry of a kustomization that generates the object.
func generator(root *yaml.Node, t target) *yaml.Node {
	field := map[string]string{"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}[t.Kind()]
	for _, n := range list(root, field) {
		if n.Line == t.Origin().Line {
			return n
		}
	}
	return nil
}

// generated finds a field of a generated object in its generator.
func generated(g fragment, t target) spot {
	s := spot{g.place(g.root), 0}
	if len(t.path) == 0 {
		return s
	}
	first := t.path[0].Key
	if len(t.path) == 2 && (first == "data" || first == "binaryData") {
		if n := sourceOf(g.root, t.path[1].Key); n != nil {
			return spot{g.place(n), 2}
		}
	}
	if key, value := entry(g.root, t.path.Last().Key); key != nil && (first == "metadata" || first == "type") {
		return t.spot(g, found{key, value, len(t.path)})
	}
	if _, options := entry(g.root, "options"); options != nil && first == "metadata" {
		if w := walk(options, t.Object, t.path, 1); w.depth > 1 {
			return t.spot(g, w)
		}
	}
	return s
}

// sourceOf is the entry of a generator that a key is from.
func sourceOf(n *yaml.Node, key string) *yaml.Node {
	for _, literal := range list(n, "literals") {
		if name, _, _ := strings.Cut(resolved(literal).Value, "="); name == key {
			return literal
		}
	}
	for _, file := range list(n, "files") {
		name, _, named := strings.Cut(resolved(file).Value, "=")
		if named && name == key || !named && path.Base(name) == key {
			return file
		}
	}
	for _, field := range []string{"envs", "env"} {
		if k, v := entry(n, field); k != nil {
			return v
		}
	}
	return nil
}
