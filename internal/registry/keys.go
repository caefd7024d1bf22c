package registry

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/signature"
)

// Trust is whose signatures count. The zero Trust asks for none.
type Trust struct {
	keys   []publicKey
	ring   signature.Ring
	digest string
}

// publicKey is a key as cosign has it, and what its owner calls it.
type publicKey struct {
	name string
	key  crypto.PublicKey
}

// Asked reports whether anything has to be signed.
func (t Trust) Asked() bool { return t.digest != "" }

// ID identifies what is asked for; empty if that is nothing.
func (t Trust) ID() string { return t.digest }

// maxKeys bounds the keys of one Trust, each of which costs a verification.
const maxKeys = 100

// TrustOf reads the entries of a Secret: public keys in PEM, as `cosign generate-key-pair` writes them to cosign.pub, and armoured public keys of OpenPGP,
// which vouch for charts by provenance files. Errors are of kind fault.Invalid and name the entry; to have no key is one.
func TrustOf(entries map[string][]byte) (Trust, error) {
	var t Trust
	others := map[string][]byte{}
	parts := []string{}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		data := entries[name]
		parts = append(parts, name, string(data))
		if !bytes.Contains(data, []byte("-----BEGIN PUBLIC KEY-----")) && !bytes.Contains(data, []byte("-----BEGIN RSA PUBLIC KEY-----")) {
			others[name] = data
			continue
		}
		keys, err := publicKeys(name, data)
		if err != nil {
			return Trust{}, fault.Newf(fault.Invalid, "read key %s: %w", name, err)
		}
		t.keys = append(t.keys, keys...)
	}
	if len(others) > 0 || len(t.keys) == 0 {
		var err error
		if t.ring, err = signature.Parse(others); err != nil && len(others) == 0 {
			err = fault.Newf(fault.Invalid, "there is no key: put the public key of cosign (PEM), or an armoured OpenPGP public key, into it")
		}
		if err != nil {
			return Trust{}, err
		}
	}
	if len(t.keys) > maxKeys {
		return Trust{}, fault.Newf(fault.Invalid, "there are more than %d keys", maxKeys)
	}
	t.digest = digestOf(parts...)
	return t, nil
}

func publicKeys(name string, data []byte) ([]publicKey, error) {
	if bytes.Contains(data, []byte("PRIVATE KEY")) {
		return nil, errors.New("it holds a private key: put the public key here, and take the private key for lost")
	}
	var out []publicKey
	for rest := data; len(out) <= maxKeys; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		var key any
		var err error
		switch block.Type {
		case "PUBLIC KEY":
			key, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			key, err = x509.ParsePKCS1PublicKey(block.Bytes)
		default:
			err = fmt.Errorf("it holds a %q, which is no public key", clip(block.Type))
		}
		if err != nil {
			return nil, err
		}
		switch k := key.(type) {
		case *ecdsa.PublicKey, ed25519.PublicKey:
		case *rsa.PublicKey:
			if k.N.BitLen() < 2048 {
				return nil, fmt.Errorf("it is an RSA key of %d bits: 2048 are the least", k.N.BitLen())
			}
		default:
			return nil, errors.New("it is of a kind that nothing is signed with: ECDSA, Ed25519 and RSA are known")
		}
		out = append(out, publicKey{name, key})
	}
	if len(out) == 0 {
		return nil, errors.New("it is no PEM")
	}
	return out, nil
}

// String is the key as status shows it: what its owner calls it, and its fingerprint.
func (k publicKey) String() string {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return k.name
	}
	sum := sha256.Sum256(der)
	return fmt.Sprintf("%s (SHA256:%s)", k.name, base64.RawStdEncoding.EncodeToString(sum[:]))
}

// verifies reports whether the key made a signature of a message.
func (k publicKey) verifies(message, sig []byte) bool {
	short := sha256.Sum256(message)
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, short[:], sig) == nil
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(key, short[:], sig) {
			return true
		}
		// Newer signers take the hash that is as long as the curve.
		switch key.Params().BitSize {
		case 384:
			sum := sha512.Sum384(message)
			return ecdsa.VerifyASN1(key, sum[:], sig)
		case 521:
			sum := sha512.Sum512(message)
			return ecdsa.VerifyASN1(key, sum[:], sig)
		}
	}
	return false
}

// signer is the key that made a signature.
func (t Trust) signer(message, sig []byte) (publicKey, bool) {
	for _, k := range t.keys {
		if k.verifies(message, sig) {
			return k, true
		}
	}
	return publicKey{}, false
}

// among says how many keys there are: "the key", or "one of the 3 keys".
func (t Trust) among(one, many string) string {
	if len(t.keys) == 1 {
		return one
	}
	return fmt.Sprintf(cmp.Or(many, "%d"), len(t.keys))
}
