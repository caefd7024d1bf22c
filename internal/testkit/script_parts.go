package testkit

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// cmdPlane gives the script a control plane and a controller of its own: plane own [-audit] [-lease] [-bare] [-stopped].
func (s *script) cmdPlane(_ bool, args []string) error {
	if len(args) == 0 || args[0] != "own" || s.own != nil {
		return errUsage
	}
	var o Options
	var c ControllerOptions
	stopped := false
	for _, a := range args[1:] {
		switch a {
		case "-audit":
			o.Audit = true
		case "-bare":
			o.NoControllers = true
		case "-lease":
			c.Lease = 15 * time.Second
		case "-stopped":
			stopped = true
		default:
			return errUsage
		}
	}
	w, err := newWorld(s.tb, o, c)
	if err != nil {
		return err
	}
	s.own = w
	if stopped {
		return w.ctl.end(terminate)
	}
	return nil
}

func (s *script) cmdAPIServer(_ bool, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	if s.own == nil {
		return errors.New("the control plane is shared: begin the script with `plane own`")
	}
	return s.own.apiServer(s.ctx(), args[0])
}

func (s *script) cmdController(_ bool, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	if s.own == nil {
		return errors.New("the controller is shared: begin the script with `plane own`")
	}
	switch args[0] {
	case "start":
		return s.own.ctl.start(s.ctx())
	case "stop":
		return s.own.ctl.end(terminate)
	case "kill":
		s.own.ctl.Kill()
		return nil
	}
	return errUsage
}

// cmdGitServer starts the Git server in a certain way, or lets it fail: gitserver basic USER PASSWORD | bearer TOKEN | tls | ssh, gitserver fail STATUS
// [Header=value...], gitserver ok.
func (s *script) cmdGitServer(_ bool, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch verb, rest := args[0], args[1:]; {
	case verb == "basic" && len(rest) == 2:
		_, err := s.serve(gitserver.Options{Username: rest[0], Password: rest[1]})
		return err
	case verb == "bearer" && len(rest) == 1:
		_, err := s.serve(gitserver.Options{BearerToken: rest[0]})
		return err
	case verb == "tls" && len(rest) == 0:
		cert, ca, err := selfSigned()
		if err != nil {
			return err
		}
		s.ts.Setenv("GIT_CA", indent(ca))
		_, err = s.serve(gitserver.Options{TLS: &cert})
		return err
	case verb == "ssh" && len(rest) == 0:
		return s.serveSSH()
	case verb == "fail" && len(rest) > 0:
		status, err := strconv.Atoi(rest[0])
		if err != nil {
			return err
		}
		headers := map[string]string{}
		for _, h := range rest[1:] {
			k, v, _ := strings.Cut(h, "=")
			headers[k] = v
		}
		g, err := s.server()
		if err == nil {
			g.Fail(status, headers)
		}
		return err
	case verb == "ok" && len(rest) == 0:
		g, err := s.server()
		if err == nil {
			g.Serve()
		}
		return err
	}
	return errUsage
}

// indent makes a text of several lines fit into a YAML block that is indented by four.
func indent(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

func (s *script) serveSSH() error {
	_, host, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(host)
	if err != nil {
		return err
	}
	_, client, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	public, err := ssh.NewSignerFromKey(client)
	if err != nil {
		return err
	}
	private, err := ssh.MarshalPrivateKey(client, "")
	if err != nil {
		return err
	}
	g, err := s.serve(gitserver.Options{SSH: &gitserver.SSH{HostKey: signer, Authorized: public.PublicKey()}})
	if err != nil {
		return err
	}
	s.ts.Setenv("GIT_URL", g.SSHURL(RepoName))
	s.ts.Setenv("GIT_IDENTITY", indent(string(pem.EncodeToMemory(private))))
	s.ts.Setenv("GIT_KNOWN_HOSTS", knownhosts.Line([]string{knownhosts.Normalize(g.SSHAddr())}, signer.PublicKey()))
	return nil
}

// selfSigned is a certificate for loopback and, as PEM, what it is to be trusted by.
func selfSigned() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "git"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(text), nil
}

// cmdCommit makes the directory "repo" of the script the whole content of the repository, and tells the controller: commit [-branch B] [-quiet] [-submodule
// PATH] MESSAGE.
func (s *script) cmdCommit(_ bool, args []string) error {
	branch, args := option(args, "-branch", s.branch)
	quiet := len(args) > 0 && args[0] == "-quiet"
	if quiet {
		args = args[1:]
	}
	submodule, args := option(args, "-submodule", "")
	if len(args) != 1 {
		return errUsage
	}
	g, err := s.server()
	if err != nil {
		return err
	}
	changes, err := s.tree(s.ts.MkAbs("repo"))
	if err != nil {
		return err
	}
	if submodule != "" {
		changes = append(changes, gitserver.Submodule(submodule, source.Commit(strings.Repeat("1", 40))))
	}
	c, err := g.Repo.Commit(s.ctx(), branch, args[0], changes...)
	if err != nil {
		return err
	}
	s.ts.Setenv("COMMIT", string(c))
	s.ts.Setenv("SHORT", c.Short())
	if quiet {
		return nil
	}
	return s.tell()
}

// tree is the files below a directory as changes that make a tree of nothing else.
func (s *script) tree(root string) ([]gitserver.Change, error) {
	changes := []gitserver.Change{gitserver.Clear()}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			changes = append(changes, gitserver.Link(filepath.ToSlash(name), target))
			return err
		}
		data, err := os.ReadFile(path)
		changes = append(changes, gitserver.Write(filepath.ToSlash(name), strings.ReplaceAll(string(data), "${NS}", s.namespace)))
		return err
	})
	return changes, err
}

// tell sends a webhook if there is somebody to take it.
func (s *script) tell() error {
	if !s.hooked {
		return nil
	}
	n, err := s.tenant()
	if err != nil {
		return err
	}
	w, err := s.world()
	if err != nil || !w.ctl.Running() {
		return err
	}
	return n.Hook(s.ctx(), w.ctl)
}

// cmdHook sends a webhook: hook [-token TOKEN] [-repository NAME]. With ! it must be refused.
func (s *script) cmdHook(neg bool, args []string) error {
	if !neg && len(args) == 0 {
		return s.tell()
	}
	token, args := option(args, "-token", hookToken)
	repository, args := option(args, "-repository", RepoName)
	if len(args) != 0 || !neg {
		return errUsage
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	if w.ctl.hook(s.ctx(), s.namespace, repository, token) == nil {
		return errors.New("the webhook was accepted")
	}
	return nil
}

// cmdGit runs git in the bare repository of the server.
func (s *script) cmdGit(_ bool, args []string) error {
	g, err := s.server()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(s.ctx(), "git", args...)
	cmd.Dir = g.Dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "GIT_DIR=" + g.Dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	_, err = s.ts.Stdout().Write(out.Bytes())
	return err
}

// cmdTenant makes the namespace $NS with the ServiceAccount deployer and the Repository config: tenant [-role ROLE|none].
func (s *script) cmdTenant(_ bool, args []string) error {
	role, args := option(args, "-role", "cluster-admin")
	if len(args) != 0 {
		return errUsage
	}
	if role == "none" {
		role = ""
	}
	n, err := s.tenant()
	if err != nil {
		return err
	}
	s.hooked = true
	return n.make(s.ctx(), role)
}

// cmdEnvironment makes an Environment: environment NAME PATH [field=value...], where a field is a path in the spec, such as sync.drift=Report.
func (s *script) cmdEnvironment(_ bool, args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	n, err := s.tenant()
	if err != nil {
		return err
	}
	set := map[string]any{"destination.serviceAccount": "deployer"}
	for _, a := range args[2:] {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			return errUsage
		}
		set[k] = v
		if b, err := strconv.ParseBool(v); err == nil {
			set[k] = b
		}
		if i, err := strconv.ParseInt(v, 10, 64); err == nil {
			set[k] = i
		}
	}
	return n.environment(s.ctx(), args[0], args[1], set)
}

// cmdApply applies files whose ${NAME} are replaced by the variables of the script, as an administrator.
func (s *script) cmdApply(neg bool, args []string) error {
	w, err := s.world()
	if err != nil {
		return err
	}
	for _, name := range args {
		text := s.expand(s.ts.ReadFile(name))
		s.hooked = s.hooked || strings.Contains(text, "webhookToken")
		err := w.Objects.Apply(s.ctx(), s.namespace, text)
		if neg && err == nil {
			return fmt.Errorf("%s was accepted", name)
		}
		if neg {
			_, _ = fmt.Fprintln(s.ts.Stderr(), err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cmdSettled waits until an environment has read the head of its branch and there is nothing left to do.
func (s *script) cmdSettled(_ bool, args []string) error {
	branch, args := option(args, "-branch", s.branch)
	n, w, err := s.both()
	if err != nil {
		return err
	}
	for _, env := range args {
		if err := n.settled(s.ctx(), w.ctl, env, branch); err != nil {
			return err
		}
	}
	if len(args) == 0 { // nothing to do, whatever was read
		return Wait(s.ctx(), func(ctx context.Context) error {
			m, err := w.ctl.Metrics(ctx)
			if err == nil && !m.Idle() {
				err = errors.New("the controller is not done")
			}
			return err
		})
	}
	return nil
}

// cmdSynced waits until apps have followed the head and are ready: synced [-branch B] ENVIRONMENT APP...
func (s *script) cmdSynced(_ bool, args []string) error {
	branch, args := option(args, "-branch", s.branch)
	if len(args) < 2 {
		return errUsage
	}
	n, w, err := s.both()
	if err != nil {
		return err
	}
	return n.synced(s.ctx(), w.ctl, args[0], branch, args[1:]...)
}

func (s *script) both() (*Tenant, *world, error) {
	n, err := s.tenant()
	if err != nil {
		return nil, nil, err
	}
	w, err := s.world()
	return n, w, err
}

func (s *script) cmdKubectl(neg bool, args []string) error {
	bin, err := binary("devcluster")
	if err != nil {
		return err
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	return s.exec(neg, bin, slices.Concat([]string{"kubectl"}, w.kubectlArgs(s.namespace, args)))
}

// cmdHelm runs the real Helm as an administrator.
func (s *script) cmdHelm(neg bool, args []string) error {
	bin, err := binary("helm")
	if err != nil {
		return err
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	for _, name := range []string{"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"} {
		s.ts.Setenv(name, filepath.Join(w.Dir, "helm", name))
	}
	s.ts.Setenv("HELM", bin) // for exec, beside the script
	return s.exec(neg, bin, slices.Concat([]string{"--namespace", s.namespace}, args))
}

func (s *script) cmdFairlead(neg bool, args []string) error {
	bin, err := binary("fairlead")
	if err != nil {
		return err
	}
	return s.exec(neg, bin, args)
}

// exec runs a program of ours against the control plane of the script.
func (s *script) exec(neg bool, bin string, args []string) error {
	w, err := s.world()
	if err != nil {
		return err
	}
	if s.page == nil { // the reader of a page has them already
		for _, e := range append(w.kubectlEnv(), "FAIRLEAD_SERVER=http://"+w.ctl.Addr()) {
			k, v, _ := strings.Cut(e, "=")
			s.ts.Setenv(k, v)
		}
	}
	err = s.ts.Exec(bin, args...)
	switch {
	case neg && err == nil:
		return errors.New("unexpected success")
	case neg:
		return nil
	}
	return err
}
