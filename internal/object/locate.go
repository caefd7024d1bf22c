package object

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Locate returns the line of a field of an object in the file that defines it, for paths as API servers print them:
// ".spec.template.spec.containers[name=\"web\"].imag", "spec.containers[0].image", "metadata.labels[app]". Where the field is
// not in the file it is the line of the nearest parent that is. Ok is false if the file does not hold the object.
//
// Namespace and name may differ from the file's, as a namespace is often given by the environment and a name prefixed by
// Kustomize: then the only object of that kind is taken, or the only one whose name is part of the name asked for.
func Locate(data []byte, key Key, path string) (line int, ok bool) {
	docs, err := readDocuments("", data)
	if err != nil {
		return 0, false
	}
	n := find(docs, key)
	if n == nil {
		return 0, false
	}
	return follow(n, splitPath(path)), true
}

// find returns the object of key, or the one that must be meant.
func find(docs []*yaml.Node, key Key) *yaml.Node {
	s := search{kind: key.GroupKind()}
	for _, d := range docs {
		s.visit(d, typing{}, 0)
	}
	all := s.found
	for _, close := range []func(Key) bool{
		func(k Key) bool { return k.Namespace == key.Namespace && k.Name == key.Name },
		func(k Key) bool { return k.Name == key.Name },
		func(k Key) bool { return k.Name != "" && strings.Contains(key.Name, k.Name) },
		func(Key) bool { return true },
	} {
		i := slices.IndexFunc(all, func(f located) bool { return close(f.key) })
		if i < 0 {
			continue
		}
		if slices.ContainsFunc(all[i+1:], func(f located) bool { return close(f.key) }) {
			return nil // two could be meant: no line is better than the wrong one
		}
		return all[i].node
	}
	return nil
}

// search collects the objects of a kind, those in lists included.
type search struct {
	kind    GroupKind
	found   []located
	visited int
}

type located struct {
	key  Key
	node *yaml.Node
}

func (s *search) visit(n *yaml.Node, of typing, depth int) {
	n = resolved(n)
	if s.visited++; n.Kind != yaml.MappingNode || depth > maxDepth || s.visited > maxAliased {
		return
	}
	if items := listItems(n); items != nil {
		for _, item := range items.Content {
			s.visit(item, typingOf(n), depth+1)
		}
		return
	}
	if key := keyOf(n, of); key.GroupKind() == s.kind {
		s.found = append(s.found, located{key, n})
	}
}

func keyOf(n *yaml.Node, of typing) Key {
	text := func(n *yaml.Node, name string) string {
		if n == nil {
			return ""
		}
		if v := field(n, name); v != nil && v.Kind == yaml.ScalarNode {
			return v.Value
		}
		return ""
	}
	meta := field(n, "metadata")
	version, kind := text(n, "apiVersion"), text(n, "kind")
	if version == "" && kind == "" {
		version, kind = of.apiVersion, of.kind
	}
	group, _ := splitAPIVersion(version)
	return Key{Group: group, Kind: kind, Namespace: text(meta, "namespace"), Name: text(meta, "name")}
}

// follow walks from an object to a field and returns the last line that it reached.
func follow(n *yaml.Node, path []string) int {
	line := n.Line
	for len(path) > 0 {
		key, next, used := step(resolved(n), path)
		if next == nil {
			return line
		}
		line, n, path = key.Line, next, path[used:]
	}
	return line
}

// step takes the first element of a path, and as many more as belong to a key that has dots in it.
func step(n *yaml.Node, path []string) (key, value *yaml.Node, used int) {
	switch n.Kind {
	case yaml.MappingNode:
		for used = len(path); used > 0; used-- {
			if key, value = entry(n, strings.Join(path[:used], ".")); key != nil {
				return key, value, used
			}
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if matches(resolved(item), path[0], i) {
				return item, item, 1
			}
		}
	default:
	}
	return nil, nil, 0
}

// matches reports whether an item of a list is the one that a selector means: an index, a value (="x"), or fields
// (name="web"). A field that the item does not have may have been defaulted, but one of them must be there.
func matches(item *yaml.Node, selector string, index int) bool {
	if i, err := strconv.Atoi(selector); err == nil {
		return i == index
	}
	found := false
	for pair := range strings.SplitSeq(selector, ",") {
		name, want, _ := strings.Cut(pair, "=")
		v := field(item, name)
		if name == "" {
			v = item
		}
		if v == nil {
			continue
		}
		if v.Value != strings.Trim(want, `"`) {
			return false
		}
		found = true
	}
	return found
}

// splitPath cuts a path at its dots and brackets; what is in brackets is one element.
func splitPath(path string) []string {
	var out []string
	for path != "" {
		if path[0] == '[' {
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return out
			}
			out = append(out, strings.Trim(path[1:end], `"'`))
			if strings.Contains(path[1:end], "=") {
				out[len(out)-1] = path[1:end] // the quotes belong to the value of a selector
			}
			path = path[end+1:]
			continue
		}
		path = strings.TrimPrefix(path, ".")
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if end > 0 {
			out = append(out, path[:end])
		} else if path != "" && path[0] == '.' {
			continue
		}
		path = path[end:]
	}
	return out
}
