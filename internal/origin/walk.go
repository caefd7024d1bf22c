package origin

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// found is how far a walk came: the key and the value at the end of it, and how many steps it took.
type found struct {
	key, value *yaml.Node
	depth      int
}

// walk follows a path of an object into a document that says a part of it. Items of lists are recognised by what tells them apart, as their order may differ.
func walk(n *yaml.Node, o object.Object, p object.Path, from int) found {
	f := found{key: n, value: n, depth: from}
	for i := from; i < len(p); i++ {
		var key, value *yaml.Node
		if p[i].Item {
			value = item(resolved(f.value), o, p[:i+1])
			key = value
		} else {
			key, value = entry(f.value, p[i].Key)
		}
		if value == nil {
			return f
		}
		f = found{key: key, value: value, depth: i + 1}
	}
	return f
}

func resolved(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// entry finds a key of a mapping, those that are merged in with << included.
func entry(n *yaml.Node, name string) (key, value *yaml.Node) { return entryBelow(n, name, 0) }

func entryBelow(n *yaml.Node, name string, depth int) (key, value *yaml.Node) {
	const deep = 20 // merges may go round in circles
	n = resolved(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > deep {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := resolved(n.Content[i]); k.Kind == yaml.ScalarNode && k.Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "<<" {
			continue
		}
		merged := []*yaml.Node{n.Content[i+1]}
		if list := resolved(n.Content[i+1]); list.Kind == yaml.SequenceNode {
			merged = list.Content
		}
		for _, m := range merged {
			if key, value := entryBelow(m, name, depth+1); key != nil {
				return key, value
			}
		}
	}
	return nil, nil
}

// scalar is the text of a field of a mapping, empty if there is none.
func scalar(n *yaml.Node, name string) string {
	if _, v := entry(n, name); v != nil {
		if v = resolved(v); v.Kind == yaml.ScalarNode {
			return v.Value
		}
	}
	return ""
}

// identities are the fields that tell the items of a list apart, the most telling first.
var identities = []string{"name", "containerPort", "mountPath", "devicePath", "key", "port", "ip", "topologyKey", "host", "path", "secretName", "uid", "type", "kind"}

// item finds the node of a list that became the item at the end of a path.
func item(n *yaml.Node, o object.Object, p object.Path) *yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	value, _ := o.Follow(p)
	list, _ := o.Follow(p.Parent())
	all, _ := list.([]any)
	index := p.Last().Index
	m, isMap := value.(map[string]any)
	if !isMap {
		for i, c := range n.Content {
			if (i == index || len(all) != len(n.Content)) && resolved(c).Value == fmt.Sprint(value) {
				return c
			}
		}
	}
	for _, name := range identities {
		want, has := m[name]
		if _, isText := want.(string); !has || !isText && !isNumber(want) {
			continue
		}
		if c := only(n.Content, name, fmt.Sprint(want)); c != nil {
			return c
		}
	}
	if len(all) == len(n.Content) && index < len(n.Content) {
		return n.Content[index]
	}
	return nil
}

// only returns the one item whose field has a value, nil if there are none or several.
func only(items []*yaml.Node, name, want string) *yaml.Node {
	var one *yaml.Node
	for _, c := range items {
		if scalar(c, name) != want {
			continue
		}
		if one != nil {
			return nil
		}
		one = c
	}
	return one
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64:
		return true
	}
	return false
}

// holds reports whether the path of a JSON patch is p or leads to it, and how many steps it is.
func holds(pointer []string, o object.Object, p object.Path) (steps int, ok bool) {
	if len(pointer) > len(p) {
		return 0, false
	}
	for i, token := range pointer {
		switch {
		case !p[i].Item && token == p[i].Key:
		case p[i].Item && token == strconv.Itoa(p[i].Index):
		case p[i].Item && token == "-" && i == len(pointer)-1 && isLast(o, p[:i+1]):
		default:
			return 0, false
		}
	}
	return len(pointer), true
}

func isLast(o object.Object, p object.Path) bool {
	list, _ := o.Follow(p.Parent())
	all, _ := list.([]any)
	return p.Last().Index == len(all)-1
}
