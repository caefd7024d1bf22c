package object

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// readDocuments parses a file into the root nodes of its documents, with lines. JSON is tried first where the file begins
// like it, because JSON's escapes are not all YAML's.
func readDocuments(file string, data []byte) ([]*yaml.Node, error) {
	if len(data) > maxBytes {
		return nil, invalid(file, 0, "the file is larger than %d MiB: split it", maxBytes>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if looksLikeJSON(data) {
		docs, err := readJSON(file, data)
		if err == nil {
			return docs, nil
		}
		if docs, yamlErr := readYAML(file, data); yamlErr == nil {
			return docs, nil
		}
		return nil, err
	}
	return readYAML(file, data)
}

func readYAML(file string, data []byte) ([]*yaml.Node, error) {
	var docs []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, explain(file, data, err)
		}
		if len(docs) == maxDocuments {
			return nil, invalid(file, doc.Line, "more than %d documents: split the file", maxDocuments)
		}
		docs = append(docs, doc.Content...)
	}
}

// resolved follows an alias to what it stands for.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// field returns the value of a key written in a mapping itself, nil if there is none. Merged keys are not looked at.
func field(n *yaml.Node, name string) *yaml.Node {
	if k, v := entry(n, name); k != nil {
		return v
	}
	return nil
}

// entry is field with the node of the key.
func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n = resolved(n); n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := resolved(n.Content[i]); k.Kind == yaml.ScalarNode && k.Value == name {
			return k, resolved(n.Content[i+1])
		}
	}
	return nil, nil
}

// lineOf is the line of a key of a mapping, or that of the mapping where it has no such key.
func lineOf(n *yaml.Node, name string) int {
	if n == nil {
		return 0
	}
	if k, _ := entry(n, name); k != nil {
		return k.Line
	}
	return n.Line
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a map"
	case yaml.ScalarNode:
		if isNull(n) {
			return "nothing"
		}
		return "a text or number"
	default:
		return "something else"
	}
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
