package origin

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// layer is one kustomization that the app is built with.
type layer struct {
	dir, file string
	root      *yaml.Node
}

// kustomizations are those of the app, what builds upon another before it.
func (f *Finder) kustomizations() []layer {
	if f.walked {
		return f.layers
	}
	f.walked = true
	seen := map[string]bool{}
	if file, _ := f.files.kustomization(f.dir); file != "" {
		f.follow(f.dir, seen)
		return f.layers
	}
	f.below(f.dir, seen, 0)
	return f.layers
}

// maxLayers bounds the kustomizations that are looked at for one app.
const maxLayers = 500

func (f *Finder) follow(dir string, seen map[string]bool) {
	if seen[dir] || len(f.layers) > maxLayers {
		return
	}
	seen[dir] = true
	file, root := f.files.kustomization(dir)
	if root == nil {
		return
	}
	f.layers = append(f.layers, layer{dir, file, root})
	for _, field := range []string{"components", "resources", "bases"} {
		for _, n := range list(root, field) {
			if p := resolved(n).Value; p != "" && !path.IsAbs(p) {
				if next := path.Join(dir, p); !strings.HasPrefix(next, "..") && f.files.isDir(next) {
					f.follow(next, seen)
				}
			}
		}
	}
}

// below finds the kustomizations within a directory of plain manifests.
func (f *Finder) below(dir string, seen map[string]bool, depth int) {
	const deep = 50
	entries, err := f.files.tree.ReadDir(dir)
	if err != nil || depth > deep {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		inner := path.Join(dir, e.Name())
		if file, _ := f.files.kustomization(inner); file != "" {
			f.follow(inner, seen)
		} else {
			f.below(inner, seen, depth+1)
		}
	}
}

// list is the items of a list in a mapping.
func list(n *yaml.Node, field string) []*yaml.Node {
	if _, v := entry(n, field); v != nil {
		if v = resolved(v); v.Kind == yaml.SequenceNode {
			return v.Content
		}
	}
	return nil
}

// spots are the places in a kustomization and its patches that say a part of the path, what is done last first.
func (l layer) spots(files *Files, t target) []spot {
	out := append(l.fields(t), l.patches(files, t)...)
	return append(out, l.marks(t)...)
}

// patches are those of the layer that are about the object, the last first.
func (l layer) patches(files *Files, t target) []spot {
	var out []spot
	for _, field := range []string{"patchesJson6902", "patches", "patchesStrategicMerge"} {
		for _, n := range slices.Backward(list(l.root, field)) {
			_, selector := entry(n, "target")
			if selector != nil && !selects(selector, t) {
				continue
			}
			for _, g := range l.documents(files, n) {
				out = append(out, patched(g, selector, t)...)
			}
		}
	}
	return out
}

// documents are those of a patch: of a file, or written into the kustomization.
func (l layer) documents(files *Files, n *yaml.Node) []fragment {
	n = resolved(n)
	if n.Kind == yaml.MappingNode {
		if _, inline := entry(n, "patch"); inline != nil && inline.Kind == yaml.ScalarNode && inline.Value != "" {
			return files.inline(l.file, inline)
		}
		return l.fileOf(files, scalar(n, "path"))
	}
	if strings.Contains(n.Value, "\n") {
		return files.inline(l.file, n)
	}
	return l.fileOf(files, n.Value)
}

func (l layer) fileOf(files *Files, name string) []fragment {
	if name == "" || path.IsAbs(name) || strings.HasPrefix(path.Join(l.dir, name), "../") {
		return nil
	}
	name = path.Join(l.dir, name)
	var out []fragment
	for _, d := range files.file(name).docs {
		out = append(out, fragment{file: name, root: d})
	}
	return out
}

// patched are the places in one document of a patch.
func patched(g fragment, selector *yaml.Node, t target) []spot {
	root := resolved(g.root)
	if root.Kind == yaml.SequenceNode {
		return operations(g, t)
	}
	_, meta := entry(root, "metadata")
	if selector == nil && (scalar(root, "kind") != t.Kind() || !t.names(scalar(meta, "name"))) {
		return nil
	}
	w := walk(root, t.Object, t.path, 0)
	if named(t, w.depth) {
		return nil // kind, name and the like say whom a patch is for
	}
	return []spot{t.spot(g, w)}
}

// named reports whether the path is one of those that only name the object.
func named(t target, depth int) bool {
	if depth < len(t.path) || depth == 0 {
		return depth == 0
	}
	first := t.path[0].Key
	return first == "apiVersion" || first == "kind" || first == "metadata" && len(t.path) == 2 && t.path[1].Key == "name"
}

// operations are the places in a JSON patch, the last operation first.
func operations(g fragment, t target) []spot {
	var out []spot
	for _, op := range slices.Backward(resolved(g.root).Content) {
		_, pointer := entry(op, "path")
		_, value := entry(op, "value")
		if pointer == nil || scalar(op, "op") == "remove" {
			continue
		}
		tokens := strings.Split(strings.TrimPrefix(resolved(pointer).Value, "/"), "/")
		for i, token := range tokens {
			tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		}
		steps, ok := holds(tokens, t.Object, t.path)
		if !ok || value == nil {
			continue
		}
		w := walk(value, t.Object, t.path, steps)
		if w.depth == steps {
			w.key = pointer
		}
		out = append(out, t.spot(g, w))
	}
	return out
}

// selects reports whether the target of a patch can be the object. Selectors of labels and annotations are not looked at.
func selects(selector *yaml.Node, t target) bool {
	gvk := t.GVK()
	for field, values := range map[string][]string{
		"group": {gvk.Group}, "version": {gvk.Version}, "kind": {gvk.Kind}, "name": {t.original, t.Name()},
	} {
		pattern := scalar(selector, field)
		if pattern == "" {
			continue
		}
		re, err := regexp.Compile("^(" + pattern + ")$")
		if err != nil || !slices.ContainsFunc(values, re.MatchString) {
			return false
		}
	}
	return true
}
