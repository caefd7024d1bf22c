package signature

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/crypto/ssh"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Revoked is the entry whose lines name keys that sign nothing any more, though another entry may hold them.
const Revoked = "revoked"

// Bounds of what is read. More is an error.
const (
	maxRing = 1 << 20 // bytes of all entries together
	maxKeys = 1000
)

// A Ring is the keys whose signatures count. The zero Ring accepts nothing. It is immutable and safe for concurrent use.
type Ring struct {
	pgp     openpgp.EntityList
	ssh     []sshKey
	revoked map[string]bool // fingerprints, as String of a key prints them
}

// sshKey is one key of SSH, and for how long its owner may sign with it.
type sshKey struct {
	key           ssh.PublicKey
	owner         string
	after, before time.Time // zero: no bound
}

// Signer is who signed.
type Signer struct {
	Name string // as the ring has it: "Ada Lovelace <ada@example.com>"
	Key  string // which of the keys: "OpenPGP 0123ABCD…", "SSH SHA256:…"
}

func (s Signer) String() string {
	if s.Name == "" {
		return s.Key
	}
	return fmt.Sprintf("%s (%s)", s.Name, s.Key)
}

// Parse reads the entries of a Secret: each holds armoured public keys of OpenPGP, or lines of public keys of SSH. Errors are of kind fault.Invalid and name
// the entry; a Ring without any key is one.
func Parse(entries map[string][]byte) (Ring, error) {
	r := Ring{revoked: map[string]bool{}}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		data := entries[name]
		if size += len(data); size > maxRing {
			return Ring{}, fault.Newf(fault.Invalid, "the keys are larger than %d KiB altogether", maxRing>>10)
		}
		var err error
		switch {
		case name == Revoked:
			err = r.revoke(data)
		case bytes.Contains(data, []byte("PRIVATE KEY")):
			err = errors.New("it holds a private key: put the public key here, and take the private key for lost")
		case bytes.Contains(data, []byte("-----BEGIN PGP")):
			err = r.addPGP(data)
		default:
			err = r.addSSH(data)
		}
		if err == nil && len(r.pgp)+len(r.ssh) > maxKeys {
			err = fmt.Errorf("there are more than %d keys", maxKeys)
		}
		if err != nil {
			return Ring{}, fault.Newf(fault.Invalid, "read key %s: %w", name, err)
		}
	}
	if len(r.pgp)+len(r.ssh) == 0 {
		return Ring{}, fault.Newf(fault.Invalid, "there is no key: put armoured OpenPGP public keys or SSH public keys into it")
	}
	return r, nil
}

func (r *Ring) addPGP(data []byte) error {
	const begin = "-----BEGIN PGP"
	for rest := string(data); ; {
		_, after, more := strings.Cut(rest, begin)
		if !more {
			return nil
		}
		rest = after
		block, _, _ := strings.Cut(rest, begin)
		list, err := openpgp.ReadArmoredKeyRing(strings.NewReader(begin + block))
		if err != nil {
			return fmt.Errorf("it is no OpenPGP public key: %w", err)
		}
		r.pgp = append(r.pgp, list...)
	}
}

// revoke reads lines of fingerprints ("SHA256:…", or the digits of an OpenPGP key) and of public keys of SSH.
func (r *Ring) revoke(data []byte) error {
	for n, line := range lines(data) {
		text := strings.TrimPrefix(line, "SSH ")
		switch digits := strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(text, "OpenPGP "), " ", "")); {
		case strings.HasPrefix(text, "SHA256:"):
			r.revoked["SSH "+text] = true
		case isHex(digits) && len(digits) >= 40:
			r.revoked["OpenPGP "+digits] = true
		default:
			k, err := parseSigner(text)
			if err != nil {
				return fmt.Errorf("line %d: %w; or write its fingerprint", n, err)
			}
			r.revoked[nameOf(k.key)] = true
		}
	}
	return nil
}

// lines yields the lines that say something, by number from 1.
func lines(data []byte) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		for i, line := range strings.Split(string(data), "\n") {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !yield(i+1, line) {
				return
			}
		}
	}
}

func isHex(text string) bool { return strings.Trim(text, "0123456789ABCDEF") == "" }
