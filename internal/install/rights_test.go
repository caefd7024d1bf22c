package install_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

const self = "system:serviceaccount:fairlead-system:fairlead"

// event is what the tests read of a line of the audit log.
type event struct {
	Verb             string
	User             struct{ Username string }
	ImpersonatedUser *struct{ Username string }
	ObjectRef        struct{ Resource, Subresource, Namespace, Name, APIGroup string }
	ResponseStatus   struct{ Code int }
}

func (e event) String() string {
	who := e.User.Username
	if e.ImpersonatedUser != nil {
		who += " as " + e.ImpersonatedUser.Username
	}
	r := e.ObjectRef
	return fmt.Sprintf("%s: %s %s.%s/%s %s/%s: %d", who, e.Verb, r.Resource, r.APIGroup, r.Subresource, r.Namespace, r.Name, e.ResponseStatus.Code)
}

// TestRightsSuffice runs the controller as its own ServiceAccount, with its Lease, through an app's life, and reads in the audit log that nothing was refused to it.
func TestRightsSuffice(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{Audit: true})
	git := testkit.StartGit(t, gitserver.Options{})
	ctl := plane.Controller(t, testkit.ControllerOptions{Lease: 15 * time.Second})
	shop := plane.Tenant(t, "shop", git)
	flags := func(text string) gitserver.Change {
		return gitserver.Write("apps/web/flags.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\ndata: {text: "+text+"}\n")
	}
	extra := gitserver.Write("apps/web/extra.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n")
	short := gitserver.Write("apps/short/flags.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: short}\n")
	git.Commit(t, "main", "first", flags("one"), extra, short)
	shop.Environment(t, "prod", "apps/*", map[string]any{"deletion": "Prune", "destination.createNamespace": true, "destination.namespace": "shop-{app}"})
	shop.Synced(t, ctl, "prod", "web", "short")

	edit := func(text string) {
		if err := plane.Objects.Patch(t.Context(), "kubectl-edit", "shop-web", "cm/flags", "data: {text: "+text+"}", ""); err != nil {
			t.Fatal(err)
		}
	}
	edit("by hand")
	testkit.Eventually(t, is(plane, "cm/flags", ".data.text", "one"))
	git.Commit(t, "main", "second", gitserver.Delete("apps/web/extra.yaml"), gitserver.Delete("apps/short/flags.yaml"), flags("two"))
	if err := shop.Hook(t.Context(), ctl); err != nil {
		t.Fatal(err)
	}
	shop.Synced(t, ctl, "prod", "web")
	testkit.Eventually(t, gone(plane, "shop-web", "cm/extra"))
	testkit.Eventually(t, gone(plane, "shop", "apps.fairlead.dev/prod-short"))
	if err := plane.Objects.Delete(t.Context(), "shop", "environments.fairlead.dev/prod"); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		approve(ctx, plane, "prod-web") // all that an environment has may be held
		return gone(plane, "shop", "environments.fairlead.dev/prod")(ctx)
	})
	testkit.Eventually(t, gone(plane, "shop-web", "cm/flags"))
	ctl.Stop(t)

	asSelf, asTenant := 0, 0
	lines, _, err := plane.Audit(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.User.Username != self {
			continue
		}
		if e.ImpersonatedUser == nil {
			asSelf++
		} else {
			asTenant++
		}
		if e.ResponseStatus.Code == 403 {
			t.Errorf("refused: %s", e)
		}
		if r := e.ObjectRef; e.ImpersonatedUser == nil && (r.Resource == "configmaps" || r.Resource == "namespaces" && e.Verb != "get") {
			t.Errorf("done with Fairlead's own rights: %s", e)
		}
	}
	if asSelf == 0 || asTenant == 0 {
		t.Errorf("%d requests as itself and %d as the tenant: the audit log is not about this", asSelf, asTenant)
	}
}

// TestRightsEnd holds what Fairlead must not be able to do by itself.
func TestRightsEnd(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	for _, c := range []struct {
		verb, group, resource, namespace string
		allowed                          bool
	}{
		{"get", "", "secrets", "shop", true},
		{"list", "", "secrets", "shop", false},
		{"watch", "", "secrets", "", false},
		{"create", "", "secrets", "shop", false},
		{"list", "", "secrets", "fairlead-system", true},
		{"impersonate", "", "serviceaccounts", "shop", true},
		{"impersonate", "", "users", "", false},
		{"impersonate", "", "groups", "", false},
		{"create", "", "serviceaccounts", "shop", false},
		{"create", "", "serviceaccounts/token", "shop", false},
		{"create", "", "namespaces", "", false},
		{"create", "", "pods", "shop", false},
		{"patch", "apps", "deployments", "shop", false},
		{"patch", "apiextensions.k8s.io", "customresourcedefinitions", "", false},
		{"create", "rbac.authorization.k8s.io", "clusterrolebindings", "", false},
		{"escalate", "rbac.authorization.k8s.io", "clusterroles", "", false},
		{"patch", "fairlead.dev", "repositories", "shop", false},
		{"delete", "fairlead.dev", "environments", "shop", true}, // those that have spec.venue alone: see TestVenuesAlone
		{"deletecollection", "fairlead.dev", "environments", "shop", false},
		{"watch", "fairlead.dev", "approvals", "", true},
		{"patch", "fairlead.dev", "notifiers/status", "shop", true},
		{"patch", "fairlead.dev", "notifiers", "shop", false},
		{"create", "fairlead.dev", "approvals", "shop", false},
		{"create", "fairlead.dev", "overrides", "shop", false},
		{"update", "admissionregistration.k8s.io", "validatingadmissionpolicies", "", true},
		{"update", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "", false},
		{"update", "admissionregistration.k8s.io", "mutatingadmissionpolicies", "", false},
		{"patch", "apps", "deployments/scale", "shop", false},
		{"impersonate", "authentication.k8s.io", "userextras/fairlead.dev/other", "", false},
		{"*", "*", "*", "", false},
	} {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: self, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:fairlead-system", "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: c.verb, Group: c.group, Resource: c.resource, Namespace: c.namespace},
		}}
		out, err := plane.Kube.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if out.Status.Allowed != c.allowed {
			t.Errorf("%s %s.%s in %q: allowed %t, want %t", c.verb, c.resource, c.group, c.namespace, out.Status.Allowed, c.allowed)
		}
	}
}

// TestVenuesAlone has Fairlead's own ServiceAccount make and delete Environments: those for rehearsals, and no others.
func TestVenuesAlone(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	config, err := clientcmd.BuildConfigFromFlags("", plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	envs := func(as string) dynamic.ResourceInterface {
		own := rest.CopyConfig(config)
		own.Impersonate = rest.ImpersonationConfig{UserName: as}
		client, err := dynamic.NewForConfig(own)
		if err != nil {
			t.Fatal(err)
		}
		return client.Resource(schema.GroupVersionResource{Group: "fairlead.dev", Version: "v1alpha1", Resource: "environments"}).Namespace("default")
	}
	of := func(name string, venue map[string]any) *unstructured.Unstructured {
		spec := map[string]any{"sources": []any{map[string]any{"repository": "config", "path": "apps/*", "ref": map[string]any{"branch": "main"}}}}
		if venue != nil {
			spec["venue"] = venue
		}
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "fairlead.dev/v1alpha1", "kind": "Environment", "metadata": map[string]any{"name": name}, "spec": spec}}
	}
	venue := map[string]any{"of": "prod", "apps": []any{"web"}}
	if _, err := envs("").Create(t.Context(), of("prod", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// A policy takes a moment to be in force.
	testkit.Eventually(t, func(ctx context.Context) error {
		err := envs(self).Delete(ctx, "prod", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), "only Environments that have spec.venue") {
			return fmt.Errorf("to delete an Environment that has no venue: %w", cmp.Or(err, errors.New("allowed")))
		}
		return nil
	})
	if _, err := envs(self).Create(t.Context(), of("other", nil), metav1.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "only Environments that have spec.venue") {
		t.Errorf("to make an Environment that has no venue: %v", err)
	}
	if _, err := envs(self).Create(t.Context(), of("prod-1", venue), metav1.CreateOptions{}); err != nil {
		t.Errorf("to make an Environment that has a venue: %v", err)
	}
	if err := envs(self).Delete(t.Context(), "prod-1", metav1.DeleteOptions{}); err != nil {
		t.Errorf("to delete an Environment that has a venue: %v", err)
	}
}

// approve lets go what an app holds.
func approve(ctx context.Context, p *testkit.Plane, app string) {
	ref := "apps.fairlead.dev/" + app
	if id, err := p.Objects.Field(ctx, "shop", ref, ".status.holdID"); err == nil && id != "" {
		_ = p.Objects.Patch(ctx, "kubectl-annotate", "shop", ref, "metadata: {annotations: {fairlead.dev/approve: "+id+"}}", "")
	}
}

func is(p *testkit.Plane, ref, path, want string) func(context.Context) error {
	return func(ctx context.Context) error {
		got, err := p.Objects.Field(ctx, "shop-web", ref, path)
		if err == nil && got != want {
			err = fmt.Errorf("%s of %s is %q, want %q", path, ref, got, want)
		}
		return err
	}
}

func gone(p *testkit.Plane, namespace, ref string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := p.Objects.Get(ctx, namespace, ref)
		switch {
		case testkit.IsNotFound(err):
			return nil
		case err == nil:
			return fmt.Errorf("%s: %w", ref, os.ErrExist)
		}
		return err
	}
}
