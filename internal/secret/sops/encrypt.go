package sops

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// version is the version of the format, as SOPS counts them.
const version = "3.13.3"

// Creation says how a file is encrypted.
type Creation struct {
	// Age and PGP are the recipients: each of them can open the file. PGP has fingerprints as ParseFingerprint returns them.
	Age, PGP []string
	// Public is where the keys of the fingerprints are found.
	Public Public
	// Rule holds, under the names that SOPS has for them, what says which values are encrypted: at most one of ruleFields, and mac_only_encrypted.
	Rule map[string]string
	Now  time.Time
}

// Encrypt encrypts a plain file.
func Encrypt(name string, data []byte, how Creation) ([]byte, error) {
	if len(data) > maxBytes {
		return nil, at(name, 0, "the file is larger than %d MiB: split it", maxBytes>>20)
	}
	if Sniff(data) {
		if _, err := Read(name, data); !errors.Is(err, ErrPlain) {
			return nil, fault.Newf(fault.Invalid, "%s: it is encrypted already: `fairlead secret rotate` encrypts it for others", name)
		}
	}
	f := &File{name: name, format: plainFormat(name)}
	if err := f.readPlain(data); err != nil {
		return nil, err
	}
	if err := f.encryptable(len(how.Rule) > 0); err != nil {
		return nil, err
	}
	return f.encrypt(how)
}

// readPlain reads what is to be encrypted.
func (f *File) readPlain(data []byte) (err error) {
	if f.format == Binary {
		f.docs = []branch{{{key: "data", value: &leaf{value: string(data)}}}}
		return nil
	}
	f.docs, err = f.format.read(f.name, data)
	return err
}

// encryptable says what cannot be encrypted. If a rule says which values are, others stay in plain text.
func (f *File) encryptable(ruled bool) error {
	for _, doc := range f.docs {
		if l := appliedLast(doc); l != nil && ruled {
			return at(f.name, l.line, "the annotation %s holds all of the object, and stays in plain text: remove it", lastApplied)
		}
		for _, e := range doc {
			if e.comment == nil && (e.key == metadataKey || f.format == Dotenv && strings.HasPrefix(e.key, flatPrefix)) {
				return at(f.name, e.line, "the key %s is that of the metadata of SOPS: name it otherwise", e.key)
			}
		}
	}
	return nil
}

// lastApplied is where kubectl apply keeps what it was given.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// appliedLast is that of an object; nil if it has none.
func appliedLast(doc branch) *leaf {
	for _, key := range []string{"metadata", "annotations"} {
		next, ok := doc.value(key).(branch)
		if !ok {
			return nil
		}
		doc = next
	}
	l, _ := doc.value(lastApplied).(*leaf)
	return l
}

func plainFormat(name string) Format {
	switch {
	case strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
		return YAML
	case strings.HasSuffix(name, ".json"):
		return JSON
	case strings.HasSuffix(name, ".env"):
		return Dotenv
	}
	return Binary
}

// Recipients are all who will be able to open the file.
func (c Creation) Recipients() []string { return slices.Concat(c.Age, c.PGP) }

// same makes the recipients those that the file has.
func (f *File) same(how *Creation) error {
	for _, group := range f.meta.groups {
		for _, r := range group {
			switch r.kind {
			case kindAge:
				how.Age = append(how.Age, r.name)
			case kindPGP:
				name, err := ParseFingerprint(r.name)
				if err != nil {
					return at(f.name, f.meta.line, "%w", err)
				}
				how.PGP = append(how.PGP, name)
			default:
				return at(f.name, f.meta.line, "it is encrypted for %s too, which only sops can do again: name its new recipients, all of them age or OpenPGP keys, "+
					"or use `sops rotate`", r)
			}
		}
	}
	return nil
}

// Rotate encrypts the file again, with a new data key, for other recipients; without any in how, for the same ones. What the file says of which values are
// encrypted stays. With accept, values that were added in plain text and a MAC that is another are no error.
func (f *File) Rotate(keys Keys, how Creation, accept bool) ([]byte, error) {
	if len(how.Recipients()) == 0 {
		if err := f.same(&how); err != nil {
			return nil, err
		}
	}
	if len(f.meta.groups) > 1 {
		return nil, at(f.name, f.meta.line, "its key is shared between groups, which only sops can do again: use `sops rotate`")
	}
	f.acceptPlain = accept
	if err := f.open(keys); err != nil {
		var changed changedError
		if !accept || !errors.As(err, &changed) {
			return nil, err
		}
	}
	how.Rule = f.meta.rules()
	return f.encrypt(how)
}

// changedError is that a file has another MAC.
type changedError struct{ error }

func (e changedError) Unwrap() error { return e.error }

func (f *File) encrypt(how Creation) ([]byte, error) {
	rule, err := readRule(f.name, 0, func(field string) string { return how.Rule[field] })
	if err != nil {
		return nil, err
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	macOnly := how.Rule["mac_only_encrypted"] == "true"
	sum := newMAC(macOnly)
	n, err := f.encryptValues(rule, key, macOnly, sum)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fault.Newf(fault.Invalid, "%s: nothing in it would be encrypted by the rule%s", f.name, ruleText(how.Rule))
	}
	modified := how.Now.UTC().Format(time.RFC3339)
	mac, err := encrypt(fmt.Sprintf("%X", sum.Sum(nil)), false, key, modified)
	if err != nil {
		return nil, err
	}
	meta, err := f.newMetadata(how, key, modified, mac)
	if err != nil {
		return nil, err
	}
	return f.assemble(meta)
}

// assemble writes the encrypted documents with their metadata.
func (f *File) assemble(meta branch) ([]byte, error) {
	docs := make([]branch, len(f.docs))
	for i, doc := range f.docs {
		docs[i] = append(doc[:len(doc):len(doc)], entry{key: metadataKey, value: meta})
	}
	switch f.format {
	case Binary:
		return writeJSON(docs[0], f.style)
	case Dotenv:
		return f.write([]branch{flatten(f.docs[0], flatPrefix, meta)}, false)
	case INI:
		return f.write([]branch{append(f.docs[0][:len(f.docs[0]):len(f.docs[0])], entry{key: metadataKey, value: flattenINI(meta)})}, false)
	case YAML, JSON:
	}
	return f.write(docs, false)
}

func ruleText(r map[string]string) string {
	for _, field := range ruleFields {
		if r[field] != "" {
			return " " + field + ": " + r[field]
		}
	}
	return ""
}

// encryptValues encrypts in place, and counts.
func (f *File) encryptValues(r rule, key []byte, macOnly bool, sum hash.Hash) (n int, err error) {
	v := visitor{
		comment: func(path []string, comments [][]string, c *comment) error {
			if !r.covers(path, comments, true) || c.text == "" {
				return nil
			}
			var err error
			c.text, err = f.seal(c.text, true, key, path)
			return err
		},
		leaf: func(path []string, comments [][]string, l *leaf) error {
			covered := r.covers(path, comments, false)
			if !l.gone && (covered || !macOnly) {
				_, _ = sum.Write([]byte(textOf(l.value)))
			}
			if !covered {
				return nil
			}
			n++
			var err error
			l.value, err = f.seal(l.value, l.gone, key, path)
			return err
		},
	}
	for _, doc := range f.docs {
		if err := v.branch(doc, nil, nil); err != nil {
			return n, err
		}
	}
	return n, nil
}

// seal encrypts a value, unless it is kept as it is.
func (f *File) seal(value any, isComment bool, key []byte, path []string) (string, error) {
	if text, ok := f.kept.take(placeOf(value, isComment, path)); ok {
		return text, nil
	}
	return encrypt(value, isComment, key, additional(path))
}

// newMetadata is the metadata of a file that was encrypted now.
func (f *File) newMetadata(how Creation, key []byte, modified, mac string) (branch, error) {
	age, pgp, err := f.recipients(how, key, modified)
	if err != nil {
		return nil, err
	}
	var meta branch
	if len(age) > 0 {
		meta = branch{{key: kindAge, value: age}}
	}
	text := func(key, value string) {
		if value != "" {
			meta = append(meta, entry{key: key, value: &leaf{value: value}})
		}
	}
	rule := how.Rule
	for _, field := range []string{"encrypted_comment_regex", "encrypted_regex", "encrypted_suffix"} {
		text(field, rule[field])
	}
	text("lastmodified", modified)
	text("mac", mac)
	if rule["mac_only_encrypted"] == "true" {
		meta = append(meta, entry{key: "mac_only_encrypted", value: &leaf{value: true}})
	}
	if len(pgp) > 0 {
		meta = append(meta, entry{key: kindPGP, value: pgp})
	}
	for _, field := range []string{"unencrypted_comment_regex", "unencrypted_regex", "unencrypted_suffix"} {
		text(field, rule[field])
	}
	text("version", version)
	return meta, nil
}

// recipients are the lists of the metadata: the data key for each.
func (f *File) recipients(how Creation, key []byte, modified string) (age, pgp list, err error) {
	text := func(key, value string) entry { return entry{key: key, value: &leaf{value: value}} }
	for _, to := range how.Age {
		enc, err := encryptFor(to, key)
		if err != nil {
			return nil, nil, err
		}
		age = append(age, branch{text("enc", enc), text("recipient", to)})
	}
	for _, to := range how.PGP {
		enc, err := how.Public.encryptFor(to, key, how.Now)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.name, err)
		}
		pgp = append(pgp, branch{text("created_at", modified), text("enc", enc), text("fp", to)})
	}
	if len(age)+len(pgp) == 0 {
		err = fault.Newf(fault.Invalid, "%s: no recipients: name one with --age age1… or --pgp, or in the creation rules of .sops.yaml", f.name)
	}
	return age, pgp, err
}

// CheckRecipient says what is wrong with an age recipient.
func CheckRecipient(to string) error {
	_, err := parseRecipient(to)
	return err
}

func parseRecipient(to string) (age.Recipient, error) {
	var r age.Recipient
	var err error
	switch {
	case strings.HasPrefix(to, "ssh-"):
		r, err = agessh.ParseRecipient(to)
	case strings.HasPrefix(to, "age1pq1"):
		r, err = age.ParseHybridRecipient(to)
	case strings.HasPrefix(to, "AGE-SECRET-KEY-"):
		return nil, fault.Newf(fault.Invalid, "that is a private age key: a recipient is the public key, age1…, that is printed above it")
	default:
		r, err = age.ParseX25519Recipient(to)
	}
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "%q is no age recipient: it begins with age1 or ssh-", to)
	}
	return r, nil
}

func encryptFor(to string, key []byte) (string, error) {
	r, err := parseRecipient(to)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	armored := armor.NewWriter(&b)
	w, err := age.Encrypt(armored, r)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(key); err != nil {
		return "", err
	}
	if err := errors.Join(w.Close(), armored.Close()); err != nil {
		return "", err
	}
	return b.String(), nil
}
