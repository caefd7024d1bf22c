package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRender renders a working tree and its commits.
func TestRender(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "repo")
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=ann", "-c", "user.email=ann@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	write("base/kustomization.yaml", "resources: [flags.yaml]\n")
	write("base/flags.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\ndata: {theme: light}\n")
	write("apps/web/kustomization.yaml", "namePrefix: web-\nresources: [../../base]\n")
	write("apps/bad/flags.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  nam: flags\n")
	write("apps/out/kustomization.yaml", "resources: [../../../beside]\n")
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	write("base/flags.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\ndata: {theme: dark}\n")

	env := map[string]string{}
	web := filepath.Join(dir, "apps/web")
	want{"render " + web, 0, `^apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web-flags\ndata:\n  theme: dark\n$`, `^$`}.check(t, env)
	want{"render --ref HEAD " + web, 0, `theme: light\n$`, `^$`}.check(t, env)
	want{"render -o json " + web, 0, `"kind": "List"`, `^$`}.check(t, env)
	want{"render --ref nothing " + web, 1, `^$`, `nothing: there is no such branch, tag or commit`}.check(t, env)
	want{"render --ref HEAD --root . " + web, 2, `^$`, `cannot both be meant`}.check(t, env)
	want{"render " + filepath.Join(dir, "apps/bad"), 1, `^$`, `error: apps/bad/flags.yaml:\d+: `}.check(t, env)
	want{"render " + filepath.Join(dir, "apps/out"), 1, `^$`, `error: apps/out/kustomization.yaml:1: `}.check(t, env)
	want{"render " + filepath.Join(dir, "apps/none"), 1, `^$`, `there is no such directory`}.check(t, env)
	want{"render " + filepath.Join(web, "kustomization.yaml"), 2, `^$`, `name the directory`}.check(t, env)
	want{"render --root " + web + " " + dir, 2, `^$`, `is not below`}.check(t, env)
	want{"render --root " + web + " " + web, 1, `^$`, `apps/web|kustomization.yaml`}.check(t, env)
	want{"render --substitute 1x=2 " + web, 2, `^$`, `--substitute 1x: "1x" is no name of a variable`}.check(t, env)
	want{"render --substitute =2 " + web, 2, `^$`, `--substitute : "" is no name of a variable`}.check(t, env)
	want{"render --substitute FAIRLEAD_NAMESPACE=a " + web, 2, `^$`, `FAIRLEAD_NAMESPACE is always there: give it with --namespace`}.check(t, env)
	want{"render --substitute a " + web, 2, `^$`, `a must be formatted as key=value`}.check(t, env)
	want{"render --substitute FAIRLEAD_CLUSTER=a,_b1=c " + web, 0, `web-flags`, `^$`}.check(t, env)
	want{"render", 2, `^$`, `say which directory`}.check(t, env)
	beside := filepath.Join(top, "beside")
	if err := os.Mkdir(beside, 0o755); err != nil {
		t.Fatal(err)
	}
	want{"render " + beside, 1, `^$`, `is not in a Git repository: say with --root`}.check(t, env)
}

// TestUsage holds what a wrong command line is told.
func TestUsage(t *testing.T) {
	env := map[string]string{}
	want{"statsu", 2, `^$`, `unknown command "statsu".*status`}.check(t, env)
	want{"secret show", 2, `^$`, `unknown command "show" for "fairlead secret"\nRun 'fairlead secret --help'`}.check(t, env)
	want{"secret keys lits", 2, `^$`, `unknown command "lits" for "fairlead secret keys": did you mean list\?`}.check(t, env)
	want{"secret", 0, `Available Commands`, `^$`}.check(t, env)
	want{"version -o xml", 2, `^$`, `want one of json, yaml\nRun 'fairlead version --help'`}.check(t, env)
	want{"version -o json", 0, `"go": "go1`, `^$`}.check(t, env)
	want{"version more", 2, `^$`, `more`}.check(t, env)
	want{"sync", 2, `^$`, `a name is missing`}.check(t, env)
	want{"sync a b", 2, `^$`, `one name at a time: "b" is too much`}.check(t, env)
	want{"controller --log-level loud", 2, `^$`, `--log-level "loud"`}.check(t, env)
	want{"controller", 1, `^$`, `this does not run in a cluster, and no cluster is configured`}.check(t, env)
	want{"install --export --image registry/x:1 -n gitops", 0, `image: registry/x:1`, `^$`}.check(t, env)
	want{"install --image \"a b\"", 2, `^$`, `image "a b"`}.check(t, env)
}
