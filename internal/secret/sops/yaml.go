package sops

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// readYAML reads the documents of a file as SOPS does: comments are entries of their own, where they stand.
func readYAML(file string, data []byte) ([]branch, error) {
	var out []branch
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, at(file, lineOf(err), "it is no YAML: %s", reasonOf(err))
		}
		if len(out) == maxDocuments {
			return nil, at(file, doc.Line, "more than %d documents: split the file", maxDocuments)
		}
		b, err := yamlReader{file}.document(&doc)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// lineOf is the line that an error of the YAML library names, 0 if none.
func lineOf(err error) int {
	n := 0
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		for _, c := range m[1] {
			n = min(n*10+int(c-'0'), 1<<30)
		}
	}
	return n
}

// reasonOf is what the YAML library says, without what it quotes from the file.
func reasonOf(err error) string {
	text := strings.TrimPrefix(yamlLine.ReplaceAllString(err.Error(), ""), "yaml: ")
	if i := strings.IndexAny(text, "`'\""); i >= 0 {
		text = strings.TrimSpace(text[:i])
	}
	return strings.Join(strings.Fields(text), " ")
}

type yamlReader struct{ file string }

func lines(text string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			out = append(out, line[1:])
		}
	}
	return out
}

func (b branch) note(text string, inline bool) branch {
	for _, line := range lines(text) {
		b = append(b, entry{comment: &comment{line, inline}})
	}
	return b
}

func (l list) note(text string, inline bool) list {
	for _, line := range lines(text) {
		l = append(l, &comment{line, inline})
	}
	return l
}

func (r yamlReader) document(doc *yaml.Node) (branch, error) {
	b := branch{}.note(doc.HeadComment, false).note(doc.LineComment, false)
	for _, n := range doc.Content {
		switch {
		case n.Kind == yaml.MappingNode:
			var err error
			if b, err = r.mapping(b, n, false, 0); err != nil {
				return nil, err
			}
		case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
			b = b.note(n.HeadComment, false).note(n.LineComment, false).note(n.FootComment, false)
		default:
			return nil, at(r.file, n.Line, "a document of an encrypted file is a map of keys")
		}
	}
	return b.note(doc.FootComment, false), nil
}

func (r yamlReader) mapping(b branch, n *yaml.Node, noted bool, depth int) (branch, error) {
	if depth > maxDepth {
		return nil, at(r.file, n.Line, "nested more than %d levels deep", maxDepth)
	}
	if !noted {
		b = b.note(n.HeadComment, false).note(n.LineComment, false)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			return nil, at(r.file, key.Line, "a key of an encrypted file is a text: quote it")
		}
		b = b.note(key.HeadComment, false).note(key.LineComment, false)
		scalar := value.Kind == yaml.ScalarNode || value.Kind == yaml.AliasNode
		if scalar {
			b = b.note(value.HeadComment, false).note(value.LineComment, true)
		}
		v, err := r.value(value, scalar, depth+1)
		if err != nil {
			return nil, err
		}
		b = append(b, entry{key: key.Value, line: key.Line, value: v})
		if scalar {
			b = b.note(value.FootComment, false)
		}
		b = b.note(key.FootComment, false)
	}
	if !noted {
		b = b.note(n.FootComment, false)
	}
	return b, b.unique(r.file)
}

func (r yamlReader) value(n *yaml.Node, noted bool, depth int) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return r.mapping(branch{}, n, noted, depth)
	case yaml.SequenceNode:
		return r.sequence(n, noted, depth)
	case yaml.ScalarNode:
		return r.scalar(n)
	case yaml.AliasNode, yaml.DocumentNode:
	}
	// SOPS writes aliases out. They are also how a small file stands for a huge one.
	return nil, at(r.file, n.Line, "an alias, which an encrypted file cannot have: write out what it stands for")
}

func (r yamlReader) sequence(n *yaml.Node, noted bool, depth int) (any, error) {
	if depth > maxDepth {
		return nil, at(r.file, n.Line, "nested more than %d levels deep", maxDepth)
	}
	l := list{}
	if !noted {
		l = l.note(n.HeadComment, false).note(n.LineComment, false)
	}
	for _, item := range n.Content {
		l = l.note(item.HeadComment, false).note(item.LineComment, true)
		v, err := r.value(item, true, depth+1)
		if err != nil {
			return nil, err
		}
		l = append(l, v).note(item.FootComment, false)
	}
	if !noted {
		l = l.note(n.FootComment, false)
	}
	return l, nil
}

func (r yamlReader) scalar(n *yaml.Node) (any, error) {
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, at(r.file, n.Line, "the value cannot be read as what its tag says")
	}
	switch v := v.(type) {
	case nil, string, int, float64, bool, time.Time:
		return &leaf{value: v, line: n.Line}, nil
	}
	return nil, at(r.file, n.Line, "a number that SOPS does not know: quote it")
}

// yamlIndent is that of SOPS.
const yamlIndent = 4

// writeYAML prints documents as SOPS does. With oneLine a text of several lines takes one, as its ciphertext did.
func writeYAML(docs []branch, s style, oneLine bool) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(cmp.Or(s.yamlIndent, yamlIndent))
	for _, doc := range docs {
		w := yamlWriter{oneLine}
		n, err := w.mapping(doc)
		if err != nil {
			return nil, err
		}
		if err := enc.Encode(&yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{n}}); err != nil {
			return nil, err
		}
	}
	err := enc.Close()
	return b.Bytes(), err
}

type yamlWriter struct{ oneLine bool }

// notes collects the comments before a value.
type notes struct{ head, inline []string }

func (n *notes) add(c *comment) {
	if c.inline {
		n.inline = append(n.inline, c.text)
	} else {
		n.head = append(n.head, c.text)
	}
}

func join(texts []string) string { return "#" + strings.Join(texts, "\n#") }

func takeHead(to *yaml.Node, texts *[]string) {
	if len(*texts) == 0 {
		return
	}
	text := join(*texts)
	if to.HeadComment != "" {
		text += "\n" + to.HeadComment
	}
	to.HeadComment, *texts = text, nil
}

func takeLine(to *yaml.Node, texts *[]string) {
	if len(*texts) > 0 {
		to.LineComment, *texts = join(*texts), nil
	}
}

// rest puts comments that no value follows at the end of a collection, behind its last item.
func (n *notes) rest(of, last *yaml.Node) {
	texts := append(n.head, n.inline...)
	switch {
	case len(texts) == 0:
	case last == nil:
		takeHead(of, &texts)
	case last.FootComment != "":
		last.FootComment += "\n" + join(texts)
	default:
		last.FootComment = join(texts)
	}
}

func (w yamlWriter) mapping(b branch) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.MappingNode}
	var n notes
	var last *yaml.Node
	for _, e := range b {
		if e.comment != nil {
			n.add(e.comment)
			continue
		}
		if last == nil {
			takeHead(out, &n.head)
		}
		key := &yaml.Node{}
		if err := key.Encode(e.key); err != nil {
			return nil, err
		}
		takeHead(key, &n.head)
		value, err := w.value(e.value)
		if err != nil {
			return nil, err
		}
		takeLine(value, &n.inline)
		out.Content = append(out.Content, key, value)
		last = key
	}
	n.rest(out, last)
	return out, nil
}

func (w yamlWriter) sequence(l list) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.SequenceNode}
	var n notes
	var last *yaml.Node
	for _, item := range l {
		if c, ok := item.(*comment); ok {
			n.add(c)
			continue
		}
		if v, ok := item.(*leaf); ok && v.gone {
			n.add(&comment{text: strings.ReplaceAll(textOf(v.value), "\n", " ")})
			continue
		}
		if last == nil {
			takeHead(out, &n.head)
		}
		value, err := w.value(item)
		if err != nil {
			return nil, err
		}
		takeHead(value, &n.head)
		takeLine(value, &n.inline)
		out.Content = append(out.Content, value)
		last = value
	}
	n.rest(out, last)
	return out, nil
}

func (w yamlWriter) value(v any) (*yaml.Node, error) {
	switch v := v.(type) {
	case branch:
		return w.mapping(v)
	case list:
		return w.sequence(v)
	case *leaf:
		n := &yaml.Node{}
		if err := n.Encode(v.value); err != nil {
			return nil, err
		}
		if text, ok := v.value.(string); ok && w.oneLine && strings.Contains(text, "\n") && n.Tag == "!!str" {
			n.Style = yaml.DoubleQuotedStyle
		}
		return n, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
}
