package sops

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flatPrefix begins the keys of the metadata in a dotenv file.
const flatPrefix = metadataKey + "_"

// readDotenv reads lines of the form KEY=value; the metadata is among them.
func readDotenv(file string, data []byte) (branch, error) {
	b := branch{}
	line := 0
	for text := range bytes.SplitSeq(data, []byte("\n")) {
		line++
		if len(text) == 0 {
			continue
		}
		if text[0] == '#' {
			b = append(b, entry{comment: &comment{text: string(text[1:])}})
			continue
		}
		key, value, ok := strings.Cut(string(text), "=")
		if !ok {
			return nil, at(file, line, "the line has no =")
		}
		b = append(b, entry{key: key, line: line, value: &leaf{value: strings.ReplaceAll(value, `\n`, "\n"), line: line}})
	}
	return b, b.unique(file)
}

func writeDotenv(b branch) ([]byte, error) {
	var out bytes.Buffer
	for _, e := range b {
		if e.comment != nil {
			out.WriteString("#" + e.comment.text + "\n")
			continue
		}
		v, ok := e.value.(*leaf)
		if !ok {
			return nil, fmt.Errorf("%s: a dotenv file holds no maps and lists", e.key)
		}
		text := textOf(v.value)
		switch v := v.value.(type) {
		case bool:
			text = strconv.FormatBool(v)
		case time.Time:
			text = v.Format(time.RFC3339)
		}
		out.WriteString(e.key + "=" + strings.ReplaceAll(text, "\n", `\n`) + "\n")
	}
	return out.Bytes(), nil
}

// unflatten takes the metadata out of a dotenv file: sops_age__list_0__map_recipient is the recipient of the first of age.
func unflatten(file string, b branch) (rest, metadata branch, err error) {
	root := &flat{}
	for _, e := range b {
		name, ok := strings.CutPrefix(e.key, flatPrefix)
		if e.comment != nil || !ok {
			rest = append(rest, e)
			continue
		}
		if strings.Count(name, "__") > 16 {
			return nil, nil, at(file, e.line, "%s is no metadata of SOPS", e.key)
		}
		root.put(name, e.value)
	}
	metadata, _ = root.value().(branch)
	return rest, metadata, nil
}

// flat is a tree that is put together from the names of its leaves.
type flat struct {
	leaf  any
	kids  map[string]*flat
	order []string
	list  bool
}

func (f *flat) kid(name string, isList bool) *flat {
	if f.kids == nil {
		f.kids = map[string]*flat{}
		f.list = isList
	}
	if f.kids[name] == nil {
		f.kids[name] = &flat{}
		f.order = append(f.order, name)
	}
	return f.kids[name]
}

func (f *flat) put(name string, leaf any) {
	isList := false
	for {
		m, l := strings.Index(name, "__map_"), strings.Index(name, "__list_")
		if m < 0 && l < 0 {
			f.kid(name, isList).leaf = leaf
			return
		}
		if l < 0 || m >= 0 && m < l {
			f, isList, name = f.kid(name[:m], isList), false, name[m+len("__map_"):]
		} else {
			f, isList, name = f.kid(name[:l], isList), true, name[l+len("__list_"):]
		}
	}
}

func (f *flat) value() any {
	switch {
	case f.kids == nil:
		return f.leaf
	case f.list:
		slices.SortFunc(f.order, func(a, b string) int { return index(a) - index(b) })
		out := list{}
		for _, name := range f.order {
			out = append(out, f.kids[name].value())
		}
		return out
	}
	out := branch{}
	for _, name := range f.order {
		out = append(out, entry{key: name, value: f.kids[name].value()})
	}
	return out
}

func index(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// flatten is the reverse of unflatten.
func flatten(out branch, prefix string, v any) branch {
	switch v := v.(type) {
	case branch:
		for _, e := range v {
			out = flatten(out, prefix+e.key, deeper{e.value})
		}
	case deeper:
		switch inner := v.value.(type) {
		case branch:
			return flatten(out, prefix+"__map_", inner)
		case list:
			for i, item := range inner {
				out = flatten(out, prefix+"__list_"+strconv.Itoa(i), deeper{item})
			}
		default:
			return append(out, entry{key: prefix, value: inner})
		}
	}
	return out
}

// deeper is a value below the top.
type deeper struct{ value any }
