package app

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/nearest"
)

// reader reads YAML nodes of one file strictly: what it does not know is an error with file, line and an example.
// The depth of what it reads is that of the fields it is given, so that an alias that contains itself ends too.
type reader struct{ file string }

// fields are the known fields of a mapping with what reads each.
type fields map[string]func(reader, *yaml.Node) error

// mapping reads a mapping field by field. Null is an empty mapping.
func (r reader) mapping(n *yaml.Node, what string, known fields) error {
	n = resolve(n)
	if isNull(n) {
		return nil
	}
	names := slices.Sorted(maps.Keys(known))
	if n.Kind != yaml.MappingNode {
		return r.errorf(n, "%s is %s: write a mapping with the fields %s", what, shape(n), strings.Join(names, ", "))
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := known[key.Value]
		if key.Kind != yaml.ScalarNode || !ok {
			return r.unknown(key, what, names)
		}
		if line, twice := seen[key.Value]; twice {
			return r.errorf(key, "field %q is set twice: first on line %d", key.Value, line)
		}
		seen[key.Value] = key.Line
		if err := read(r, value); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) unknown(key *yaml.Node, what string, names []string) error {
	if near, ok := nearest.Of(key.Value, names); ok {
		return r.errorf(key, "unknown field %q: did you mean %q?", clip(key.Value), near)
	}
	return r.errorf(key, "unknown field %q: %s has the fields %s", clip(key.Value), what, strings.Join(names, ", "))
}

// list returns the items of a list of at most most items. Null is an empty list.
func (r reader) list(n *yaml.Node, what, example string, most int) ([]*yaml.Node, error) {
	n = resolve(n)
	switch {
	case isNull(n):
		return nil, nil
	case n.Kind != yaml.SequenceNode:
		return nil, r.errorf(n, "%s is %s: write a list, for example %s", what, shape(n), example)
	case len(n.Content) > most:
		return nil, r.errorf(n, "%s has %d entries: at most %d", what, len(n.Content), most)
	}
	return n.Content, nil
}

// text returns the text of a scalar. Null is empty.
func (r reader) text(n *yaml.Node, what, example string) (string, error) {
	n = resolve(n)
	if isNull(n) {
		return "", nil
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return "", r.errorf(n, "%s is %s: write text, for example %s", what, shape(n), example)
	}
	return strings.TrimSpace(n.Value), nil
}

func (r reader) errorf(n *yaml.Node, format string, args ...any) error {
	return fault.Newf(fault.Invalid, "%s:%d: %s", r.file, n.Line, fmt.Sprintf(format, args...))
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	n = resolve(n)
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// shape names what a node is instead of what it should be.
func shape(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!str":
		return fmt.Sprintf("the text %q", clip(n.Value))
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return "the number " + clip(n.Value)
	}
	return clip(n.Value)
}

// clip shortens what a user wrote to what fits into an error.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxError puts what the YAML library says of a line into our form.
func syntaxError(file string, err error) error {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m == nil || m[1] == "" {
		return fault.Newf(fault.Invalid, "%s: not YAML: %s", file, strings.TrimPrefix(text, "yaml: "))
	}
	return fault.Newf(fault.Invalid, "%s:%s: not YAML: %s", file, m[1], text[len(m[0]):])
}
