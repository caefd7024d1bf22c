package sops

import (
	"bytes"
	"cmp"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	YAML   Format = "yaml"
	JSON   Format = "json"
	Dotenv Format = "dotenv"
	INI    Format = "ini"
	Binary Format = "binary" // any content, encrypted as a whole and written as JSON
)

// File is an encrypted file.
type File struct {
	name   string
	format Format
	docs   []branch
	meta   metadata
	texts  []Text // those that were opened
	// acceptPlain lets values be opened that are not encrypted, and have to be.
	acceptPlain bool
	own, style  style // how it is written, and how it will be
	kept        *kept // the ciphertexts of a draft, nil of any other file
}

// Sniff reports whether a file may be one of SOPS: it costs nothing to ask. Read says for sure.
func Sniff(data []byte) bool {
	return HasValues(data) && bytes.Contains(data, []byte(metadataKey))
}

// HasValues reports whether a file has what begins as an encrypted value does. Without its metadata it does not open.
func HasValues(data []byte) bool { return bytes.Contains(data, []byte(mark)) }

// Read reads a file. ErrPlain is in the error if it is none of SOPS.
func Read(name string, data []byte) (*File, error) {
	if len(data) > maxBytes {
		return nil, at(name, 0, "the file is larger than %d MiB: split it", maxBytes>>20)
	}
	f := &File{name: name, format: formatOf(name, data), own: styleOf(data)}
	if !Sniff(data) {
		return nil, plain(name)
	}
	if path.Ext(name) == ".ini" && f.format == INI && !bytes.Contains(data, []byte("["+metadataKey+"]\n")) {
		return nil, plain(name)
	}
	var err error
	if f.docs, err = f.format.read(name, data); err != nil {
		if !surely(name, data) {
			return nil, plain(name)
		}
		return nil, err
	}
	if f.format == Dotenv {
		var rest, raw branch
		if rest, raw, err = unflatten(name, f.docs[0]); err != nil {
			return nil, err
		}
		f.docs[0] = append(rest, entry{key: metadataKey, line: 1, value: raw})
		if raw == nil {
			return nil, plain(name)
		}
	}
	if f.format == INI {
		if f.docs[0], err = unflattenINI(name, f.docs[0]); err != nil {
			return nil, err
		}
	}
	if len(f.docs) == 0 || !isEncrypted(f.docs[0]) {
		return nil, plain(name)
	}
	if f.meta, err = extract(name, f.docs); err != nil {
		return nil, err
	}
	if f.format == JSON && !strings.HasSuffix(name, ".json") && isBinary(f.docs[0]) {
		f.format = Binary
	}
	return f, nil
}

var macLine = regexp.MustCompile(`(^|[\s{,])"?(sops_)?mac"? *[:=] *"?ENC\[`)

// surely reports whether a file that cannot be read is one of SOPS all the same. Manuals show such files, too.
func surely(name string, data []byte) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json", ".env", ".ini":
		return macLine.Match(data)
	}
	return false
}

// ErrPlain is that a file is none of SOPS.
var ErrPlain = errors.New("it is not encrypted by SOPS")

func plain(name string) error { return fault.New(fault.Invalid, fmt.Errorf("%s: %w", name, ErrPlain)) }

func isEncrypted(doc branch) bool {
	meta, ok := doc.value(metadataKey).(branch)
	return ok && (meta.text("mac") != "" || meta.text("lastmodified") != "")
}

func isBinary(doc branch) bool { return len(doc) == 1 && doc[0].key == "data" }

// formatOf goes by the name as SOPS does, and by the content where that cannot be: a file may be renamed.
func formatOf(name string, data []byte) Format {
	isJSON := bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
	switch ext := path.Ext(name); {
	case isJSON:
		return JSON
	case ext == ".env" || bytes.Contains(data, []byte("\n"+flatPrefix+"mac=")) || bytes.HasPrefix(data, []byte(flatPrefix)):
		return Dotenv
	case ext == ".ini":
		return INI
	}
	return YAML
}

func (f Format) read(name string, data []byte) ([]branch, error) {
	var b branch
	var err error
	switch f {
	case JSON, Binary:
		b, err = readJSON(name, data)
	case Dotenv:
		b, err = readDotenv(name, data)
	case INI:
		b, err = readINI(name, data)
	case YAML:
		return readYAML(name, data)
	}
	return []branch{b}, err
}

// Kinds are the kinds of the Kubernetes objects that hold encrypted values, with the line of each.
func (f *File) Kinds() []Kind {
	var out []Kind
	for _, doc := range f.docs {
		out = append(out, f.kinds(doc)...)
	}
	return out
}

// Kind is what an object is.
type Kind struct {
	APIVersion, Kind string
	Line             int
}

func (f *File) kinds(doc branch) []Kind {
	if items, ok := doc.value("items").(list); ok && strings.HasSuffix(doc.text("kind"), "List") && doc.text("kind") != "SecretList" {
		var out []Kind
		for _, item := range items {
			if b, ok := item.(branch); ok {
				out = append(out, f.kinds(b)...)
			}
		}
		return out
	}
	encrypted := false
	v := visitor{comment: func([]string, [][]string, *comment) error { return nil }}
	v.leaf = func(_ []string, _ [][]string, l *leaf) error {
		text, ok := l.value.(string)
		encrypted = encrypted || ok && IsCiphertext(text)
		return nil
	}
	_ = v.branch(doc, nil, nil) // neither of them fails
	if !encrypted || len(doc) == 0 {
		return nil
	}
	line := 0
	for _, e := range doc {
		if line == 0 {
			line = e.line
		}
	}
	return []Kind{{doc.text("apiVersion"), doc.text("kind"), line}}
}

// Opened is a file as it was before it was encrypted.
type Opened struct {
	// Exact is what SOPS makes of it.
	Exact []byte
	// Lines says the same, and has each value on the line on which the encrypted file has it.
	Lines []byte
	// Texts are the texts that were encrypted; of a binary file, all of it.
	Texts []Text
}

// Text is an encrypted value, and where in the file it is.
type Text struct{ Path, Value string }

// Open decrypts the file. It is called once.
func (f *File) Open(keys Keys) (Opened, error) {
	if err := f.open(keys); err != nil {
		return Opened{}, err
	}
	exact, err := f.write(f.docs, false)
	if err != nil || f.format != YAML {
		return Opened{exact, exact, f.texts}, err
	}
	lines, err := f.write(f.docs, true)
	return Opened{exact, lines, f.texts}, err
}

func (f *File) write(docs []branch, oneLine bool) ([]byte, error) {
	out, err := f.format.write(docs, f.style, oneLine)
	if err != nil {
		return nil, at(f.name, 0, "%w", err)
	}
	return out, nil
}

func (f Format) write(docs []branch, s style, oneLine bool) ([]byte, error) {
	switch f {
	case JSON:
		return writeJSON(docs[0], s)
	case Dotenv:
		return writeDotenv(docs[0])
	case INI:
		return writeINI(docs[0])
	case Binary:
		l, _ := docs[0].value("data").(*leaf)
		if l == nil {
			return nil, errors.New("it holds no data")
		}
		text, ok := l.value.(string)
		if !ok {
			return nil, errors.New("its data is no text")
		}
		return []byte(text), nil
	case YAML:
	}
	return writeYAML(docs, s, oneLine)
}

// open decrypts all values, once.
func (f *File) open(keys Keys) error {
	key, err := f.key(keys)
	if err != nil {
		return err
	}
	return f.openWith(key)
}

func (f *File) openWith(key []byte) error {
	sum := newMAC(f.meta.macOnly)
	v := visitor{
		comment: func(path []string, comments [][]string, c *comment) error {
			if f.meta.rule.covers(path, comments, true) {
				// One that does not open was not encrypted: older versions of SOPS left them.
				if plain, _, err := decrypt(c.text, key, additional(path)); err == nil {
					f.kept.note(placeOf(plain, true, path), c.text)
					c.text = textOf(plain)
				}
			}
			return nil
		},
		leaf: func(path []string, comments [][]string, l *leaf) error {
			covered := f.meta.rule.covers(path, comments, false)
			if covered {
				text, ok := l.value.(string)
				opened, gone, err := any(nil), false, errForm
				if ok {
					opened, gone, err = decrypt(text, key, additional(path))
				}
				switch isPlain := !ok || errors.Is(err, errForm) && !strings.HasPrefix(text, mark); {
				case isPlain && !f.acceptPlain:
					return f.notEncrypted(path, l)
				case isPlain: // the MAC is another one then
				case err != nil:
					return at(f.name, l.line, "%s does not open: %w", dotted(path), err)
				default:
					f.kept.note(placeOf(opened, gone, path), text)
					if gone {
						f.kept.noteItem(text)
					}
					l.value, l.gone = opened, gone
				}
			}
			if text, ok := l.value.(string); ok && covered && !l.gone {
				f.texts = append(f.texts, Text{dotted(path), text})
			}
			if !l.gone && (covered || !f.meta.macOnly) {
				_, _ = sum.Write([]byte(textOf(l.value)))
			}
			return nil
		},
	}
	for _, doc := range f.docs {
		if err := v.branch(doc, nil, nil); err != nil {
			return err
		}
	}
	return f.verify(key, sum)
}

// Intact says what can be seen to be wrong without a key: values that are not encrypted and have to be, those that have not the form that SOPS writes, and no MAC.
func (f *File) Intact() error {
	v := visitor{comment: func([]string, [][]string, *comment) error { return nil }}
	v.leaf = func(path []string, comments [][]string, l *leaf) error {
		if !f.meta.rule.covers(path, comments, false) {
			return nil
		}
		text, ok := l.value.(string)
		if ok && text == "" {
			return nil
		}
		if !ok || !strings.HasPrefix(text, mark) {
			return f.notEncrypted(path, l)
		}
		if _, err := parseSealed(text); err != nil {
			return at(f.name, l.line, "%s does not open: %w", dotted(path), err)
		}
		return nil
	}
	for _, doc := range f.docs {
		if err := v.branch(doc, nil, nil); err != nil {
			return err
		}
	}
	if _, err := parseSealed(f.meta.mac); err != nil {
		return at(f.name, f.meta.line, "sops.mac does not open: %w", err)
	}
	return nil
}

func (f *File) notEncrypted(path []string, l *leaf) error {
	return at(f.name, l.line, "%s is not encrypted, and has to be by the file's own rule: was it added by hand? "+
		"If it is meant as it is, `fairlead secret rotate --accept-changes` encrypts it with the rest", dotted(path))
}

func additional(path []string) string { return strings.Join(path, ":") + ":" }

// macOnlyEncrypted begins the MAC of files whose MAC covers encrypted values alone, so that the two cannot be taken for each other: SHA-256 of "sops".
var macOnlyEncrypted = []byte{
	0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
	0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
}

func newMAC(only bool) hash.Hash {
	h := sha512.New()
	if only {
		_, _ = h.Write(macOnlyEncrypted)
	}
	return h
}

// verify compares the MAC of what was read with that of the file.
func (f *File) verify(key []byte, sum hash.Hash) error {
	recorded, _, err := decrypt(f.meta.mac, key, f.meta.modified.Format(time.RFC3339))
	if err != nil {
		return at(f.name, f.meta.line, "sops.mac does not open: %w", err)
	}
	text, _ := recorded.(string)
	if subtle.ConstantTimeCompare([]byte(strings.ToUpper(text)), fmt.Appendf(nil, "%X", sum.Sum(nil))) != 1 {
		return changedError{at(f.name, f.meta.line, "the MAC of the file is another: something in it was changed, added, removed or reordered after it was "+
			"encrypted. Undo that, and change it with `fairlead secret edit`; if it is meant as it is, `fairlead secret rotate --accept-changes` encrypts it again")}
	}
	return nil
}

// key finds the data key.
func (f *File) key(keys Keys) ([]byte, error) {
	var parts [][]byte
	var failed error
	tries := 0
	for _, group := range f.meta.groups {
		part, err := f.part(group, keys, &tries)
		if err != nil {
			failed = err
		} else if part != nil {
			parts = append(parts, part)
		}
	}
	key, err := []byte(nil), error(nil)
	switch need := max(2, cmp.Or(f.meta.threshold, len(f.meta.groups))); {
	case len(f.meta.groups) == 1 && len(parts) == 1:
		key = parts[0]
	case len(f.meta.groups) > 1 && len(parts) >= need:
		if key, err = combine(parts); err != nil {
			return nil, at(f.name, f.meta.line, "%w", err)
		}
	case failed != nil:
		return nil, failed
	default:
		return nil, noKeyError{f.noKey(keys, len(parts), need)}
	}
	if len(key) != keyBytes {
		return nil, at(f.name, f.meta.line, "what the keys open is no data key: the file is damaged")
	}
	return key, nil
}

// part is the part of the data key that a group has; nil if no key of it is at hand.
func (f *File) part(group []recipient, keys Keys, tries *int) ([]byte, error) {
	var failed error
	for _, r := range group {
		if *tries == maxTries {
			return nil, at(f.name, f.meta.line, "%d of its data keys were tried in vain", maxTries)
		}
		part, err := keys.dataKey(r)
		if err == nil {
			return part, nil
		}
		if !errors.Is(err, errOther) {
			*tries++
			failed = at(f.name, f.meta.line, "the data key for %s does not open, though its private key is here: the file is damaged, or was put together by hand", r)
		}
	}
	return nil, failed
}

// ErrNoKey is that no key which is here opens a file. Nothing else is known of it then.
var ErrNoKey = errors.New("no key that is here opens it")

type noKeyError struct{ error }

func (e noKeyError) Unwrap() error        { return e.error }
func (e noKeyError) Is(target error) bool { return target == ErrNoKey }

// noKey says for whom the file is, and which keys are here.
func (f *File) noKey(keys Keys, parts, need int) error {
	var theirs []string
	onlyClouds := true
	for _, group := range f.meta.groups {
		for _, r := range group {
			theirs = append(theirs, r.String())
			onlyClouds = onlyClouds && r.kind != kindAge && r.kind != kindPGP
		}
	}
	slices.Sort(theirs)
	theirs = slices.Compact(theirs)
	if more := len(theirs) - 10; more > 0 {
		theirs = append(theirs[:10], fmt.Sprintf("%d more", more))
	}
	whom := strings.Join(theirs, ", ")
	if onlyClouds {
		return at(f.name, f.meta.line, "encrypted for %s alone, and Fairlead asks no cloud for keys: add an age recipient, "+
			"with `sops rotate --in-place --add-age age1…` and its private key in the Secret that spec.render.decryption names", whom)
	}
	if parts > 0 {
		return at(f.name, f.meta.line, "%d of the %d groups of keys that it takes are here: it is encrypted for %s", parts, need, whom)
	}
	if keys.None() {
		return at(f.name, f.meta.line, "encrypted for %s, and no private key is here", whom)
	}
	return at(f.name, f.meta.line, "encrypted for %s, and the private keys that are here are of %s: add the private key of one recipient, "+
		"or encrypt the file for a key that is here with `fairlead secret rotate`", whom, strings.Join(keys.Names(), ", "))
}

// Recipients are those that the file is encrypted for, as SOPS names them.
func (f *File) Recipients() []string {
	var out []string
	for _, group := range f.meta.groups {
		for _, r := range group {
			out = append(out, r.name)
		}
	}
	return out
}

// Placeholders returns the file with a text in the place of each encrypted value, so that the rest of it can be looked at without a key.
func (f *File) Placeholders(value func(path []string) any) ([]byte, error) {
	v := visitor{comment: func([]string, [][]string, *comment) error { return nil }}
	v.leaf = func(path []string, _ [][]string, l *leaf) error {
		if text, ok := l.value.(string); ok && IsCiphertext(text) {
			l.value = value(path)
			switch {
			case strings.HasSuffix(text, ",type:int]"):
				l.value = 0
			case strings.HasSuffix(text, ",type:bool]"):
				l.value = false
			case strings.HasSuffix(text, ",type:float]"):
				l.value = 0.0
			case strings.HasSuffix(text, ",type:comment]"):
				l.gone = true
			}
		}
		return nil
	}
	for _, doc := range f.docs {
		if err := v.branch(doc, nil, nil); err != nil {
			return nil, err
		}
	}
	return f.write(f.docs, true)
}
