// Package strict reads YAML that people write for Fairlead itself: what it does not know is an error that names the file and the line, and says what to write.
//
//	root, err := strict.Document("fairlead.yaml", data, "an app has one declaration")
//	err = strict.Reader{File: "fairlead.yaml"}.Mapping(root, "an app's declaration", strict.Fields{
//		"dependsOn": func(r strict.Reader, n *yaml.Node) error { … },
//	})
//
// Errors are fault.Invalid and begin with "file:line: ". How deep it reads is up to the fields that it is given, so that an alias that contains itself ends too.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/nearest"
)

// Reader reads the nodes of one file.
type Reader struct{ File string }

// Fields are the known fields of a mapping with what reads each.
type Fields map[string]func(Reader, *yaml.Node) error

// maxDocument bounds a file, in bytes.
const maxDocument = 1 << 20

// Document returns the root of the only document of a file that says anything, nil if none does. Of a second one the error says why there is none.
func Document(file string, data []byte, why string) (*yaml.Node, error) {
	if len(data) > maxDocument {
		return nil, fault.Newf(fault.Invalid, "%s: the file is larger than %d bytes", file, maxDocument)
	}
	var root *yaml.Node
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return root, nil
		}
		if err != nil {
			return nil, syntaxError(file, err)
		}
		if len(doc.Content) == 0 || IsNull(doc.Content[0]) {
			continue
		}
		n := doc.Content[0]
		if root != nil {
			return nil, Reader{file}.Errorf(n, "a second document: %s", why)
		}
		root = n
	}
}

// Mapping reads a mapping field by field. Null is an empty mapping.
func (r Reader) Mapping(n *yaml.Node, what string, known Fields) error {
	n = resolve(n)
	if IsNull(n) {
		return nil
	}
	names := slices.Sorted(maps.Keys(known))
	if n.Kind != yaml.MappingNode {
		return r.Errorf(n, "%s is %s: write a mapping with the fields %s", what, shape(n), strings.Join(names, ", "))
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := known[key.Value]
		if key.Kind != yaml.ScalarNode || !ok {
			return r.unknown(key, what, names)
		}
		if line, twice := seen[key.Value]; twice {
			return r.Errorf(key, "field %q is set twice: first on line %d", key.Value, line)
		}
		seen[key.Value] = key.Line
		if err := read(r, value); err != nil {
			return err
		}
	}
	return nil
}

func (r Reader) unknown(key *yaml.Node, what string, names []string) error {
	if near, ok := nearest.Of(key.Value, names); ok {
		return r.Errorf(key, "unknown field %q: did you mean %q?", Clip(key.Value), near)
	}
	return r.Errorf(key, "unknown field %q: %s has the fields %s", Clip(key.Value), what, strings.Join(names, ", "))
}

// List returns the items of a list of at most most items. Null is an empty list.
func (r Reader) List(n *yaml.Node, what, example string, most int) ([]*yaml.Node, error) {
	n = resolve(n)
	switch {
	case IsNull(n):
		return nil, nil
	case n.Kind != yaml.SequenceNode:
		return nil, r.Errorf(n, "%s is %s: write a list, for example %s", what, shape(n), example)
	case len(n.Content) > most:
		return nil, r.Errorf(n, "%s has %d entries: at most %d", what, len(n.Content), most)
	}
	return n.Content, nil
}

// Text returns the text of a scalar. Null is empty.
func (r Reader) Text(n *yaml.Node, what, example string) (string, error) {
	n = resolve(n)
	if IsNull(n) {
		return "", nil
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return "", r.Errorf(n, "%s is %s: write text, for example %s", what, shape(n), example)
	}
	return strings.TrimSpace(n.Value), nil
}

// Number returns the decimal number of a scalar. Null is 0.
func (r Reader) Number(n *yaml.Node, what, example string) (float64, error) {
	n = resolve(n)
	if IsNull(n) {
		return 0, nil
	}
	if n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!int" || n.ShortTag() == "!!float") {
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, nil
		}
	}
	return 0, r.Errorf(n, "%s is %s: write a number, for example %s", what, shape(n), example)
}

// Whole returns the whole number of a scalar, which is at least least and at most most. Null is least.
func (r Reader) Whole(n *yaml.Node, what string, least, most int) (int, error) {
	n = resolve(n)
	if IsNull(n) {
		return least, nil
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" {
		if i, err := strconv.Atoi(n.Value); err == nil && i >= least && i <= most {
			return i, nil
		}
	}
	return 0, r.Errorf(n, "%s is %s: write a whole number from %d to %d", what, shape(n), least, most)
}

// Bool returns the truth of a scalar. Null is false.
func (r Reader) Bool(n *yaml.Node, what string) (bool, error) {
	n = resolve(n)
	if IsNull(n) {
		return false, nil
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		if b, err := strconv.ParseBool(n.Value); err == nil {
			return b, nil
		}
	}
	return false, r.Errorf(n, "%s is %s: write true or false", what, shape(n))
}

// Duration returns the duration of a scalar, which is more than 0. Null is 0.
func (r Reader) Duration(n *yaml.Node, what string) (time.Duration, error) {
	text, err := r.Text(n, what, `"5m"`)
	if err != nil || text == "" && IsNull(n) {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, r.Errorf(n, `%s: %q is not a duration: write for example "5m" or "1h30m"`, what, Clip(text))
	}
	if d <= 0 {
		return 0, r.Errorf(n, `%s: %s is not longer than nothing: write for example "5m"`, what, Clip(text))
	}
	return d, nil
}

// Each reads each entry of a mapping whose keys are free, at most most of them. Null is an empty mapping.
func (r Reader) Each(n *yaml.Node, what string, most int, read func(r Reader, key string, value *yaml.Node) error) error {
	n = resolve(n)
	if IsNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return r.Errorf(n, "%s is %s: write a mapping", what, shape(n))
	}
	if len(n.Content)/2 > most {
		return r.Errorf(n, "%s has %d entries: at most %d", what, len(n.Content)/2, most)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind != yaml.ScalarNode {
			return r.Errorf(n.Content[i], "%s has a key that is no text", what)
		}
		if err := read(r, n.Content[i].Value, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// Errorf is an error at a node.
func (r Reader) Errorf(n *yaml.Node, format string, args ...any) error {
	return fault.Newf(fault.Invalid, "%s:%d: %s", r.File, n.Line, fmt.Sprintf(format, args...))
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// IsNull reports whether a node says nothing.
func IsNull(n *yaml.Node) bool {
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
		return fmt.Sprintf("the text %q", Clip(n.Value))
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return "the number " + Clip(n.Value)
	}
	return Clip(n.Value)
}

// Clip shortens what a user wrote to what fits into an error.
func Clip(s string) string {
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
