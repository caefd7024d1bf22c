package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// policies are the kinds that Block mode makes objects of.
var policies = []string{"validatingadmissionpolicies.admissionregistration.k8s.io", "validatingadmissionpolicybindings.admissionregistration.k8s.io"}

// guards lists what there is of Block mode for a namespace.
func (p place) guards(ctx context.Context) ([]string, error) {
	var found []string
	for _, kind := range policies {
		list, err := p.objs.List(ctx, "", kind)
		if err != nil {
			return nil, err
		}
		for _, u := range list {
			if u.GetLabels()["fairlead.dev/environment-namespace"] == p.Namespace {
				found = append(found, u.GetKind()+" "+u.GetName())
			}
		}
	}
	return found, nil
}

// unguarded waits until nothing is left of Block mode.
func (p place) unguarded() {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		found, err := p.guards(ctx)
		if err == nil && len(found) > 0 {
			err = fmt.Errorf("left: %s", strings.Join(found, ", "))
		}
		return err
	})
}

// edit is what a person does by hand.
func (p place) edit(ctx context.Context, ref string) error {
	return p.objs.Patch(ctx, "kubectl-edit", p.Namespace, ref, `{metadata: {annotations: {example.com/by: hand}}}`, "")
}

// tryEdit asks what would become of an edit: one that is let does not make Fairlead believe in a fight.
func (p place) tryEdit(ctx context.Context, ref string) error {
	kind, name, _ := strings.Cut(ref, "/")
	out, err := p.Plane.Kubectl(ctx, p.Namespace, "annotate", "--dry-run=server", kind, name, "example.com/by=hand", "--overwrite")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// refused waits until a person's edit is refused, and returns why.
func (p place) refused(ref string) string {
	p.t.Helper()
	var why string
	testkit.Eventually(p.t, func(ctx context.Context) error {
		err := p.tryEdit(ctx, ref)
		if err == nil || !strings.Contains(err.Error(), "is managed by Fairlead") {
			return fmt.Errorf("an edit of %s is not refused: %w", ref, errors.Join(err, errDone))
		}
		why = err.Error()
		return nil
	})
	return why
}

var errDone = errors.New("it was done, or not reached")

// undone edits an object, which is let, and waits until that is undone.
func (p place) undone(ref string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error { return p.edit(ctx, ref) }) // the API server may still know the policy for a moment
	testkit.Eventually(p.t, func(ctx context.Context) error {
		return p.Is(ctx, ref, `{.metadata.annotations.example\.com/by}`, "")
	})
}

func block(on bool) map[string]any {
	if on {
		return map[string]any{"sync.drift": "Block"}
	}
	return map[string]any{"sync.drift": "Correct"}
}

const shopWeb = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
`

// TestBlock has the API server refuse what people do by hand, while Fairlead and the cluster's own controllers go on.
func TestBlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	t.Run("life", func(t *testing.T) { w.blockedLife(t) })
	t.Run("off and on", func(t *testing.T) { w.blockedOffAndOn(t) })
	t.Run("tampered", func(t *testing.T) { w.blockTampered(t) })
	t.Run("environment deleted", func(t *testing.T) { w.blockEnvironmentDeleted(t) })
	t.Run("names that are alike", func(t *testing.T) { w.blockKin(t) })
	t.Run("rights", func(t *testing.T) { w.blockWithoutRights(t) })
	t.Run("while nobody looks", func(t *testing.T) { w.blockWhileDown(t) })
}

// blockedLife takes an app through updates, pruning and a hand-over while nobody else may write.
func (w world) blockedLife(t *testing.T) {
	p := w.place(t, "block-life")
	p.begin(block(true), []string{"web", "api"}, write("apps/web", "flags", "extra", "moving"), write("apps/api", "own"), gitserver.Write("apps/web/web.yaml", shopWeb))
	why := p.refused("configmap/flags")
	for _, words := range []string{"ConfigMap flags", "app web", "apps/web/flags.yaml of " + p.Git.URL() + " (main)", "fairlead:break-glass"} {
		if !strings.Contains(why, words) {
			t.Errorf("refused with %q, want %q in it", why, words)
		}
	}
	var out string
	var err error
	testkit.Eventually(t, func(ctx context.Context) error { // each of the policies comes into force by itself
		if out, err = p.Plane.Kubectl(ctx, p.Namespace, "scale", "deployment/web", "--replicas=5", "--dry-run=server"); err == nil {
			return errDone
		}
		return nil
	})
	out, err = p.Plane.Kubectl(t.Context(), p.Namespace, "scale", "deployment/web", "--replicas=5")
	if err == nil || !strings.Contains(out, "the scale of Deployment web is managed by Fairlead for app web: change it in apps/web/web.yaml of ") {
		t.Errorf("kubectl scale: %v: %s", err, out)
	}
	out, err = p.Plane.Kubectl(t.Context(), p.Namespace, "delete", "configmap", "--all")
	if err == nil || !strings.Contains(out, "is managed by Fairlead") {
		t.Errorf("kubectl delete --all: %v: %s", err, out)
	}
	was := p.uids("configmap/flags", "configmap/moving", "deployment/web")

	// What Git says goes on: a value changes, an object goes, one changes hands, the Deployment rolls out.
	p.push(gitserver.Write("apps/web/flags.yaml", strings.Replace(config("flags"), "of: git", "of: more", 1)), gitserver.Delete("apps/web/extra.yaml"),
		gitserver.Delete("apps/web/moving.yaml"), write("apps/api", "moving"), gitserver.Write("apps/web/web.yaml", strings.Replace(shopWeb, "image: web", "image: newer", 1)))
	p.gone("configmap/extra")
	testkit.Eventually(t, func(ctx context.Context) error {
		return errors.Join(p.Is(ctx, "configmap/flags", ".data.of", "more"),
			p.Is(ctx, "configmap/moving", `{.metadata.labels.fairlead\.dev/app}`, "prod-api"),
			p.Is(ctx, "deployment/web", ".status.updatedReplicas", "2"))
	})
	p.synced("prod-web")
	p.synced("prod-api")
	p.kept(was)

	// The person who breaks the glass may; what he did is undone.
	out, err = p.Plane.Kubectl(t.Context(), p.Namespace, "--as=ada", "--as-group=system:masters", "--as-group=fairlead:break-glass", "patch", "configmap/flags", "-p", `{"data":{"of":"glass"}}`)
	if err != nil {
		t.Errorf("with the glass broken: %v: %s", err, out)
	}
	testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/flags", ".data.of", "more") })

	// So may a whole tenant go.
	p.remove("namespace/block-life")
	p.gone("namespace/block-life")
	p.unguarded()
}

// blockedOffAndOn leaves nothing behind.
func (w world) blockedOffAndOn(t *testing.T) {
	p := w.place(t, "block-switch")
	p.begin(nil, []string{"web"}, write("apps/web", "flags"))
	p.undone("configmap/flags")
	before := p.objs.Print(t.Context(), p.Namespace, "configmap/flags")
	p.unguarded()
	for range 2 {
		p.Environment(t, "prod", "apps/*", block(true))
		p.refused("configmap/flags")
		p.synced("prod-web")
		p.Environment(t, "prod", "apps/*", block(false))
		p.unguarded()
		p.undone("configmap/flags")
		testkit.Eventually(t, func(ctx context.Context) error {
			return p.Is(ctx, "configmap/flags", `{.metadata.annotations.fairlead\.dev/file}`, "")
		})
	}
	p.synced("prod-web")
	if now := p.objs.Print(t.Context(), p.Namespace, "configmap/flags"); withoutVersion(now) != withoutVersion(before) {
		t.Errorf("the object is not what it was:\n%s\nbefore:\n%s", now, before)
	}
}

// withoutVersion leaves out the lines that change with every write.
func withoutVersion(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, `"resourceVersion"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// blockTampered mends what somebody does to the policies.
func (w world) blockTampered(t *testing.T) {
	p := w.place(t, "block-tampered")
	p.begin(block(true), []string{"web"}, write("apps/web", "flags"))
	p.refused("configmap/flags")
	policy, binding := policies[0]+"/fairlead.block-tampered.prod", policies[1]+"/fairlead.block-tampered.prod"
	for name, tamper := range map[string]func(context.Context) error{
		"policy deleted":  func(ctx context.Context) error { return p.objs.Delete(ctx, "", policy) },
		"binding deleted": func(ctx context.Context) error { return p.objs.Delete(ctx, "", binding) },
		"policy edited": func(ctx context.Context) error {
			return p.objs.Patch(ctx, "kubectl-edit", "", policy, `{spec: {validations: [{expression: "true"}]}}`, "")
		},
		"policy narrowed": func(ctx context.Context) error {
			exclude := `{spec: {matchConstraints: {excludeResourceRules: [{apiGroups: ["*"], apiVersions: ["*"], resources: ["*"], operations: ["*"]}]}}}`
			return p.objs.Patch(ctx, "kubectl-edit", "", policy, exclude, "")
		},
		"binding edited": func(ctx context.Context) error {
			return p.objs.Patch(ctx, "kubectl-edit", "", binding, `{spec: {validationActions: [Audit]}}`, "")
		},
		"label removed": func(ctx context.Context) error {
			return p.objs.Patch(ctx, "kubectl-edit", "", binding, `{metadata: {labels: {app.kubernetes.io/managed-by: null}}}`, "")
		},
		"label changed": func(ctx context.Context) error {
			return p.objs.Patch(ctx, "kubectl-edit", "", policy, `{metadata: {labels: {fairlead.dev/environment: other}}}`, "")
		},
	} {
		spec := func(ref string) string {
			got, err := p.objs.Field(t.Context(), "", ref, "{.spec} {.metadata.labels}")
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		was := map[string]string{policy: spec(policy), binding: spec(binding)}
		if err := tamper(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		testkit.Eventually(t, func(ctx context.Context) error {
			for ref, want := range was {
				got, err := p.objs.Field(ctx, "", ref, "{.spec} {.metadata.labels}")
				if err == nil && got != want {
					err = fmt.Errorf("%s: %s is %s", name, ref, got)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		p.refused("configmap/flags")
	}
}

// blockEnvironmentDeleted leaves nothing behind, whether the objects stay or go.
func (w world) blockEnvironmentDeleted(t *testing.T) {
	p := w.place(t, "block-deleted")
	p.begin(block(true), []string{"web"}, write("apps/web", "flags"))
	p.refused("configmap/flags")
	p.remove("environment.fairlead.dev/prod")
	p.unguarded()
	testkit.Eventually(t, func(ctx context.Context) error { return p.edit(ctx, "configmap/flags") })

	p.Environment(t, "prod", "apps/*", map[string]any{"sync.drift": "Block", "deletion": "Prune"})
	p.synced("prod-web")
	p.refused("configmap/flags")
	p.remove("environment.fairlead.dev/prod")
	p.gone("configmap/flags", "environment.fairlead.dev/prod")
	p.unguarded()
}

// blockKin tells environments apart whose apps have names that are alike: prod-eu-api is of prod, prod-eu-web of prod-eu.
func (w world) blockKin(t *testing.T) {
	p := w.place(t, "block-kin")
	p.Git.Commit(t, "main", "first", write("apps/web", "web"), write("apps/eu-api", "eu-api"), write("eu/web", "eu-web"))
	p.Environment(t, "prod", "apps/*", block(true))
	p.Environment(t, "prod-eu", "eu/*", nil)
	for _, name := range []string{"prod-web", "prod-eu-api", "prod-eu-web"} {
		p.synced(name)
	}
	p.refused("configmap/web")
	p.refused("configmap/eu-api")
	p.undone("configmap/eu-web")
	p.Environment(t, "prod", "apps/*", block(false))
	p.Environment(t, "prod-eu", "eu/*", block(true))
	p.refused("configmap/eu-web")
	p.undone("configmap/web")
	p.undone("configmap/eu-api")
}

// blockWithoutRights says which right is missing, and corrects drift meanwhile.
func (w world) blockWithoutRights(t *testing.T) {
	p := w.place(t, "block-rights")
	binding, err := p.objs.Get(t.Context(), "", "clusterrolebinding/fairlead-block")
	if err != nil {
		t.Fatal(err)
	}
	p.remove("clusterrolebinding/fairlead-block")
	p.begin(block(true), []string{"web"}, write("apps/web", "flags"))
	p.says("environment.fairlead.dev/prod", "changes by hand are corrected and not refused", "validatingadmissionpolicies", "bind the ClusterRole fairlead-block")
	p.undone("configmap/flags")
	binding.SetResourceVersion("")
	binding.SetUID("")
	binding.SetManagedFields(nil)
	data, err := json.Marshal(binding)
	if err != nil {
		t.Fatal(err)
	}
	p.apply(string(data))
	p.refused("configmap/flags")
	p.says("environment.fairlead.dev/prod", "1 of 1 apps are ready")
}

// blockWhileDown takes away what was left while no controller ran. The switch works all the same.
func (w world) blockWhileDown(t *testing.T) {
	p := w.place(t, "block-down")
	p.begin(block(true), []string{"web"}, write("apps/web", "flags"))
	p.refused("configmap/flags")
	w.ctl.Kill()
	p.Environment(t, "prod", "apps/*", block(false))
	testkit.Eventually(t, func(ctx context.Context) error { return p.edit(ctx, "configmap/flags") })
	w.ctl.Start(t)
	p.unguarded()

	p.Environment(t, "prod", "apps/*", block(true))
	p.refused("configmap/flags")
	w.ctl.Kill()
	p.remove("environment.fairlead.dev/prod")
	testkit.Eventually(t, func(ctx context.Context) error { return p.edit(ctx, "configmap/flags") })
	w.ctl.Start(t)
	p.unguarded()
}

// TestBlockReplicas leaves nothing behind of an environment that is deleted while the replica dies that had it.
func TestBlockReplicas(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	one := plane.Controller(t, testkit.ControllerOptions{Lease: 15 * time.Second})
	two := plane.Controller(t, testkit.ControllerOptions{Lease: 15 * time.Second})
	git := testkit.StartGit(t, gitserver.Options{})
	p := place{Tenant: plane.Tenant(t, "shop", git), t: t, ctl: one, objs: plane.Objects}
	names := []string{"a", "b", "c", "d", "e", "f"} // some are the one's, some the other's
	p.Git.Commit(t, "main", "first", write("apps/web", "flags"))
	for _, n := range names {
		p.Environment(t, n, "apps/*", map[string]any{"sync.drift": "Block", "destination.namespace": "shop-" + n, "destination.createNamespace": true})
	}
	for _, n := range names {
		p.synced(n + "-web")
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		found, err := p.guards(ctx)
		if err == nil && len(found) != 6*len(names) {
			err = fmt.Errorf("%d policies and bindings, want %d", len(found), 6*len(names))
		}
		return err
	})
	two.Kill()
	for _, n := range names {
		p.remove("environment.fairlead.dev/" + n)
	}
	p.unguarded()
}

// TestBlockRequests counts what Block mode writes: nothing, as long as no Environment changes.
func TestBlockRequests(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{Audit: true})
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{})}
	p := w.place(t, "block-requests")
	p.begin(block(true), []string{"web"}, write("apps/web", "flags"))
	p.refused("configmap/flags")
	p.Settled(t, w.ctl, "prod", "main")
	writes := []string{"create", "update", "patch", "delete"}
	count := func() int {
		lines, _, err := plane.Audit(0)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, line := range lines {
			var e struct {
				Verb      string
				User      struct{ Username string }
				ObjectRef struct{ Resource string }
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(e.User.Username, ":fairlead") && strings.HasPrefix(e.ObjectRef.Resource, "validatingadmission") && slices.Contains(writes, e.Verb) {
				n++
			}
		}
		return n
	}
	before := count()
	if before != 6 { // three policies and three bindings
		t.Errorf("%d writes to switch it on, want 6", before)
	}
	for i := range 3 {
		p.push(gitserver.Write("apps/web/flags.yaml", strings.Replace(config("flags"), "of: git", fmt.Sprintf("of: '%d'", i), 1)))
		testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/flags", ".data.of", fmt.Sprint(i)) })
		p.Settled(t, w.ctl, "prod", "main")
	}
	w.ctl.Stop(t)
	w.ctl.Start(t)
	p.refused("configmap/flags")
	p.Settled(t, w.ctl, "prod", "main")
	if n := count() - before; n != 0 {
		t.Errorf("%d writes for three commits and a start, want none", n)
	}
}
