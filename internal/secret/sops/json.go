package sops

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
)

// readJSON reads a file that holds one object, in the order of its keys.
func readJSON(file string, data []byte) (branch, error) {
	r := &jsonReader{file: file, data: data, dec: json.NewDecoder(bytes.NewReader(data)), lines: 1}
	r.dec.UseNumber()
	t, err := r.dec.Token()
	if err != nil {
		return nil, r.broken()
	}
	if t != json.Delim('{') {
		return nil, at(file, 1, "an encrypted JSON file is an object")
	}
	b, err := r.object(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, at(file, r.line(), "there is more behind the object")
	}
	return b, nil
}

type jsonReader struct {
	file  string
	data  []byte
	dec   *json.Decoder
	seen  int64 // lines are counted up to here
	lines int
}

// line is where the decoder is.
func (r *jsonReader) line() int {
	if end := min(r.dec.InputOffset(), int64(len(r.data))); end > r.seen {
		r.lines += bytes.Count(r.data[r.seen:end], []byte("\n"))
		r.seen = end
	}
	return r.lines
}

// broken leaves out what the decoder says: it quotes the file.
func (r *jsonReader) broken() error { return at(r.file, r.line(), "it is no JSON") }

func (r *jsonReader) object(depth int) (branch, error) {
	if depth > maxDepth {
		return nil, at(r.file, r.line(), "nested more than %d levels deep", maxDepth)
	}
	b := branch{}
	for {
		t, err := r.dec.Token()
		if err != nil {
			return nil, r.broken()
		}
		if t == json.Delim('}') {
			return b, b.unique(r.file)
		}
		key, ok := t.(string)
		if !ok {
			return nil, r.broken()
		}
		line := r.line()
		v, _, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		b = append(b, entry{key: key, line: line, value: v})
	}
}

// value reads one value; end is set at the end of a list.
func (r *jsonReader) value(depth int) (v any, end bool, err error) {
	t, err := r.dec.Token()
	if err != nil {
		return nil, false, r.broken()
	}
	switch t := t.(type) {
	case json.Delim:
		switch t {
		case '{':
			v, err = r.object(depth + 1)
		case '[':
			v, err = r.array(depth + 1)
		default:
			end = true
		}
		return v, end, err
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return &leaf{value: int(i), line: r.line()}, false, nil
		}
		f, err := t.Float64()
		if err != nil {
			return nil, false, at(r.file, r.line(), "a number that is out of range: quote it")
		}
		return &leaf{value: f, line: r.line()}, false, nil
	}
	return &leaf{value: t, line: r.line()}, false, nil
}

func (r *jsonReader) array(depth int) (any, error) {
	if depth > maxDepth {
		return nil, at(r.file, r.line(), "nested more than %d levels deep", maxDepth)
	}
	l := list{}
	for {
		v, end, err := r.value(depth)
		if end || err != nil {
			return l, err
		}
		l = append(l, v)
	}
}

// writeJSON prints an object as SOPS does.
func writeJSON(b branch, s style) ([]byte, error) {
	var raw, out bytes.Buffer
	if err := jsonValue(&raw, b); err != nil {
		return nil, err
	}
	if err := json.Indent(&out, raw.Bytes(), "", cmp.Or(s.jsonIndent, "\t")); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func jsonValue(out *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case branch:
		return jsonObject(out, v)
	case list:
		return jsonArray(out, v)
	case *leaf:
		text, err := json.Marshal(v.value)
		out.Write(text)
		return err
	}
	out.WriteString("null")
	return nil
}

func jsonObject(out *bytes.Buffer, b branch) error {
	out.WriteByte('{')
	first := true
	for _, e := range b {
		if e.comment != nil {
			continue
		}
		if !first {
			out.WriteByte(',')
		}
		first = false
		key, err := json.Marshal(e.key)
		if err != nil {
			return err
		}
		out.Write(key)
		out.WriteByte(':')
		if err := jsonValue(out, e.value); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

func jsonArray(out *bytes.Buffer, l list) error {
	out.WriteByte('[')
	first := true
	for _, item := range l {
		if _, isComment := item.(*comment); isComment {
			continue
		}
		if v, ok := item.(*leaf); ok && v.gone {
			continue
		}
		if !first {
			out.WriteByte(',')
		}
		first = false
		if err := jsonValue(out, item); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	return nil
}
