package sealed

import (
	"crypto/aes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Problem is what keeps a SealedSecret from being opened, whoever has the keys.
type Problem struct {
	Path    object.Path // of the field
	Missing bool        // the field is not there
	Message string
	Remedy  string
}

// marks are the annotations that Sealed Secrets knows.
var marks = []string{"cluster-wide", "namespace-wide", "managed", "patch", "skip-set-owner-references"}

const sealAgain = "seal it again with `fairlead secret seal`"

// Problems looks at the form of a SealedSecret. It needs no key, and says nothing of what only a key tells.
func Problems(o object.Object) []Problem {
	f := &form{o: o}
	f.annotations()
	f.values()
	f.templates()
	return f.found
}

type form struct {
	o     object.Object
	found []Problem
}

func (f *form) add(p object.Path, remedy, format string, args ...any) {
	f.found = append(f.found, Problem{Path: p, Remedy: remedy, Message: fmt.Sprintf(format, args...)})
}

// annotations are those of the scope: what is no "true" is read as strict.
func (f *form) annotations() {
	m, _ := f.o.At("metadata", "annotations").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		word, is := strings.CutPrefix(name, annotationPrefix)
		if !is {
			continue
		}
		p := object.PathOf("metadata", "annotations", name)
		text, _ := m[name].(string)
		switch {
		case !slices.Contains(marks, word):
			if near, ok := nearest.Of(word, marks); ok {
				f.add(p, "write "+annotationPrefix+near, "Sealed Secrets has no such annotation: it says nothing of the scope")
			}
		case name != clusterWideMark && name != namespaceWideMark:
		case text != "true" && text != "false":
			f.add(p, `write "true" as it was sealed, or remove it and seal again`, "%.40q is not \"true\", so that it is read as scope %s", text, Strict)
		}
	}
}

func (f *form) values() {
	p := object.PathOf("spec", "encryptedData")
	if f.o.At("spec", "data") != nil {
		f.add(object.PathOf("spec", "data"), sealAgain, "this is the form of before 2019, which is not opened any more")
		return
	}
	v, _ := f.o.Follow(p)
	m, isMap := v.(map[string]any)
	switch {
	case v == nil:
		f.found = append(f.found, Problem{Path: p, Missing: true, Message: "nothing is sealed in it: encryptedData is not there", Remedy: f.meant()})
		return
	case !isMap:
		f.add(p, sealAgain, "is no map of names and sealed values")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		text, ok := m[key].(string)
		raw, err := base64.StdEncoding.DecodeString(text)
		switch {
		case !ok:
			f.add(p.Field(key), sealAgain, "is no text")
		case err != nil:
			f.add(p.Field(key), sealAgain+"; what is no secret goes to spec.template.data", "is no base64, and so nothing that was sealed")
		case !whole(raw):
			f.add(p.Field(key), sealAgain, "is cut off, or was never sealed")
		}
	}
}

// whole reports whether a value has all its parts: a wrapped key, which is at least one of 1024 bits, and what it encrypts with its tag.
func whole(raw []byte) bool {
	if len(raw) < 2 {
		return false
	}
	n := int(binary.BigEndian.Uint16(raw))
	return n >= 128 && len(raw) >= 2+n+aes.BlockSize
}

// meant is what to write for what is not there.
func (f *form) meant() string {
	spec, _ := f.o.At("spec").(map[string]any)
	if near, ok := nearest.Of("encryptedData", slices.Sorted(maps.Keys(spec))); ok {
		return fmt.Sprintf("write encryptedData for %s", near)
	}
	return "make it of a Secret with `fairlead secret seal`"
}

// templates are those of spec.template.data.
func (f *form) templates() {
	p := object.PathOf("spec", "template", "data")
	v, _ := f.o.Follow(p)
	m, _ := v.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		source, ok := m[key].(string)
		if !ok || len(source) > maxTemplate {
			f.add(p.Field(key), "put it in quotes", "is no text of at most %d KiB", maxTemplate>>10)
			continue
		}
		if _, err := (&budget{}).parse(source); err != nil {
			f.add(p.Field(key), "correct it: it is a template of Go with the functions of Sprig", "%s", err)
		}
	}
}
