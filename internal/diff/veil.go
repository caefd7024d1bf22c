package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Leaf is a text in an object, and the path that has to be veiled to hide it.
type Leaf struct{ Path, Text string }

// Leaves are the texts and numbers in an object but for what identifies it, and the keys of maps whose keys are not said by a schema.
func Leaves(o object.Object) []Leaf {
	var out []Leaf
	leaves("", o.Content(), func(l Leaf) {
		if !slices.Contains([]string{"apiVersion", "kind", "metadata.name", "metadata.namespace"}, l.Path) {
			out = append(out, l)
		}
	})
	return out
}

func leaves(path string, v any, add func(Leaf)) {
	switch v := v.(type) {
	case map[string]any:
		free := slices.Contains([]string{"data", "binaryData", "labels", "annotations", "matchLabels", "nodeSelector", "selector"}, path[strings.LastIndexByte(path, '.')+1:])
		for k, item := range v {
			if free {
				add(Leaf{path, k})
			}
			leaves(join(path, k), item, add)
		}
	case []any:
		byName, named := named(v)
		if !named {
			for _, item := range v {
				leaves(path, item, func(l Leaf) { add(Leaf{path, l.Text}) }) // such a list is compared as a whole
			}
			return
		}
		for name, item := range byName {
			add(Leaf{path, name})
			leaves(path+"["+name+"]", item, add)
		}
	case string:
		add(Leaf{path, v})
	case int64, float64:
		add(Leaf{path, fmt.Sprint(v)})
	}
}

// Veils reports whether what an API server says about a field, as it writes that, may repeat a veiled value of the object: it does not say about which item of a
// list, and without a field it may be any.
func Veils(o object.Object, field string) bool {
	at := plain(field)
	return slices.ContainsFunc(o.Veiled(), func(v string) bool {
		v = plain(v)
		return within(v, at) || within(at, v)
	})
}

// plain is a path without what is in brackets.
func plain(path string) string {
	var b strings.Builder
	depth := 0
	for _, r := range path {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}
