package verifier_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/testkit"
	"github.com/fairlead-cd/fairlead/internal/verifier"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

// land is a control plane in which the ServiceAccount teams/deployer has few rights, all in the namespace shop.
type land struct {
	*testkit.Plane
	o verifier.Options
}

func newLand(t *testing.T) land {
	t.Helper()
	plane := testkit.Start(t, testkit.Options{})
	config, err := clientcmd.BuildConfigFromFlags("", plane.ControllerKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	l := land{plane, verifier.Options{Kinds: c.Kinds, As: func(id app.Identity) *rest.Config { return cluster.Acting(config, id.User()) }}}
	l.apply(t, `
apiVersion: v1
kind: Namespace
metadata: {name: teams}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: teams}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: shop}
rules:
- {apiGroups: [batch], resources: [jobs], verbs: [get, list, create, delete]}
- {apiGroups: [""], resources: [pods], verbs: [list]}
- {apiGroups: [""], resources: [pods/log], verbs: [get]}
- {apiGroups: [""], resources: [services/proxy, pods/proxy], verbs: [get]}
- {apiGroups: [apps], resources: [deployments], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: teams}]
`)
	return l
}

func (l land) apply(t *testing.T, text string) {
	t.Helper()
	if err := l.Objects.Apply(t.Context(), "shop", text); err != nil {
		t.Fatal(err)
	}
}

// outward is an address of this machine that is not loopback: an API server proxies to no other.
func outward(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatalf("this machine has no address but loopback, to which no API server proxies: %v", addrs)
	return ""
}

// serveOutward answers on that address.
func serveOutward(t *testing.T, answer http.HandlerFunc) (ip, port string) {
	t.Helper()
	ip = outward(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(answer)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return ip, port
}

// TestCluster asks what is reached through a real API server, as a ServiceAccount of few rights.
func TestCluster(t *testing.T) {
	l := newLand(t)
	t.Run("proxy", func(t *testing.T) { proxies(t, l) })
	t.Run("job", func(t *testing.T) { jobs(t, l) })
	t.Run("objects", func(t *testing.T) { looks(t, l) })
	t.Run("metric", func(t *testing.T) { metrics(t, l) })
}

// proxies: a Service and Pods are reached through the API server, what they answer is told from what it answers itself.
func proxies(t *testing.T, l land) {
	var status atomic.Int32
	status.Store(http.StatusOK)
	paths := make(chan string, 100)
	ip, port := serveOutward(t, func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.RequestURI() + r.Header.Get("Authorization")
		w.Header().Set("X-Version", "2")
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "welcome")
	})
	l.pod(t, "web-1", ip, "True")
	l.pod(t, "web-2", "192.0.2.77", "False") // is not asked, since it is not ready
	// An API server proxies only to addresses that are a Pod's.
	l.apply(t, strings.NewReplacer("IP", ip, "PORT", port).Replace(`
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: front, port: 80, targetPort: PORT}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: IP, targetRef: {kind: Pod, name: web-1, namespace: shop}}], ports: [{name: front, port: PORT}]}]
---
apiVersion: v1
kind: Service
metadata: {name: idle}
spec: {selector: {app: idle}, ports: [{port: 80}]}
`))
	b := newBench(t, l.o)
	none := int32(0)
	at := func(target app.Target) app.Trial {
		return app.Trial{Forgiven: &none, HTTP: &app.HTTPTrial{
			Target: target, Path: "/{environment}?q=1", Contains: "welcome", Headers: []app.HeaderTrial{{Name: "x-version", Value: "2"}}, Timeout: time.Minute,
		}}
	}
	service := func(name, port string) app.Trial { return at(app.Target{Service: name, Port: port}) }

	testkit.Eventually(t, func(ctx context.Context) error { // until the endpoints are known
		_, err := l.Kube.CoreV1().Services("shop").ProxyGet("http", "web", "front", "/", nil).DoRaw(ctx)
		return err
	})
	for len(paths) > 0 {
		<-paths
	}
	b.Begin(task(1, service("{app}", "80")))
	b.until(t, 1, release.Passed, "")
	if got := <-paths; got != "/production?q=1" {
		t.Errorf("asked %q", got)
	}
	b.Begin(task(2, service("web", "front")))
	b.until(t, 2, release.Passed, "")
	status.Store(http.StatusForbidden)
	b.Begin(task(3, service("web", "front")))
	b.until(t, 3, release.Refuted, "GET /production of Service shop/web:front answered 403 (want 200 to 299)")
	b.Begin(task(4, service("idle", "80")))
	b.until(t, 4, release.Refuted, "GET /production of Service shop/idle:80 did not answer: no Pod is ready behind it")
	b.Begin(task(5, service("nobody", "80")))
	b.until(t, 5, release.Refuted, "did not answer: it does not exist")
	b.Begin(task(6, service("web", "81")))
	b.until(t, 6, release.Refuted, `did not answer: no service port 81 found for service "web"`)
	b.Begin(task(7, at(app.Target{Service: "web", Namespace: "teams", Port: "80"})))
	b.until(t, 7, release.Pending, "cannot be asked: system:serviceaccount:teams:deployer may not get services/proxy in namespace teams")

	status.Store(http.StatusOK)
	pods := at(app.Target{Labels: map[string]string{"app": "web"}, Port: port})
	b.Begin(task(8, pods))
	b.until(t, 8, release.Passed, "")
	status.Store(http.StatusTeapot)
	b.Begin(task(9, pods))
	b.until(t, 9, release.Refuted, "in shop, port "+port+" answered 418 (want 200 to 299) from Pod web-1")
	b.Begin(task(10, at(app.Target{Labels: map[string]string{"app": "other"}, Port: port})))
	b.until(t, 10, release.Refuted, "reached none that is ready")
}

// pod makes a Pod that no node runs, with a status.
func (l land) pod(t *testing.T, name, ip, ready string) {
	t.Helper()
	l.apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: web}}
spec: {schedulerName: nobody, containers: [{name: web, image: web}]}
`, name))
	status := fmt.Sprintf(`{"status": {"phase": "Running", "podIP": %[1]q, "podIPs": [{"ip": %[1]q}], "conditions": [{"type": "Ready", "status": %[2]q}]}}`, ip, ready)
	_, err := l.Kube.CoreV1().Pods("shop").Patch(t.Context(), name, "application/merge-patch+json", []byte(status), metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
}

// jobOf is a smoke test of a directory.
func jobOf(t *testing.T, name, mark, podMark string) object.Object {
	t.Helper()
	objs, err := object.Parse(name+".yaml", []byte(fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: %s, annotations: {%s}}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {%s}}
    spec: {restartPolicy: Never, containers: [{name: smoke, image: smoke}]}
`, name, mark, podMark)))
	if err != nil || len(objs) != 1 {
		t.Fatal(err)
	}
	return objs[0]
}

// jobs: a Job of the directory is made for each release, its end decides, and its log is told; that of a release that is superseded is deleted.
func jobs(t *testing.T, l land) {
	l.Says(t, []string{"GET /", "200", "GET /cart", "500 Internal Server Error"}, nil)
	b := newBench(t, l.o)
	const never = "fairlead.dev/apply: never"
	smoke := func(serial int, objs ...object.Object) verifier.Task {
		tk := task(serial, app.Trial{Job: &app.JobTrial{Name: "smoke"}})
		tk.Objects, tk.Before = objs, time.Unix(1_800_000_000, 0)
		return tk
	}
	b.Begin(smoke(1, jobOf(t, "smoke", never, ""), jobOf(t, "other", never, "")))
	b.until(t, 1, release.Passed, "")
	l.onlyJob(t, "smoke-r1-")

	b.Begin(smoke(2, jobOf(t, "smoke", never, "devcluster/fail: Error")))
	why := b.until(t, 2, release.Refuted, "Job shop/smoke failed: BackoffLimitExceeded")
	if !strings.Contains(why, "it wrote last: 200 | GET /cart | 500 Internal Server Error") {
		t.Error(why)
	}
	if log := b.Results(web, 2)[0].Log; len(log) != 4 || log[0] != "GET /" {
		t.Errorf("log %q", log)
	}
	l.onlyJob(t, "smoke-r2-")

	// Another process finds the Job that the one before it made.
	again := newBench(t, l.o)
	again.Begin(smoke(2, jobOf(t, "smoke", never, "devcluster/fail: Error")))
	again.until(t, 2, release.Refuted, "Job shop/smoke failed: BackoffLimitExceeded")
	l.onlyJob(t, "smoke-r2-")

	// One that runs for ever stays while another process goes on with it, is made again if somebody deletes it, and is deleted when its release is over.
	endless := jobOf(t, "smoke", never, "devcluster/fail: ImagePullBackOff")
	const running = "Job shop/smoke is not done: 0 of 1 succeeded, 1 running"
	b.Begin(smoke(3, endless))
	b.until(t, 3, release.Pending, running)
	b.Leave(web)
	first := l.onlyJob(t, "smoke-r3-")
	next := newBench(t, l.o)
	next.Begin(smoke(3, endless))
	next.until(t, 3, release.Pending, running)
	if got := l.onlyJob(t, "smoke-r3-"); got.UID != first.UID {
		t.Errorf("another process made another %s", got.Name)
	}
	background := metav1.DeletePropagationBackground
	if err := l.Kube.BatchV1().Jobs("shop").Delete(t.Context(), first.Name, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(context.Context) error {
		if got := l.onlyJob(t, "smoke-r3-"); got.UID == first.UID {
			return fmt.Errorf("%s is the same", got.Name)
		}
		return nil
	})
	next.until(t, 3, release.Pending, running)
	next.Forget(web)
	testkit.Eventually(t, func(context.Context) error {
		if got := l.jobs(t); len(got) > 0 {
			return fmt.Errorf("%d jobs", len(got))
		}
		return nil
	})

	b.Begin(smoke(4, jobOf(t, "smoke", "", "")))
	b.until(t, 4, release.Refuted, "Job shop/smoke is applied with the app: give it the annotation fairlead.dev/apply: never")
	b.Begin(smoke(5))
	b.until(t, 5, release.Refuted, "Job shop/smoke is not in the app's directory")
	b.Begin(smoke(6, jobOf(t, "smoke", never, "").With("Sometimes", "spec", "template", "spec", "restartPolicy")))
	b.until(t, 6, release.Refuted, "Job shop/smoke was refused by the API server: Job.batch ")
	b.Begin(smoke(7, jobOf(t, "smoke", never, "").With("teams", "metadata", "namespace")))
	b.until(t, 7, release.Pending, "Job shop/smoke cannot be made: system:serviceaccount:teams:deployer may not create jobs in namespace teams")
}

func (l land) jobs(t *testing.T) []batchv1.Job {
	t.Helper()
	all, err := l.Kube.BatchV1().Jobs("shop").List(t.Context(), metav1.ListOptions{LabelSelector: verify.LabelApp + "=production-web"})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all.Items, func(j batchv1.Job) bool { return j.DeletionTimestamp != nil })
}

// onlyJob waits until there is no other Job than one, and returns that.
func (l land) onlyJob(t *testing.T, prefix string) (only batchv1.Job) {
	t.Helper()
	testkit.Eventually(t, func(context.Context) error {
		got := l.jobs(t)
		if len(got) != 1 || !strings.HasPrefix(got[0].Name, prefix) {
			return fmt.Errorf("%d jobs, want one %s", len(got), prefix)
		}
		only = got[0]
		return nil
	})
	return only
}

// looks: live objects of the app are judged as they are.
func looks(t *testing.T, l land) {
	b := newBench(t, l.o)
	const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: looked}}
  template:
    metadata: {labels: {app: looked}}
    spec: {containers: [{name: web, image: web}]}
`
	wanted, err := object.Parse("web.yaml", []byte(deployment))
	if err != nil {
		t.Fatal(err)
	}
	look := func(serial int, kind string, objs []object.Object, expressions ...string) verifier.Task {
		forgiven := int32(1000)
		tk := task(serial, quick(app.Trial{Forgiven: &forgiven, CEL: &app.CELTrial{APIVersion: "apps/v1", Kind: kind, Expressions: expressions}}))
		tk.Objects = objs
		return tk
	}
	b.Begin(look(1, "Deployment", wanted, "object.status.readyReplicas == 2", "size(objects) == 1"))
	b.until(t, 1, release.Pending, "each Deployment of the app is not in the cluster")
	l.apply(t, deployment)
	b.until(t, 1, release.Passed, "")
	set := []object.Object{wanted[0].With("StatefulSet", "kind")}
	b.Begin(look(2, "StatefulSet", set, "true"))
	b.until(t, 2, release.Pending, "cannot be asked: system:serviceaccount:teams:deployer may not get statefulsets in namespace shop")
}

// metrics: a real Prometheus is asked, directly and through the API server, for what a metric is and what it was before the release.
func metrics(t *testing.T, l land) {
	var latency atomic.Int32
	latency.Store(1)
	target := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "latency{app=\"web\",namespace=\"shop\"} %d\n", latency.Load())
	})
	prom := testkit.StartPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
- {job_name: web, fallback_scrape_protocol: PrometheusText0.0.4, static_configs: [{targets: [%q]}]}
`, strings.TrimPrefix(target, "http://")))
	is := func(n int) (at time.Time) {
		t.Helper()
		testkit.Eventually(t, func(ctx context.Context) error {
			at = time.Now().Truncate(time.Second)
			found, err := prom.Query(ctx, fmt.Sprintf("latency @ %d == %d", at.Unix(), n))
			if err == nil && len(found) != 1 {
				err = fmt.Errorf("latency is not %d", n)
			}
			return err
		})
		return at
	}
	before := is(1)
	latency.Store(3)
	is(3)

	b := newBench(t, l.o)
	none := int32(0)
	two, four := 2.0, 4.0
	ask := func(serial int, m app.MetricTrial) verifier.Task {
		if m.Target.IsZero() {
			m.URL = prom.URL()
		}
		tk := task(serial, app.Trial{Forgiven: &none, Metric: &m})
		tk.Before = before
		return tk
	}
	const query = `latency{app="{app}",namespace="{namespace}"}`
	b.Begin(ask(1, app.MetricTrial{Query: query, RatioAtMost: &two}))
	b.until(t, 1, release.Refuted, `metric latency{app="web",namespace="shop"} is 3, 3 times as much as before the release, when it was 1 (at most 2 times), at `)
	b.Begin(ask(2, app.MetricTrial{Query: query, RatioAtMost: &four, AtMost: &four}))
	b.until(t, 2, release.Passed, "")
	b.Begin(ask(3, app.MetricTrial{Query: query, AtMost: &two}))
	b.until(t, 3, release.Refuted, "is 3 (at most 2)")
	b.Begin(ask(4, app.MetricTrial{Query: "nothing", AtMost: &two}))
	b.until(t, 4, release.Pending, "metric nothing has no data")
	b.Begin(ask(5, app.MetricTrial{Query: "sum(", AtMost: &two}))
	b.until(t, 5, release.Pending, "cannot be asked: Prometheus says: 1:5: parse error: unclosed left parenthesis")

	to, err := url.Parse(prom.URL())
	if err != nil {
		t.Fatal(err)
	}
	ip, port := serveOutward(t, httputil.NewSingleHostReverseProxy(to).ServeHTTP)
	l.pod(t, "prometheus", ip, "True")
	l.apply(t, strings.NewReplacer("IP", ip, "PORT", port).Replace(`
apiVersion: v1
kind: Service
metadata: {name: prometheus}
spec: {ports: [{port: 9090, targetPort: PORT}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: prometheus}
subsets: [{addresses: [{ip: IP, targetRef: {kind: Pod, name: prometheus, namespace: shop}}], ports: [{port: PORT}]}]
`))
	b.Begin(ask(6, app.MetricTrial{Target: app.Target{Service: "prometheus", Port: "9090"}, Query: query, RatioAtMost: &two}))
	b.until(t, 6, release.Refuted, "is 3, 3 times as much as before the release")
}
