package git

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// config makes what the ssh library wants to know of the user's key and the server's.
func (t *sshTransport) config(auth Auth) (*ssh.ClientConfig, error) {
	host, port, err := net.SplitHostPort(t.hostPort())
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "parse repository URL: host %q is malformed", t.address.host)
	}
	if auth.String() == (Auth{}).String() && len(auth.KnownHosts) == 0 {
		return nil, fault.Newf(fault.Invalid, "log in over SSH: there are no credentials: name a Secret with the keys identity and known_hosts in %s; the second is what %q prints, once you have compared it with what the server's operator publishes", auth.field(), scanCommand(host, port))
	}
	if len(bytes.TrimSpace(auth.KnownHosts)) == 0 {
		return nil, fault.Newf(fault.Invalid, "read known_hosts: the Secret in %s has no key known_hosts, so nothing vouches for the server: put there what %q prints, once you have compared it with what the server's operator publishes", auth.field(), scanCommand(host, port))
	}
	if len(bytes.TrimSpace(auth.Identity)) == 0 {
		return nil, fault.Newf(fault.Invalid, "read identity: the Secret in %s has no key identity: put the private SSH key there", auth.field())
	}
	sum := sha256.Sum256(slices.Concat(auth.Identity, []byte{0}, auth.Passphrase))
	if t.key == nil || t.keyOf != sum {
		if t.key, err = parseKey(auth); err != nil {
			return nil, err
		}
		t.keyOf = sum
	}
	known, err := t.knownHosts(auth)
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{
		User:              t.address.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(t.key)},
		HostKeyAlgorithms: algorithms(known, t.hostPort()),
		HostKeyCallback: func(name string, remote net.Addr, key ssh.PublicKey) error {
			return hostError(known(name, remote, key), key, scanCommand(host, port), auth.field())
		},
		Timeout: handshakeTimeout,
	}, nil
}

func scanCommand(host, port string) string {
	if port == "22" {
		return "ssh-keyscan " + host
	}
	return "ssh-keyscan -p " + port + " " + host
}

// parseKey never quotes the library's error as a whole: it might quote the key.
func parseKey(auth Auth) (ssh.Signer, error) {
	key, err := ssh.ParsePrivateKey(auth.Identity)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if len(auth.Passphrase) == 0 {
			return nil, fault.Newf(fault.Invalid, "read identity: the private key has a passphrase: put it into the key password of the Secret in %s", auth.field())
		}
		if key, err = ssh.ParsePrivateKeyWithPassphrase(auth.Identity, auth.Passphrase); err != nil {
			return nil, fault.Newf(fault.Invalid, "read identity: the passphrase in the key password of the Secret in %s does not open the private key", auth.field())
		}
	}
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "read identity: the key identity of the Secret in %s holds no private SSH key", auth.field())
	}
	return key, nil
}

// knownHosts reads the host keys through a file of a moment, since the library reads nothing else. They are no secret.
func (t *sshTransport) knownHosts(auth Auth) (ssh.HostKeyCallback, error) {
	f, err := os.CreateTemp(t.dir, "known_hosts-*")
	if err != nil {
		return nil, fmt.Errorf("read known_hosts: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(append(bytes.Clone(auth.KnownHosts), '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read known_hosts: %w", err)
	}
	known, err := knownhosts.New(f.Name())
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "read known_hosts: the key known_hosts of the Secret in %s is not in the format that ssh-keyscan prints", auth.field())
	}
	return known, nil
}

// hostError says what is wrong with the key that the server showed.
func hostError(err error, key ssh.PublicKey, scan, secret string) error {
	var unknown *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &revoked):
		return fault.Newf(fault.Denied, "verify host key: the server shows %s, which known_hosts revokes", shown)
	case errors.As(err, &unknown) && len(unknown.Want) == 0:
		return fault.Newf(fault.Denied, "verify host key: the server is not in known_hosts (it shows %s): add what %q prints to the key known_hosts of the Secret in %s", shown, scan, secret)
	}
	return fault.Newf(fault.Denied, "verify host key: the server shows %s, which is not the key in known_hosts: someone may be in between: put what %q prints into the key known_hosts of the Secret in %s only if the server's operator says that the key was changed", shown, scan, secret)
}

// algorithms lists the kinds of key that are known of the host. Left to choose, a server may show a key of another
// kind, and that would look like an attack.
func algorithms(known ssh.HostKeyCallback, addr string) []string {
	var e *knownhosts.KeyError
	if err := known(addr, &net.TCPAddr{IP: net.IPv4zero}, nobody{}); !errors.As(err, &e) {
		return nil
	}
	var list []string
	for _, k := range e.Want {
		if t := k.Key.Type(); t == ssh.KeyAlgoRSA {
			list = append(list, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			list = append(list, t)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// nobody is a key that no host has: asking for it lists the keys that a host has.
type nobody struct{}

func (nobody) Type() string                        { return "nobody" }
func (nobody) Marshal() []byte                     { return []byte(rand.Text()) }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody signs") }
