package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

const gitPassword = "a password that only tests know"

// founding is a cluster that is bootstrapped from a repository.
type founding struct {
	place
	ctl *testkit.Controller
	// credentials are the address of the repository, and the flags that let in there.
	credentials func() (url string, flags []string)
}

func newFounding(t *testing.T) *founding {
	f := newFoundingAt(t, gitserver.Options{Push: true, Username: "ann", Password: gitPassword})
	f.credentials = func() (string, []string) { return f.Git.URL(), []string{"--username", "ann"} }
	return f
}

func newFoundingAt(t *testing.T, o gitserver.Options) *founding {
	plane := testkit.Start(t, testkit.Options{Bare: true})
	p := place{Tenant: &testkit.Tenant{Plane: plane, Namespace: testkit.Namespace, Git: testkit.StartGit(t, o)}, t: t, objs: plane.Objects}
	return &founding{place: p}
}

func (f *founding) process(more ...string) *exec.Cmd {
	url, flags := f.credentials()
	args := slices.Concat([]string{"bootstrap", url, "--image", "fairlead:test", "--timeout", "90s"}, flags, more)
	cmd := exec.CommandContext(f.t.Context(), testkit.Binary(f.t, "fairlead"), args...)
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+f.Plane.Kubeconfig, "FAIRLEAD_GIT_PASSWORD="+gitPassword, "HOME="+f.Plane.Dir)
	return cmd
}

// until runs bootstrap and kills it, as kill -9 does, when it has printed a line that begins so.
func (f *founding) until(line string) {
	f.t.Helper()
	cmd := f.process()
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	var said []string
	for s := bufio.NewScanner(out); s.Scan(); {
		if said = append(said, s.Text()); strings.HasPrefix(s.Text(), line) {
			_ = cmd.Process.Kill()
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
			return
		}
	}
	f.t.Fatalf("bootstrap ended (%v) before it said %q; it said %q", cmd.Wait(), line, said)
}

// run runs bootstrap to its end. A controller is started as soon as bootstrap has made what it runs by.
func (f *founding) run(more ...string) string {
	f.t.Helper()
	cmd := f.process(more...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	if f.ctl == nil {
		testkit.Eventually(f.t, func(ctx context.Context) error {
			if _, err := f.objs.Get(ctx, testkit.Namespace, "rolebinding/fairlead"); err != nil {
				return err
			}
			return f.Plane.Enter(ctx)
		})
		f.ctl = f.Plane.Controller(f.t, testkit.ControllerOptions{Lease: 2 * time.Second})
		f.place.ctl = f.ctl
	}
	if err := cmd.Wait(); err != nil {
		f.explain()
		f.t.Fatalf("bootstrap: %v\n%s", err, out.String())
	}
	if strings.Contains(out.String(), gitPassword) {
		f.t.Errorf("the password was printed:\n%s", out.String())
	}
	return out.String()
}

func (f *founding) head() string {
	f.t.Helper()
	c, err := f.Git.Head(f.t.Context(), "main")
	if err != nil {
		f.t.Fatal(err)
	}
	return string(c)
}

// file reads a file of the head of main.
func (f *founding) file(path string) string {
	f.t.Helper()
	out, err := exec.CommandContext(f.t.Context(), "git", "-C", f.Git.Dir, "show", "main:"+path).Output()
	if err != nil {
		f.t.Fatalf("%s: %v", path, err)
	}
	return string(out)
}

// push commits and asks Fairlead to look.
func (f *founding) push(changes ...gitserver.Change) {
	f.t.Helper()
	c := f.Git.Commit(f.t, "main", "a change", changes...)
	f.asks("cluster", "at "+string(c))
	f.read("cluster", c)
}

// own are objects of Fairlead itself, of each kind that is deleted in a way of its own.
var own = []string{
	"crd/apps.fairlead.dev", "crd/environments.fairlead.dev", "crd/repositories.fairlead.dev", "namespace/fairlead-system", "deployment/fairlead-controller",
	"clusterrolebinding/fairlead", "clusterrolebinding/fairlead-self", "serviceaccount/fairlead", "environments.fairlead.dev/cluster", "repositories.fairlead.dev/cluster",
}

const manifests, clusterFile = "clusters/main/fairlead/install.yaml", "clusters/main/fairlead/cluster.yaml"

// TestBootstrap: from an empty cluster and an empty repository to a Fairlead that manages itself, though bootstrap is killed on the way; then what that means: an
// upgrade by a commit, an environment by a commit, a commit that deletes Fairlead, and an uninstallation after which it comes back.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	f := newFounding(t)

	f.until("pushed ")
	first := f.head()
	f.until("namespace/fairlead-system ")
	f.until("environment.fairlead.dev/cluster ")
	out := f.run()
	if f.head() != first {
		t.Errorf("another commit was made: %s", out)
	}
	for _, want := range []string{" has all of it already, at " + first[:8], "cluster/fairlead: ready at " + first[:8], "Fairlead manages itself from clusters/main/fairlead in main of http"} {
		if !strings.Contains(out, want) {
			t.Errorf("bootstrap does not say %q:\n%s", want, out)
		}
	}
	for _, ref := range own {
		if mark, err := f.objs.Field(t.Context(), testkit.Namespace, ref, `{.metadata.labels.fairlead\.dev/app}`); err != nil || mark != "cluster-fairlead" {
			t.Errorf("%s carries the owner mark %q, %v", ref, mark, err)
		}
	}
	if text := f.file(manifests) + f.file(clusterFile); strings.Contains(text, gitPassword) {
		t.Error("the password is in Git")
	}

	// Again: nothing is written, in Git or in the cluster.
	was := f.unchanged()
	if out := f.run(); !strings.Contains(out, "has all of it already") || f.head() != first {
		t.Errorf("the second time:\n%s", out)
	}
	f.unwritten(was)

	// It manages itself: what Git says of the Deployment is so, and what a hand says is not.
	f.push(gitserver.Write(manifests, strings.Replace(f.file(manifests), "replicas: 1", "replicas: 2", 1)))
	testkit.Eventually(t, func(ctx context.Context) error {
		return f.Is(ctx, "deployment/fairlead-controller", ".spec.replicas", "2")
	})
	f.patch("deployment/fairlead-controller", `{spec: {replicas: 5}}`)
	testkit.Eventually(t, func(ctx context.Context) error {
		return f.Is(ctx, "deployment/fairlead-controller", ".spec.replicas", "2")
	})
	f.synced("cluster-fairlead")

	f.environment()
	f.upgrade()
	f.deleted()
	f.back()
}

// unchanged are the versions of Fairlead's own objects but the Environment, of which a sync is asked.
func (f *founding) unchanged() map[string]string {
	return f.written(slices.DeleteFunc(slices.Clone(own), func(ref string) bool { return strings.HasPrefix(ref, "environments") })...)
}

// environment: what init writes into a clone is an environment with the push.
func (f *founding) environment() {
	t := f.t
	t.Helper()
	clone := filepath.Join(t.TempDir(), "clone")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", clone, "-c", "user.name=ann", "-c", "user.email=ann@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", f.Git.Dir, clone).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command(t, f.Plane, 0, `wrote clusters/main/production/environment.yaml`, "init", "--dir", clone, "--url", f.Git.URL(), "--secret", "git")
	git("add", ".")
	git("commit", "-q", "-m", "production")
	git("push", "-q", "origin", "HEAD:main")
	f.asks("cluster", "production")
	testkit.Eventually(t, func(ctx context.Context) error {
		_, err := f.objs.Get(ctx, "production", "environments.fairlead.dev/production")
		return err
	})
	secret := fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: git}, stringData: {username: ann, password: %q}}", gitPassword)
	if err := f.objs.Apply(t.Context(), "production", secret); err != nil {
		t.Fatal(err)
	}
	production := f.production()
	production.asks("production", "now")
	production.synced("production-hello")
	f.synced("cluster-production")
}

func (f *founding) production() place {
	return place{Tenant: &testkit.Tenant{Plane: f.Plane, Namespace: "production", Git: f.Git}, t: f.t, ctl: f.ctl, objs: f.objs}
}

// upgrade: another image is another commit, which Fairlead applies itself; what a person wrote beside it stays.
func (f *founding) upgrade() {
	t := f.t
	f.push(gitserver.Write("clusters/main/fairlead/kustomization.yaml", "resources: [install.yaml, cluster.yaml]\npatches:\n"+
		"- patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: fairlead-controller, namespace: fairlead-system}, spec: {replicas: 3}}'\n"))
	before := f.head()
	out := f.run("--image", "fairlead:next")
	if f.head() == before || !strings.Contains(out, "wrote "+manifests+"\n") || strings.Contains(out, clusterFile) || strings.Contains(out, "deployment.apps") {
		t.Errorf("the upgrade:\n%s", out)
	}
	err := f.Is(t.Context(), "deployment/fairlead-controller", `{.spec.template.spec.containers[0].image} {.spec.replicas}`, "fairlead:next 3")
	if err != nil {
		t.Error(err)
	}
}

// deleted: no commit deletes Fairlead's definitions or its namespace, with which all would go; what else is Fairlead's waits for a person.
func (f *founding) deleted() {
	t := f.t
	was := f.uids(own...)
	keep := map[string]string{manifests: f.file(manifests), clusterFile: f.file(clusterFile)}
	f.push(gitserver.Delete("clusters/main/fairlead/kustomization.yaml"), gitserver.Delete(manifests))
	f.phase("cluster-fairlead", v1alpha1.PhaseHeld, "approve with: ")
	f.kept(was)
	held, err := f.objs.Get(t.Context(), testkit.Namespace, "apps.fairlead.dev/cluster-fairlead")
	if err != nil {
		t.Fatal(err)
	}
	text, err := testkit.Field(held, `{.status.held[*].object}`)
	if err != nil || strings.Contains(text, "CustomResourceDefinition") || strings.Contains(text, "Namespace") || !strings.Contains(text, "Deployment") {
		t.Errorf("held are %q, %v: want the Deployment, and nothing that is never deleted", text, err)
	}
	// All of it, with the Environment itself.
	f.push(gitserver.Delete("clusters"))
	f.phase("cluster-fairlead", v1alpha1.PhaseHeld)
	f.kept(was)
	f.push(gitserver.Files(keep), gitserver.Write("clusters/main/production/environment.yaml", f.old("clusters/main/production/environment.yaml")))
	f.synced("cluster-fairlead")
	f.synced("cluster-production")
	f.kept(was)
}

// old reads a file of an earlier commit of main.
func (f *founding) old(path string) string {
	f.t.Helper()
	commit, err := exec.CommandContext(f.t.Context(), "git", "-C", f.Git.Dir, "log", "-1", "--format=%H", "--diff-filter=AM", "main", "--", path).Output()
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := exec.CommandContext(f.t.Context(), "git", "-C", f.Git.Dir, "show", strings.TrimSpace(string(commit))+":"+path).Output()
	if err != nil {
		f.t.Fatal(err)
	}
	return string(out)
}

// back: uninstalled and bootstrapped again, Fairlead takes up what there is: nothing is deleted, and nothing that is as Git says is written to.
func (f *founding) back() {
	t := f.t
	refs := []string{"namespace/production", "serviceaccount/deployer", "rolebinding/deployer", "configmap/hello"}
	production := f.production()
	was := production.written(refs...)
	f.uninstall()
	production.unwritten(was)
	head := f.head()
	if out := f.run("--image", "fairlead:next"); !strings.Contains(out, "has all of it already") || f.head() != head {
		t.Errorf("the repository was written:\n%s", out)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		_, err := f.objs.Get(ctx, "production", "environments.fairlead.dev/production")
		return err
	})
	production.synced("production-hello")
	f.synced("cluster-production")
	production.unwritten(was)
	production.patch("configmap/hello", `{data: {says: hand}}`)
	testkit.Eventually(t, func(ctx context.Context) error {
		return production.Is(ctx, "configmap/hello", ".data.says", "hello from Git")
	})
}

// uninstall takes Fairlead away while it runs, as if in a Pod: it makes anew what goes of it as long as it can, and ends some time after its Deployment is gone.
func (f *founding) uninstall() {
	f.t.Helper()
	leases, err := f.objs.List(f.t.Context(), testkit.Namespace, "leases.coordination.k8s.io")
	if err != nil || len(leases) != 1 {
		f.t.Fatalf("%d Leases, %v", len(leases), err)
	}
	holder, err := testkit.Field(&leases[0], ".spec.holderIdentity")
	if err != nil {
		f.t.Fatal(err)
	}
	host, _, _ := strings.Cut(holder, "_")
	f.apply(`{apiVersion: v1, kind: Pod, metadata: {name: "` + host + `"}, spec: {
		securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}},
		containers: [{name: controller, image: "fairlead:test", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}`)
	cmd := exec.CommandContext(f.t.Context(), testkit.Binary(f.t, "fairlead"), "uninstall", "--yes")
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+f.Plane.Kubeconfig)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.gone("clusterrolebinding/fairlead-self", "deployment/fairlead-controller")
	f.remove("pod/" + host)
	f.ctl.Stop(f.t)
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "namespace/fairlead-system deleted\n") || !strings.Contains(out.String(), "Fairlead is gone.") {
		f.t.Fatalf("uninstall: %v\n%s", err, out.String())
	}
	f.place.ctl, f.ctl = nil, nil
}

// TestBootstrapRefused: whatever stands in the way is said before anything is done.
func TestBootstrapRefused(t *testing.T) {
	t.Parallel()
	f := newFounding(t)
	say := func(env map[string]string, code int, want string, more ...string) {
		t.Helper()
		cmd := f.process(more...)
		for k, v := range env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		out, err := cmd.CombinedOutput()
		if exit := (&exec.ExitError{}); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), want) || strings.Contains(string(out), gitPassword) {
			t.Errorf("bootstrap %q: exit code %d, want %d with %q\n%s", more, got, code, want, out)
		}
	}
	say(map[string]string{"FAIRLEAD_GIT_PASSWORD": ""}, 2, "the password of ann is missing: put it, or a token, into $FAIRLEAD_GIT_PASSWORD")
	say(map[string]string{"FAIRLEAD_GIT_PASSWORD": "wrong"}, 1, "the credentials were not accepted: check --username and $FAIRLEAD_GIT_PASSWORD, or $FAIRLEAD_GIT_TOKEN; nothing was done")
	say(nil, 1, "it wants credentials: say --username and $FAIRLEAD_GIT_PASSWORD, or $FAIRLEAD_GIT_TOKEN; $FAIRLEAD_GIT_PASSWORD is set, and --username is not; nothing was done", "--username", "")
	say(map[string]string{"KUBECONFIG": filepath.Join(t.TempDir(), "none")}, 1, "no cluster is configured")
	say(nil, 2, "cluster-path", "--cluster-path", "clusters/*")
	say(nil, 2, "is for SSH", "--identity", f.Plane.Kubeconfig)
	f.Git.Fail(503, nil)
	say(nil, 1, "503")
	f.Git.Serve()

	f.Git.Commit(t, "main", "first", gitserver.Write(manifests, "kind: Mine\n"), gitserver.Write("other/fairlead/bad.yaml", "kind: [\n"),
		gitserver.Write("third/fairlead/cluster.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: mine}}\n"))
	head := f.head()
	say(nil, 1, "has no branch trunk: it has main", "--branch", "trunk")
	say(nil, 1, "install.yaml is there already, and is none that bootstrap wrote")
	say(nil, 1, "bad.yaml:1", "--cluster-path", "other")
	say(nil, 1, "has no Environment cluster in namespace fairlead-system", "--cluster-path", "third")
	if f.head() != head {
		t.Error("something was pushed")
	}
	if _, err := f.objs.Get(t.Context(), "", "namespace/fairlead-system"); !testkit.IsNotFound(err) {
		t.Errorf("something was applied: %v", err)
	}
	out, err := f.process("--export", "--cluster-path", "third").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "# third/fairlead/install.yaml\n") || !strings.Contains(string(out), `path: "third/*"`) || strings.Contains(string(out), gitPassword) {
		t.Errorf("--export: %v\n%s", err, out)
	}
	// What the cluster follows is not exchanged under its feet; who may not, is told.
	f.Plane.Furnish(t)
	say(nil, 1, "is in namespace fairlead-system, not in elsewhere", "-n", "elsewhere")
	if err := f.objs.Apply(t.Context(), testkit.Namespace, `
{apiVersion: fairlead.dev/v1alpha1, kind: Repository, metadata: {name: cluster}, spec: {url: "`+f.Git.URL()+`"}}
---
{apiVersion: fairlead.dev/v1alpha1, kind: Environment, metadata: {name: cluster}, spec: {sources: [{repository: cluster, ref: {branch: main}, path: "clusters/other/*"}]}}
`); err != nil {
		t.Fatal(err)
	}
	say(nil, 1, "this cluster is managed from clusters/other/*, not from clusters/main/*: is it the one that you mean?")
	say(map[string]string{"KUBECONFIG": f.Plane.ControllerKubeconfig}, 1, "you may not create customresourcedefinitions.apiextensions.k8s.io in this cluster")
}
