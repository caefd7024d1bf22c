package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Ref is a ref of the server.
type Ref struct {
	Name   string
	ID     string // of what the ref names: a commit or an annotated tag; empty for an unborn HEAD
	Peeled string // of what an annotated tag names; empty if it is none
	Target string // the ref that a symbolic ref names; empty if it is none
}

// Commit is the id of the commit that the ref names, through an annotated tag.
func (r Ref) Commit() string {
	if r.Peeled != "" {
		return r.Peeled
	}
	return r.ID
}

// Advert is what a server says first.
type Advert struct {
	Version int               // 2, 1 or 0
	Caps    map[string]string // a capability without a value has the value ""
	Refs    []Ref             // versions 0 and 1 only
}

// Has says whether the server can do something. In version 2, a feature of a command is asked for as "fetch=shallow".
func (a Advert) Has(capability string) bool {
	name, feature, found := strings.Cut(capability, "=")
	value, ok := a.Caps[name]
	if !ok || !found {
		return ok
	}
	for f := range strings.FieldsSeq(value) {
		if f == feature {
			return true
		}
	}
	return false
}

// Format is the object format of the repository: "sha1" or "sha256".
func (a Advert) Format() string {
	if f := a.Caps["object-format"]; f != "" {
		return f
	}
	return "sha1"
}

// ReadAdvert reads the advertisement of an upload-pack, with or without the header that HTTP puts before it.
func ReadAdvert(r *Reader) (Advert, error) {
	adv := Advert{Caps: map[string]string{}}
	kind, text, err := r.line()
	if err == nil && kind == Data && strings.HasPrefix(text, "# service=") {
		if kind, _, err = r.line(); err == nil && kind != Flush {
			return adv, errors.New("read advertisement: no flush after the service")
		}
		kind, text, err = r.line()
	}
	if err != nil {
		return adv, fmt.Errorf("read advertisement: %w", err)
	}
	switch {
	case kind == Data && text == "version 2":
		adv.Version = 2
		return adv, adv.readCaps(r)
	case kind == Data && text == "version 1":
		adv.Version = 1
		kind, text, err = r.line()
	}
	for first := true; ; first = false {
		if err != nil {
			return adv, fmt.Errorf("read advertisement: %w", err)
		}
		if kind != Data {
			adv.linkSymrefs()
			return adv, nil
		}
		if err := adv.addRef(text, first); err != nil {
			return adv, fmt.Errorf("read advertisement: %w", err)
		}
		kind, text, err = r.line()
	}
}

func (a *Advert) readCaps(r *Reader) error {
	for {
		kind, text, err := r.line()
		if err != nil {
			return fmt.Errorf("read capabilities: %w", err)
		}
		if kind != Data {
			return nil
		}
		name, value, _ := strings.Cut(text, "=")
		a.Caps[name] = value
	}
}

// addRef adds a line of the advertisement of version 0: "<id> <name>[\0<capabilities>]".
func (a *Advert) addRef(text string, first bool) error {
	text, caps, _ := strings.Cut(text, "\x00")
	if first {
		for c := range strings.FieldsSeq(caps) {
			name, value, _ := strings.Cut(c, "=")
			if old := a.Caps[name]; old != "" {
				value = old + " " + value // symref comes several times
			}
			a.Caps[name] = value
		}
	}
	id, name, _ := strings.Cut(text, " ")
	if id == "shallow" || name == "capabilities^{}" {
		return nil
	}
	if !isID(id) || !isRefName(strings.TrimSuffix(name, "^{}")) {
		return fmt.Errorf("%q is not a ref", clean(text))
	}
	if tag, ok := strings.CutSuffix(name, "^{}"); ok {
		if n := len(a.Refs); n > 0 && a.Refs[n-1].Name == tag {
			a.Refs[n-1].Peeled = id
		}
		return nil
	}
	a.Refs = append(a.Refs, Ref{Name: name, ID: id})
	return nil
}

func (a *Advert) linkSymrefs() {
	for pair := range strings.FieldsSeq(a.Caps["symref"]) {
		from, to, _ := strings.Cut(pair, ":")
		for i := range a.Refs {
			if a.Refs[i].Name == from && isRefName(to) {
				a.Refs[i].Target = to
			}
		}
	}
}

// isID says whether text is a full object id.
func isID(text string) bool {
	if len(text) != 40 && len(text) != 64 {
		return false
	}
	return strings.Trim(text, "0123456789abcdef") == ""
}

// isRefName says whether text may be a ref: printable, without spaces, bounded.
func isRefName(text string) bool {
	if text == "" || len(text) > 1024 {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '\uFFFD' || strings.ContainsRune(`~^:?*[\`, r)
	})
}

// Drain reads r to its end, at most n bytes, so that its connection can be used again.
func Drain(r io.Reader, n int64) { _, _ = io.CopyN(io.Discard, r, n) }
