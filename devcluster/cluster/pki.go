package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// masters is the group that may do everything, without RBAC and without flow control.
const masters = "system:masters"

// clients are the users that get a certificate, by the name of its file.
var clients = map[string]pkix.Name{
	"admin":                   {CommonName: "kubernetes-admin", Organization: []string{masters}},
	"kube-controller-manager": {CommonName: "system:kube-controller-manager", Organization: []string{masters}},
	"kube-scheduler":          {CommonName: "system:kube-scheduler", Organization: []string{masters}},
	"kwok":                    {CommonName: "kwok", Organization: []string{masters}},
}

// makePKI writes every certificate and key of a cluster to d/pki, unless they are there already.
// Keys stay the same for the life of d, so tokens and kubeconfigs survive a restart.
func makePKI(d dir) error {
	if _, err := os.Stat(d.path("pki")); err == nil {
		return nil
	}
	temp := d.path("pki.new")
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		return err
	}
	if err := fillPKI(temp); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	return os.Rename(temp, d.path("pki"))
}

func fillPKI(to string) error {
	ca, err := newAuthority(to, "ca", "devcluster")
	if err != nil {
		return err
	}
	proxyCA, err := newAuthority(to, "front-proxy-ca", "devcluster front proxy")
	if err != nil {
		return err
	}
	if err := ca.issue(to, "server", &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local",
		},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)},
	}); err != nil {
		return err
	}
	for name, subject := range clients {
		if err := ca.issue(to, name, clientCertificate(subject)); err != nil {
			return err
		}
	}
	if err := proxyCA.issue(to, "front-proxy", clientCertificate(pkix.Name{CommonName: "front-proxy"})); err != nil {
		return err
	}
	return writeServiceAccountKey(to)
}

func clientCertificate(subject pkix.Name) *x509.Certificate {
	return &x509.Certificate{Subject: subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority writes NAME.crt and NAME.key.
func newAuthority(to, name, commonName string) (authority, error) {
	a := authority{cert: &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}}
	var err error
	if a.key, err = newKey(); err != nil {
		return a, err
	}
	return a, a.sign(to, name, a.cert, a.key)
}

// issue writes NAME.crt and NAME.key.
func (a authority) issue(to, name string, c *x509.Certificate) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	c.KeyUsage = x509.KeyUsageDigitalSignature
	return a.sign(to, name, c, key)
}

func (a authority) sign(to, name string, c *x509.Certificate, key *ecdsa.PrivateKey) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	c.SerialNumber = serial
	c.NotBefore = time.Now().Add(-time.Hour)
	c.NotAfter = c.NotBefore.AddDate(10, 0, 0)
	cert, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(to, name+".crt"), "CERTIFICATE", cert); err != nil {
		return err
	}
	return writeKey(filepath.Join(to, name+".key"), key)
}

func writeServiceAccountKey(to string) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(to, "service-account.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(filepath.Join(to, "service-account.key"), key)
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func writeKey(path string, key *ecdsa.PrivateKey) error {
	b, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", b)
}

func writePEM(path, kind string, b []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600)
}
