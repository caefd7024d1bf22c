package testkit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-cd/fairlead/internal/install"
)

// Namespace is Fairlead's own.
const Namespace = "fairlead-system"

// Options say which control plane to start. The zero value has all controllers and keeps no audit log.
type Options struct {
	// NoControllers leaves out the controller manager, the scheduler and the simulated nodes: nothing sets a status but the test.
	NoControllers bool
	// Bare leaves Fairlead out: Plane.Furnish brings it, or Plane.Enter once somebody else has.
	Bare bool
	// Audit keeps a log of every request: see Plane.Audit.
	Audit bool
}

// Plane is a running control plane in which Fairlead is installed, but for its Deployment.
type Plane struct {
	// Dir holds what the control plane writes.
	Dir string
	// Kubeconfig is the administrator's. Kube and Objects act as the same.
	Kubeconfig string
	Kube       kubernetes.Interface
	Objects    *Objects
	// ControllerKubeconfig is that of Fairlead's own ServiceAccount.
	ControllerKubeconfig string

	auditLog string
	config   *rest.Config // the administrator's
}

// Start starts a control plane for the test. It is stopped when the test ends.
func Start(t testing.TB, o Options) *Plane {
	t.Helper()
	p, err := start(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Says is what every container of the control plane says from now on, and what it said before its last restart: the simulated nodes serve that as kubelets do.
func (p *Plane) Says(t testing.TB, now, before []string) {
	t.Helper()
	for file, lines := range map[string][]string{"pods.log": now, "previous-pods.log": before} {
		var text strings.Builder
		for _, l := range lines {
			fmt.Fprintf(&text, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), l)
		}
		if err := os.WriteFile(filepath.Join(p.Dir, file), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func start(t testing.TB, o Options) (*Plane, error) {
	bin, err := binary("devcluster")
	if err != nil {
		return nil, err
	}
	p := &Plane{Dir: t.TempDir()}
	p.Kubeconfig = filepath.Join(p.Dir, "kubeconfig")
	args := []string{"up", "--dir", p.Dir}
	if o.NoControllers {
		args = append(args, "--no-controllers")
	}
	if o.Audit {
		p.auditLog = filepath.Join(p.Dir, "audit.log")
		args = append(args, "--audit-log", p.auditLog)
	}
	if _, err := up(t, bin, args); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	if p.Objects, err = openObjects(config); err != nil {
		return nil, err
	}
	if p.Kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	p.config = config
	if o.Bare {
		return p, nil
	}
	return p, p.furnish(t.Context())
}

// Furnish installs Fairlead's resources and rights again, and makes another kubeconfig of its ServiceAccount in the place of the first.
func (p *Plane) Furnish(t testing.TB) {
	t.Helper()
	if err := p.furnish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// up runs devcluster, or prometheus, until the test ends. It returns when it is ready, and says where its server is.
func up(t testing.TB, bin string, args []string) (server string, err error) {
	var errs bytes.Buffer
	cmd := exec.Command(bin, args...)
	cmd.Stderr, cmd.SysProcAttr = &errs, dies()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended, ready := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			if at, ok := strings.CutPrefix(s.Text(), "server: "); ok {
				ready <- at
			}
		}
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	select {
	case server = <-ready:
		return server, nil
	case <-ended:
		return "", fmt.Errorf("%s %s: %v: %s", filepath.Base(bin), strings.Join(args, " "), cmd.ProcessState, errs.String())
	case <-time.After(2 * time.Minute):
		return "", fmt.Errorf("%s %s: not ready after two minutes: %s", filepath.Base(bin), strings.Join(args, " "), errs.String())
	}
}

// furnish installs Fairlead's resources and rights, and makes the kubeconfig of its ServiceAccount.
func (p *Plane) furnish(ctx context.Context) error {
	all, err := install.Objects(install.Options{Namespace: Namespace, Image: "fairlead:test"})
	if err != nil {
		return err
	}
	var objs []*unstructured.Unstructured
	for _, o := range all {
		if o.GetKind() != "Deployment" && o.GetKind() != "Service" {
			objs = append(objs, o)
		}
	}
	if err := install.Apply(ctx, p.Objects.client, objs, func(*unstructured.Unstructured) {}); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return p.Enter(ctx)
}

// Enter makes the kubeconfig of Fairlead's ServiceAccount, which must exist.
func (p *Plane) Enter(ctx context.Context) error {
	day := int64((24 * time.Hour).Seconds())
	token, err := p.Kube.CoreV1().ServiceAccounts(Namespace).CreateToken(ctx, "fairlead",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make token of the controller: %w", err)
	}
	p.ControllerKubeconfig = filepath.Join(p.Dir, "controller.kubeconfig")
	return writeKubeconfig(p.ControllerKubeconfig, p.config, token.Status.Token)
}

func writeKubeconfig(path string, c *rest.Config, token string) error {
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: c.Host, CertificateAuthorityData: c.CAData, CertificateAuthority: c.CAFile}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"controller": {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "controller"}},
		CurrentContext: "test",
	}, path)
}

// APIServer does "restart", "stop" or "start" to the API server. It returns when that is done.
func (p *Plane) APIServer(t testing.TB, action string) {
	t.Helper()
	if err := p.apiServer(t.Context(), action); err != nil {
		t.Fatal(err)
	}
}

func (p *Plane) apiServer(ctx context.Context, action string) error {
	bin, err := binary("devcluster")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, bin, "apiserver", action, "--dir", p.Dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("apiserver %s: %w: %s", action, err, out)
	}
	return nil
}

// Kubectl runs kubectl in a namespace and returns what it printed, errors included.
func (p *Plane) Kubectl(ctx context.Context, namespace string, args ...string) (string, error) {
	bin, err := binary("devcluster")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, bin, append([]string{"kubectl"}, p.kubectlArgs(namespace, args)...)...)
	cmd.Env = append(os.Environ(), p.kubectlEnv()...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// kubectlArgs puts the namespace first, so that one in args prevails.
func (p *Plane) kubectlArgs(namespace string, args []string) []string {
	if namespace == "" {
		return args
	}
	return append([]string{"--namespace", namespace}, args...)
}

func (p *Plane) kubectlEnv() []string {
	return []string{"KUBECONFIG=" + p.Kubeconfig, "KUBECACHEDIR=" + filepath.Join(p.Dir, "kubectl-cache")}
}

// Audit returns the lines of the audit log after offset, and the offset behind them. A log that does not exist yet is empty.
func (p *Plane) Audit(offset int64) ([]string, int64, error) {
	if p.auditLog == "" {
		return nil, 0, errors.New("this control plane keeps no audit log: start it with Options.Audit")
	}
	data, err := os.ReadFile(p.auditLog)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil || offset > int64(len(data)) {
		return nil, offset, err
	}
	data = data[offset:]
	whole := bytes.LastIndexByte(data, '\n') + 1
	return strings.Split(strings.TrimSuffix(string(data[:whole]), "\n"), "\n"), offset + int64(whole), nil
}

// Token makes a token of a ServiceAccount, as a person does who acts by it: no Pod has it.
func (p *Plane) Token(t testing.TB, namespace, name string) string {
	t.Helper()
	day := int64((24 * time.Hour).Seconds())
	token, err := p.Kube.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}
