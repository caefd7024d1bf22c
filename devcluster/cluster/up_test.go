package cluster_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	in := up(t, t.TempDir(), "--nodes", "2")
	k := in.client()
	v, err := k.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	said, _ := devcluster(t, "version")
	if got := v.GitVersion + "\n"; got != said || v.Major != "1" || v.Minor == "" {
		t.Errorf("server version %s (%s.%s), devcluster version says %s", v.GitVersion, v.Major, v.Minor, said)
	}
	nodes, err := k.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: corev1.LabelHostname})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 2 {
		t.Errorf("%d nodes, want 2", len(nodes.Items))
	}
	if _, err := k.CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if got := len(in.processes()); got != 6 {
		t.Errorf("%d processes, want 6: %v", got, in.processes())
	}
	in.stop()
	if _, err := os.Stat(filepath.Join(in.dir, "kubeconfig")); !os.IsNotExist(err) {
		t.Errorf("kubeconfig of a stopped cluster: %v, want none", err)
	}
}

// A parent that cannot clean up still leaves nothing behind, and the next one goes on with the data.
func TestKilled(t *testing.T) {
	t.Parallel()
	in := up(t, t.TempDir())
	createConfigMap(t, in, "kept")
	in.signal(syscall.SIGKILL)
	<-in.ended
	next := up(t, in.dir)
	eventually(t, func(context.Context) string {
		left := in.processes()
		for pid := range next.processes() {
			if isChildOf(pid, next.cmd.Process.Pid) {
				delete(left, pid)
			}
		}
		if len(left) > 0 {
			return fmt.Sprintf("left behind after SIGKILL: %v", left)
		}
		return ""
	})
	wantConfigMap(t, next, "kept")
	wantWorkingControllers(t, next)
	next.signal(syscall.SIGKILL)
	<-next.ended
	eventually(t, func(context.Context) string {
		if left := next.processes(); len(left) > 0 {
			return fmt.Sprintf("left behind after SIGKILL: %v", left)
		}
		return ""
	})
}

func isChildOf(pid, parent int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return pid == parent || strings.Contains(string(b), fmt.Sprintf("\nPPid:\t%d\n", parent))
}

func TestSideBySide(t *testing.T) {
	t.Parallel()
	a := up(t, t.TempDir(), "--no-controllers")
	b := up(t, t.TempDir(), "--no-controllers")
	if a.server == b.server {
		t.Fatalf("both serve %s", a.server)
	}
	createConfigMap(t, a, "mine")
	if _, err := b.client().CoreV1().ConfigMaps("default").Get(t.Context(), "mine", metav1.GetOptions{}); err == nil {
		t.Error("the second cluster has an object of the first")
	}
	out, code := devcluster(t, "up", "--dir", a.dir)
	want := fmt.Sprintf("devcluster: %s is in use by another devcluster (process %d): stop that one or choose another --dir\n", a.dir, a.cmd.Process.Pid)
	if out != want || code != 1 {
		t.Errorf("a third one on the first's directory: exit code %d, %q; want 1, %q", code, out, want)
	}
	wantConfigMap(t, a, "mine")
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	out, code := devcluster(t, "up", "--dir", t.TempDir(), "--port", port)
	want := "devcluster: port " + port + " on 127.0.0.1 is in use: stop what listens there, or choose another with --port\n"
	if out != want || code != 1 {
		t.Errorf("exit code %d, %q; want 1, %q", code, out, want)
	}
}

func TestSameDirectoryAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := up(t, dir, "--no-controllers")
	createConfigMap(t, first, "kept")
	before, err := os.ReadFile(filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	first.stop()
	second := up(t, dir, "--no-controllers")
	after, err := os.ReadFile(filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("the kubeconfig changed; server %s before, %s after", first.server, second.server)
	}
	wantConfigMap(t, second, "kept")
	second.stop()

	_, port, _ := strings.Cut(strings.TrimPrefix(first.server, "https://"), ":")
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	third := up(t, dir, "--no-controllers")
	if third.server == first.server {
		t.Errorf("serves %s, which is taken", third.server)
	}
	wantConfigMap(t, third, "kept")
}

func TestComponentFailsAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "etcd"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := devcluster(t, "up", "--dir", dir)
	for _, want := range []string{"devcluster: etcd ended: exit status 1", "the end of " + dir + "/etcd.log:", "not a directory"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                "no command given",
		"fly":                             `unknown command "fly"`,
		"up":                              "up: --dir is missing",
		"up --dir d --port 70000":         "up: --port 70000 is not a port",
		"up --dir d --nodes -1":           "up: --nodes -1 is not between 0 and 5000",
		"up --dir d e":                    `up: unexpected argument "e"`,
		"up --height 3":                   "up: flag provided but not defined: -height",
		"apiserver":                       "apiserver: say restart, stop or start",
		"apiserver restart":               "apiserver: --dir is missing",
		"apiserver jump --dir d":          `apiserver: unknown action "jump", say restart, stop or start`,
		"apiserver restart --dir d extra": `apiserver: unexpected argument "extra"`,
	} {
		out, code := devcluster(t, strings.Fields(args)...)
		want = "devcluster: " + want + "\nrun \"devcluster help\" for usage\n"
		if out != want || code != 2 {
			t.Errorf("devcluster %s: exit code %d, %q; want 2, %q", args, code, out, want)
		}
	}
	out, code := devcluster(t, "up", "--help")
	if help, _ := devcluster(t, "help"); out != help || code != 0 || !strings.Contains(out, "SIGUSR1") {
		t.Errorf("devcluster up --help: exit code %d\n%s", code, out)
	}
	dir := t.TempDir()
	out, code = devcluster(t, "apiserver", "restart", "--dir", dir)
	if want := "devcluster: no devcluster runs in " + dir + "\n"; out != want || code != 1 {
		t.Errorf("restart of nothing: exit code %d, %q; want 1, %q", code, out, want)
	}
}

func createConfigMap(t *testing.T, in *instance, name string) {
	t.Helper()
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := in.client().CoreV1().ConfigMaps("default").Create(t.Context(), m, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func wantConfigMap(t *testing.T, in *instance, name string) {
	t.Helper()
	if _, err := in.client().CoreV1().ConfigMaps("default").Get(t.Context(), name, metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

// wantWorkingControllers sees a Deployment through to the end, which takes all controllers and a node.
func wantWorkingControllers(t *testing.T, in *instance) {
	t.Helper()
	if out, ok := in.kubectl("create", "deployment", "web", "--image=web:1", "--replicas=2"); !ok {
		t.Fatal(out)
	}
	if out, ok := in.kubectl("rollout", "status", "deployment/web", "--timeout=60s"); !ok {
		t.Errorf("the controllers do not work: %s", out)
	}
}
