package cli_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestInit: the first environment of a repository is written and explained, and what is there is left as it is.
func TestInit(t *testing.T) {
	w := work{t, t.TempDir()}
	env := map[string]string{}
	init := "init --dir " + w.dir + " "

	want{"init --dir " + filepath.Join(w.dir, "none"), 1, `^$`, `there is no such directory`}.check(t, env)
	want{init, 1, `^$`, `is not in a Git repository: clone .* 'git init'\n$`}.check(t, env)
	w.git("init", "-q", "-b", "trunk")
	want{init, 2, `^$`, `no remote called origin: say with --url`}.check(t, env)
	want{init + "--url " + w.dir, 2, `^$`, `say with --url where it can`}.check(t, env)
	want{init + "--url https://ann:secret@git.example.com/shop", 2, `^$`, `^error: [^:]*: it holds credentials[^@]*$`}.check(t, env)
	w.git("remote", "add", "origin", "https://ann:secret@git.example.com/shop/Config_1.git")
	want{init + "a b", 2, `^$`, `one environment at a time`}.check(t, env)
	want{init + "Production", 2, `^$`, `environment "Production": want lower-case`}.check(t, env)
	want{init + "--apps [", 2, `^$`, `--apps: `}.check(t, env)

	want{init, 0, `^wrote clusters/main/production/environment.yaml
  Namespace production .*
  Repository config-1 +https://git.example.com/shop/Config_1.git, asked every minute
  Environment production +each directory that matches apps/\*/production of branch trunk is an app
wrote apps/hello/production/hello.yaml
.*
1 app: hello.

Next:
  git add \S+environment.yaml \S+hello.yaml && git commit .*
  kubectl apply -f \S+clusters/main/production/environment.yaml
  fairlead status production -n production --wait
The cluster needs Fairlead before that: 'fairlead install'\. .*'fairlead sync cluster -n fairlead-system --wait'[^\n]*
If .*--secret NAME.\n$`, `^$`}.check(t, env)
	want{"check " + w.dir, 0, `^nothing wrong in 2 apps`, `^$`}.check(t, env)
	want{init, 0, `^clusters/main/production/environment.yaml is there already, word for word\n`, `^$`}.check(t, env)

	// What is likely is found out: the second environment of the same apps, over SSH.
	w.write("apps/web/staging/web.yaml", podOf("web", "web:1"))
	want{init + "staging --url git@git.example.com:shop/config.git --branch next", 0, `Repository config .*Secret git\n.*matches apps/\*/staging of branch next.*1 app: web\..*create secret generic git --from-file=identity`, `^$`}.check(t, env)
	w.write("plain/api/api.yaml", podOf("api", "api:1"))
	want{init + "local --cluster-path local --apps plain/* --url http://127.0.0.1:3000/shop.git", 0, `127\.0\.0\.1 is this machine: a controller in a Pod does not find Git there`, `^$`}.check(t, env)
	want{init + "test --cluster-path other --apps plain/*", 0, `^wrote other/test/environment.yaml\n.*1 app: api\.`, `^$`}.check(t, env)

	// Nothing is overwritten, and no environment is written twice.
	file := filepath.Join(w.dir, "clusters/main/production/environment.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(data) + "# by hand\n"
	w.write("clusters/main/production/environment.yaml", changed)
	want{init, 1, `^$`, `clusters/main/production/environment.yaml is there already, and is different`}.check(t, env)
	if now, err := os.ReadFile(file); err != nil || string(now) != changed {
		t.Errorf("the file was written: %v\n%s", err, now)
	}
	want{init + "--cluster-path other", 1, `^$`, `clusters/main/production/environment.yaml has an Environment production in namespace production already`}.check(t, env)
	want{init + "canary -n production", 1, `^$`, `namespace production has an environment already, production in clusters/main`}.check(t, env)
	w.git("-c", "advice.detachedHead=false", "commit", "-q", "--allow-empty", "-m", "first")
	w.git("checkout", "-q", "--detach")
	want{init + "more", 2, `^$`, `no branch is checked out: say with --branch`}.check(t, env)
}
