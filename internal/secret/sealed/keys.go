package sealed

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Label marks the Secrets with keys, and Active is its value.
const (
	Label  = annotationPrefix + "sealed-secrets-key"
	Active = "active"
	// Unlabelled is the name of the Secret that the first versions of Sealed Secrets kept their key in.
	Unlabelled = "sealed-secrets-key"
)

const (
	maxKeys    = 100
	maxKeyBits = 8192 // what a try costs grows with the cube
)

// Key is a private key with its certificate.
type Key struct {
	Name        string // of the Secret that it is in
	Private     *rsa.PrivateKey
	Certificate *x509.Certificate // nil if there is none
	Created     time.Time
}

// KeyOf reads a key from a Secret of type kubernetes.io/tls.
func KeyOf(secret object.Object) (Key, error) {
	k := Key{Name: secret.Name(), Created: secret.Created()}
	bad := func(what string) (Key, error) {
		return Key{}, fault.Newf(fault.Invalid, "%s: %s: it is a Secret of type kubernetes.io/tls, with an RSA key", secret, what)
	}
	raw, err := base64.StdEncoding.DecodeString(secret.Text("data", "tls.key"))
	block, _ := pem.Decode(raw)
	if err != nil || block == nil {
		return bad("tls.key holds no key as PEM has it")
	}
	if k.Private, err = parseKey(block.Bytes); err != nil {
		return bad("tls.key holds no RSA key that can be read")
	}
	if k.Private.N.BitLen() > maxKeyBits {
		return bad("tls.key is longer than any key that is needed")
	}
	if raw, err = base64.StdEncoding.DecodeString(secret.Text("data", "tls.crt")); err == nil {
		if block, _ := pem.Decode(raw); block != nil {
			k.Certificate, _ = x509.ParseCertificate(block.Bytes)
		}
	}
	return k, nil
}

func parseKey(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fault.Newf(fault.Invalid, "it is no RSA key")
	}
	return private, nil
}

// KeysOf reads the keys among Secrets, the newest first. Secrets that are no keys are passed over; one that is marked as a key and cannot be read is an error.
func KeysOf(secrets []object.Object) ([]Key, error) {
	var out []Key
	for _, s := range secrets {
		if s.Label(Label) != Active && s.Name() != Unlabelled {
			continue
		}
		if len(out) == maxKeys {
			return nil, fault.Newf(fault.Invalid, "namespace %s has more than %d keys to unseal with: label those that nothing is sealed for any more otherwise", s.Namespace(), maxKeys)
		}
		k, err := KeyOf(s)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	slices.SortStableFunc(out, func(a, b Key) int {
		if c := b.since().Compare(a.since()); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out, nil
}

// since is from when a key holds: of several, the newest seals.
func (k Key) since() time.Time {
	if k.Certificate != nil {
		return k.Certificate.NotBefore
	}
	return k.Created
}

// ParseCertificate reads the certificate that kubeseal --fetch-cert and fairlead secret keys print.
func ParseCertificate(name string, data []byte, now time.Time) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fault.Newf(fault.Invalid, "%s: no certificate as PEM has it", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "%s: the certificate cannot be read: %w", name, err)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	switch {
	case !ok || key.N.BitLen() > maxKeyBits:
		return nil, fault.Newf(fault.Invalid, "%s: the certificate is not of an RSA key", name)
	case now.After(cert.NotAfter):
		return nil, fault.Newf(fault.Invalid, "%s: the certificate expired on %s: get the newest with `fairlead secret keys list --certificate`", name, cert.NotAfter.Format(time.DateOnly))
	}
	return key, nil
}

// Generate makes a key and its certificate, both as PEM.
func Generate(now time.Time, validFor time.Duration) (key, certificate []byte, err error) {
	private, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, KeyUsage: x509.KeyUsageEncipherOnly, NotBefore: now.UTC(), NotAfter: now.Add(validFor).UTC(),
		Subject: pkix.Name{CommonName: "fairlead"}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	return key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
