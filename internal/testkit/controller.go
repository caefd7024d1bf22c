package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ControllerOptions say how the controller runs. The zero value acts as Fairlead's own ServiceAccount and takes no Lease: one that a killed process left
// would be waited for.
type ControllerOptions struct {
	// Kubeconfig is another than Plane.ControllerKubeconfig, such as one that leads through a proxy.
	Kubeconfig string
	// Lease is how long the Lease of a replica lasts; 0: it takes none.
	Lease time.Duration
	// DataDir is the directory of the mirrors; empty: one that lasts as long as the test.
	DataDir string
	// Args are further flags.
	Args []string
	// NoWait lets Start return before the controller is ready.
	NoWait bool
}

// Controller is `fairlead controller` as a process. It may be stopped and started again.
type Controller struct {
	o    ControllerOptions
	bin  string
	args []string

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{}
	addr  string
	log   bytes.Buffer
}

// Controller starts a controller for the plane. It is stopped when the test ends.
func (p *Plane) Controller(t testing.TB, o ControllerOptions) *Controller {
	t.Helper()
	c, err := p.controller(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *Plane) controller(t testing.TB, o ControllerOptions) (*Controller, error) {
	bin, err := binary("fairlead")
	if err != nil {
		return nil, err
	}
	if o.DataDir == "" {
		o.DataDir = filepath.Join(t.TempDir(), "data")
	}
	if o.Kubeconfig == "" {
		o.Kubeconfig = p.ControllerKubeconfig
	}
	c := &Controller{o: o, bin: bin}
	c.args = append([]string{
		"controller", "--kubeconfig=" + o.Kubeconfig, "--data-dir=" + o.DataDir, "--namespace=" + Namespace, "--listen=127.0.0.1:0",
		"--lease-duration=" + o.Lease.String(),
	}, o.Args...)
	artifacts := t.ArtifactDir()
	t.Cleanup(func() {
		if err := c.end(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = os.WriteFile(filepath.Join(artifacts, "controller.log"), []byte(c.Log()), 0o600) // kept by go test -artifacts
	})
	return c, c.start(t.Context())
}

// Start starts the controller again after Stop or Kill.
func (c *Controller) Start(t testing.TB) {
	t.Helper()
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Stop stops the controller as a service manager does. It must end by itself, and well.
func (c *Controller) Stop(t testing.TB) {
	t.Helper()
	if err := c.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the controller at once: kill -9. It returns when the process is gone.
func (c *Controller) Kill() { _ = c.end(syscall.SIGKILL) }

// Crash ends the controller as a crash does, with a dump of all goroutines in its log.
func (c *Controller) Crash() { _ = c.end(syscall.SIGQUIT) }

// DataDir is the directory that the controller keeps its files in.
func (c *Controller) DataDir() string { return c.o.DataDir }

// LimitFiles lets no file grow beyond a size that the controller, or a program that it runs, writes: what a full disk does to large files. It lasts until
// restore is called.
func (c *Controller) LimitFiles(t testing.TB, most uint64) (restore func()) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		t.Fatal("the controller does not run")
	}
	pid := c.cmd.Process.Pid
	was, err := limitFiles(pid, most)
	if err != nil {
		t.Fatalf("limit files: %v", err)
	}
	return func() {
		if _, err := limitFiles(pid, was); err != nil {
			t.Fatalf("limit files: %v", err)
		}
	}
}

// Pause stops the process where it is, as a machine that hangs does.
func (c *Controller) Pause(t testing.TB) { c.signal(t, syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (c *Controller) Resume(t testing.TB) { c.signal(t, syscall.SIGCONT) }

func (c *Controller) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		t.Fatal("the controller does not run")
	}
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Running reports whether the process runs.
func (c *Controller) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cmd != nil
}

func (c *Controller) start(ctx context.Context) error {
	if c.Running() {
		return errors.New("the controller runs already")
	}
	cmd := exec.Command(c.bin, c.args...)
	cmd.Stderr, cmd.Stdout, cmd.SysProcAttr = (*logWriter)(c), (*logWriter)(c), dies()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.o.DataDir, "GOMEMLIMIT=512MiB"}
	c.mu.Lock()
	c.addr = ""
	c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	c.mu.Lock()
	c.cmd, c.ended = cmd, ended
	c.mu.Unlock()
	go func() {
		_ = cmd.Wait()
		c.mu.Lock()
		c.cmd = nil
		c.mu.Unlock()
		close(ended)
	}()
	if c.o.NoWait {
		return nil
	}
	return c.Ready(ctx)
}

// Ready waits until the controller says that it is ready.
func (c *Controller) Ready(ctx context.Context) error {
	return Wait(ctx, func(ctx context.Context) error {
		if !c.Running() {
			return fmt.Errorf("the controller ended: %s", c.Tail("", 20))
		}
		_, err := c.get(ctx, "/readyz")
		return err
	})
}

func (c *Controller) end(s syscall.Signal) error {
	c.mu.Lock()
	cmd, ended := c.cmd, c.ended
	c.mu.Unlock()
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Signal(s)
	select {
	case <-ended:
	case <-time.After(Deadline):
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("the controller did not end within %s after %s:\n%s", Deadline, s, c.Tail("", 20))
	}
	if code := cmd.ProcessState.ExitCode(); s == syscall.SIGTERM && code != 0 {
		return fmt.Errorf("the controller ended with code %d after SIGTERM:\n%s", code, c.Tail("", 20))
	}
	return nil
}

// Addr is the host:port that the controller listens at; empty before it does.
func (c *Controller) Addr() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addr
}

func (c *Controller) get(ctx context.Context, path string) (string, error) {
	addr := c.Addr()
	if addr == "" {
		return "", errors.New("the controller does not listen yet")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return "", err
	}
	return do(req)
}

func do(req *http.Request) (string, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, strings.TrimSpace(string(body)))
	}
	return string(body), err
}

// Hook sends a push webhook for a Repository. One that is not known yet is waited for.
func (c *Controller) Hook(ctx context.Context, namespace, repository, token string) error {
	return Wait(ctx, func(ctx context.Context) error { return c.hook(ctx, namespace, repository, token) })
}

func (c *Controller) hook(ctx context.Context, namespace, repository, token string) error {
	addr := c.Addr()
	if addr == "" {
		return errors.New("the controller does not listen yet")
	}
	url := "http://" + addr + "/webhook/" + namespace + "/" + repository
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	_, err = do(req)
	return err
}

// Log returns all that the controller has logged since it was started first.
func (c *Controller) Log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

// Tail returns the last lines of the log that contain a text.
func (c *Controller) Tail(about string, lines int) string {
	return tail(c.Log(), about, lines)
}

func tail(log, about string, lines int) string {
	var found []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, about) {
			found = append(found, line)
		}
	}
	return strings.Join(found[max(0, len(found)-lines):], "")
}

// Tail returns the last lines of a component's log that hold a word, such as those of "kube-controller-manager" about a namespace.
func (p *Plane) Tail(component, about string, lines int) string {
	log, err := os.ReadFile(filepath.Join(p.Dir, component+".log"))
	if err != nil {
		return err.Error()
	}
	return tail(string(log), about, lines)
}

// logWriter keeps the log, and finds the address in it.
type logWriter Controller

func (w *logWriter) Write(p []byte) (int, error) {
	c := (*Controller)(w)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.Write(p)
	if c.addr == "" {
		for line := range bytes.Lines(p) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal(line, &entry) == nil && entry.Msg == "listening" {
				c.addr = entry.Address
			}
		}
	}
	return len(p), nil
}
