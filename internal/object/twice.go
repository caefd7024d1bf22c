package object

import "go.yaml.in/yaml/v3"

// Twice is a key that a map of a file has more than once.
type Twice struct {
	Path         Path
	First        int //  the line where it stands first
	Line, Column int // where it stands again
}

// TwiceIn finds keys that stand twice below a node, in the order of the file. What an alias stands for is looked at where it is written.
func TwiceIn(n *yaml.Node) []Twice { return twice(nil, n, nil, 0) }

func twice(out []Twice, n *yaml.Node, at Path, depth int) []Twice {
	if depth > maxDepth {
		return out
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for i, c := range n.Content {
			out = twice(out, c, at.Item(i), depth+1)
		}
	case yaml.MappingNode:
		lines := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			here := at.Field(k.Value)
			first, again := lines[k.Value]
			switch {
			case k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge":
			case again:
				out = append(out, Twice{here, first, k.Line, k.Column})
			default:
				lines[k.Value] = k.Line
			}
			out = twice(out, n.Content[i+1], here, depth+1)
		}
	default:
	}
	return out
}
