package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// hookToken is what the webhooks of a test are verified with.
const hookToken = "a token that only tests know"

// Tenant is a namespace with all that its Environments need: the ServiceAccount "deployer", the Secret "git" and the Repository "config".
type Tenant struct {
	Plane     *Plane
	Namespace string
	Git       *Git
}

// Tenant makes a tenant. Its ServiceAccount may do anything: take the ClusterRoleBinding test-<namespace> away to change that. The Repository has an interval
// of a minute: commits come by webhook.
func (p *Plane) Tenant(t testing.TB, namespace string, g *Git) *Tenant {
	t.Helper()
	n := &Tenant{Plane: p, Namespace: namespace, Git: g}
	if err := n.make(t.Context(), "cluster-admin"); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *Tenant) make(ctx context.Context, role string) error {
	text := `
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: NAMESPACE}
---
apiVersion: v1
kind: Secret
metadata: {name: git, namespace: NAMESPACE}
stringData: {webhookToken: HOOK}
---
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: config, namespace: NAMESPACE}
spec: {url: "URL", secretRef: {name: git}}
`
	if role != "" {
		text += `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ROLE}
subjects: [{kind: ServiceAccount, name: deployer, namespace: NAMESPACE}]
`
	}
	return n.Plane.Objects.Apply(ctx, "", strings.NewReplacer("NAMESPACE", n.Namespace, "HOOK", hookToken, "URL", n.Git.URL(), "ROLE", role).Replace(text))
}

// Environment makes an Environment that follows branch main of the Repository, or updates it. Set has further fields by their path in the spec, such as
// "sync.drift": "Report".
func (n *Tenant) Environment(t testing.TB, name, path string, set map[string]any) {
	t.Helper()
	if err := n.environment(t.Context(), name, path, set); err != nil {
		t.Fatal(err)
	}
}

func (n *Tenant) environment(ctx context.Context, name, path string, set map[string]any) error {
	u := map[string]any{
		"apiVersion": "fairlead.dev/v1alpha1", "kind": "Environment", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"sources":     []any{map[string]any{"repository": RepoName, "path": path, "ref": map[string]any{"branch": "main"}}},
			"destination": map[string]any{"serviceAccount": "deployer"},
		},
	}
	for field, v := range set {
		if err := unstructured.SetNestedField(u, v, append([]string{"spec"}, strings.Split(field, ".")...)...); err != nil {
			return err
		}
	}
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return n.Plane.Objects.Apply(ctx, n.Namespace, string(text))
}

// Settled waits until an environment has read the head of a branch and the controller has nothing to do: every app that the commit concerns has been looked
// at. What the controller only waits for may still come.
func (n *Tenant) Settled(t testing.TB, c *Controller, environment, branch string) {
	t.Helper()
	if err := n.settled(t.Context(), c, environment, branch); err != nil {
		t.Fatal(err)
	}
}

func (n *Tenant) settled(ctx context.Context, c *Controller, environment, branch string) error {
	head, err := n.Git.Head(ctx, branch)
	if err != nil {
		return err
	}
	return Wait(ctx, func(ctx context.Context) error {
		if err := n.reads(ctx, environment, head); err != nil {
			return err
		}
		m, err := c.Metrics(ctx)
		if err == nil && !m.Idle() {
			err = fmt.Errorf("the controller is not done: %v requests wait, %v are worked on, %v statuses are not written",
				m.Sum("workqueue_depth"), m.Sum("controller_runtime_active_workers"), m.Sum("fairlead_statuses_waiting"))
		}
		return err
	})
}

// reads says whether an environment has read a commit.
func (n *Tenant) reads(ctx context.Context, environment string, head source.Commit) error {
	got, err := n.Plane.Objects.Field(ctx, n.Namespace, "environments.fairlead.dev/"+environment, ".status.commit")
	if err == nil && got != head.Short() {
		err = fmt.Errorf("environment %s is at %q, want %s", environment, got, head.Short())
	}
	return err
}

// Synced waits until apps have followed the head of main and are ready.
func (n *Tenant) Synced(t testing.TB, c *Controller, environment string, apps ...string) {
	t.Helper()
	if err := n.synced(t.Context(), c, environment, "main", apps...); err != nil {
		t.Fatal(err)
	}
}

func (n *Tenant) synced(ctx context.Context, c *Controller, environment, branch string, apps ...string) error {
	if err := n.settled(ctx, c, environment, branch); err != nil {
		return err
	}
	for _, app := range apps {
		ref := "apps.fairlead.dev/" + environment + "-" + app
		err := Wait(ctx, func(ctx context.Context) error {
			return n.Is(ctx, ref, `{.status.phase} {.status.conditions[?(@.type=="Ready")].status}`, "Synced True")
		})
		if err != nil {
			return fmt.Errorf("%w\n%s\n%s", err, n.Plane.Objects.Print(ctx, n.Namespace, ref), c.Tail(n.Namespace, 40))
		}
	}
	return nil
}

// Is returns nil if a field of an object is what is wanted, else what it is.
func (n *Tenant) Is(ctx context.Context, ref, path, want string) error {
	got, err := n.Plane.Objects.Field(ctx, n.Namespace, ref, path)
	if err == nil && got != want {
		err = fmt.Errorf("%s of %s is %q, want %q", path, ref, got, want)
	}
	return err
}

// Hook tells the controller of a push to the Repository.
func (n *Tenant) Hook(ctx context.Context, c *Controller) error {
	return c.Hook(ctx, n.Namespace, RepoName, hookToken)
}
