package test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// why asks why an app is not further until the answer has all of the given words, and returns the exit code with it.
func (p place) why(app, kubeconfig string, code int, words ...string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, testkit.Binary(p.t, "fairlead"), "why", app, "-n", p.Namespace, "--kubeconfig", kubeconfig).CombinedOutput()
		got := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		} else if err != nil {
			return err
		}
		if got != code {
			return fmt.Errorf("exit code %d, want %d:\n%s", got, code, out)
		}
		for _, w := range words {
			if !strings.Contains(string(out), w) {
				return fmt.Errorf("the answer has no %q:\n%s", w, out)
			}
		}
		return nil
	})
}

// TestWhy has the failures that take more than files: a webhook and a policy that refuse, a Job that failed, and a person who may not see everything. The rest
// are the scripts why_….
func TestWhy(t *testing.T) {
	w := newWorld(t)
	run := func(name string, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.place(t, "why-"+name))
		})
	}
	admin := w.plane.Kubeconfig

	run("webhook", func(t *testing.T, p place) {
		p.apply(webhook(p.Namespace, guard(t)))
		p.refusing()
		p.Git.Commit(t, "main", "first", write("apps/web", "flags"))
		p.Environment(t, "prod", "apps/*", nil)
		p.why("prod/web", admin, 1, "preflight: ConfigMap why-webhook/flags: webhook guard.example.com refuses it: every ConfigMap says whose it is", "apps/web/flags.yaml:1",
			"→ change the manifest as the webhook asks")
	})

	run("policy", func(t *testing.T, p place) {
		p.apply(strings.ReplaceAll(owners, "NAMESPACE", p.Namespace))
		p.refusing()
		p.Git.Commit(t, "main", "first", write("apps/web", "flags"))
		p.Environment(t, "prod", "apps/*", nil)
		p.why("prod/web", admin, 1, "preflight: ConfigMap why-policy/flags: policy why-policy refuses it: every ConfigMap says whose it is", "→ change the manifest as ValidatingAdmissionPolicy why-policy asks")
	})

	run("job", func(t *testing.T, p place) {
		p.Git.Commit(t, "main", "first", gitserver.Write("apps/web/job.yaml", migration))
		p.Environment(t, "prod", "apps/*", nil)
		pod := ""
		testkit.Eventually(t, func(ctx context.Context) error {
			pods, err := p.Plane.Kube.CoreV1().Pods(p.Namespace).List(ctx, metav1.ListOptions{})
			if err == nil && len(pods.Items) == 0 {
				err = errors.New("the Job has no Pod yet")
			}
			if err == nil {
				pod = pods.Items[0].Name
			}
			return err
		})
		failed := `{status: {phase: Failed, containerStatuses: [{name: migrate, image: x, imageID: "", ready: false, restartCount: 0, state: {terminated: {exitCode: 3, reason: Error}}}]}}`
		if err := p.objs.Patch(t.Context(), "kubelet", p.Namespace, "pod/"+pod, failed, "status"); err != nil {
			t.Fatal(err)
		}
		p.why("prod/web", admin, 1, "health: Job why-job/migrate: failed: Job has reached the specified backoff limit", "Pod why-job/"+pod+": container migrate ended: exit code 3", "log: (empty)")
	})

	// Fairlead's own ServiceAccount may read Apps and no Pods, as a person may.
	run("unread", func(t *testing.T, p place) {
		p.Git.Commit(t, "main", "first", gitserver.Write("apps/web/web.yaml", strings.ReplaceAll(unscheduled, "NAME", "web")), write("apps/flags", "flags"))
		p.Environment(t, "prod", "apps/*", nil)
		p.synced("prod-flags")
		p.why("prod/flags", w.plane.ControllerKubeconfig, 0, "prod-flags is healthy")
		p.why("prod/web", w.plane.ControllerKubeconfig, 1, "health: StatefulSet why-unread/web: 0 of 1", "you may not read pods in namespace why-unread")
		p.why("prod/web", admin, 1, "health: StatefulSet why-unread/web: Pod web-0 is not ready")
	})
}

// refusing waits until what guards the namespace is in force: an API server learns of it a little later.
func (p place) refusing() {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		out, err := p.Plane.Kubectl(ctx, p.Namespace, "create", "configmap", "try", "--dry-run=server")
		if err != nil && strings.Contains(out, "whose it is") {
			return nil
		}
		return fmt.Errorf("it is let in: %s: %w", out, err)
	})
}

// guard is a webhook that refuses everything. It returns where it is and its certificate.
func guard(t *testing.T) *httptest.Server {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct{ UID string }
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &review)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":false,"status":{"message":"every ConfigMap says whose it is"}}}`, review.Request.UID)
	}))
	t.Cleanup(s.Close)
	return s
}

func webhook(namespace string, s *httptest.Server) string {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return strings.NewReplacer("NAMESPACE", namespace, "URL", s.URL+"/admit", "CA", base64.StdEncoding.EncodeToString(ca)).Replace(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: NAMESPACE}
webhooks:
- name: guard.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {url: "URL", caBundle: CA}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
`)
}

const owners = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAMESPACE}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations: [{expression: "has(object.metadata.labels) && 'team' in object.metadata.labels", message: "every ConfigMap says whose it is"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAMESPACE}
spec:
  policyName: NAMESPACE
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}}
`

const migration = `
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  backoffLimit: 0
  template:
    spec:
      schedulerName: by-hand
      restartPolicy: Never
      containers: [{name: migrate, image: "example.com/migrate:1"}]
`

const unscheduled = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: NAME}
spec:
  serviceName: NAME
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      schedulerName: by-hand
      containers: [{name: main, image: "example.com/web:1"}]
`
