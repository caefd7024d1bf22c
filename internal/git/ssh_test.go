package git_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

func TestSSHRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		kind   fault.Kind
		says   []string
	}{
		"nothing":         {func(w *world) { w.auth = git.Auth{} }, fault.Invalid, []string{"there are no credentials", "keys identity and known_hosts", "ssh-keyscan -p "}},
		"no_known_hosts":  {func(w *world) { w.auth.KnownHosts = nil }, fault.Invalid, []string{"known_hosts", "ssh-keyscan -p "}},
		"bad_known_hosts": {func(w *world) { w.auth.KnownHosts = []byte("rubbish") }, fault.Invalid, []string{"ssh-keyscan"}},
		"unknown_host": {
			func(w *world) { w.auth.KnownHosts = knownLine("example.com:22", signer(w.TB, newKey(w.TB))) },
			fault.Denied,
			[]string{"not in known_hosts", "SHA256:", "ssh-keyscan"},
		},
		"other_host_key": {
			func(w *world) { w.auth.KnownHosts = knownLine(w.srv.SSHAddr(), signer(w.TB, newKey(w.TB))) },
			fault.Denied,
			[]string{"is not the key in known_hosts", "SHA256:"},
		},
		"no_identity":    {func(w *world) { w.auth.Identity = nil }, fault.Invalid, []string{"identity"}},
		"bad_identity":   {func(w *world) { w.auth.Identity = []byte("hunter2") }, fault.Invalid, []string{"no private SSH key"}},
		"other_identity": {func(w *world) { w.auth.Identity = keyPEM(w.TB, newKey(w.TB), "") }, fault.Denied, []string{"does not accept the key", "deploy keys"}},
		"no_passphrase":  {func(w *world) { w.auth.Identity = keyPEM(w.TB, newKey(w.TB), "hunter2") }, fault.Invalid, []string{"has a passphrase", "password"}},
		"bad_passphrase": {func(w *world) {
			w.auth.Identity, w.auth.Passphrase = keyPEM(w.TB, newKey(w.TB), "hunter2"), []byte("hunter3")
		}, fault.Invalid, []string{"does not open"}},
		"no_repository": {func(w *world) { w.url = strings.Replace(w.url, "shop", "nowhere", 1) }, fault.Denied, []string{"repository not found", "spec.url"}},
		"no_server":     {func(w *world) { w.must(w.srv.Close()) }, fault.Transient, []string{"refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := sshWorld(t, false)
			w.commit("main", "one", gitserver.Write("a", "1"))
			c.change(w)
			err := w.resolveErr(w.mirror())
			w.wantErr(err, c.kind, c.says...)
			if strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestSSHPassphrase(t *testing.T) {
	host, user := newKey(t), newKey(t)
	w := newWorld(t, gitserver.Options{SSH: &gitserver.SSH{HostKey: signer(t, host), Authorized: signer(t, user).PublicKey()}}, "")
	w.commit("main", "one", gitserver.Write("a", "1"))
	w.url = w.srv.SSHURL("shop")
	w.auth = git.Auth{Identity: keyPEM(t, user, "hunter2"), Passphrase: []byte("hunter2"), KnownHosts: knownLine(w.srv.SSHAddr(), signer(t, host))}
	if w.read(w.head(w.mirror()), "a") != "1" {
		t.Error("wrong content")
	}
}

// TestSSHHang: a server that accepts and says nothing is left when the context ends.
func TestSSHHang(t *testing.T) {
	w := sshWorld(t, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		cancel()
		if err == nil {
			defer func() { _ = conn.Close() }()
			<-t.Context().Done()
		}
	}()
	w.url = "ssh://git@" + l.Addr().String() + "/shop.git"
	if _, err := w.mirror().Resolve(ctx, w.auth, []source.Ref{main}); err == nil {
		t.Error("no error")
	}
}
