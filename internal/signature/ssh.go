package signature

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// namespace keeps a signature that was made for something else from counting for a commit.
const namespace = "git"

// nameOf is how a key of SSH is quoted.
func nameOf(k ssh.PublicKey) string { return "SSH " + ssh.FingerprintSHA256(k) }

func (r *Ring) addSSH(data []byte) error {
	for n, line := range lines(data) {
		k, err := parseSigner(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		r.ssh = append(r.ssh, k)
	}
	return nil
}

// parseSigner reads a line of an authorized_keys or an allowed_signers file.
func parseSigner(line string) (sshKey, error) {
	key, comment, _, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err == nil && len(rest) == 0 && startsWithType(line) {
		return sshKey{key: key, owner: comment}, nil
	}
	// In an allowed_signers line, principals come first; the remainder has the form of authorized_keys, with other options.
	principals, after, found := strings.Cut(line, " ")
	if !found {
		return sshKey{}, errors.New("it is no public key of SSH, such as \"ssh-ed25519 AAAA… ada@example.com\"")
	}
	key, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(strings.TrimSpace(after)))
	if err != nil || len(rest) > 0 {
		return sshKey{}, errors.New("it is no public key of SSH, such as \"ssh-ed25519 AAAA… ada@example.com\"")
	}
	k := sshKey{key: key, owner: strings.Trim(principals, `"`)}
	if comment != "" && !strings.Contains(k.owner, "@") {
		k.owner = comment
	}
	return k, k.limit(options)
}

// startsWithType reports whether a line begins with the type of a key, as lines of authorized_keys without options do.
func startsWithType(line string) bool {
	word, _, _ := strings.Cut(line, " ")
	return strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "ecdsa-") || strings.HasPrefix(word, "sk-")
}

// limit applies the options of an allowed_signers line. What it does not know it refuses: an option narrows what a key may do.
func (k *sshKey) limit(options []string) error {
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		value = strings.Trim(value, `"`)
		var err error
		switch strings.ToLower(name) {
		case "namespaces":
			if !matchesAny(value, namespace) {
				err = fmt.Errorf("its namespaces are %q, not %q: it signs no commits", value, namespace)
			}
		case "valid-after":
			k.after, err = parseTime(value)
		case "valid-before":
			k.before, err = parseTime(value)
		case "cert-authority":
			err = errors.New("certificates of SSH are not supported: name each key")
		default:
			err = fmt.Errorf("the option %q is not known", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func matchesAny(patterns, name string) bool {
	for p := range strings.SplitSeq(patterns, ",") {
		if p == name || p == "*" {
			return true
		}
	}
	return false
}

// parseTime reads YYYYMMDD[HHMM[SS]][Z]. ssh-keygen reads a time without Z in the zone of the machine; here that is UTC, wherever the controller runs.
func parseTime(text string) (time.Time, error) {
	digits := strings.TrimSuffix(text, "Z")
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if t, err := time.Parse(layout, digits); err == nil && len(digits) == len(layout) {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time of the form YYYYMMDD[HHMM[SS]][Z]", text)
}

// verifySSH returns the key that made a signature, once that is certain.
func (r Ring) verifySSH(s Signed, at time.Time) (Signer, error) {
	sig, err := sshsig.Unarmor(s.Signature)
	if err != nil {
		return Signer{}, refuse("the SSH signature cannot be read: %w", err)
	}
	name := nameOf(sig.PublicKey)
	var found *sshKey
	for i, k := range r.ssh {
		if nameOf(k.key) == name && (found == nil || found.good(at) != nil) {
			found = &r.ssh[i]
		}
	}
	if found == nil {
		return Signer{}, refuse("it is signed with %s, which is %s in spec.verify", name, r.keys("none of"))
	}
	by := Signer{Name: found.owner, Key: name}
	if err := sshsig.Verify(s.reader(), sig, found.key, sig.HashAlgorithm, namespace); err != nil {
		return Signer{}, refuse("the signature that is said to be of %s is not good: %w", by, err)
	}
	if r.revoked[name] {
		return Signer{}, refuse("it is signed by %s: that key is revoked", by)
	}
	if err := found.good(at); err != nil {
		return Signer{}, refuse("it is signed by %s: %w", by, err)
	}
	return by, nil
}

// good says why a key may not sign at a time.
func (k sshKey) good(at time.Time) error {
	switch {
	case !k.after.IsZero() && at.Before(k.after):
		return fmt.Errorf("that key is valid from %s on", k.after.Format(time.RFC3339))
	case !k.before.IsZero() && !at.Before(k.before):
		return fmt.Errorf("that key expired on %s", k.before.Format(time.RFC3339))
	}
	return nil
}
