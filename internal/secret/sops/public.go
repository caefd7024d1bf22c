package sops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	pgparmor "github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// PublicFile is the name of a file of public OpenPGP keys, as Flux has it: with it beside a .sops.yaml, its fingerprints are enough.
const PublicFile = ".sops.pub.asc"

// Public are OpenPGP keys that are encrypted for. The zero Public has none.
type Public struct{ ring openpgp.EntityList }

// Add adds the keys of a file, armored or not, and returns their fingerprints. Of a private key the public half is taken.
func (p *Public) Add(name string, data []byte) ([]string, error) {
	ring, err := readRing(data)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "%s: no public OpenPGP key: write it with `gpg --export --armor`", name)
	}
	if len(p.ring)+len(ring) > maxKeys {
		return nil, fault.Newf(fault.Invalid, "%s: more than %d keys", name, maxKeys)
	}
	var out []string
	for _, e := range ring {
		out = append(out, fingerprint(e.PrimaryKey))
	}
	p.ring = append(p.ring, ring...)
	return out, nil
}

// Public are the public halves of the OpenPGP keys.
func (k Keys) Public() Public { return Public{k.pgp} }

// And are the keys of both.
func (p Public) And(more Public) Public { return Public{slices.Concat(p.ring, more.ring)} }

// readRing reads keys, armored in one block or in several, or not armored. There is one at least.
func readRing(data []byte) (openpgp.EntityList, error) {
	begin := []byte("-----BEGIN PGP ")
	if !bytes.Contains(data, begin) {
		return openpgp.ReadKeyRing(bytes.NewReader(data))
	}
	var out openpgp.EntityList
	for _, block := range bytes.Split(data, begin)[1:] {
		ring, err := openpgp.ReadArmoredKeyRing(io.MultiReader(bytes.NewReader(begin), bytes.NewReader(block)))
		if err != nil {
			return nil, err
		}
		out = append(out, ring...)
	}
	return out, nil
}

// find is the key with a fingerprint, or with a key below it that has it; nil if there is none.
func (p Public) find(name string) *openpgp.Entity {
	for _, e := range p.ring {
		if fingerprint(e.PrimaryKey) == name || slices.ContainsFunc(e.Subkeys, func(s openpgp.Subkey) bool { return fingerprint(s.PublicKey) == name }) {
			return e
		}
	}
	return nil
}

// encryptFor encrypts a data key for who has the private key of a fingerprint.
func (p Public) encryptFor(name string, key []byte, now time.Time) (string, error) {
	e := p.find(name)
	if e == nil {
		return "", fault.Newf(fault.Invalid, "the public key of OpenPGP %s is not here: write it with `gpg --export --armor %s` into a %s at or above the file, "+
			"or into a file that --pgp-keyring names", name, name, PublicFile)
	}
	var b bytes.Buffer
	armored, err := pgparmor.Encode(&b, "PGP MESSAGE", nil)
	if err != nil {
		return "", err
	}
	w, err := openpgp.Encrypt(armored, []*openpgp.Entity{e}, nil, &openpgp.FileHints{IsBinary: true}, &packet.Config{Time: func() time.Time { return now }})
	if err != nil {
		return "", fault.Newf(fault.Invalid, "nothing can be encrypted for OpenPGP %s: it is expired or revoked, or has no key for encryption. "+
			"Export it anew, or name another", name)
	}
	if _, err := w.Write(key); err != nil {
		return "", err
	}
	err = errors.Join(w.Close(), armored.Close())
	return b.String(), err
}

var hexadecimal = regexp.MustCompile(`^([0-9A-F]{40}|[0-9A-F]{64})$`)

// ParseFingerprint is a fingerprint as people write it, as SOPS has it. Shorter names of keys can be had by others, too.
func ParseFingerprint(text string) (string, error) {
	name := strings.TrimPrefix(strings.ToUpper(strings.ReplaceAll(text, " ", "")), "0X")
	if !hexadecimal.MatchString(name) {
		return "", fault.Newf(fault.Invalid, "%q is no fingerprint of an OpenPGP key: it has 40 digits, which `gpg --list-keys` prints", text)
	}
	return name, nil
}

// fingerprints reads those of a rule: a list, or a text with commas.
func fingerprints(texts []string) ([]string, error) {
	var out []string
	for _, text := range texts {
		name, err := ParseFingerprint(text)
		if err != nil {
			return nil, fmt.Errorf("pgp: %w", err)
		}
		out = append(out, name)
	}
	return out, nil
}
