package block_test

import (
	"bufio"
	"context"
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/block"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// prod is the environment of the table. One of its users has a name that would let everybody through if it were not quoted.
var prod = block.Environment{
	Namespace: "shop", Name: "prod", Fairlead: testkit.Namespace,
	Places: []block.Place{{URL: "https://git.example.com/shop.git", Ref: "branch main", Path: "apps/*"}},
	Users:  []string{"system:serviceaccount:backup:outside", `"] || true || "" in ["`}, Groups: []string{"auditors"},
	Policy:    app.Policy{Interactive: []string{"company-tool"}},
	Relatives: block.Relatives{Longer: []string{"prod-eu"}, Own: []string{"prod-eu-db"}},
}

// person is somebody with kubectl, robot a ServiceAccount by name, pod one whose token is that of a Pod.
func person(name string, groups ...string) rest.ImpersonationConfig {
	return rest.ImpersonationConfig{UserName: name, Groups: append(groups, "system:authenticated")}
}

func robot(namespace, name string) rest.ImpersonationConfig {
	return rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + name}
}

func pod(namespace, name string) rest.ImpersonationConfig {
	c := robot(namespace, name)
	c.Extra = map[string][]string{"authentication.kubernetes.io/pod-name": {name + "-7d9f"}}
	return c
}

func fairlead(namespace, name string) rest.ImpersonationConfig {
	c := robot(namespace, name)
	c.Extra = map[string][]string{block.ExtraKey: {block.ExtraValue}}
	return c
}

// writers are the subjects of the table. Those whose token matters have a token of the API server's in tokens.
var writers = map[string]rest.ImpersonationConfig{
	"ada":                   person("ada", "devs"),
	"administrator":         {},
	"nobody known":          person("system:anonymous"),
	"glass":                 person("ada", block.BreakGlass),
	"glass of prod":         person("ada", block.BreakGlass+":shop:prod"),
	"glass of another":      person("ada", block.BreakGlass+":shop:test"),
	"glass of the admin":    person("root", "system:masters", block.BreakGlass),
	"--as=deployer":         robot("shop", "deployer"),
	"fairlead":              fairlead("shop", "deployer"),
	"fairlead for another":  fairlead("dev", "deployer"),
	"fairlead itself":       robot(testkit.Namespace, "fairlead"),
	"controller manager":    person("system:kube-controller-manager"),
	"scheduler":             person("system:kube-scheduler"),
	"deployment controller": robot("kube-system", "deployment-controller"),
	"autoscaler":            robot("kube-system", "horizontal-pod-autoscaler"),
	"garbage collector":     robot("kube-system", "generic-garbage-collector"),
	"namespace controller":  robot("kube-system", "namespace-controller"),
	"slices":                robot("kube-system", "endpointslice-controller"),
	"node":                  person("system:node:worker-1", "system:nodes"),
	"cainjector":            pod("cert-manager", "cainjector"),
	"keda":                  pod("keda", "operator"),
	"operator":              pod("shop", "operator"),
	"kubectl in a Pod":      pod("ci", "runner"),
	"named tool in a Pod":   pod("ci", "runner"),
	"operator outside":      robot("elsewhere", "operator"),
	"named user":            robot("backup", "outside"),
	"named group":           person("bob", "auditors"),
}

// managers are the field managers of those that do not write as kubectl does.
var managers = map[string]string{
	"ada": "kubectl-edit", "administrator": "kubectl-edit", "kubectl in a Pod": "kubectl-patch", "named tool in a Pod": "company-tool",
}

// at is an object as one writer reaches it.
type at struct {
	dynamic.ResourceInterface
	object  *unstructured.Unstructured
	manager string
}

func (a at) patch(ctx context.Context, text string, sub ...string) error {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return err
	}
	_, err = a.Patch(ctx, a.object.GetName(), types.MergePatchType, data, metav1.PatchOptions{FieldManager: a.manager}, sub...)
	return err
}

func (a at) apply(ctx context.Context, manager string) error {
	o := a.object.DeepCopy()
	o.SetAnnotations(map[string]string{"example.com/applied": "by " + manager})
	_, err := a.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: manager, Force: true})
	return err
}

func (a at) replace(ctx context.Context, change func(*unstructured.Unstructured), sub ...string) error {
	o, err := a.Get(ctx, a.object.GetName(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	change(o)
	_, err = a.Update(ctx, o, metav1.UpdateOptions{FieldManager: a.manager}, sub...)
	return err
}

// writes are the verbs of the table.
var writes = map[string]func(context.Context, at) error{
	"edits": func(ctx context.Context, a at) error {
		return a.patch(ctx, `{metadata: {annotations: {example.com/by: hand}}}`)
	},
	"applies": func(ctx context.Context, a at) error { return a.apply(ctx, "kubectl") },
	"applies as fairlead": func(ctx context.Context, a at) error {
		return a.apply(ctx, app.Manager)
	},
	"replaces": func(ctx context.Context, a at) error {
		return a.replace(ctx, func(o *unstructured.Unstructured) { o.SetAnnotations(map[string]string{"example.com/by": "replacing"}) })
	},
	"creates": func(ctx context.Context, a at) error {
		_, err := a.Create(ctx, a.object, metav1.CreateOptions{FieldManager: a.manager})
		return err
	},
	"deletes": func(ctx context.Context, a at) error {
		return a.Delete(ctx, a.object.GetName(), metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
	},
	"deletes all": func(ctx context.Context, a at) error {
		return a.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "metadata.name=" + a.object.GetName()})
	},
	"labels": func(ctx context.Context, a at) error { return a.patch(ctx, `{metadata: {labels: {tier: front}}}`) },
	"annotates": func(ctx context.Context, a at) error {
		return a.patch(ctx, `{metadata: {annotations: {example.com/note: seen}}}`)
	},
	"strips marks": func(ctx context.Context, a at) error {
		return a.patch(ctx, `{metadata: {labels: {fairlead.dev/app: null}}}`)
	},
	"marks as dev": func(ctx context.Context, a at) error {
		return a.patch(ctx, `{metadata: {labels: {fairlead.dev/app: dev-web}}}`)
	},
	"marks as prod": func(ctx context.Context, a at) error {
		return a.patch(ctx, `{metadata: {labels: {fairlead.dev/app: prod-web, fairlead.dev/app-namespace: shop}}}`)
	},
	"adds an owner": func(ctx context.Context, a at) error {
		return a.patch(ctx, `{metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: x, uid: 1-2-3, controller: true}]}}`)
	},
	"asks to sync": func(ctx context.Context, a at) error {
		a.manager = "fairlead-cli"
		return a.patch(ctx, `{metadata: {annotations: {fairlead.dev/sync-requested: now}}}`)
	},
	"restarts": func(ctx context.Context, a at) error {
		return a.patch(ctx, `{spec: {template: {metadata: {annotations: {kubectl.kubernetes.io/restartedAt: now}}}}}`)
	},
	"scales": func(ctx context.Context, a at) error { return a.patch(ctx, `{spec: {replicas: 5}}`, "scale") },
	"sets status": func(ctx context.Context, a at) error {
		return a.patch(ctx, `{status: {observedGeneration: 1}}`, "status")
	},
	"sets managers": func(ctx context.Context, a at) error {
		patch := []byte(`[{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]`)
		_, err := a.Patch(ctx, a.object.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: app.Manager})
		return err
	},
	"injects": func(ctx context.Context, a at) error {
		return a.replace(ctx, func(o *unstructured.Unstructured) {
			hooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
			hook, _ := hooks[0].(map[string]any)
			_ = unstructured.SetNestedField(hook, "aGVsbG8=", "clientConfig", "caBundle")
			_ = unstructured.SetNestedSlice(o.Object, hooks, "webhooks")
		})
	},
	"finalizes": func(ctx context.Context, a at) error {
		return a.replace(ctx, func(*unstructured.Unstructured) {}, "finalize")
	},
	"evicts": func(ctx context.Context, a at) error {
		eviction := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]any{"name": a.object.GetName()}, "deleteOptions": map[string]any{"gracePeriodSeconds": int64(0)},
		}}
		_, err := a.Create(ctx, eviction, metav1.CreateOptions{}, "eviction")
		return err
	},
	"debugs": func(ctx context.Context, a at) error {
		data := `{"spec":{"ephemeralContainers":[{"name":"shell","image":"shell"}]}}`
		_, err := a.Patch(ctx, a.object.GetName(), types.StrategicMergePatchType, []byte(data), metav1.PatchOptions{FieldManager: a.manager}, "ephemeralcontainers")
		return err
	},
}

// court is an API server on which an environment is in Block mode, and everybody may do anything.
type court struct {
	t       *testing.T
	plane   *testkit.Plane
	config  *rest.Config
	objects map[string]*unstructured.Unstructured // by resource/name
	tokens  map[string]string
}

func newCourt(t *testing.T) court {
	t.Helper()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	config, err := clientcmd.BuildConfigFromFlags("", plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	c := court{t: t, plane: plane, config: config, objects: map[string]*unstructured.Unstructured{}, tokens: map[string]string{}}
	c.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everybody}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:anonymous"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: shop}
---
apiVersion: fairlead.dev/v1alpha1
kind: Environment
metadata: {name: prod, namespace: shop}
spec: {sources: [{repository: config, path: "apps/*", ref: {branch: main}}], sync: {drift: Block}}
`)
	c.tokens["deployer's token"] = plane.Token(t, "shop", "deployer")
	data, err := os.ReadFile("testdata/objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for doc := range strings.SplitSeq(string(data), "---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			t.Fatal(err)
		}
		c.objects[strings.ToLower(u.GetKind())+"s/"+u.GetName()] = u
	}
	return c
}

func (c court) apply(text string) {
	c.t.Helper()
	if err := c.plane.Objects.Apply(c.t.Context(), "", text); err != nil {
		c.t.Fatal(err)
	}
}

// as is an object as a writer reaches it.
func (c court) as(who, ref string) at {
	c.t.Helper()
	config := rest.CopyConfig(c.config)
	if token := c.tokens[who]; token != "" {
		config = rest.AnonymousClientConfig(config)
		config.BearerToken = token
	} else {
		impersonated, known := writers[who]
		if !known {
			c.t.Fatalf("nobody knows %q", who)
		}
		config.Impersonate = impersonated
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		c.t.Fatal(err)
	}
	o := c.objects[ref]
	if o == nil {
		c.t.Fatalf("there is no %s in testdata/objects.yaml", ref)
	}
	resource, _, _ := strings.Cut(ref, "/")
	gv, err := schema.ParseGroupVersion(o.GetAPIVersion())
	if err != nil {
		c.t.Fatal(err)
	}
	a := at{object: o, manager: managers[who], ResourceInterface: client.Resource(gv.WithResource(resource))}
	if ns := o.GetNamespace(); ns != "" {
		a.ResourceInterface = client.Resource(gv.WithResource(resource)).Namespace(ns)
	}
	return a
}

// restore brings an object back to what it was, whoever changed it; or away, if it is to be created.
func (c court) restore(ref, verb string) {
	c.t.Helper()
	a := c.as("glass of the admin", ref)
	if verb == "creates" {
		if err := a.Delete(c.t.Context(), a.object.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			c.t.Fatal(err)
		}
		return
	}
	if _, err := a.Apply(c.t.Context(), a.object.GetName(), a.object, metav1.ApplyOptions{FieldManager: "testkit", Force: true}); err != nil {
		c.t.Fatalf("restore %s: %v", ref, err)
	}
}

// guard puts the policies of prod in force.
func (c court) guard() {
	c.t.Helper()
	for _, o := range block.Policies(prod) {
		c.apply(string(o.JSON()))
	}
	for _, ref := range []string{"configmaps/flags", "deployments/web", "statefulsets/db"} { // one of each policy
		c.restore(ref, "")
	}
	testkit.Eventually(c.t, func(ctx context.Context) error {
		for _, x := range [][2]string{{"edits", "configmaps/flags"}, {"scales", "deployments/web"}, {"scales", "statefulsets/db"}} {
			if err := writes[x[0]](ctx, c.as("ada", x[1])); !apierrors.IsForbidden(err) {
				return errNotYet
			}
		}
		return nil
	})
}

type notYet struct{}

func (notYet) Error() string { return "a policy is not in force" }

var errNotYet error = notYet{}

// TestWriters does to a real API server what stands in the table.
func TestWriters(t *testing.T) {
	c := newCourt(t)
	c.guard()
	f, err := os.Open("testdata/writers.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		if s.Text() == "" || s.Text()[0] == '#' {
			continue
		}
		lines++
		words := strings.Split(s.Text(), "|")
		for i := range words {
			words[i] = strings.TrimSpace(words[i])
		}
		outcome, who, verb, ref := words[0], words[1], words[2], words[3]
		t.Run(who+" "+verb+" "+strings.ReplaceAll(ref, "/", " "), func(t *testing.T) {
			c := c
			c.t = t
			do := writes[verb]
			if do == nil {
				t.Fatalf("nobody knows how somebody %q", verb)
			}
			c.restore(ref, verb)
			c.judge(outcome, ref, do(t.Context(), c.as(who, ref)))
		})
	}
	if lines < 25 {
		t.Errorf("the table has %d lines", lines)
	}
}

// judge holds an answer to the table. What is refused names the object and where in Git it is.
func (c court) judge(outcome, ref string, err error) {
	c.t.Helper()
	switch {
	case outcome == "allowed" && err == nil:
	case outcome == "refused" && err != nil:
		name := c.objects[ref].GetName()
		for _, words := range []string{"ValidatingAdmissionPolicy 'fairlead", name + " is managed by Fairlead for app ", "apps/", " of https://git.example.com/shop.git (branch main)", block.BreakGlass} {
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), words) {
				c.t.Errorf("refused with %q, want %q in it", err, words)
			}
		}
	default:
		c.t.Errorf("is not %s: %v", outcome, err)
	}
}
