package install_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// polls is an API server in which people approve, each under his own name.
type polls struct {
	t      *testing.T
	config *rest.Config
}

func newPolls(t *testing.T) polls {
	t.Helper()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	config, err := clientcmd.BuildConfigFromFlags("", plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	p := polls{t, config}
	if err := plane.Objects.Apply(t.Context(), "", `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: empty}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: approve}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: fairlead-approve}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: override, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: fairlead-override}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: eve}]
---
apiVersion: fairlead.dev/v1alpha1
kind: Environment
metadata: {name: staging, namespace: shop}
spec: {sources: [{repository: config, path: "apps/*", ref: {branch: main}}]}
---
apiVersion: fairlead.dev/v1alpha1
kind: Environment
metadata: {name: production, namespace: shop}
spec:
  sources: [{repository: config, path: "apps/*", ref: {branch: main}}]
  release:
    gates:
    - approval: {notAuthor: true, identities: [{user: carl, mails: [Carl@Example.com, c@example.org]}]}
`); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error { // a policy comes into force some time after it is made
		for _, bad := range []map[string]any{{"by": "somebody else"}, {"environment": "production", "author": ""}} {
			if err := p.says("bob", "approval", bad); !apierrors.IsForbidden(err) {
				return errors.Join(errors.New("the policies are not in force"), err)
			}
		}
		return ctx.Err()
	})
	return p
}

// people are those who are not known by their names alone.
var people = map[string]rest.ImpersonationConfig{
	"fairlead as deployer": {UserName: "system:serviceaccount:shop:deployer", Extra: map[string][]string{"fairlead.dev/by": {"controller"}}},
	"deployer":             {UserName: "system:serviceaccount:shop:deployer"},
	"root":                 {},
	"dora of leads":        {UserName: "dora", Groups: []string{"leads", "system:authenticated"}},
}

func (p polls) as(who, resource, namespace string) dynamic.ResourceInterface {
	p.t.Helper()
	config := rest.CopyConfig(p.config)
	var known bool
	if config.Impersonate, known = people[who]; !known {
		config.Impersonate = rest.ImpersonationConfig{UserName: who, Groups: []string{"system:authenticated"}}
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		p.t.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Group: "fairlead.dev", Version: "v1alpha1", Resource: resource}).Namespace(namespace)
}

const commitA, commitB = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

// object is an approval or an override, with what is different about it. An empty text leaves a field out.
func object(kind, by string, with map[string]any) *unstructured.Unstructured {
	spec := map[string]any{
		"environment": "staging", "app": "web", "commit": commitA, "reason": "looked at it", "by": map[string]any{"user": by},
		"expires": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "fairlead.dev/v1alpha1", "kind": strings.ToUpper(kind[:1]) + kind[1:], "metadata": map[string]any{"generateName": "x-"}, "spec": spec,
	}}
	for key, value := range with {
		switch {
		case key == "by":
			spec["by"] = map[string]any{"user": value}
		case key == "groups":
			spec["by"] = map[string]any{"user": by, "groups": value}
		case key == "made":
			_ = unstructured.SetNestedField(u.Object, value, "metadata", "creationTimestamp")
		case key == "for":
			d, _ := value.(time.Duration)
			spec["expires"] = time.Now().Add(d).UTC().Format(time.RFC3339)
		case value == "":
			delete(spec, key)
		case key != "namespace":
			spec[key] = value
		}
	}
	return u
}

// says has somebody make an object.
func (p polls) says(who, kind string, with map[string]any) error {
	name := who
	if c, ok := people[who]; ok {
		name = c.UserName
	}
	namespace, _ := with["namespace"].(string)
	if namespace == "" {
		namespace = "shop"
	}
	_, err := p.as(who, kind+"s", namespace).Create(p.t.Context(), object(kind, name, with), metav1.CreateOptions{})
	return err
}

// TestApprovals does to a real API server what people may try.
func TestApprovals(t *testing.T) {
	p := newPolls(t)
	for _, c := range []struct {
		name, who, kind string
		with            map[string]any
		want            string // in the refusal; empty: it is let
	}{
		{"in one's own name", "bob", "approval", nil, ""},
		{"in another's name", "bob", "approval", map[string]any{"by": "ann"}, "you are bob, and spec.by.user is ann: nobody makes an Approval in the name of somebody else"},
		{"what another one approved, for another commit", "mallory", "approval", map[string]any{"by": "bob", "commit": commitB}, "in the name of somebody else"},
		{"in one's group", "dora of leads", "approval", map[string]any{"groups": []any{"leads"}}, ""},
		{"in another's group", "bob", "approval", map[string]any{"groups": []any{"leads", "system:authenticated"}}, "you are not in group leads, which spec.by.groups names"},
		{"a robot", "deployer", "approval", nil, ""},
		{"from Git", "fairlead as deployer", "approval", nil, "cannot come from Git"},
		{"for a month", "bob", "approval", map[string]any{"for": 30 * 24 * time.Hour}, ""},
		{"for longer", "bob", "approval", map[string]any{"for": 31 * 24 * time.Hour}, "counts for 720 hours at most"},
		{"for longer, as if made later", "bob", "approval", map[string]any{"for": 31 * 24 * time.Hour, "made": "2100-01-01T00:00:00Z"}, "counts for 720 hours at most"},
		{"expired", "bob", "approval", map[string]any{"for": -time.Minute}, "spec.expires is in the past"},
		{"for no commit", "bob", "approval", map[string]any{"commit": ""}, "spec.commit: Required"},
		{"for part of a commit", "bob", "approval", map[string]any{"commit": "aaaaaaa"}, "spec.commit"},
		{"where there is no environment", "bob", "approval", map[string]any{"namespace": "empty"}, "no params found"},

		{"the author, where that is let", "bob@example.com", "approval", map[string]any{"author": "bob@example.com"}, ""},
		{"not the author", "bob@example.com", "approval", map[string]any{"environment": "production", "author": "ann@example.com"}, ""},
		{"not the author, by another name", "carl", "approval", map[string]any{"environment": "production", "author": "ann@example.com"}, ""},
		{"the author", "ann@example.com", "approval", map[string]any{"environment": "production", "author": "Ann@Example.com"}, "you wrote the commit (ann@example.com)"},
		{"the author, of an issuer", "oidc:Ann@example.com", "approval", map[string]any{"environment": "production", "author": "ann@example.com"}, "you wrote the commit (ann@example.com)"},
		{"the author, by another name", "carl", "approval", map[string]any{"environment": "production", "author": "c@example.org"}, "you wrote the commit (c@example.org)"},
		{"who may be the author", "bob", "approval", map[string]any{"environment": "production", "author": "ann@example.com"}, "in identities of the gate"},
		{"without an author", "bob@example.com", "approval", map[string]any{"environment": "production"}, "say in spec.author who did"},

		{"an override", "eve", "override", nil, ""},
		{"an override for every commit", "eve", "override", map[string]any{"commit": "", "app": ""}, ""},
		{"an override without the right", "bob", "override", nil, `cannot create resource "overrides"`},
		{"an override in another's name", "eve", "override", map[string]any{"by": "ann"}, "nobody makes an Override in the name of somebody else"},
		{"an override for longer than a day", "eve", "override", map[string]any{"for": 25 * time.Hour}, "an Override counts for 24 hours at most"},
		{"an override without a reason", "eve", "override", map[string]any{"reason": ""}, "spec.reason: Required"},
		{"an override that never expires", "eve", "override", map[string]any{"expires": ""}, "spec.expires: Required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := polls{t, p.config}
			switch err := p.says(c.who, c.kind, c.with); {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("is %v, want a refusal with %q", err, c.want)
			}
		})
	}
}

// TestApprovalsStay tries to make more of what was approved, in every way that there is to write an object.
func TestApprovalsStay(t *testing.T) {
	p := newPolls(t)
	for _, kind := range []string{"approval", "override"} {
		made := p.as("eve", kind+"s", "shop")
		o, err := made.Create(t.Context(), object(kind, "eve", nil), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		root := p.as("root", kind+"s", "shop") // who may do everything
		for _, patch := range []string{
			"{spec: {commit: " + commitB + "}}", "{spec: {app: null}}", "{spec: {by: {user: bob}}}", "{spec: {by: {groups: [leads]}}}",
			"{spec: {expires: " + time.Now().Add(2*time.Hour).UTC().Format("\"2006-01-02T15:04:05Z\"") + "}}", "{spec: {reason: another}}", "{spec: {digest: x, author: x, gates: [x]}}",
		} {
			data, err := yaml.YAMLToJSON([]byte(patch))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := root.Patch(t.Context(), o.GetName(), types.MergePatchType, data, metav1.PatchOptions{}); err == nil || !strings.Contains(err.Error(), "never changes") {
				t.Errorf("%s: %s: %v", kind, patch, err)
			}
		}
		next := o.DeepCopy()
		_ = unstructured.SetNestedField(next.Object, commitB, "spec", "commit")
		if _, err := root.Update(t.Context(), next, metav1.UpdateOptions{}); err == nil || !strings.Contains(err.Error(), "never changes") {
			t.Errorf("%s: an update: %v", kind, err)
		}
		next.SetManagedFields(nil)
		if _, err := root.Apply(t.Context(), o.GetName(), next, metav1.ApplyOptions{FieldManager: "test", Force: true}); err == nil || !strings.Contains(err.Error(), "never changes") {
			t.Errorf("%s: an apply: %v", kind, err)
		}
		if _, err := root.Patch(t.Context(), o.GetName(), types.MergePatchType, []byte(`{"metadata":{"labels":{"seen":"yes"}}}`), metav1.PatchOptions{}); err != nil {
			t.Errorf("%s: a label: %v", kind, err)
		}
		if err := made.Delete(t.Context(), o.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Errorf("%s: taken back: %v", kind, err)
		}
	}
}
