package test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// newKey is an SSH key, and the file that holds its private half.
func newKey(t *testing.T, passphrase string) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer, fileOf(t, string(pem.EncodeToMemory(block)))
}

func fileOf(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestBootstrapSSH: over SSH, with a key that has a passphrase, bootstrap pushes and the cluster then reads with what the Secret holds. Each slip is told in words
// of the command line, before anything is done.
func TestBootstrapSSH(t *testing.T) {
	t.Parallel()
	host, _ := newKey(t, "")
	user, identity := newKey(t, gitPassword)
	f := newFoundingAt(t, gitserver.Options{Push: true, SSH: &gitserver.SSH{HostKey: host, Authorized: user.PublicKey()}})
	address := knownhosts.Normalize(f.Git.SSHAddr())
	known := fileOf(t, knownhosts.Line([]string{address}, host.PublicKey())+"\n")
	f.credentials = func() (string, []string) {
		return f.Git.SSHURL(testkit.RepoName), []string{"--identity", identity, "--known-hosts", known}
	}

	stranger, other := newKey(t, "")
	_, locked := newKey(t, "another passphrase")
	elsewhere := fileOf(t, knownhosts.Line([]string{"git.example.com"}, host.PublicKey())+"\n")
	changed := fileOf(t, knownhosts.Line([]string{address}, stranger.PublicKey())+"\n")
	for name, c := range map[string]struct {
		code int
		want string
		args []string
	}{
		"no identity":     {1, "--identity is missing: name the file of the private SSH key", []string{"--identity", ""}},
		"nothing":         {1, "there are no credentials: say --identity and --known-hosts; the second is a file of what \"ssh-keyscan -p ", []string{"--identity", "", "--known-hosts", ""}},
		"no known hosts":  {2, "--known-hosts is missing: without it", []string{"--known-hosts", ""}},
		"not there":       {1, "--identity: open /gone: no such file", []string{"--identity", "/gone"}},
		"another host":    {1, "the server is not in known_hosts (it shows ssh-ed25519 SHA256:", []string{"--known-hosts", elsewhere}},
		"another key":     {1, "which is not the key in known_hosts: someone may be in between", []string{"--known-hosts", changed}},
		"not let in":      {1, "the server does not accept the key: add the public half of the file of --identity to the repository's deploy keys", []string{"--identity", other}},
		"its passphrase":  {1, "$FAIRLEAD_GIT_PASSWORD does not open the private key", []string{"--identity", locked}},
		"no key":          {1, "the file of --identity holds no private SSH key", []string{"--identity", known}},
		"a user for HTTP": {2, "are for HTTPS", []string{"--username", "ann"}},
	} {
		out, err := f.process(c.args...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != c.code || !strings.Contains(string(out), c.want) || strings.Contains(string(out), "spec.") || strings.Contains(string(out), gitPassword) {
			t.Errorf("%s: %v, want exit code %d with %q\n%s", name, err, c.code, c.want, out)
		}
	}
	if _, err := f.objs.Get(t.Context(), "", "namespace/fairlead-system"); !testkit.IsNotFound(err) {
		t.Errorf("something was applied: %v", err)
	}

	out := f.run()
	for _, want := range []string{"pushed ", "secret/fairlead-git", "cluster/fairlead: ready at " + f.head()[:8]} {
		if !strings.Contains(out, want) {
			t.Errorf("bootstrap does not say %q:\n%s", want, out)
		}
	}
	if text := f.file(manifests) + f.file(clusterFile); strings.Contains(text, "PRIVATE KEY") || !strings.Contains(text, f.Git.SSHURL(testkit.RepoName)) {
		t.Errorf("Git has:\n%s", text)
	}
	if at, err := f.objs.Field(t.Context(), testkit.Namespace, "repositories.fairlead.dev/cluster", ".status.refs[0].revision"); err != nil || !strings.HasSuffix(at, f.head()) {
		t.Errorf("the cluster reads %q, %v, and Git has %s", at, err, f.head())
	}

	// A commit arrives as one by HTTPS does, and a second run changes nothing.
	f.push(gitserver.Write("clusters/main/notes/notes.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: notes}}\n"))
	f.synced("cluster-notes")
	before := f.head()
	if out := f.run(); !strings.Contains(out, "has all of it already") || f.head() != before {
		t.Errorf("the second time:\n%s", out)
	}
}
