package wire

import (
	"fmt"
	"strings"
)

const agent = "fairlead"

// LsRefs encodes the request of version 2 for the refs that start with one of the prefixes.
func LsRefs(a Advert, prefixes []string) []byte {
	var m message
	m.command("ls-refs", a)
	m.linef("peel")
	m.linef("symrefs")
	if a.Has("ls-refs=unborn") {
		m.linef("unborn")
	}
	for _, p := range prefixes {
		m.linef("ref-prefix %s", p)
	}
	m.flush()
	return m.b
}

func (m *message) command(name string, a Advert) {
	m.linef("command=%s", name)
	if a.Has("agent") {
		m.linef("agent=%s", agent)
	}
	if a.Has("object-format") {
		m.linef("object-format=%s", a.Format())
	}
	m.delim()
}

// ReadRefs reads the answer to [LsRefs].
func ReadRefs(r *Reader) ([]Ref, error) {
	var refs []Ref
	for {
		kind, text, err := r.line()
		if err != nil {
			return nil, fmt.Errorf("read refs: %w", err)
		}
		if kind != Data {
			return refs, nil
		}
		ref, err := parseRef(text)
		if err != nil {
			return nil, fmt.Errorf("read refs: %w", err)
		}
		refs = append(refs, ref)
	}
}

// parseRef reads "<id> <name>[ symref-target:<name>][ peeled:<id>]"; the id may be the word unborn.
func parseRef(text string) (Ref, error) {
	id, rest, _ := strings.Cut(text, " ")
	name, attributes, _ := strings.Cut(rest, " ")
	ref := Ref{Name: name, ID: id}
	if id == "unborn" {
		ref.ID = ""
	} else if !isID(id) {
		return Ref{}, fmt.Errorf("%q is not a ref", clean(text))
	}
	if !isRefName(name) {
		return Ref{}, fmt.Errorf("%q is not a ref", clean(text))
	}
	for a := range strings.FieldsSeq(attributes) {
		key, value, _ := strings.Cut(a, ":")
		switch {
		case key == "symref-target" && isRefName(value):
			ref.Target = value
		case key == "peeled" && isID(value):
			ref.Peeled = value
		}
	}
	return ref, nil
}
