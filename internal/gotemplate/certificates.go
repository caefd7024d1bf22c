package gotemplate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"text/template"
	"time"
)

// Certificate is what the functions of certificates make: .Cert and .Key, as PEM.
type Certificate struct{ Cert, Key string }

// certificates are Sprig's functions, with drawn keys. Their answers are others than Sprig's of necessity, and of the same kind: RSA keys of 2048 bits.
func (x *execution) certificates() template.FuncMap {
	return template.FuncMap{
		"genPrivateKey":   x.privateKey,
		"buildCustomCert": buildCustomCert,
		"genCA": func(cn string, days int) (Certificate, error) {
			return x.certificate("genCA", request{cn: cn, days: days, ca: true})
		},
		"genCAWithKey": func(cn string, days int, key string) (Certificate, error) {
			return x.certificate("genCAWithKey", request{cn: cn, days: days, ca: true, key: key})
		},
		"genSelfSignedCert": func(cn string, ips, names []any, days int) (Certificate, error) {
			return x.certificate("genSelfSignedCert", request{cn: cn, ips: ips, names: names, days: days})
		},
		"genSelfSignedCertWithKey": func(cn string, ips, names []any, days int, key string) (Certificate, error) {
			return x.certificate("genSelfSignedCertWithKey", request{cn: cn, ips: ips, names: names, days: days, key: key})
		},
		"genSignedCert": func(cn string, ips, names []any, days int, by Certificate) (Certificate, error) {
			return x.certificate("genSignedCert", request{cn: cn, ips: ips, names: names, days: days, by: &by})
		},
		"genSignedCertWithKey": func(cn string, ips, names []any, days int, by Certificate, key string) (Certificate, error) {
			return x.certificate("genSignedCertWithKey", request{cn: cn, ips: ips, names: names, days: days, by: &by, key: key})
		},
	}
}

// request is what a certificate is asked for with.
type request struct {
	cn         string
	ips, names []any
	days       int
	ca         bool
	by         *Certificate // who signs; nil: itself
	key        string       // PEM; empty: it is drawn
}

func (x *execution) certificate(function string, r request) (Certificate, error) {
	_, since, err := x.secret(r.days)
	if err != nil {
		return Certificate{}, err
	}
	from, err := x.stream(function, r.cn, fmt.Sprint(r.ips...), fmt.Sprint(r.names...), r.days, since.Unix())
	if err != nil {
		return Certificate{}, err
	}
	key, err := x.keyOf(r, from)
	if err != nil {
		return Certificate{}, err
	}
	rest := from.apart("certificate")
	t, err := r.template(since, rest)
	if err != nil {
		return Certificate{}, err
	}
	parent, signer := t, key
	if r.by != nil {
		if parent, signer, err = r.by.parse(); err != nil {
			return Certificate{}, err
		}
	}
	der, err := x509.CreateCertificate(deterministic{rest}, t, parent, key.Public(), signer)
	if err != nil {
		return Certificate{}, fmt.Errorf("create certificate: %w", err)
	}
	block, err := keyBlock(key)
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{Cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), Key: string(pem.EncodeToMemory(block))}, nil
}

// deterministic hides that it is a stream from those who would use one of the system's instead.
type deterministic struct{ stream }

func (d deterministic) Read(p []byte) (int, error) { return copy(p, d.bytes(len(p))), nil }

func (r request) template(since time.Time, from stream) (*x509.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(from.bytes(15)),
		Subject:      pkix.Name{CommonName: r.cn},
		NotBefore:    since.UTC(), NotAfter: since.UTC().Add(time.Duration(r.days) * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if r.ca {
		t.KeyUsage |= x509.KeyUsageCertSign
		t.IsCA = true
	}
	for _, v := range r.ips {
		text, _ := v.(string)
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%.40q is no IP address", fmt.Sprint(v))
		}
		t.IPAddresses = append(t.IPAddresses, ip.AsSlice())
	}
	for _, v := range r.names {
		name, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%.40q is no name: write text", fmt.Sprint(v))
		}
		t.DNSNames = append(t.DNSNames, name)
	}
	return t, nil
}

func (x *execution) keyOf(r request, from stream) (crypto.Signer, error) {
	if r.key != "" {
		return parseKey(r.key)
	}
	return x.rsaKey(from, 2048)
}

func (x *execution) privateKey(kind string) (string, error) {
	from, err := x.stream("genPrivateKey", kind)
	if err != nil {
		return "", err
	}
	var key crypto.Signer
	switch kind {
	case "", "rsa":
		key, err = x.rsaKey(from, 4096)
	case "ecdsa":
		key = ecdsaKey(from)
	case "ed25519":
		key = ed25519.NewKeyFromSeed(from.bytes(ed25519.SeedSize))
	case "dsa":
		return "", errors.New("DSA keys are not made any more: take rsa, ecdsa or ed25519")
	default:
		return "Unknown type " + kind, nil
	}
	if err != nil {
		return "", err
	}
	block, err := keyBlock(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(block)), nil
}

func ecdsaKey(from stream) crypto.Signer {
	for {
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), from.bytes(32))
		if err == nil { // but for one in four billion
			return key
		}
	}
}

// rsaKey finds two primes. The library's own are another pair each time, whatever it is given to draw from.
func (x *execution) rsaKey(from stream, bits int) (*rsa.PrivateKey, error) {
	x.meter.step(300_000 * (bits / 2048) * (bits / 2048)) // known or not: a budget is exceeded each time or never
	keys := x.options.Draw.Keys
	if der := keys.get(from.id); der != nil {
		return x509.ParsePKCS1PrivateKey(der)
	}
	e := big.NewInt(65537)
	one := big.NewInt(1)
	for {
		p, q := prime(from, bits/2), prime(from, bits/2)
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil || p.Cmp(q) == 0 || n.BitLen() != bits {
			continue
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}, D: d, Primes: []*big.Int{p, q}}
		key.Precompute()
		if err := key.Validate(); err != nil {
			return nil, fmt.Errorf("make an RSA key: %w", err)
		}
		keys.put(from.id, x509.MarshalPKCS1PrivateKey(key))
		return key, nil
	}
}

// prime draws a prime whose two highest bits are set, so that the product of two has all its bits.
func prime(from stream, bits int) *big.Int {
	for {
		b := from.bytes(bits / 8)
		b[0] |= 0xc0
		b[len(b)-1] |= 1
		if p := new(big.Int).SetBytes(b); p.ProbablyPrime(8) {
			return p
		}
	}
}

func (c *Certificate) parse() (*x509.Certificate, crypto.Signer, error) {
	block, _ := pem.Decode([]byte(c.Cert))
	if block == nil {
		return nil, nil, errors.New("the certificate of who signs is no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate of who signs: %w", err)
	}
	key, err := parseKey(c.Key)
	return cert, key, err
}

// buildCustomCert is Sprig's: a certificate and a key that a person has.
func buildCustomCert(cert64, key64 string) (Certificate, error) {
	cert, err := base64.StdEncoding.DecodeString(cert64)
	if err != nil {
		return Certificate{}, errors.New("the certificate is no base64")
	}
	key, err := base64.StdEncoding.DecodeString(key64)
	if err != nil {
		return Certificate{}, errors.New("the private key is no base64")
	}
	c := Certificate{Cert: string(cert), Key: string(key)}
	if _, _, err := c.parse(); err != nil {
		return Certificate{}, err
	}
	return c, nil
}

func parseKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, errors.New("the private key is no PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("the private key cannot be read")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a private key of type %s cannot sign", block.Type)
	}
	return signer, nil
}

func keyBlock(key crypto.Signer) (*pem.Block, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(key)
		return &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}, err
	default:
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, err
	}
}
