package test

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// command runs fairlead as an administrator does, and holds what it prints and its exit code to what is wanted.
func command(t testing.TB, plane *testkit.Plane, code int, want string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testkit.Binary(t, "fairlead"), args...)
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+plane.Kubeconfig)
	out, err := cmd.CombinedOutput()
	if exit := (&exec.ExitError{}); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code || !regexp.MustCompile(`(?s)`+want).Match(out) {
		t.Fatalf("fairlead %q: exit code %d, want %d with %q\n%s", args, got, code, want, out)
	}
	return string(out)
}

// written says what version objects have: the same ones mean that nobody has written to them.
func (p place) written(refs ...string) map[string]string {
	p.t.Helper()
	all := map[string]string{}
	for _, ref := range refs {
		u, err := p.objs.Get(p.t.Context(), p.Namespace, ref)
		if err != nil {
			p.t.Fatal(err)
		}
		all[ref] = string(u.GetUID()) + " " + u.GetResourceVersion()
	}
	return all
}

func (p place) unwritten(was map[string]string) {
	p.t.Helper()
	for ref, version := range was {
		if now := p.written(ref)[ref]; now != version {
			p.t.Errorf("%s was %s, and is %s", ref, version, now)
		}
	}
}

// TestUninstall takes Fairlead away: nothing of the apps is written or deleted, though one environment prunes and one guards its objects. A Fairlead that is
// installed later takes all of it up again as it is.
func TestUninstall(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	ctl := plane.Controller(t, testkit.ControllerOptions{Lease: 2 * time.Second})
	w := world{home: t, plane: plane, ctl: ctl}
	refs := []string{"configmap/da", "configmap/db"}
	var places []place
	begin := func(p place, set map[string]any) {
		p.Environment(t, "prod", "apps/*", set)
		p.synced("prod-web")
	}
	sets := []map[string]any{nil, {"deletion": "Prune"}, {"sync.drift": "Block"}}
	var was []map[string]string
	for i, set := range sets {
		p := w.place(t, []string{"un-release", "un-prune", "un-block"}[i])
		p.Git.Commit(t, "main", "first", write("apps/web", "da", "db"))
		begin(p, set)
		places = append(places, p)
	}
	testkit.Eventually(t, func(ctx context.Context) error { // the guard is there
		list, err := plane.Objects.List(ctx, "", "validatingadmissionpolicies.admissionregistration.k8s.io")
		if err == nil && len(list) == 0 {
			err = errors.New("there is no policy yet")
		}
		return err
	})
	for _, p := range places {
		was = append(was, p.written(refs...))
	}
	apps := func() {
		t.Helper()
		for i, p := range places {
			p.unwritten(was[i])
		}
	}

	command(t, plane, 0, `deployment.apps/fairlead-controller serverside-applied`, "install")
	command(t, plane, 1, `is in namespace fairlead-system, not in other: say --namespace fairlead-system`, "uninstall", "--yes", "-n", "other")
	command(t, plane, 0, `deployment.apps/fairlead-controller\n.*customresourcedefinition.\S+/environments.fairlead.dev\n.*3 Secrets of the ledger\n`+
		`.*3 Repositories, 3 Environments and 3 Apps\.`, "uninstall", "--dry-run")
	command(t, plane, 2, `would be deleted.*input is not a terminal: use --yes`, "uninstall")
	if _, err := plane.Objects.Get(t.Context(), testkit.Namespace, "deployment/fairlead-controller"); err != nil {
		t.Fatalf("something was deleted unasked: %v", err)
	}

	// One that runs elsewhere would not end with the Deployment: nothing is done before it has.
	command(t, plane, 1, `error: controller \S+ runs outside of this cluster: nothing was deleted, stop it first; 'fairlead uninstall' goes on from here\n$`, "uninstall", "--yes")
	if _, err := plane.Objects.Get(t.Context(), testkit.Namespace, "deployment/fairlead-controller"); err != nil {
		t.Fatalf("something was deleted: %v", err)
	}
	ctl.Stop(t)
	out := command(t, plane, 0, `Fairlead is gone\. .*runs on, as it is, with its labels\.\n$`, "uninstall", "--yes")
	if !regexp.MustCompile(`namespace/fairlead-system deleted\n`).MatchString(out) {
		t.Errorf("the namespace stays:\n%s", out)
	}
	command(t, plane, 0, `^nothing of Fairlead is in this cluster\n$`, "uninstall", "--yes")
	for _, kind := range []string{"validatingadmissionpolicies.admissionregistration.k8s.io", "validatingadmissionpolicybindings.admissionregistration.k8s.io"} {
		if list, err := plane.Objects.List(t.Context(), "", kind); err != nil || len(list) > 0 {
			t.Errorf("%d %s are left: %v", len(list), kind, err)
		}
	}
	command(t, plane, 1, `not installed in this cluster`, "status", "-A")
	apps()

	plane.Furnish(t)
	for i, p := range places {
		p.apply(`{apiVersion: fairlead.dev/v1alpha1, kind: Repository, metadata: {name: config}, spec: {url: "` + p.Git.URL() + `", secretRef: {name: git}}}`)
		if i == 0 { // while nobody looked
			p.Git.Commit(t, "main", "second", gitserver.Write("apps/web/db.yaml", config("db", annotated("changed", "meanwhile"))))
		}
	}
	ctl.Start(t)
	for i, p := range places {
		begin(p, sets[i])
		p.claimed("web", 2)
	}
	places[0].kept(places[0].uids("configmap/db"))
	delete(was[0], "configmap/db")
	apps()
	places[1].guarded("da")
}

// TestUninstallKeeps: a namespace that holds something else stays, and what it holds is named.
func TestUninstallKeeps(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	if err := plane.Objects.Apply(t.Context(), testkit.Namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: mine}}"); err != nil {
		t.Fatal(err)
	}
	command(t, plane, 0, `persistentvolumeclaim/fairlead-data serverside-applied`, "install", "--volume", "1Gi")
	command(t, plane, 0, `Namespace fairlead-system stays: it holds configmap/mine, persistentvolumeclaim/fairlead-data\. If that may go: kubectl delete namespace fairlead-system\n$`, "uninstall", "--yes")
	for _, ref := range []string{"configmap/mine", "persistentvolumeclaim/fairlead-data"} {
		if _, err := plane.Objects.Get(t.Context(), testkit.Namespace, ref); err != nil {
			t.Fatal(err)
		}
	}
	command(t, plane, 0, `^nothing of Fairlead`, "uninstall", "--yes")
}
