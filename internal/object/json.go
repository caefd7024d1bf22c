package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

func looksLikeJSON(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
}

// readJSON reads a stream of JSON values as YAML nodes, so that everything after it sees one form, with lines.
func readJSON(file string, data []byte) ([]*yaml.Node, error) {
	j := &jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: 1}
	j.dec.UseNumber()
	var docs []*yaml.Node
	for {
		n, err := j.value(0)
		if errors.Is(err, io.EOF) && j.done {
			return docs, nil
		}
		if err == nil && len(docs) == maxDocuments {
			err = fmt.Errorf("more than %d documents: split the file", maxDocuments)
		}
		if err != nil {
			return nil, j.explain(file, err)
		}
		docs = append(docs, n)
	}
}

type jsonReader struct {
	data   []byte
	dec    *json.Decoder
	offset int64 // up to where lines are counted
	line   int
	done   bool // the end came between two values
}

func (j *jsonReader) value(depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	before := j.dec.InputOffset()
	tok, err := j.dec.Token()
	if err != nil {
		j.done = depth == 0
		return nil, err
	}
	j.advance(j.dec.InputOffset())
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: j.line, Column: j.column(before)}
	switch t := tok.(type) {
	case json.Delim:
		return n, j.collection(n, t, depth)
	case string:
		n.Tag, n.Value, n.Style = "!!str", t, yaml.DoubleQuotedStyle
	case json.Number:
		n.Tag, n.Value = "!!int", t.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(t)
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n, nil
}

func (j *jsonReader) collection(n *yaml.Node, open json.Delim, depth int) error {
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	for j.dec.More() {
		child, err := j.value(depth + 1)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		n.Content = append(n.Content, child)
	}
	if _, err := j.dec.Token(); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	j.advance(j.dec.InputOffset())
	return nil
}

// column is that of the token that follows an offset. No token has a line break in it.
func (j *jsonReader) column(after int64) int {
	rest := j.data[after:]
	at := int(after) + len(rest) - len(bytes.TrimLeft(rest, " \t\r\n,:"))
	return 1 + utf8.RuneCount(j.data[bytes.LastIndexByte(j.data[:at], '\n')+1:at])
}

func (j *jsonReader) advance(to int64) {
	to = min(to, int64(len(j.data)))
	j.line += bytes.Count(j.data[j.offset:to], []byte("\n"))
	j.offset = to
}

func (j *jsonReader) explain(file string, err error) error {
	if s := (*json.SyntaxError)(nil); errors.As(err, &s) {
		j.advance(max(j.offset, s.Offset-1))
	}
	cause := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		cause = "the JSON ends in the middle of a value: a brace or bracket is not closed"
	}
	return invalid(file, j.line, "%s", cause)
}
