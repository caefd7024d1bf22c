package sops

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Draft is a file that is open to be changed. What stays as it is keeps its ciphertext, so that a change is as small in Git as it is in plain text; the data key
// and who can open it stay, too.
type Draft struct {
	// Plain is what is to be edited, written in the way of the file.
	Plain []byte

	file *File
	key  []byte
	was  []byte // the file as it is encrypted, without its metadata
}

// Draft opens the file to be changed. It is called once, instead of Open.
func (f *File) Draft(keys Keys) (*Draft, error) {
	key, err := f.key(keys)
	if err != nil {
		return nil, err
	}
	d := &Draft{file: f, key: key}
	f.style = f.own
	if d.was, err = f.write(f.docs, false); err != nil {
		return nil, err
	}
	f.kept = &kept{map[place][]string{}, map[string]bool{}}
	if err := f.openWith(key); err != nil {
		return nil, err
	}
	d.Plain, err = f.write(f.docs, false)
	return d, err
}

// Seal encrypts what the draft was edited to. It is false, and there is nothing to be written, if the values and what is said beside them are the same. A draft
// that cannot be read can be edited and sealed again.
func (d *Draft) Seal(edited []byte, now time.Time) (out []byte, changed bool, err error) {
	if bytes.Equal(edited, d.Plain) {
		return nil, false, nil
	}
	if len(edited) > maxBytes {
		return nil, false, at(d.file.name, 0, "it became larger than %d MiB: split it", maxBytes>>20)
	}
	f := &File{name: d.file.name, format: d.file.format, style: d.file.style, meta: d.file.meta, kept: d.file.kept.again()}
	if err := f.readPlain(edited); err != nil {
		return nil, false, err
	}
	if err := f.encryptable(f.meta.rule.some()); err != nil {
		return nil, false, err
	}
	sum := newMAC(f.meta.macOnly)
	n, err := f.encryptValues(f.meta.rule, d.key, f.meta.macOnly, sum)
	if err != nil {
		return nil, false, err
	}
	if n == 0 {
		return nil, false, fault.Newf(fault.Invalid, "%s: nothing in it would be encrypted by the rule of the file%s", f.name, ruleText(f.meta.rules()))
	}
	for _, doc := range f.docs {
		f.kept.itemize(doc)
	}
	is, err := f.write(f.docs, false)
	if err != nil || bytes.Equal(is, d.was) {
		return nil, false, err
	}
	modified := now.UTC().Format(time.RFC3339)
	mac, err := encrypt(fmt.Sprintf("%X", sum.Sum(nil)), false, d.key, modified)
	if err != nil {
		return nil, false, err
	}
	if out, err = f.assemble(f.meta.raw.with("lastmodified", modified).with("mac", mac)); err != nil {
		return nil, false, err
	}
	return out, true, d.opens(out)
}

// opens holds that what was made of a draft can be opened: the plain text is gone when it is found out later.
func (d *Draft) opens(out []byte) error {
	f, err := Read(d.file.name, out)
	if err == nil {
		err = f.openWith(d.key)
	}
	if err != nil {
		return fmt.Errorf("as it was edited it would not open again: %w", err)
	}
	return nil
}

// style is what a file has in its own way. The zero style is that of SOPS.
type style struct {
	yamlIndent int
	jsonIndent string
}

var (
	yamlMetadata = regexp.MustCompile(`(?m)^sops:\r?\n( {1,9})[^ ]`)
	jsonFirst    = regexp.MustCompile(`^\s*\{\r?\n([ \t]+)"`)
)

// styleOf is the indentation of an encrypted file, which the configuration of SOPS can have changed.
func styleOf(data []byte) style {
	var s style
	if m := yamlMetadata.FindSubmatch(data); m != nil {
		s.yamlIndent = len(m[1])
	}
	if m := jsonFirst.FindSubmatch(data); m != nil {
		s.jsonIndent = string(m[1])
	}
	return s
}

// with is the branch with another text under a key.
func (b branch) with(key, text string) branch {
	e := entry{key: key, value: &leaf{value: text}}
	out := slices.Clone(b)
	for i := range out {
		if out[i].comment == nil && out[i].key == key {
			out[i] = e
			return out
		}
	}
	return append(out, e)
}

// kept are the ciphertexts of a draft. The nil kept has none, and takes none.
type kept struct {
	// texts are those of values by what and where they are. Items of a list are at one place: equal ones are taken in their order.
	texts map[place][]string
	// items are those of comments that are items of a list: that is how SOPS encrypts them there.
	items map[string]bool
}

type place struct{ path, kind, text string }

func placeOf(value any, isComment bool, path []string) place {
	kind := fmt.Sprintf("%T", value)
	if isComment {
		kind = "comment"
	}
	return place{additional(path), kind, textOf(value)}
}

func (k *kept) note(p place, ciphertext string) {
	if k != nil {
		k.texts[p] = append(k.texts[p], ciphertext)
	}
}

func (k *kept) noteItem(ciphertext string) {
	if k != nil {
		k.items[ciphertext] = true
	}
}

// take gives a ciphertext out, once.
func (k *kept) take(p place) (string, bool) {
	if k == nil || len(k.texts[p]) == 0 {
		return "", false
	}
	some := k.texts[p]
	k.texts[p] = some[1:]
	return some[0], true
}

// again is the same, with nothing taken out.
func (k *kept) again() *kept { return &kept{maps.Clone(k.texts), k.items} }

// itemize makes items of the comments that were items.
func (k *kept) itemize(v any) {
	switch v := v.(type) {
	case branch:
		for _, e := range v {
			k.itemize(e.value)
		}
	case list:
		for i, item := range v {
			if c, ok := item.(*comment); ok && k.items[c.text] {
				v[i] = &leaf{value: c.text}
				continue
			}
			k.itemize(item)
		}
	}
}
