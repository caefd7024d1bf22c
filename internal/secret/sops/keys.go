package sops

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"github.com/ProtonMail/go-crypto/openpgp"
	pgparmor "github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Keys are the private keys that are tried. The zero Keys are none. Once filled they are safe for concurrent use.
type Keys struct {
	age []identity
	pgp openpgp.EntityList
}

// identity is a private age key with the recipient that it stands for.
type identity struct {
	age.Identity
	recipient string
}

// None reports whether there are no keys.
func (k Keys) None() bool { return len(k.age) == 0 && len(k.pgp) == 0 }

// Names are the recipients and fingerprints of the keys: nothing of them is secret.
func (k Keys) Names() []string {
	var out []string
	for _, id := range k.age {
		out = append(out, id.recipient)
	}
	for _, e := range k.pgp {
		out = append(out, fingerprint(e.PrimaryKey))
	}
	return out
}

// AddAge adds the keys of a file that age-keygen wrote, one a line, or an unencrypted SSH key. Name says in errors where they are from.
func (k *Keys) AddAge(name string, data []byte) error {
	if len(data) > maxBytes>>4 {
		return fault.Newf(fault.Invalid, "%s: more than a file of keys", name)
	}
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return k.addSSH(name, data)
	}
	line := 0
	for text := range strings.SplitSeq(string(data), "\n") {
		line++
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		id, err := parseIdentity(text)
		if err != nil {
			// What the library says may quote the key.
			return at(name, line, "no private age key: it begins with AGE-SECRET-KEY-")
		}
		if err := k.addAge(name, id); err != nil {
			return err
		}
	}
	return nil
}

func parseIdentity(text string) (identity, error) {
	if strings.HasPrefix(text, "AGE-SECRET-KEY-PQ-") {
		id, err := age.ParseHybridIdentity(text)
		if err != nil {
			return identity{}, err
		}
		return identity{id, id.Recipient().String()}, nil
	}
	id, err := age.ParseX25519Identity(text)
	if err != nil {
		return identity{}, err
	}
	return identity{id, id.Recipient().String()}, nil
}

func (k *Keys) addAge(name string, id identity) error {
	if len(k.age) == maxKeys {
		return fault.Newf(fault.Invalid, "%s: more than %d keys", name, maxKeys)
	}
	if !slices.ContainsFunc(k.age, func(have identity) bool { return have.recipient == id.recipient }) {
		k.age = append(k.age, id)
	}
	return nil
}

func (k *Keys) addSSH(name string, data []byte) error {
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return fault.Newf(fault.Invalid, "%s: no private SSH key without a passphrase", name)
	}
	id, err := agessh.ParseIdentity(data)
	if err != nil {
		return fault.Newf(fault.Invalid, "%s: age takes SSH keys of the types ed25519 and RSA alone", name)
	}
	return k.addAge(name, identity{id, sshName(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))})
}

// sshName is a line of authorized_keys without its comment.
func sshName(line string) string {
	words := strings.Fields(line)
	return strings.Join(words[:min(2, len(words))], " ")
}

// AddPGP adds private OpenPGP keys, armored or not, that have no passphrase.
func (k *Keys) AddPGP(name string, data []byte) error {
	if len(data) > maxBytes>>4 {
		return fault.Newf(fault.Invalid, "%s: more than a file of keys", name)
	}
	ring, err := readRing(data)
	if err != nil {
		return fault.Newf(fault.Invalid, "%s: no private OpenPGP key: write it with `gpg --export-secret-keys --armor`", name)
	}
	for _, e := range ring {
		switch {
		case e.PrivateKey == nil:
			return fault.Newf(fault.Invalid, "%s: %s is a public key: write it with `gpg --export-secret-keys --armor`", name, fingerprint(e.PrimaryKey))
		case e.PrivateKey.Encrypted:
			return fault.Newf(fault.Invalid, "%s: %s has a passphrase, which nobody could type: remove it with `gpg --change-passphrase`", name, fingerprint(e.PrimaryKey))
		case len(k.pgp) == maxKeys:
			return fault.Newf(fault.Invalid, "%s: more than %d keys", name, maxKeys)
		}
		k.pgp = append(k.pgp, e)
	}
	return nil
}

func fingerprint(key *packet.PublicKey) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range key.Fingerprint {
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// errOther is that a key is not among those at hand.
var errOther = errors.New("not at hand")

// dataKey opens what is encrypted for one recipient.
func (k Keys) dataKey(r recipient) ([]byte, error) {
	switch r.kind {
	case kindAge:
		return k.ageKey(r)
	case kindPGP:
		return k.pgpKey(r)
	}
	return nil, errOther
}

func (k Keys) ageKey(r recipient) ([]byte, error) {
	// Only the key that is named is tried: a file can name many.
	i := slices.IndexFunc(k.age, func(id identity) bool {
		return id.recipient == r.name || strings.HasPrefix(r.name, "ssh-") && id.recipient == sshName(r.name)
	})
	if i < 0 {
		return nil, errOther
	}
	plain, err := age.Decrypt(armor.NewReader(strings.NewReader(r.enc)), k.age[i].Identity)
	if err != nil {
		return nil, err
	}
	return limited(plain)
}

func (k Keys) pgpKey(r recipient) ([]byte, error) {
	if len(k.pgp) == 0 {
		return nil, errOther
	}
	block, err := pgparmor.Decode(strings.NewReader(r.enc))
	if err != nil {
		return nil, err
	}
	m, err := openpgp.ReadMessage(block.Body, k.pgp, nil, nil)
	if err != nil {
		if slices.ContainsFunc(k.pgp, func(e *openpgp.Entity) bool { return strings.EqualFold(fingerprint(e.PrimaryKey), r.name) }) {
			return nil, err
		}
		return nil, errOther
	}
	return limited(m.UnverifiedBody)
}

// limited reads a data key, or a part of one: what is compressed may stand for gigabytes.
func limited(r io.Reader) ([]byte, error) {
	plain, err := io.ReadAll(io.LimitReader(r, keyBytes+2))
	if err != nil {
		return nil, err
	}
	if len(plain) > keyBytes+1 {
		return nil, errors.New("it is no data key")
	}
	return plain, nil
}

// Generate makes an age key: the text of its file, and its recipient.
func Generate(hybrid bool) (key []byte, recipient string, err error) {
	var text string
	if hybrid {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			return nil, "", err
		}
		text, recipient = id.String(), id.Recipient().String()
	} else {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, "", err
		}
		text, recipient = id.String(), id.Recipient().String()
	}
	return []byte("# recipient: " + recipient + "\n" + text + "\n"), recipient, nil
}
