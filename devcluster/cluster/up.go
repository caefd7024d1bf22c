package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
)

// Options say which cluster to run. Paths are absolute.
type Options struct {
	Dir         string
	Port        int // of the API server; 0: the one it had before, or a free one
	Nodes       int
	Controllers bool      // false: etcd and API server only
	AuditLog    string    // "" for none
	Out         io.Writer // told when the cluster, or the API server again, is ready
}

// Up runs a cluster until ctx is done, which is no error.
func Up(ctx context.Context, o Options) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	control := make(chan os.Signal, 8)
	signal.Notify(control, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(control)

	d := dir(o.Dir)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	lock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	port, err := prepare(d, o)
	if err != nil {
		return err
	}

	alive, die := context.WithCancelCause(ctx)
	defer die(nil)
	c := &running{dir: d, options: o, port: port, lock: lock, died: die}
	err = c.run(alive, control)
	c.stop() // before the verdict: a signal to a whole process group may reach a child first
	if ctx.Err() != nil {
		return nil // asked to stop; what was under way then does not matter
	}
	if cause := context.Cause(alive); cause != nil {
		return cause // a child died: whatever failed did so because of that
	}
	return err
}

// prepare writes everything the children read.
func prepare(d dir, o Options) (port int, err error) {
	d.forget()
	_ = os.Remove(d.path(socket)) // left by one that was killed
	for _, component := range []string{etcd, apiServer, controllerManager, scheduler, kwok} {
		_ = os.Remove(d.log(component))
	}
	if port, err = choosePort(d, "port", o.Port); err != nil {
		return 0, err
	}
	if _, err = choosePort(d, kubeletPort, 0); err != nil {
		return 0, err
	}
	if err := makePKI(d); err != nil {
		return 0, err
	}
	for _, client := range []string{controllerManager, scheduler, kwok} {
		if err := writeKubeconfig(d, client+".kubeconfig", address(port), client); err != nil {
			return 0, err
		}
	}
	simulation, err := kwokConfig(d)
	if err != nil {
		return 0, err
	}
	for name, content := range map[string][]byte{
		"audit-policy.yaml": auditPolicy,
		"kwok.yaml":         simulation,
	} {
		if err := d.write(name, content); err != nil {
			return 0, err
		}
	}
	return port, nil
}

// kubeletPort is where kwok answers in the place of all kubelets.
const kubeletPort = "kubelet-port"

func address(port int) string { return "https://127.0.0.1:" + strconv.Itoa(port) }

// running is a cluster in this process. Only Up's goroutine uses it.
type running struct {
	dir     dir
	options Options
	port    int
	lock    *os.File
	died    func(error)
	client  kubernetes.Interface
	etcd    *process   // nil before its start
	serving []*process // API server and controllers; none while the API server is down
}

func (c *running) run(ctx context.Context, control <-chan os.Signal) error {
	if err := c.start(ctx); err != nil {
		return err
	}
	if err := writeKubeconfig(c.dir, "kubeconfig", address(c.port), "admin"); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(c.options.Out, "kubeconfig: %s\nserver: %s\n", c.dir.path("kubeconfig"), address(c.port))
	for {
		select {
		case <-ctx.Done():
			return nil
		case sig := <-control:
			c.stopServing()
			if sig == syscall.SIGUSR2 {
				_, _ = fmt.Fprintln(c.options.Out, "kube-apiserver: stopped")
				continue
			}
			if err := c.serve(ctx); err != nil {
				return err
			}
			_, _ = fmt.Fprintln(c.options.Out, "kube-apiserver: ready")
		}
	}
}

func (c *running) start(ctx context.Context) error {
	var err error
	if c.client, err = adminClient(c.dir, c.port); err != nil {
		return err
	}
	if c.etcd, err = c.spawn(etcd, etcdArgs(c.dir)); err != nil {
		return err
	}
	// An API server that finds no etcd waits a whole second before it looks again.
	if err := c.await(ctx, etcd, c.socketExists); err != nil {
		return err
	}
	return c.serve(ctx)
}

// serve starts the API server and the controllers, and returns when all are ready.
func (c *running) serve(ctx context.Context) error {
	api, err := c.spawn(apiServer, apiServerArgs(c.dir, c.port, c.options))
	if err != nil {
		return err
	}
	c.serving = []*process{api}
	if c.options.Controllers {
		if err := c.startControllers(ctx); err != nil {
			return err
		}
	}
	if err := c.await(ctx, apiServer, c.apiServerReadyBut()); err != nil {
		return err
	}
	if err := c.await(ctx, apiServer, c.namespaceExists); err != nil {
		return err
	}
	return c.dir.write("apiserver.pid", []byte(strconv.Itoa(api.cmd.Process.Pid)+"\n"))
}

func (c *running) startControllers(ctx context.Context) error {
	// Started earlier they would find no API server, and look again only after a second. The default
	// roles come a second later; but the controllers are masters and need none.
	if err := c.await(ctx, apiServer, c.apiServerReadyBut("poststarthook/rbac/bootstrap-roles")); err != nil {
		return err
	}
	if err := c.await(ctx, apiServer, c.freeNodes); err != nil {
		return err
	}
	for name, args := range map[string][]string{scheduler: schedulerArgs(c.dir), kwok: kwokArgs(c.dir, c.dir.number(kubeletPort))} {
		if err := c.startController(name, args); err != nil {
			return err
		}
	}
	if err := c.await(ctx, apiServer, c.furnish); err != nil {
		return err
	}
	// This one gives up if the default roles are not there within ten seconds of its start, which on a busy machine they may not be.
	if err := c.await(ctx, apiServer, c.apiServerReadyBut()); err != nil {
		return err
	}
	if err := c.startController(controllerManager, controllerManagerArgs(c.dir)); err != nil {
		return err
	}
	if err := c.await(ctx, controllerManager, c.serviceAccountExists); err != nil {
		return err
	}
	return c.await(ctx, kwok, c.nodesReady)
}

func (c *running) startController(name string, args []string) error {
	p, err := c.spawn(name, args)
	if err == nil {
		c.serving = append(c.serving, p)
	}
	return err
}

// stopServing kills the API server, and the controllers with it: left alone they would notice only after
// up to half a minute that a new one is there. None of them keeps anything that is not in etcd.
func (c *running) stopServing() {
	for _, p := range slices.Backward(c.serving) {
		p.stop(syscall.SIGKILL, time.Second)
	}
	c.serving = nil
	_ = os.Remove(c.dir.path("apiserver.pid")) // not before: who asked for a stop takes it for done
}

// stop ends every child and returns when all are gone.
func (c *running) stop() {
	c.dir.forget()
	c.stopServing()
	if c.etcd != nil {
		c.etcd.stop(syscall.SIGTERM, 5*time.Second)
	}
}

func (c *running) spawn(name string, args []string) (*process, error) {
	return start(c.dir, c.lock, name, args, c.died)
}
