package gitserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// Options say how a server behaves. The zero value, with a directory, serves to anyone on loopback and takes no push.
type Options struct {
	Dir  string // holds the repositories, as <name>.git
	Addr string // of HTTP; default 127.0.0.1:0

	V0   bool // speak version 0 of the protocol only
	Push bool // take pushes, from loopback only

	Username, Password string // basic auth is required if a password is set
	BearerToken        string // a bearer token is required if set
	TLS                *tls.Certificate

	SSH *SSH // also listen for SSH

	// Fault is asked before each HTTP request is served; true means that it answered.
	Fault func(http.ResponseWriter, *http.Request) bool
	// OnPush is called, one ref after the other, after a push moved refs and before the client is told.
	OnPush func(Push)
}

// SSH says how the SSH listener behaves.
type SSH struct {
	HostKey    ssh.Signer
	Authorized ssh.PublicKey // the one key that may read, and push if Options.Push
	Writer     ssh.PublicKey // if set, the one key that may push, and read: the other may read alone
	// NoEnv refuses environment variables, as sshd does by default. Clients then get version 0.
	NoEnv bool
}

// Push is one ref that a client moved. An empty commit means that the ref did not or does not exist.
type Push struct {
	Repo, Ref string
	Old, New  source.Commit
}

// Server is a running Git server.
type Server struct {
	o    Options
	http *http.Server
	addr string
	ssh  *sshListener
	wg   sync.WaitGroup

	mu     sync.Mutex
	counts map[string]int
	pushes sync.Mutex // held during a push, so that what it moved can be told
}

// Start listens and serves until Close.
func Start(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Dir == "" {
		return nil, errors.New("start git server: no directory given")
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("start git server: %w", err)
	}
	s := &Server{o: o, addr: l.Addr().String(), counts: map[string]int{}}
	if o.SSH != nil {
		if s.ssh, err = s.listenSSH(o.SSH); err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("start git server: %w", err)
		}
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	if o.TLS != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*o.TLS}, MinVersion: tls.VersionTLS12})
	}
	s.wg.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

// Close stops listening and ends what is being served.
func (s *Server) Close() error {
	err := s.http.Close()
	if s.ssh != nil {
		s.ssh.close()
	}
	s.wg.Wait()
	return err
}

// Create makes an empty repository.
func (s *Server) Create(ctx context.Context, name string) (*Repo, error) {
	return CreateRepo(ctx, s.dir(name), "")
}

// Repo returns a repository that exists.
func (s *Server) Repo(name string) *Repo { return &Repo{Dir: s.dir(name)} }

// URL is where HTTP clients find the repository.
func (s *Server) URL(name string) string {
	scheme := "http"
	if s.o.TLS != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s/%s.git", scheme, s.addr, name)
}

// Addr is the host:port of the HTTP listener.
func (s *Server) Addr() string { return s.addr }

// SSHURL is where SSH clients find the repository.
func (s *Server) SSHURL(name string) string {
	return fmt.Sprintf("ssh://git@%s/%s.git", s.ssh.addr, name)
}

// SSHAddr is the host:port of the SSH listener.
func (s *Server) SSHAddr() string { return s.ssh.addr }

// Count returns how many requests of a kind were served: "info/refs", "ls-refs", "fetch", "push", "ssh".
func (s *Server) Count(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[kind]
}

func (s *Server) count(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[kind]++
}

func (s *Server) dir(name string) string { return filepath.Join(s.o.Dir, name+".git") }

// find returns the repository that a path of a URL names.
func (s *Server) find(path string) (*Repo, string, bool) {
	name := strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	if name == "" || !filepath.IsLocal(name) {
		return nil, "", false
	}
	dir := s.dir(name)
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		return nil, "", false
	}
	return &Repo{Dir: dir}, name, true
}

// pushing runs a push and tells the hook what it moved.
func (s *Server) pushing(ctx context.Context, r *Repo, name string, push func() error) error {
	s.pushes.Lock()
	defer s.pushes.Unlock()
	before, err := r.refs(ctx)
	if err != nil {
		return err
	}
	if err := push(); err != nil {
		return err
	}
	after, err := r.refs(ctx)
	if err != nil || s.o.OnPush == nil {
		return err
	}
	for ref, now := range after {
		if before[ref] != now {
			s.o.OnPush(Push{Repo: name, Ref: ref, Old: before[ref], New: now})
		}
	}
	for ref, old := range before {
		if _, ok := after[ref]; !ok {
			s.o.OnPush(Push{Repo: name, Ref: ref, Old: old})
		}
	}
	return nil
}
