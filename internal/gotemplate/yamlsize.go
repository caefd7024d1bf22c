package gotemplate

import (
	"bytes"
	"errors"

	"go.yaml.in/yaml/v3"
)

var errTooLarge = errors.New("the aliases of the YAML multiply into far too much")

// YAMLSize is about how many bytes a YAML text is once its aliases stand for what they name, all documents together. Parsers that resolve aliases as they read make
// gigabytes of a few lines. A text that is no YAML is as large as it is: who reads it says what is wrong.
func YAMLSize(data []byte) (int, error) {
	if !bytes.Contains(data, []byte("*")) || !bytes.Contains(data, []byte("&")) {
		return len(data), nil
	}
	total := 0
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return max(total, len(data)), nil //nolint:nilerr // the end, or no YAML
		}
		s := sizer{known: map[*yaml.Node]int{}, within: map[*yaml.Node]bool{}}
		if total += s.size(&doc); total >= enough {
			return 0, errTooLarge
		}
	}
}

type sizer struct {
	known  map[*yaml.Node]int // of what anchors name
	within map[*yaml.Node]bool
}

func (s *sizer) size(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		return s.size(n.Alias)
	}
	if size, ok := s.known[n]; ok {
		return size
	}
	if s.within[n] {
		return enough // it contains itself
	}
	if n.Anchor != "" {
		s.within[n] = true
		defer delete(s.within, n)
	}
	size := len(n.Value) + 8
	for _, c := range n.Content {
		size = min(size+s.size(c), enough)
	}
	if n.Anchor != "" {
		s.known[n] = size
	}
	return size
}
