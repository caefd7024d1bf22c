package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// sshTransport reaches a server by SSH. Each exchange is a connection. Callers serialise.
type sshTransport struct {
	address address
	service service
	dir     string // for the known hosts, which the ssh library wants as a file
	o       Options

	// The key is remembered: to open one with a passphrase is meant to be slow.
	key   ssh.Signer
	keyOf [32]byte // the hash of what the key was read from
}

func newSSH(a address, dir string, s service, o Options) *sshTransport {
	return &sshTransport{address: a, service: s, dir: dir, o: o}
}

func (t *sshTransport) forget() {}
func (t *sshTransport) close()  {}

// hostPort is where to dial.
func (t *sshTransport) hostPort() string {
	if _, _, err := net.SplitHostPort(t.address.host); err == nil {
		return t.address.host
	}
	return t.address.host + ":22"
}

func (t *sshTransport) dial(ctx context.Context, auth Auth) (session, error) {
	config, err := t.config(auth)
	if err != nil {
		return nil, err
	}
	s := &sshSession{t: t, ctx: ctx, secret: auth.field()}
	if err := s.connect(config); err != nil {
		s.close()
		return nil, s.explain(err)
	}
	if err := s.hear(t.o); err != nil {
		err = s.reason(err)
		s.close()
		return nil, err
	}
	return s, nil
}

// sshSession is one connection with one run of the service.
type sshSession struct {
	t      *sshTransport
	secret string // the field that names it
	ctx    context.Context
	undo   func() bool // ends the watch over the context
	conn   net.Conn
	client *ssh.Client
	run    *ssh.Session
	pipe
}

// connect dials, shows the key and starts the service. When the context ends, the connection is closed, which
// ends every read and write on it.
func (s *sshSession) connect(config *ssh.ClientConfig) error {
	addr := s.t.hostPort()
	conn, err := (&net.Dialer{}).DialContext(s.ctx, "tcp", addr)
	if err != nil {
		return err
	}
	s.conn = conn
	s.undo = context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, addr, config)
	if err != nil {
		return err
	}
	s.client = ssh.NewClient(c, channels, requests)
	if s.run, err = s.client.NewSession(); err != nil {
		return err
	}
	s.run.Stderr = &s.errs
	if s.in, err = s.run.StdinPipe(); err != nil {
		return err
	}
	if s.out, err = s.run.StdoutPipe(); err != nil {
		return err
	}
	if s.t.service == upload {
		// Many servers refuse environment variables. They answer in version 0 then, which is understood too.
		_ = s.run.Setenv("GIT_PROTOCOL", "version=2")
	}
	return s.run.Start(s.t.service.name + " '" + s.t.address.path + "'")
}

func (s *sshSession) ask(_ context.Context, kind string, request []byte) (io.ReadCloser, error) {
	answer, err := s.send(s.t.o, kind, request)
	if err != nil {
		return nil, s.reason(err)
	}
	return answer, nil
}

func (s *sshSession) close() {
	if s.undo != nil {
		s.undo()
	}
	s.part()
	if s.client != nil {
		_ = s.client.Close()
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// reason prefers what the server wrote to its error channel to the mere end of the connection.
func (s *sshSession) reason(err error) error {
	if s.ctx.Err() != nil {
		return s.explain(s.ctx.Err())
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return protocolError(err)
	}
	var exit *ssh.ExitError
	if waited := s.run.Wait(); errors.As(waited, &exit) || s.errs.String() != "" {
		return fault.Newf(fault.Denied, "ask %s: the server refused %s: %s: check spec.url, and whether the key identity of the Secret in %s may %s it",
			s.t.address.host, s.t.address.path, firstOf(s.errs.String(), "it gave no reason"), s.secret, s.t.service.may)
	}
	return protocolError(err)
}

func firstOf(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// explain gives an error of dialing its kind and a remedy.
func (s *sshSession) explain(err error) error {
	host := s.t.address.host
	var refused *fault.Error
	switch {
	case errors.Is(s.ctx.Err(), context.Canceled):
		return fmt.Errorf("ask %s: %w", host, s.ctx.Err())
	case s.ctx.Err() != nil:
		return fault.Newf(fault.Transient, "ask %s: no answer in time: %w", host, s.ctx.Err())
	case errors.As(err, &refused):
		return fault.Newf(refused.Kind, "ask %s: %w", host, refused)
	case bytes.Contains([]byte(err.Error()), []byte("unable to authenticate")): // the library has no type for it
		return fault.Newf(fault.Denied, "ask %s: the server does not accept the key: add the public half of the key identity of the Secret in %s to the repository's deploy keys", host, s.secret)
	}
	return fault.Newf(fault.Transient, "ask %s: %w", host, err)
}

// handshakeTimeout bounds the handshake apart from the whole exchange.
const handshakeTimeout = 30 * time.Second
