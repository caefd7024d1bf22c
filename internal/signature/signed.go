package signature

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// maxSignature bounds one signature, in bytes.
const maxSignature = 64 << 10

// Signed is what was signed, and the signature.
type Signed struct {
	Payload   []byte
	Signature []byte // armoured; empty if there is none
}

func (s Signed) reader() io.Reader { return bytes.NewReader(s.Payload) }

// Verify returns who signed. Whether a key has expired, or is not valid yet, is judged at the given time. Errors are of kind fault.Denied.
func (r Ring) Verify(s Signed, at time.Time) (Signer, error) {
	switch {
	case len(s.Signature) == 0:
		return Signer{}, refuse("it is not signed: sign it with %s in spec.verify (git commit -S)", r.keys("one of"))
	case len(s.Signature) > maxSignature:
		return Signer{}, refuse("its signature is larger than %d KiB", maxSignature>>10)
	case bytes.HasPrefix(s.Signature, []byte("-----BEGIN PGP ")):
		return r.verifyPGP(s, at)
	case bytes.HasPrefix(s.Signature, []byte("-----BEGIN SSH SIGNATURE-----")):
		return r.verifySSH(s, at)
	}
	return Signer{}, refuse("its signature is neither of OpenPGP nor of SSH: others, such as X.509, are not supported")
}

// Len is how many keys there are.
func (r Ring) Len() int { return len(r.pgp) + len(r.ssh) }

// keys is "the key", or "one of the 3 keys" with that word in front.
func (r Ring) keys(word string) string {
	if r.Len() == 1 {
		return map[string]string{"one of": "the key", "none of": "not the key"}[word]
	}
	return fmt.Sprintf("%s the %d keys", word, r.Len())
}

func refuse(format string, args ...any) error { return fault.Newf(fault.Denied, format, args...) }

// OfCommit takes a commit object apart. A commit of a repository whose ids are SHA-256 keeps its signature under a name of its own; the signature of what it
// is in the other format is not signed. Two signatures under one name are an error of kind fault.Denied.
func OfCommit(raw []byte, sha256 bool) (Signed, error) {
	name := "gpgsig"
	if sha256 {
		name = "gpgsig-sha256"
	}
	var s Signed
	var into *[]byte // where the lines of the header go that is being read
	rest := raw
	for len(rest) > 0 && rest[0] != '\n' {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		rest = rest[len(line):]
		if line[0] == ' ' {
			if into == &s.Signature {
				*into = append(*into, line[1:]...)
			} else if into != nil {
				*into = append(*into, line...)
			}
			continue
		}
		key, value, _ := strings.Cut(string(line), " ")
		switch key {
		case name:
			if len(s.Signature) > 0 {
				return Signed{}, refuse("it is signed twice")
			}
			into, s.Signature = &s.Signature, []byte(value)
		case "gpgsig", "gpgsig-sha256":
			into = nil
		default:
			into = &s.Payload
			s.Payload = append(s.Payload, line...)
		}
	}
	s.Payload = append(s.Payload, rest...)
	return s, nil
}

// OfTag takes an annotated tag apart. It must name that commit directly, and call itself by the name under which it was found: a tag that was signed for
// another name or commit says nothing of this one.
func OfTag(raw []byte, name, commit string) (Signed, error) {
	head, _, _ := bytes.Cut(raw, []byte("\n\n"))
	says := map[string]string{}
	for line := range strings.SplitSeq(string(head), "\n") {
		key, value, _ := strings.Cut(line, " ")
		if _, twice := says[key]; twice && (key == "object" || key == "type" || key == "tag") {
			return Signed{}, refuse("it says twice what it names")
		}
		says[key] = value
	}
	switch {
	case says["tag"] != name:
		return Signed{}, refuse("it was made under the name %q", says["tag"])
	case says["type"] != "commit" || says["object"] != commit:
		return Signed{}, refuse("it names %s %s, and not the commit", says["type"], says["object"])
	}
	at := -1
	for _, begin := range []string{"-----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP MESSAGE-----", "-----BEGIN SSH SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----"} {
		if i := bytes.LastIndex(raw, []byte("\n"+begin)); i >= 0 {
			at = max(at, i+1)
		}
	}
	if at < 0 {
		return Signed{Payload: raw}, nil
	}
	return Signed{Payload: raw[:at], Signature: raw[at:]}, nil
}
