package object

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Bounds of one file. Each is far above what people write and far below what would hurt the process that reads it.
const (
	// maxBytes: the largest published bundles of CRDs are about 5 MB.
	maxBytes = 16 << 20
	// maxDocuments: more than ten times the largest bundle; an app of that size is split over files.
	maxDocuments = 10_000
	// maxDepth: the deepest CRD schemas are about 60 levels deep; API servers refuse what is nested absurdly.
	maxDepth = 256
	// maxAliased bounds what anchors may multiply ("billion laughs"): values that a file holds through aliases only.
	maxAliased = 100_000
)

// Parse reads the objects of a YAML or JSON file as kubectl does: several documents, lists (any kind that ends in List)
// flattened, an item of a ConfigMapList that says neither its apiVersion nor its kind taken for a ConfigMap, empty documents skipped. A file of comments has no objects. File is only for origins and errors.
//
// An error is fault.Invalid, begins with "file:line: " and says what to do where that is obvious. If any document
// is wrong there are no objects at all: half a file is never taken for the whole.
func Parse(file string, data []byte) ([]Object, error) {
	return parse(&reader{file: file}, data)
}

func parse(r *reader, data []byte) ([]Object, error) {
	docs, err := readDocuments(r.file, data)
	if err != nil {
		return nil, err
	}
	var out []Object
	for _, doc := range docs {
		if out, err = r.objects(out, doc, typing{}, 0); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// reader turns nodes of one file into objects.
type reader struct {
	file     string
	newBools bool // yes, no, on and off are texts
	lastWins bool // of a key that is written twice
	aliased  int  // values made through aliases so far
	inAlias  int  // how many aliases we are inside of
}

func (r *reader) errorf(line int, format string, args ...any) error {
	return invalid(r.file, line, format, args...)
}

func invalid(file string, line int, format string, args ...any) error {
	return fault.Newf(fault.Invalid, "%s: %s", Origin{file, line}, fmt.Sprintf(format, args...))
}

// typing is what a list says of the type of items that say nothing of it themselves.
type typing struct{ apiVersion, kind string }

// typingOf is what a list says: nothing if it is a List of anything.
func typingOf(list *yaml.Node) typing {
	version, kind := field(list, "apiVersion"), strings.TrimSuffix(field(list, "kind").Value, "List")
	if version == nil || version.Kind != yaml.ScalarNode || isNull(version) || kind == "" {
		return typing{}
	}
	return typing{version.Value, kind}
}

// objects appends the object of a document or list item, or the objects of the list that it is.
func (r *reader) objects(out []Object, n *yaml.Node, of typing, depth int) ([]Object, error) {
	n = resolved(n)
	if isNull(n) {
		return out, nil
	}
	if depth > maxDepth {
		return nil, r.errorf(n.Line, "lists are nested deeper than %d levels", maxDepth)
	}
	if n.Kind != yaml.MappingNode {
		return nil, r.errorf(n.Line, "expected an object with apiVersion, kind and metadata, found %s", describe(n))
	}
	if items := listItems(n); items != nil {
		return r.list(out, items, typingOf(n), depth)
	}
	value, err := r.value(n, 0)
	if err != nil {
		return nil, err
	}
	content := value.(map[string]any)
	if of != (typing{}) && !r.newBools && content["apiVersion"] == nil && content["kind"] == nil { // Kustomize does not know them
		content["apiVersion"], content["kind"] = of.apiVersion, of.kind
	}
	o := named(New(content)).WithOrigin(Origin{r.file, n.Line})
	if err := r.check(o, n); err != nil {
		return nil, err
	}
	return append(out, o), nil
}

// listItems returns the items of a list, nil for anything else. A custom resource whose kind happens to end in List
// (an IPAllowList) has a name, a list has none.
func listItems(n *yaml.Node) *yaml.Node {
	kind, items := field(n, "kind"), field(n, "items")
	if kind == nil || items == nil || !strings.HasSuffix(kind.Value, "List") {
		return nil
	}
	if meta := field(n, "metadata"); meta != nil {
		if name := field(meta, "name"); name != nil && !isNull(name) {
			return nil
		}
	}
	return items
}

func (r *reader) list(out []Object, items *yaml.Node, of typing, depth int) ([]Object, error) {
	if isNull(items) {
		return out, nil
	}
	if items.Kind != yaml.SequenceNode {
		return nil, r.errorf(items.Line, "items of a List must be a list, found %s", describe(items))
	}
	for _, item := range items.Content {
		var err error
		if out, err = r.objects(out, item, of, depth+1); err != nil {
			return nil, err
		}
		// Lists may be aliases of one another, and so multiply as well.
		if r.aliased++; r.aliased > maxAliased {
			return nil, r.errorf(items.Line, "more than %d items of lists in one file", maxAliased)
		}
	}
	return out, nil
}

// check refuses what no API server could take for an object, while the line is still known.
func (r *reader) check(o Object, n *yaml.Node) error {
	for _, name := range []string{"apiVersion", "kind"} {
		switch v := o.At(name).(type) {
		case string:
			if v != "" {
				continue
			}
		case nil:
		default:
			return r.errorf(lineOf(n, name), "%s must be text, found %s: quote it", name, typeName(v))
		}
		return r.errorf(lineOf(n, name), "%s is missing: every object needs apiVersion, kind and metadata.name", name)
	}
	switch o.At("metadata").(type) {
	case nil, map[string]any:
		return r.checkMetadata(o, n)
	}
	return r.errorf(lineOf(n, "metadata"), "metadata must be a map, found %s", typeName(o.At("metadata")))
}

func (r *reader) checkMetadata(o Object, n *yaml.Node) error {
	meta := field(n, "metadata")
	for _, name := range []string{"name", "namespace", "generateName"} {
		switch v := o.At("metadata", name).(type) {
		case nil, string:
		default:
			return r.errorf(lineOf(meta, name), "metadata.%s must be text, found %s: quote it", name, typeName(v))
		}
	}
	if o.Name() == "" {
		return r.errorf(lineOf(n, "metadata"), "metadata.name is missing: the %s has no name", o.Kind())
	}
	for _, name := range []string{"labels", "annotations"} {
		if err := r.checkTexts(o.At("metadata", name), field(meta, name), "metadata."+name); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) checkTexts(v any, n *yaml.Node, path string) error {
	m, ok := v.(map[string]any)
	if v != nil && !ok {
		return r.errorf(n.Line, "%s must be a map, found %s", path, typeName(v))
	}
	for _, k := range sortedKeys(m) {
		switch m[k].(type) {
		case string, nil: // null is what an API server takes for an empty text
		case map[string]any, []any:
			return r.errorf(lineOf(n, k), "%s[%s] must be text, found %s", path, k, typeName(m[k]))
		default:
			return r.errorf(lineOf(n, k), "%s[%s] must be text, found %s: quote it", path, k, typeName(m[k]))
		}
	}
	return nil
}

func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case string:
		return "a text"
	case []any:
		return "a list"
	default:
		return "a map"
	}
}
