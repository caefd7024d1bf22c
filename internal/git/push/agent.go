package push

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"
)

// agent holds one SSH key for the ssh that git runs, so that the key is in no file and its passphrase is asked of nobody.
type agent struct {
	socket   string
	listener net.Listener
	serving  sync.WaitGroup
}

func serveAgent(socket string, identity, passphrase []byte) (*agent, error) {
	var key any
	var err error
	if len(passphrase) > 0 {
		key, err = ssh.ParseRawPrivateKeyWithPassphrase(identity, passphrase)
	} else {
		key, err = ssh.ParseRawPrivateKey(identity)
	}
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, errors.New("read the SSH key: it has a passphrase, which is missing")
	case err != nil:
		return nil, errors.New("read the SSH key: it is none, or the passphrase is wrong") // the error may quote it
	}
	ring := sshagent.NewKeyring()
	if err := ring.Add(sshagent.AddedKey{PrivateKey: key}); err != nil {
		return nil, errors.New("read the SSH key: it is of a kind that cannot be used")
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("serve the SSH key: %w", err)
	}
	a := &agent{socket: socket, listener: l}
	a.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			a.serving.Go(func() {
				_ = sshagent.ServeAgent(ring, conn) // it ends with the ssh that asks
				_ = conn.Close()
			})
		}
	})
	return a, nil
}

func (a *agent) close() {
	if a == nil {
		return
	}
	_ = a.listener.Close()
	a.serving.Wait()
}
