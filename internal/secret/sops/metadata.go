package sops

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const metadataKey = "sops"

// metadata is what a file says of its encryption.
type metadata struct {
	line      int
	groups    [][]recipient // one that is enough, or several of which threshold are needed
	threshold int
	modified  time.Time
	mac       string
	macOnly   bool // the MAC covers encrypted values alone
	rule      rule
	raw       branch
}

// recipient is a key that the data key, or a part of it, is encrypted for.
type recipient struct {
	kind string // as SOPS names its list
	name string // age recipient, fingerprint, ARN …
	enc  string
}

const (
	kindAge = "age"
	kindPGP = "pgp"
)

// clouds are the other lists of recipients, what each is called and which of its fields names the key.
var clouds = []struct{ kind, called, name string }{
	{"kms", "AWS KMS", "arn"},
	{"gcp_kms", "Google Cloud KMS", "resource_id"},
	{"azure_kv", "Azure Key Vault", "name"},
	{"hc_vault", "HashiCorp Vault", "key_name"},
	{"hckms", "Huawei Cloud KMS", "key_id"},
}

// extract takes the metadata out of the documents. Each document of a file has it; that of the first one counts.
func extract(file string, docs []branch) (metadata, error) {
	var m metadata
	found := false
	for i, doc := range docs {
		kept := branch{}
		for _, e := range doc {
			if e.comment != nil || e.key != metadataKey {
				kept = append(kept, e)
				continue
			}
			raw, ok := e.value.(branch)
			if !ok {
				return m, at(file, e.line, "sops is no map: it holds the metadata of SOPS")
			}
			if i == 0 {
				m.raw, m.line, found = raw, e.line, true
			}
		}
		docs[i] = kept
	}
	if !found {
		return m, at(file, 1, "it has no metadata of SOPS")
	}
	return m, m.read(file)
}

func (m *metadata) read(file string) error {
	var err error
	raw := m.raw
	if m.modified, err = time.Parse(time.RFC3339, raw.text("lastmodified")); err != nil {
		return at(file, m.line, "sops.lastmodified is no time as RFC 3339 has it")
	}
	m.mac = raw.text("mac")
	m.macOnly = strings.EqualFold(raw.text("mac_only_encrypted"), "true")
	if text := raw.text("shamir_threshold"); text != "" {
		if m.threshold, err = strconv.Atoi(text); err != nil || m.threshold < 0 || m.threshold > 255 {
			return at(file, m.line, "sops.shamir_threshold is no number from 0 to 255")
		}
	}
	if m.rule, err = readRule(file, m.line, raw.text); err != nil {
		return err
	}
	if one := recipients(raw); len(one) > 0 {
		m.groups = [][]recipient{one}
	} else if groups, ok := raw.value("key_groups").(list); ok {
		for _, item := range groups {
			if g, ok := item.(branch); ok {
				m.groups = append(m.groups, recipients(g))
			}
		}
	}
	return m.bounds(file)
}

func (m *metadata) bounds(file string) error {
	n := 0
	for _, g := range m.groups {
		n += len(g)
		for _, r := range g {
			if len(r.enc) > maxEncrypted {
				return at(file, m.line, "the data key for %s takes more than %d bytes", r.name, maxEncrypted)
			}
		}
	}
	switch {
	case n == 0:
		return at(file, m.line, "the file is encrypted for nobody: sops has no recipients")
	case n > maxRecipients:
		return at(file, m.line, "the file is encrypted for more than %d recipients", maxRecipients)
	}
	return nil
}

// rules are what a file says of which values are encrypted, as a Creation has it.
func (m *metadata) rules() map[string]string {
	out := map[string]string{}
	for _, field := range ruleFields {
		if text := m.raw.text(field); text != "" {
			out[field] = text
		}
	}
	if m.macOnly {
		out["mac_only_encrypted"] = "true"
	}
	return out
}

// recipients reads the lists of one group.
func recipients(b branch) []recipient {
	out := listed(b, kindAge, "recipient")
	out = append(out, listed(b, kindPGP, "fp")...)
	for _, c := range clouds {
		out = append(out, listed(b, c.kind, c.name)...)
	}
	return out
}

func listed(b branch, kind, name string) []recipient {
	var out []recipient
	items, _ := b.value(kind).(list)
	for _, item := range items {
		if r, ok := item.(branch); ok {
			out = append(out, recipient{kind, r.text(name), r.text("enc")})
		}
	}
	return out
}

// ruleFields are the fields of metadata and of creation rules that say what is encrypted.
var ruleFields = []string{
	"unencrypted_suffix", "encrypted_suffix", "unencrypted_regex", "encrypted_regex", "unencrypted_comment_regex", "encrypted_comment_regex",
}

// defaultUnencryptedSuffix holds where nothing else is said.
const defaultUnencryptedSuffix = "_unencrypted"

func readRule(file string, line int, text func(string) string) (rule, error) {
	var r rule
	var set []string
	for _, field := range ruleFields {
		value := text(field)
		if value == "" {
			continue
		}
		set = append(set, field)
		var re *regexp.Regexp
		if strings.HasSuffix(field, "_regex") {
			var err error
			if len(value) > maxPattern {
				return r, at(file, line, "%s has more than %d bytes", field, maxPattern)
			}
			if re, err = regexp.Compile(value); err != nil {
				return r, at(file, line, "%s: %w", field, err)
			}
		}
		switch field {
		case "unencrypted_suffix":
			r.unencryptedSuffix = value
		case "encrypted_suffix":
			r.encryptedSuffix = value
		case "unencrypted_regex":
			r.unencryptedRegex = re
		case "encrypted_regex":
			r.encryptedRegex = re
		case "unencrypted_comment_regex":
			r.unencryptedCommentRegex = re
		case "encrypted_comment_regex":
			r.encryptedCommentRegex = re
		}
	}
	switch len(set) {
	case 0:
		r.unencryptedSuffix = defaultUnencryptedSuffix
	case 1:
	default:
		return r, at(file, line, "only one of %s can be", strings.Join(set, " and "))
	}
	return r, nil
}

// called is how a person calls a kind of recipient.
func called(kind string) string {
	for _, c := range clouds {
		if c.kind == kind {
			return c.called
		}
	}
	return map[string]string{kindAge: "age", kindPGP: "OpenPGP"}[kind]
}

// String names a recipient: nothing of it is secret.
func (r recipient) String() string { return called(r.kind) + " " + cmp.Or(r.name, "of no name") }
