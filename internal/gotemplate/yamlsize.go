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
	total, _ := measure(data, enough)
	if total >= enough {
		return 0, errTooLarge
	}
	return total, nil
}

// YAMLBeyond is the line in which a YAML text grows beyond so many bytes once its aliases stand for what they name; 0: it does not.
func YAMLBeyond(data []byte, most int) (line int) {
	total, line := measure(data, most)
	if total <= most {
		return 0
	}
	return max(line, 1)
}

// measure is the size of a YAML text, and the line of what took it beyond so many bytes.
func measure(data []byte, most int) (total, line int) {
	if !bytes.Contains(data, []byte("*")) || !bytes.Contains(data, []byte("&")) {
		return len(data), 0
	}
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return max(total, len(data)), line // the end, or no YAML
		}
		s := sizer{most: most, known: map[*yaml.Node]int{}, within: map[*yaml.Node]bool{}}
		total = min(total+s.size(&doc), enough)
		if line = s.line; total > most || total == enough {
			return total, line
		}
	}
}

type sizer struct {
	most   int
	line   int                // of the first that is larger than most, with what is before it in what holds it; 0: none
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
		if size = min(size+s.size(c), enough); size > s.most && s.line == 0 {
			s.line = c.Line
		}
	}
	if n.Anchor != "" {
		s.known[n] = size
	}
	return size
}
