package cluster_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// binary is the built program; these tests are about it and never skip.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("DEVCLUSTER")
	if path == "" {
		path = "../../bin/devcluster"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: make build first", err)
	}
	return path
}

// An instance is one "devcluster up".
type instance struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	server string
	errOut *bytes.Buffer
	ended  chan struct{} // closed when it is gone; then cmd.ProcessState is set
}

// up starts a devcluster and waits until it says that it is ready. It is stopped when the test ends.
func up(t *testing.T, dir string, args ...string) *instance {
	t.Helper()
	in, lines := launch(t, dir, args...)
	for line := range lines {
		if server, ok := strings.CutPrefix(line, "server: "); ok {
			in.server = server
			go func() { // never block its output
				for range lines {
				}
			}()
			return in
		}
	}
	<-in.ended
	t.Fatalf("devcluster up: %v\n%s", in.cmd.ProcessState, in.errOut)
	return nil
}

// launch starts a devcluster and returns the lines it prints.
func launch(t *testing.T, dir string, args ...string) (*instance, <-chan string) {
	t.Helper()
	in := &instance{t: t, dir: dir, errOut: new(bytes.Buffer), ended: make(chan struct{})}
	in.cmd = exec.Command(binary(t), append([]string{"up", "--dir", dir}, args...)...)
	in.cmd.Stderr = in.errOut
	out, err := in.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := in.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(in.ended)
		s := bufio.NewScanner(out)
		for s.Scan() {
			lines <- s.Text()
		}
		close(lines)
		_ = in.cmd.Wait()
	}()
	t.Cleanup(func() {
		in.signal(syscall.SIGTERM)
		for range lines {
		}
		<-in.ended
		if t.Failed() {
			t.Logf("stderr of devcluster up --dir %s:\n%s", dir, in.errOut)
		}
	})
	return in, lines
}

func (in *instance) signal(s syscall.Signal) {
	if err := in.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		in.t.Errorf("signal devcluster: %v", err)
	}
}

// stop ends it in the way of a service manager and checks that it ends well.
func (in *instance) stop() {
	in.t.Helper()
	in.signal(syscall.SIGTERM)
	<-in.ended
	if code := in.cmd.ProcessState.ExitCode(); code != 0 {
		in.t.Errorf("exit code %d after SIGTERM, want 0\n%s", code, in.errOut)
	}
	if left := in.processes(); len(left) > 0 {
		in.t.Errorf("left behind after SIGTERM: %v", left)
	}
}

// processes are the command lines of all that still works for this cluster, by process id.
func (in *instance) processes() map[int]string {
	in.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		in.t.Fatal(err)
	}
	found := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue // ended meanwhile
		}
		if line := strings.ReplaceAll(string(b), "\x00", " "); strings.Contains(line, in.dir+"/") || strings.Contains(line, in.dir+" ") {
			found[pid], _, _ = strings.Cut(line, " ")
		}
	}
	return found
}

func (in *instance) config() *rest.Config {
	in.t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", filepath.Join(in.dir, "kubeconfig"))
	if err != nil {
		in.t.Fatal(err)
	}
	c.QPS = -1
	return c
}

func (in *instance) client() kubernetes.Interface { return client(in.t, in.config()) }

func client(t *testing.T, c *rest.Config) kubernetes.Interface {
	t.Helper()
	k, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// kubectl returns what it prints, errors included, and whether it went well.
func (in *instance) kubectl(args ...string) (string, bool) {
	in.t.Helper()
	args = append([]string{"kubectl", "--kubeconfig", filepath.Join(in.dir, "kubeconfig")}, args...)
	out, err := exec.Command(binary(in.t), args...).CombinedOutput()
	return string(out), err == nil
}

// devcluster runs one of the short commands.
func devcluster(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// eventually waits until check returns "", and fails with what it said last.
func eventually(t *testing.T, check func(context.Context) string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		problem := check(ctx)
		if problem == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(problem)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
