package object

import "go.yaml.in/yaml/v3"

// Documents returns the root nodes of a YAML or JSON file's documents, with lines. Empty documents are null nodes.
// Its errors are like those of Parse.
func Documents(file string, data []byte) ([]*yaml.Node, error) { return readDocuments(file, data) }

// Values reads a file whose documents need not be objects, such as a patch, as JSON content. Bounds and errors are those of
// Parse; empty documents are left out.
func Values(file string, data []byte) ([]any, error) {
	docs, err := readDocuments(file, data)
	if err != nil {
		return nil, err
	}
	r := &reader{file: file, newBools: true}
	var out []any
	for _, doc := range docs {
		if isNull(doc) {
			continue
		}
		v, err := r.value(doc, 0)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// ParseNew is Parse with the booleans of YAML 1.2, where yes, no, on and off are texts, and without types from lists: what Kustomize reads.
func ParseNew(file string, data []byte) ([]Object, error) {
	return parse(&reader{file: file, newBools: true}, data)
}

// ParseTemplated is Parse for what a template made: of a key that is written twice, the last one counts. So it is to Helm, and charts are full of it.
func ParseTemplated(file string, data []byte) ([]Object, error) {
	return parse(&reader{file: file, lastWins: true}, data)
}

// Made is the object of a node that a program made from files, such as Kustomize: read as ParseNew reads it, and not checked again. An error is fault.Invalid.
func Made(at Origin, n *yaml.Node) (Object, error) {
	r := &reader{file: at.File, newBools: true}
	if n = resolved(n); n.Kind != yaml.MappingNode {
		return Object{}, r.errorf(at.Line, "expected an object, found %s", describe(n))
	}
	content, err := r.mapping(n, 0)
	if err != nil {
		return Object{}, err
	}
	return New(content).WithOrigin(at), nil
}
