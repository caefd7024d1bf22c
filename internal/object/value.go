package object

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// value turns a node into JSON content: nil, bool, int64, float64, string, []any, map[string]any.
func (r *reader) value(n *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, r.errorf(n.Line, "nested deeper than %d levels", maxDepth)
	}
	if r.inAlias > 0 {
		if r.aliased++; r.aliased > maxAliased {
			return nil, r.errorf(n.Line, "anchors multiply into more than %d values", maxAliased)
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		r.inAlias++
		defer func() { r.inAlias-- }()
		return r.value(n.Alias, depth+1)
	case yaml.MappingNode:
		if tag := n.ShortTag(); tag != "!!map" {
			return nil, r.errorf(n.Line, "the tag %s has no meaning in Kubernetes", tag)
		}
		return r.mapping(n, depth)
	case yaml.SequenceNode:
		if tag := n.ShortTag(); tag != "!!seq" {
			return nil, r.errorf(n.Line, "the tag %s has no meaning in Kubernetes", tag)
		}
		out := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	default:
		return r.scalar(n)
	}
}

// mapping reads a map: keys as they are written (an unquoted y is the text "y", where YAML 1.1 has true), each once.
// A key of the map itself wins over one that is merged in with <<, wherever the << stands.
func (r *reader) mapping(n *yaml.Node, depth int) (map[string]any, error) {
	out := make(map[string]any, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := resolved(n.Content[i]), n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			merges = append(merges, v)
			continue
		}
		if k.Kind != yaml.ScalarNode {
			return nil, r.errorf(n.Line, "a key must be text, found %s%s", describe(k), templateHint(k))
		}
		if was, twice := lines[k.Value]; twice && !r.lastWins {
			return nil, r.errorf(k.Line, "key %q is written twice, first on line %d: remove one", k.Value, was)
		}
		lines[k.Value] = k.Line
		val, err := r.value(v, depth+1)
		if err != nil {
			return nil, err
		}
		out[k.Value] = val
	}
	for _, m := range merges {
		if err := r.merge(out, m, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// templateHint recognises {{ … }}, which YAML reads as a map whose key is a map.
func templateHint(k *yaml.Node) string {
	if k.Kind == yaml.MappingNode && k.Style&yaml.FlowStyle != 0 {
		return ": " + templated
	}
	return ""
}

func (r *reader) merge(out map[string]any, n *yaml.Node, depth int) error {
	target := resolved(n)
	if target.Kind == yaml.SequenceNode {
		for _, c := range target.Content {
			if resolved(c).Kind == yaml.SequenceNode {
				return r.errorf(c.Line, "<< takes a map or a list of maps")
			}
			if err := r.merge(out, c, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if target.Kind != yaml.MappingNode {
		return r.errorf(n.Line, "<< takes a map, found %s", describe(target))
	}
	v, err := r.value(n, depth)
	if err != nil {
		return err
	}
	for k, val := range v.(map[string]any) {
		if _, has := out[k]; !has {
			out[k] = val
		}
	}
	return nil
}

func (r *reader) scalar(n *yaml.Node) (any, error) {
	tag := n.ShortTag()
	switch tag {
	case "!!null":
		return nil, nil
	case "!!bool":
		if b, ok := oldBool(n.Value); ok {
			return b, nil
		}
	case "!!int", "!!float":
		if v, ok := number(n.Value); ok {
			return v, nil
		}
		return nil, r.errorf(n.Line, "%s is not a number that JSON can hold", n.Value)
	case "!!str":
		if b, ok := oldBool(n.Value); ok && n.Style == 0 && !r.newBools {
			return b, nil
		}
		return n.Value, nil
	case "!!timestamp", "!!merge": // texts in JSON
		return n.Value, nil
	case "!!binary":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if err == nil && utf8.Valid(b) {
			return string(b), nil
		}
		return nil, r.errorf(n.Line, "!!binary does not hold text: use the binaryData of a ConfigMap, or data of a Secret")
	}
	if !strings.HasPrefix(tag, "!!") {
		return nil, r.errorf(n.Line, "the tag %s has no meaning in Kubernetes", tag)
	}
	return nil, r.errorf(n.Line, "%q cannot be read as %s", n.Value, tag)
}

// oldBool knows the booleans of YAML 1.1, which kubectl and so every manifest go by.
func oldBool(s string) (value, ok bool) {
	switch s {
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y":
		return true, true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N":
		return false, true
	}
	return false, false
}

// number reads an integer or a float as it would arrive through JSON: 1.0 and 1e0 are the integer 1.
func number(s string) (any, bool) {
	s = strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(s, 0, 64); err == nil {
		return i, true
	}
	if u, err := strconv.ParseUint(s, 0, 64); err == nil {
		return float64(u), true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, false
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return int64(f), true
	}
	return f, true
}
