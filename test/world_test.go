package test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// world is a control plane and a controller that several cases share.
type world struct {
	home  testing.TB // as long as it runs, so do the Git servers: one that is gone would be waited for before anything is deleted anywhere
	plane *testkit.Plane
	ctl   *testkit.Controller
	push  bool // the Git servers take pushes
}

func newWorld(t *testing.T) world {
	t.Helper()
	p := testkit.Start(t, testkit.Options{})
	return world{home: t, plane: p, ctl: p.Controller(t, testkit.ControllerOptions{})}
}

// place is one case: a namespace of its own with a repository of its own.
type place struct {
	*testkit.Tenant
	t    testing.TB
	ctl  *testkit.Controller
	objs *testkit.Objects
}

func (w world) place(t testing.TB, namespace string) place {
	t.Helper()
	git := testkit.StartGit(w.home, gitserver.Options{Push: w.push})
	p := place{Tenant: w.plane.Tenant(t, namespace, git), t: t, ctl: w.ctl, objs: w.plane.Objects}
	t.Cleanup(func() {
		if t.Failed() {
			p.explain()
		}
	})
	return p
}

// explain prints what there is, for a case that failed.
func (p place) explain() {
	ctx := context.Background()
	for _, kind := range []string{"environments.fairlead.dev", "repositories.fairlead.dev", "apps.fairlead.dev"} {
		list, err := p.objs.List(ctx, p.Namespace, kind)
		if err != nil {
			p.t.Logf("list %s: %v", kind, err)
		}
		for _, u := range list {
			phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
			message, _ := testkit.Field(&u, `{.status.conditions[?(@.type=="Ready")].message}`)
			p.t.Logf("%s %s: %s: %s", u.GetKind(), u.GetName(), phase, message)
		}
	}
	p.t.Logf("log about %s:\n%s", p.Namespace, p.ctl.Tail(p.Namespace, 40))
	p.t.Logf("the controller manager about it:\n%s", p.Plane.Tail("kube-controller-manager", p.Namespace, 20))
}

// config is the file of a ConfigMap.
func config(name string, more ...string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n" + strings.Join(more, "") + "data: {of: git}\n"
}

// annotated is a line of metadata for config.
func annotated(key, value string) string {
	return "  annotations: {" + key + ": " + value + "}\n"
}

// write puts the ConfigMaps of the given names into an app's directory.
func write(dir string, names ...string) gitserver.Change {
	files := map[string]string{}
	for _, n := range names {
		files[dir+"/"+n+".yaml"] = config(n)
	}
	return gitserver.Files(files)
}

// push commits and tells the controller.
func (p place) push(changes ...gitserver.Change) source.Commit {
	p.t.Helper()
	c := p.Git.Commit(p.t, "main", "a change", changes...)
	p.hook()
	return c
}

func (p place) hook() {
	p.t.Helper()
	if err := p.Hook(p.t.Context(), p.ctl); err != nil {
		p.t.Fatal(err)
	}
}

// begin makes environment prod of apps/* with the given files, and waits until the apps are synced.
func (p place) begin(set map[string]any, apps []string, changes ...gitserver.Change) {
	p.t.Helper()
	p.Git.Commit(p.t, "main", "first", changes...)
	p.Environment(p.t, "prod", "apps/*", set)
	for _, a := range apps {
		p.synced("prod-" + a)
	}
}

// status waits until the status of an App is as check says.
func (p place) status(name string, check func(v1alpha1.AppStatus) error) v1alpha1.AppStatus {
	p.t.Helper()
	var st v1alpha1.AppStatus
	testkit.Eventually(p.t, func(ctx context.Context) (err error) {
		if st, err = p.statusNow(ctx, name); err != nil {
			return err
		}
		if err := check(st); err != nil {
			return fmt.Errorf("App %s: %w", name, err)
		}
		return nil
	})
	return st
}

// statusNow is the status of an App.
func (p place) statusNow(ctx context.Context, name string) (v1alpha1.AppStatus, error) {
	u, err := p.objs.Get(ctx, p.Namespace, "apps.fairlead.dev/"+name)
	if err != nil {
		return v1alpha1.AppStatus{}, err
	}
	var a v1alpha1.App
	err = runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &a)
	return a.Status, err
}

// phase waits until an App is in a phase for the head of main, and its reason has the given words.
func (p place) phase(name string, want v1alpha1.Phase, words ...string) v1alpha1.AppStatus {
	p.t.Helper()
	return p.status(name, func(st v1alpha1.AppStatus) error {
		if st.Phase != want {
			return fmt.Errorf("phase is %s (%s), want %s", st.Phase, st.Reason, want)
		}
		for _, w := range words {
			if !strings.Contains(st.Reason, w) {
				return fmt.Errorf("reason is %q, want it to have %q", st.Reason, w)
			}
		}
		return nil
	})
}

// synced waits until an App is ready at the head of main, or at an older commit that concerned it last.
func (p place) synced(name string) {
	p.t.Helper()
	p.phase(name, v1alpha1.PhaseSynced)
	testkit.Eventually(p.t, func(ctx context.Context) error {
		return p.Is(ctx, "apps.fairlead.dev/"+name, `{.status.conditions[?(@.type=="Ready")].status}`, "True")
	})
}

// read waits until an environment has read a commit.
func (p place) read(environment string, c source.Commit) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		return p.Is(ctx, "environments.fairlead.dev/"+environment, ".status.commit", c.Short())
	})
}

// says waits until the Ready condition of an object has the given words.
func (p place) says(ref string, words ...string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		got, err := p.objs.Field(ctx, p.Namespace, ref, `{.status.conditions[?(@.type=="Ready")].message}`)
		for _, w := range words {
			if err == nil && !strings.Contains(got, w) {
				err = fmt.Errorf("%s says %q, want it to have %q", ref, got, w)
			}
		}
		return err
	})
}

// uid is the identity of an object that must exist.
func (p place) uid(ref string) string {
	p.t.Helper()
	u, err := p.objs.Get(p.t.Context(), p.Namespace, ref)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(u.GetUID())
}

// uids are the identities of several objects.
func (p place) uids(refs ...string) map[string]string {
	p.t.Helper()
	out := map[string]string{}
	for _, r := range refs {
		out[r] = p.uid(r)
	}
	return out
}

// kept fails the test if one of the objects is not the one that it was, or is being deleted.
func (p place) kept(was map[string]string) {
	p.t.Helper()
	for ref, id := range was {
		u, err := p.objs.Get(p.t.Context(), p.Namespace, ref)
		switch {
		case err != nil:
			p.t.Errorf("%s was lost: %v", ref, err)
		case string(u.GetUID()) != id:
			p.t.Errorf("%s was deleted and created anew", ref)
		case u.GetDeletionTimestamp() != nil:
			p.t.Errorf("%s is being deleted", ref)
		}
	}
}

// gone waits until objects do not exist.
func (p place) gone(refs ...string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		for _, ref := range refs {
			_, err := p.objs.Get(ctx, p.Namespace, ref)
			if err == nil {
				return fmt.Errorf("%s still exists", ref)
			}
			if !testkit.IsNotFound(err) {
				return err
			}
		}
		return nil
	})
}

// guarded changes a ConfigMap by hand and waits until that is undone: a pass has looked at the app since, and did not lose it.
func (p place) guarded(names ...string) {
	p.t.Helper()
	for _, name := range names {
		was := p.uids("configmap/" + name)
		if err := p.objs.Patch(p.t.Context(), "kubectl-edit", p.Namespace, "configmap/"+name, `{data: {of: hand}}`, ""); err != nil {
			p.t.Fatal(err)
		}
		testkit.Eventually(p.t, func(ctx context.Context) error { return p.Is(ctx, "configmap/"+name, ".data.of", "git") })
		p.kept(was)
	}
}

// asks lets the environment's repositories be asked now, as `fairlead sync` does, for when no webhook is accepted.
func (p place) asks(environment, token string) {
	p.t.Helper()
	patch := `{metadata: {annotations: {fairlead.dev/sync-requested: "` + token + `"}}}`
	if err := p.objs.Patch(p.t.Context(), "fairlead-cli", p.Namespace, "environments.fairlead.dev/"+environment, patch, ""); err != nil {
		p.t.Fatal(err)
	}
}

// patch changes an object as its owner does.
func (p place) patch(ref, patch string) {
	p.t.Helper()
	if err := p.objs.Patch(p.t.Context(), "kubectl-edit", p.Namespace, ref, patch, ""); err != nil {
		p.t.Fatal(err)
	}
}

func (p place) remove(ref string) {
	p.t.Helper()
	if err := p.objs.Delete(p.t.Context(), p.Namespace, ref); err != nil {
		p.t.Fatal(err)
	}
}

func (p place) apply(text string) {
	p.t.Helper()
	if err := p.objs.Apply(p.t.Context(), p.Namespace, text); err != nil {
		p.t.Fatal(err)
	}
}

// suspend stops an environment, or lets it go on, and waits until an App says so.
func (p place) suspend(environment, name string, on bool) {
	p.t.Helper()
	p.patch("environments.fairlead.dev/"+environment, fmt.Sprintf("{spec: {sync: {suspend: %t}}}", on))
	p.status(name, func(st v1alpha1.AppStatus) error {
		if (st.Phase == v1alpha1.PhaseSuspended) != on {
			return fmt.Errorf("phase is %s", st.Phase)
		}
		return nil
	})
}

var approval = regexp.MustCompile(`fairlead (approve \S+ -n \S+ --hold [0-9a-f]+)`)

// approve does what the reason of a held App says, word for word, and answers yes.
func (p place) approve(name string) error {
	p.t.Helper()
	st := p.phase(name, v1alpha1.PhaseHeld, "approve with: ")
	return p.approveAs(st.Reason)
}

func (p place) approveAs(reason string) error {
	p.t.Helper()
	m := approval.FindStringSubmatch(reason)
	if m == nil {
		return fmt.Errorf("no command in %q", reason)
	}
	args := append(strings.Fields(m[1]), "--yes", "--kubeconfig", p.Plane.Kubeconfig)
	out, err := exec.CommandContext(p.t.Context(), testkit.Binary(p.t, "fairlead"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", m[0], err, out)
	}
	return nil
}

func (p place) approved(name string) {
	p.t.Helper()
	if err := p.approve(name); err != nil {
		p.t.Fatal(err)
	}
}

// claims returns what the ledger says that an App claims; false if it has no record.
func claims(ctx context.Context, plane *testkit.Plane, namespace, environment, name string) (app.Claims, bool, error) {
	n := app.Name{Namespace: namespace, Environment: environment, App: name}
	r, err := ledger.Open(plane.Kube.CoreV1().Secrets(testkit.Namespace)).Load(ctx, n)
	return r.Claims, r.Version != "", err
}

// claimed waits until an app of environment prod claims exactly as many objects.
func (p place) claimed(name string, want int) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		got, _, err := claims(ctx, p.Plane, p.Namespace, "prod", name)
		if err == nil && len(got) != want {
			err = fmt.Errorf("%s claims %v, want %d objects", name, got.Keys(), want)
		}
		return err
	})
}

// forgotten waits until the ledger knows nothing of an app of environment prod.
func (p place) forgotten(name string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		_, known, err := claims(ctx, p.Plane, p.Namespace, "prod", name)
		if err == nil && known {
			err = errors.New("the ledger still has a record of " + name)
		}
		return err
	})
}
