package demo

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/child"
	"github.com/fairlead-cd/fairlead/internal/install"
	"github.com/fairlead-cd/fairlead/internal/roster"
)

// stage is all that runs while the tour is taken.
type stage struct {
	options Options
	screen  *screen
	died    func(error)

	dir, kubeconfig     string
	address             string // of the controller
	janitor             *child.Heir
	cluster, controller *child.Process
	kube                *kube
	git                 *gitSide
	ready               bool
}

// setUp starts everything but the shop itself.
func (st *stage) setUp(ctx context.Context) error {
	st.screen.head("Setting up", "")
	for _, part := range []struct {
		doing string
		do    func(context.Context) (string, error)
	}{
		{"looking for git and a directory", st.prepare},
		{"starting a control plane", st.openCluster},
		{"filling a Git repository", st.openRepository},
		{"installing Fairlead's resources and the tenant", st.install},
		{"starting the controller", st.openController},
	} {
		began := time.Now()
		st.screen.doing(part.doing)
		done, err := part.do(ctx)
		if err != nil {
			return err
		}
		measured := ""
		if took := time.Since(began); took > time.Millisecond {
			measured = span(took)
		}
		st.screen.ok(done, measured)
	}
	st.ready = true
	return nil
}

// prepare makes the directory.
func (st *stage) prepare(context.Context) (string, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return "", errors.New("git is not installed: the demo serves and pushes a real repository; install git")
	}
	if st.options.Dir == "" {
		var err error
		st.dir, err = os.MkdirTemp("", "fairlead-demo-")
		return "directory " + st.dir + ", removed at the end", err
	}
	dir, err := filepath.Abs(st.options.Dir)
	if err != nil {
		return "", err
	}
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return "", fmt.Errorf("%s is not empty: remove it, or name another directory with --dir", dir)
	}
	st.dir = dir
	return "directory " + dir + ", kept at the end", os.MkdirAll(dir, 0o700)
}

// leftovers is what the janitor removes.
func (st *stage) leftovers() Leftovers {
	if st.options.Dir != "" {
		return Leftovers{}
	}
	return Leftovers{Dir: st.dir}
}

// openCluster starts a control plane, or connects to the user's cluster.
func (st *stage) openCluster(ctx context.Context) (string, error) {
	var err error
	if st.options.Kubeconfig != nil {
		return st.borrow(ctx)
	}
	if st.janitor, err = hire(st.options.Program, st.options.Err, st.leftovers()); err != nil {
		return "", err
	}
	ready := make(chan struct{}, 1)
	dir := filepath.Join(st.dir, "cluster")
	seen := func(line string) {
		if strings.HasPrefix(line, "server: ") {
			ready <- struct{}{}
		}
	}
	st.cluster, err = child.Start(child.Command{
		Name: "the control plane", Program: st.options.Devcluster, Args: []string{"up", "--dir", dir},
		Log: filepath.Join(st.dir, "cluster.log"), Seen: seen, Died: st.died,
	})
	if err != nil {
		return "", err
	}
	st.kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := await(ctx, ready, 3*time.Minute, "the control plane"); err != nil {
		return "", err
	}
	if st.kube, err = connect(st.kubeconfig); err != nil {
		return "", err
	}
	return fmt.Sprintf("control plane, Kubernetes %s, %s", st.kube.version, st.kube.server), nil
}

// await waits for a child to say that it is ready.
func await(ctx context.Context, ready <-chan struct{}, most time.Duration, what string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("%s was not ready within %s", what, most))
	defer cancel()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// borrow connects to the user's cluster, if nothing there stands in the way and the user agrees.
func (st *stage) borrow(ctx context.Context) (string, error) {
	st.kubeconfig = filepath.Join(st.dir, "kubeconfig")
	if err := os.WriteFile(st.kubeconfig, st.options.Kubeconfig, 0o600); err != nil {
		return "", err
	}
	var err error
	if st.kube, err = connect(st.kubeconfig); err != nil {
		return "", err
	}
	taken, err := st.kube.exists(ctx, "Namespace", namespaces())
	if err != nil {
		return "", err
	}
	if len(taken) > 0 {
		return "", fmt.Errorf("namespaces that the demo would make exist already: %s: it does not touch what is not its own. "+
			"If an earlier demo left them, delete them with: kubectl delete namespaces -l fairlead.dev/demo", strings.Join(taken, ", "))
	}
	if err := st.kube.alone(ctx); err != nil {
		return "", err
	}
	l := st.leftovers()
	l.Kubeconfig, l.Namespaces = st.kubeconfig, namespaces()
	if l.Definitions, err = st.newDefinitions(ctx); err != nil {
		return "", err
	}
	if err := st.confirm(l); err != nil {
		return "", err
	}
	if st.janitor, err = hire(st.options.Program, st.options.Err, l); err != nil {
		return "", err
	}
	return fmt.Sprintf("your cluster, Kubernetes %s, %s", st.kube.version, st.kube.server), nil
}

// alone makes sure that no other Fairlead works in the cluster: it would take the demo's objects for its own.
func (k *kube) alone(ctx context.Context) error {
	list, err := k.of("Lease", "").List(ctx, metav1.ListOptions{LabelSelector: roster.Label})
	if err != nil {
		return fmt.Errorf("look for another Fairlead: %w", err)
	}
	for _, l := range list.Items {
		if holder, _, _ := unstructured.NestedString(l.Object, "spec", "holderIdentity"); holder != "" {
			return fmt.Errorf("a Fairlead runs in this cluster already (Lease %s/%s is held by %s): the demo needs a cluster without", l.GetNamespace(), l.GetName(), holder)
		}
	}
	return nil
}

// newDefinitions names Fairlead's resources that the cluster does not have yet: the demo takes those away again.
func (st *stage) newDefinitions(ctx context.Context) ([]string, error) {
	objs, err := install.Objects(install.Options{CRDsOnly: true})
	if err != nil {
		return nil, err
	}
	var fresh []string
	for _, o := range objs {
		found, err := st.kube.exists(ctx, o.GetKind(), []string{o.GetName()})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			fresh = append(fresh, o.GetName())
		}
	}
	return fresh, nil
}

// confirm asks the user whether the demo may use the cluster.
func (st *stage) confirm(l Leftovers) error {
	if st.options.Yes {
		return nil
	}
	s := st.screen
	s.print("  ", fmt.Sprintf("The demo will make the namespaces %s in the cluster at %s, and Fairlead's CustomResourceDefinitions if it has none; "+
		"it deletes them at the end.", strings.Join(l.Namespaces, ", "), st.kube.server), plain)
	_, _ = fmt.Fprint(s.out, "  Go on? [y/N] ")
	line, _ := bufio.NewReader(st.options.In).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errors.New("not confirmed: answer y, or use --yes")
	}
	return nil
}

func (st *stage) openRepository(ctx context.Context) (string, error) {
	files, err := shopFiles()
	if err != nil {
		return "", err
	}
	if st.git, err = openGit(ctx, st.dir, rand.Text(), files); err != nil {
		return "", err
	}
	return fmt.Sprintf("Git repository %s, %d files", st.git.url(), len(files)), nil
}

// install applies the CustomResourceDefinitions and what a platform team gives to a tenant: namespaces, an account with the rights it needs, a Repository.
func (st *stage) install(ctx context.Context) (string, error) {
	objs, err := install.Objects(install.Options{CRDsOnly: true})
	if err != nil {
		return "", err
	}
	if err := install.Apply(ctx, st.kube.client, objs, func(*unstructured.Unstructured) {}); err != nil {
		return "", err
	}
	if err := st.applyTenant(ctx, "1-tenant.yaml", "${TOKEN}", st.git.token, "${URL}", st.git.url()); err != nil {
		return "", err
	}
	for _, e := range environments {
		if err := st.applyTenant(ctx, "2-place.yaml", "${ENVIRONMENT}", e); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d resources of Fairlead; tenant %s with rights in %d namespaces", len(objs), tenantNamespace, len(environments)), nil
}

func (st *stage) applyTenant(ctx context.Context, name string, fill ...string) error {
	text, err := manifest(name, fill...)
	if err != nil {
		return err
	}
	return st.kube.apply(ctx, text)
}

// openController starts the controller as a process of its own, and waits until it listens and has its Lease.
func (st *stage) openController(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, st.patience(), errors.New("the controller was not ready in time"))
	defer cancel()
	leases, err := st.kube.follow(ctx, "Lease", ownNamespace, "")
	if err != nil {
		return "", err
	}
	address := make(chan string, 1)
	seen := func(line string) {
		var said struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "listening" {
			address <- said.Address
		}
	}
	st.controller, err = child.Start(child.Command{
		Name: "the controller", Program: st.options.Program, Args: []string{
			"controller", "--kubeconfig", st.kubeconfig, "--data-dir", filepath.Join(st.dir, "controller"), "--namespace", ownNamespace, "--listen", "127.0.0.1:0",
		},
		Log: filepath.Join(st.dir, "controller.log"), Seen: seen, Died: st.died,
	})
	if err != nil {
		return "", err
	}
	select {
	case a := <-address:
		st.address = "http://" + a
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	st.git.notify(st.address + "/webhook/" + tenantNamespace + "/" + repository)
	_, err = leases.find(ctx, "the controller to take its Lease", "", func(s sighting) bool { return field(s.obj, "spec", "holderIdentity") != "" })
	return "controller, " + st.address, err
}

// close ends everything and removes what is left. It waits for that.
func (st *stage) close() error {
	if st.dir == "" {
		return nil
	}
	st.screen.doing("stopping")
	defer st.screen.rest()
	st.git.close()
	st.controller.Stop()
	st.cluster.Stop()
	if st.janitor == nil {
		return removeDir(context.Background(), st.leftovers().Dir)
	}
	return st.janitor.Dismiss()
}
