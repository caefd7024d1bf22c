package cluster_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

func TestNoControllers(t *testing.T) {
	t.Parallel()
	// The path of a socket may have 108 bytes, that of a cluster may be longer.
	in := up(t, filepath.Join(t.TempDir(), strings.Repeat("long", 30), "with space"), "--no-controllers")
	if got := len(in.processes()); got != 3 {
		t.Errorf("%d processes, want 3: %v", got, in.processes())
	}
	if out, ok := in.kubectl("apply", "--server-side", "-f", "testdata/workloads.yaml"); !ok {
		t.Fatal(out)
	}
	k := in.client()
	pods := k.CoreV1().Pods("default")
	pod, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "one"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status.Phase = corev1.PodFailed
	if _, err := pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	web, err := k.AppsV1().Deployments("default").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	web.Status.ObservedGeneration, web.Status.Replicas = web.Generation, 7
	if _, err := k.AppsV1().Deployments("default").UpdateStatus(t.Context(), web, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	all, err := pods.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Items) != 1 || all.Items[0].Status.Phase != corev1.PodFailed {
		t.Errorf("pods %v, want only the one we made, as we left it", all.Items)
	}
}

func TestAPIServerRestart(t *testing.T) {
	t.Parallel()
	in := up(t, t.TempDir())
	k := in.client()
	pid := func() string {
		b, _ := os.ReadFile(filepath.Join(in.dir, "apiserver.pid"))
		return string(b)
	}
	control := func(action string) {
		t.Helper()
		if out, code := devcluster(t, "apiserver", action, "--dir", in.dir); out != "" || code != 0 {
			t.Fatalf("apiserver %s: exit code %d\n%s", action, code, out)
		}
	}
	createConfigMap(t, in, "kept")

	before := pid()
	control("restart")
	if after := pid(); after == before || after == "" {
		t.Errorf("process id %q before, %q after", before, after)
	}
	wantConfigMap(t, in, "kept")

	control("stop")
	control("stop") // stopping what is down is fine
	if _, err := k.CoreV1().Namespaces().Get(t.Context(), "default", metav1.GetOptions{}); err == nil {
		t.Error("a stopped API server answers")
	}
	control("start")
	before = pid()
	control("start") // starting what is up changes nothing
	if after := pid(); after != before {
		t.Errorf("process id %q before, %q after starting what is up", before, after)
	}
	wantConfigMap(t, in, "kept")

	wantWorkingControllers(t, in)
	in.stop()
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	in := up(t, t.TempDir(), "--no-controllers")
	if out, ok := in.kubectl("apply", "--server-side", "-f", "testdata/extensions.yaml"); !ok {
		t.Fatal(out)
	}
	if out, ok := in.kubectl("wait", "--for=condition=Established", "crd/boats.harbour.test"); !ok {
		t.Fatal(out)
	}
	boat := in.client().Discovery().RESTClient().Post().AbsPath("/apis/harbour.test/v1/namespaces/default/boats").
		SetHeader("Content-Type", "application/json").
		Body([]byte(`{"apiVersion":"harbour.test/v1","kind":"Boat","metadata":{"name":"a"},"spec":{"length":4}}`))
	if err := boat.Do(t.Context()).Error(); err != nil {
		t.Error(err)
	}
	eventually(t, func(context.Context) string {
		out, _ := in.kubectl("get", "apiservice", "v1.absent.test", "-o", `jsonpath={.status.conditions[?(@.type=="Available")].status}`)
		if out != "False" {
			return fmt.Sprintf("the absent API service is available: %q", out)
		}
		return ""
	})
	eventually(t, func(context.Context) string { // a policy takes a moment to work
		out, ok := in.kubectl("create", "configmap", "bad")
		if ok {
			_, _ = in.kubectl("delete", "configmap", "bad")
			return "the admission policy lets it pass"
		}
		if !strings.Contains(out, "bad names are not welcome") {
			return out
		}
		return ""
	})
}

func TestWhoMayWhat(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "audit.log")
	in := up(t, t.TempDir(), "--no-controllers", "--audit-log", log)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := in.client().CoreV1().ServiceAccounts("default").Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := in.client().CoreV1().ServiceAccounts("default").
		CreateToken(t.Context(), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const user = "system:serviceaccount:default:default"
	byToken := rest.AnonymousClientConfig(in.config())
	byToken.BearerToken = token.Status.Token
	impersonated := in.config()
	impersonated.UserAgent = "test-agent"
	impersonated.Impersonate = rest.ImpersonationConfig{UserName: user}
	for how, config := range map[string]*rest.Config{"token": byToken, "impersonation": impersonated} {
		k := client(t, config)
		if _, err := k.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("list secrets by %s: %v, want forbidden", how, err)
		}
	}
	for _, args := range [][]string{
		{"create", "clusterrole", "reader", "--verb=list", "--resource=configmaps"},
		{"create", "clusterrolebinding", "reader", "--clusterrole=reader", "--serviceaccount=default:default"},
	} {
		if out, ok := in.kubectl(args...); !ok {
			t.Fatal(out)
		}
	}
	eventually(t, func(ctx context.Context) string {
		for how, config := range map[string]*rest.Config{"token": byToken, "impersonation": impersonated} {
			if _, err := client(t, config).CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{}); err != nil {
				return fmt.Sprintf("list config maps by %s: %v", how, err)
			}
		}
		return ""
	})
	if got := audited(t, log, "test-agent", user)["list secrets"]; got != 1 {
		t.Errorf("%d requests to list secrets in the audit log, want 1", got)
	}
}

// audited counts the requests of a user agent on behalf of a user, by verb and resource.
func audited(t *testing.T, log, agent, user string) map[string]int {
	t.Helper()
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	count := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Verb, UserAgent  string
			ImpersonatedUser struct{ Username string }
			ObjectRef        struct{ Resource string }
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.UserAgent == agent && e.ImpersonatedUser.Username == user {
			count[e.Verb+" "+e.ObjectRef.Resource]++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return count
}
