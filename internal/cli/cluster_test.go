package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/cli"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// run runs one command line as a script would: without a terminal.
func run(ctx context.Context, env map[string]string, line ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = cli.Run(ctx, line, cli.IO{Name: "fairlead", Getenv: func(k string) string { return env[k] }, In: strings.NewReader("y\n"), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// want is what a command line is to do: an exit code, and patterns of what it prints.
type want struct {
	line     string
	code     int
	out, err string
}

func (w want) check(t *testing.T, env map[string]string) {
	t.Helper()
	code, out, errs := run(t.Context(), env, split(w.line)...)
	ok := func(pattern, text string) bool { return regexp.MustCompile(`(?s)` + pattern).MatchString(text) }
	if code != w.code || !ok(w.out, out) || !ok(w.err, errs) {
		t.Fatalf("fairlead %s: exit code %d, want %d with output %q and error %q\n--- output\n%s--- error\n%s", w.line, code, w.code, w.out, w.err, out, errs)
	}
}

// split cuts a line into words; a word in "" may hold spaces.
func split(line string) []string {
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

func configMap(app, text string) gitserver.Change {
	return gitserver.Write("apps/"+app+"/flags.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+app+"}\ndata: {text: "+text+"}\n")
}

// TestCluster goes through the life of an environment by commands alone. Commits come by sync: the Repository's interval is a minute.
func TestCluster(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	git := testkit.StartGit(t, gitserver.Options{})
	ctl := plane.Controller(t, testkit.ControllerOptions{})
	shop := plane.Tenant(t, "shop", git)
	env := map[string]string{"KUBECONFIG": plane.Kubeconfig, "USER": "ann"}
	git.Commit(t, "main", "first", configMap("web", "one"), configMap("api", "one"))

	want{"status", 0, `^$`, `no environment in namespace default \(-A looks in all\)`}.check(t, env)
	shop.Environment(t, "prod", "apps/*", nil)
	want{"status prod -n shop --wait --timeout 30s", 0, `prod +2/2 .*prod/api +Synced +Healthy.*prod/web +Synced.*2 apps: 2 ready\n$`, `waiting: `}.check(t, env)
	want{"status -A", 0, `^NAMESPACE +NAME +READY.*\nshop +prod `, `^$`}.check(t, env)
	want{"status -n shop prod/web -o name", 0, `^app.fairlead.dev/prod-web\n$`, `^$`}.check(t, env)
	want{"status -n shop prod/wbe", 1, `^$`, `there is no environment or app "prod/wbe": did you mean "prod/web"\?`}.check(t, env)
	want{"status prod", 1, `^$`, `there is no environment or app "prod" in namespace default, but there is in shop: -n names the namespace`}.check(t, env)
	want{"why prod -n shop", 1, `: "prod" is an environment: name one of its apps, such as "prod/api"\n`, `^$`}.check(t, env)
	want{"why web -n shop", 1, `: there is no app "web" in namespace shop: did you mean "prod/web"\?\n`, `^$`}.check(t, env)
	want{"why", 2, `^$`, `^error: say which app, and one alone, as ENV/APP\nRun 'fairlead why --help'`}.check(t, env)
	want{"status -n shop -A", 2, `^$`, `error: --namespace and --all-namespaces`}.check(t, env)
	want{"status -n shop --outptu json", 2, `^$`, `unknown flag: --outptu: did you mean --output\?\nRun 'fairlead status --help'`}.check(t, env)

	t.Run("json", func(t *testing.T) {
		_, out, _ := run(t.Context(), env, "status", "-n", "shop", "-o", "json")
		var list struct {
			Kind  string
			Items []struct{ Kind string }
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil || list.Kind != "List" || len(list.Items) != 3 || list.Items[0].Kind != "Environment" {
			t.Errorf("%v in %s", err, out)
		}
	})
	t.Run("sync", func(t *testing.T) {
		c := git.Commit(t, "main", "second", configMap("web", "two"))
		want{"sync prod -n shop --wait --timeout 30s", 0, `prod/api: ready at .*\nprod/web: ready at ` + c.Short() + `\n$`, ``}.check(t, env)
		c = git.Commit(t, "main", "third", configMap("web", "three"))
		want{"sync prod/web -n shop --wait --timeout 30s", 0, `^prod/web: ready at ` + c.Short() + `\n$`, ``}.check(t, env)
		want{"sync config -n shop --wait --timeout 30s", 0, `^repository config: main@` + c.Short() + `\n$`, ``}.check(t, env)
		want{"sync prod -n shop", 0, `^sync requested of environment prod\n$`, `^$`}.check(t, env)
		git.Commit(t, "main", "broken", gitserver.Write("apps/web/flags.yaml", "kind: [\n"))
		want{"sync prod -n shop --wait --timeout 30s", 1, `prod/web: failed at .*: apps/web/flags.yaml:\d+:`, `error: environment prod is not in sync: 2 apps: 1 ready, 1 failed\n`}.check(t, env)
		want{"status prod -n shop --exit-code", 1, `1 failed\n$`, `^$`}.check(t, env)
		git.Commit(t, "main", "mended", configMap("web", "four"))
		want{"sync prod -n shop --wait --timeout 30s", 0, ``, ``}.check(t, env)
	})
	t.Run("sync of a server that is down", func(t *testing.T) {
		git.Fail(500, nil)
		want{"sync prod -n shop --wait --timeout 30s", 1, `^$`, `error: repository config: .*500`}.check(t, env)
		git.Serve()
		want{"sync prod -n shop --wait --timeout 30s", 0, ``, ``}.check(t, env)
	})
	t.Run("status of what cannot be", func(t *testing.T) {
		shop.Environment(t, "test", "none/*", nil)
		want{"status test -n shop --wait --timeout 2s", 1, `^NAME.*test +0/0`, `waiting: 0 apps; environment test: directory none does not exist.*\nerror: not ready after 2s: 0 apps; environment test: directory none does not exist`}.check(t, env)
		if err := plane.Objects.Delete(t.Context(), "shop", "environment/test"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("suspend", func(t *testing.T) {
		want{"suspend prod/web -n shop", 2, `^$`, `--because is missing`}.check(t, env)
		want{`suspend prod/web -n shop --because "looking into it"`, 0, `^app prod/web suspended by \S+: looking into it\n$`, `^$`}.check(t, env)
		waitStatus(t, env, `prod/web +Suspended .*suspended by \S+: looking into it`)
		patch(t, plane, "web", "by hand")
		want{"sync prod/web -n shop --wait --timeout 30s", 1, `prod/web: suspended at .*resume`, `not in sync`}.check(t, env)
		if got, _ := plane.Objects.Field(t.Context(), "shop", "cm/web", ".data.text"); got != "by hand" {
			t.Errorf("the edit of a suspended app is %q", got)
		}
		want{"resume prod-web -n shop", 0, `^app prod/web resumed\n$`, `^$`}.check(t, env)
		want{"status prod -n shop --wait --timeout 30s", 0, ``, ``}.check(t, env)
		if got, _ := plane.Objects.Field(t.Context(), "shop", "cm/web", ".data.text"); got != "four" {
			t.Errorf("after resume the text is %q", got)
		}
		want{"resume prod/web -n shop", 0, `is not suspended itself`, `^$`}.check(t, env)
		want{`suspend prod -n shop --because moving`, 0, `^environment prod suspended by \S+: moving\n$`, `^$`}.check(t, env)
		waitStatus(t, env, `prod/web +Suspended .*: moving`)
		want{"resume prod -n shop", 0, `^environment prod resumed\n$`, `^$`}.check(t, env)
		want{"status prod -n shop --wait --timeout 30s", 0, ``, ``}.check(t, env)
	})
	t.Run("approve", func(t *testing.T) {
		want{"approve prod -n shop", 0, `^environment prod holds nothing\n$`, `^$`}.check(t, env)
		shop.Environment(t, "prod", "apps/*", map[string]any{"sync.prune": map[string]any{"maxObjects": int64(0)}})
		git.Commit(t, "main", "without api", gitserver.Delete("apps/api/flags.yaml"))
		want{"sync prod -n shop --wait --timeout 30s", 3, `prod/api: held at .*: delete ConfigMap shop/api`, `1 held`}.check(t, env)
		want{"approve prod/api -n shop", 2, `^$`, `app prod/api, hold \S+:\n  delete ConfigMap shop/api: [^;]*\nerror: app prod/api: input is not a terminal: use --yes --hold \S+\n`}.check(t, env)
		want{"approve prod/api -n shop --hold other --yes", 1, `^$`, `^error: other is not what is held; it is \S+:\n  delete ConfigMap shop/api: [^;]*\n$`}.check(t, env)
		want{"approve prod/web -n shop --hold other --yes", 1, `^$`, `^error: other is not what is held: app prod/web holds nothing now\n$`}.check(t, env)
		want{"approve prod -n shop --yes", 0, `^app prod/api: hold \S+ approved\n$`, `delete ConfigMap shop/api`}.check(t, env)
		testkit.Eventually(t, func(ctx context.Context) error {
			if _, err := plane.Objects.Get(ctx, "shop", "cm/api"); !testkit.IsNotFound(err) {
				return os.ErrExist
			}
			return nil
		})
		want{"status prod -n shop --wait --timeout 30s", 0, `1 app: 1 ready\n$`, ``}.check(t, env)
	})
	t.Run("approve what waits for something else", func(t *testing.T) {
		frozen := func(text string) gitserver.Change {
			return gitserver.Write("apps/web/frozen.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: frozen}\nimmutable: true\ndata: {text: "+text+"}\n")
		}
		git.Commit(t, "main", "frozen", frozen("one"))
		want{"sync prod -n shop --wait --timeout 30s", 0, ``, ``}.check(t, env)
		git.Commit(t, "main", "frozen but changed", frozen("two"))
		want{"sync prod -n shop --wait --timeout 30s", 3, `held: ConfigMap shop/frozen: data is immutable`, ``}.check(t, env)
		in := `is held, and no approval lets it go:\n  ConfigMap shop/frozen: data is immutable .*: undo the change in Git, or .* fairlead.dev/apply: replace\n$`
		for _, line := range []string{"prod", "prod/web", "prod --yes", "prod/web --hold other --yes"} {
			want{"approve -n shop " + line, 1, `^$`, `^error: app prod/web ` + in}.check(t, env)
		}
		git.Commit(t, "main", "as before", frozen("one"))
		want{"sync prod -n shop --wait --timeout 30s", 0, ``, ``}.check(t, env)
	})
	ctl.Stop(t)
	want{"sync prod -n shop --wait --timeout 1s", 1, `^$`, `not done after 1s: environment prod: waiting .* controller: is it running\?\n$`}.check(t, env)
	t.Run("install", func(t *testing.T) {
		for _, crd := range []string{"apps", "environments", "repositories"} {
			ref := "crd/" + crd + ".fairlead.dev"
			if err := plane.Objects.Delete(t.Context(), "", ref); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, func(ctx context.Context) error {
				if _, err := plane.Objects.Get(ctx, "", ref); !testkit.IsNotFound(err) {
					return os.ErrExist
				}
				return nil
			})
		}
		want{"status -A", 1, `^$`, `not installed in this cluster: run 'fairlead install'`}.check(t, env)
		want{"controller --listen= --data-dir " + t.TempDir(), 1, `^$`, `\nerror: the resources of Fairlead are not installed in this cluster: run 'fairlead install'`}.check(t, env)
		want{"install --crds-only", 0, `(?m)^customresourcedefinition.apiextensions.k8s.io/apps.fairlead.dev serverside-applied\n`, `^$`}.check(t, env)
		want{"status -A", 0, `^$`, `no environment`}.check(t, env)
		want{"install", 0, `deployment.apps/fairlead-controller serverside-applied\n`, `^$`}.check(t, env)
		want{"install -n Not_A_Name", 2, `^$`, `namespace "Not_A_Name"`}.check(t, env)
	})
	t.Run("unreachable", func(t *testing.T) { unreachable(t, plane, env) })
}

// unreachable: kubeconfigs that lead nowhere, or are not let in.
func unreachable(t *testing.T, plane *testkit.Plane, env map[string]string) {
	data, err := os.ReadFile(plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(pattern, text string) string {
		file := filepath.Join(t.TempDir(), "kubeconfig")
		if !regexp.MustCompile(pattern).Match(data) {
			t.Fatalf("no %s in %s", pattern, data)
		}
		if err := os.WriteFile(file, regexp.MustCompile(pattern).ReplaceAll(data, []byte(text)), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	dead := changed(`https://127.0.0.1:\d+`, "https://127.0.0.1:1")
	for _, line := range []string{"status", "trace cm/web -n shop", "tree prod/web -n shop", "install"} {
		want{line + " --kubeconfig " + dead, 1, `^$`, `^error: the API server at https://127.0.0.1:1 cannot be reached`}.check(t, env)
	}
	want{"plan prod -n shop --server http://127.0.0.1:1", 1, `^$`, `^error: the controller at http://127.0.0.1:1 cannot be asked: .*connection refused.* --server`}.check(t, map[string]string{"FAIRLEAD_PLAN_TOKEN": "key"})

	stranger := changed(`certificate-authority-data: .*`, "tls-server-name: 127.0.0.1")
	want{"status --kubeconfig " + stranger, 1, `^$`, `^error: the certificate of the API server at https://127.0.0.1:\d+ is not one that the kubeconfig trusts`}.check(t, env)
	nobody := changed(`client-(certificate|key)-data: .*`, "username: ''")
	for _, line := range []string{"status", "trace cm/web -n shop", "install"} {
		want{line + " --kubeconfig " + nobody, 1, `^$`, `^error: the API server lets you ask for nothing: .*--context`}.check(t, env)
	}

	want{"status", 1, `^$`, `^error: no cluster is configured: name a kubeconfig`}.check(t, map[string]string{})
	want{"status", 1, `^$`, `^error: no cluster is configured: KUBECONFIG names /gone/a, which is not there\n$`}.check(t, map[string]string{"KUBECONFIG": "/gone/a"})
	want{"status --context devclutser", 1, `^$`, `^error: the kubeconfig has no context "devclutser": did you mean "devcluster"\?`}.check(t, env)
	want{"status --context other", 1, `^$`, `^error: the kubeconfig has no context "other": 'kubectl config get-contexts'`}.check(t, env)
}

// waitStatus waits until status prints what matches a pattern.
func waitStatus(t *testing.T, env map[string]string, pattern string) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		_, out, _ := run(ctx, env, "status", "-n", "shop")
		if !regexp.MustCompile(pattern).MatchString(out) {
			return &mismatch{pattern, out}
		}
		return nil
	})
}

type mismatch struct{ pattern, out string }

func (m *mismatch) Error() string { return "want " + m.pattern + " in:\n" + m.out }

func patch(t *testing.T, p *testkit.Plane, name, text string) {
	t.Helper()
	if err := p.Objects.Patch(t.Context(), "kubectl-edit", "shop", "cm/"+name, "data: {text: "+text+"}", ""); err != nil {
		t.Fatal(err)
	}
}
