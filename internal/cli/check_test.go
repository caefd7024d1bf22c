package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// work is a directory of files, and a Git repository if it is asked for.
type work struct {
	*testing.T
	dir string
}

func (w work) write(name, text string) {
	w.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w work) git(args ...string) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "git", append([]string{"-C", w.dir, "-c", "user.name=ann", "-c", "user.email=ann@example.com"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec:\n  containers:\n  - {name: web, image: IMAGE}\n"

func podOf(name, image string) string {
	return strings.NewReplacer("NAME", name, "IMAGE", image).Replace(pod)
}

// TestCheck holds exit codes, outputs and flags.
func TestCheck(t *testing.T) {
	w := work{t, t.TempDir()}
	w.write("good/pod.yaml", podOf("good", "web:1"))
	w.write("noted/pod.yaml", podOf("noted", "web"))
	w.write("warned/pod.yaml", podOf("warned", "web:1")+"  serviceAccountName: gone\n")
	w.write("bad/pod.yaml", podOf("bad", "web:1")+"  restart: Never\n")
	w.write("custom/widget.yaml", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: big}\n")
	w.write("crds/widget.yaml", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com",
"scope":"Namespaced","names":{"kind":"Widget","plural":"widgets"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":
{"spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}}}]}}`)
	w.write("class/class.yaml", "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: gpu}\nspec: {}\n")
	w.write("charts/web/Chart.yaml", "name: web\n")
	w.write("none/readme.txt", "nothing\n")
	env := map[string]string{}
	at := func(name string) string { return filepath.Join(w.dir, name) }

	want{"check " + at("good"), 0, `^nothing wrong in 1 app, checked for Kubernetes 1\.\d+\n$`, `^$`}.check(t, env)
	want{"check " + at("noted"), 0, `noted/pod\.yaml:6:24  note  image-tag  Pod noted: spec\.containers\[web\]\.image: `, `^$`}.check(t, env)
	want{"check --fail-on note " + at("noted"), 1, `1 note in 1 app`, `^$`}.check(t, env)
	want{"check " + at("warned"), 0, `1 warning in 1 app`, `^$`}.check(t, env)
	want{"check --fail-on warning " + at("warned"), 1, `1 warning in 1 app`, `^$`}.check(t, env)
	want{"check " + at("bad"), 1, `bad/pod\.yaml:7:3  error  unknown-field  Pod bad: spec\.restart: no such field`, `^$`}.check(t, env)
	want{"check " + at("charts"), 0, `^1 Helm chart not checked: web\nnothing wrong in 0 apps`, `^$`}.check(t, env)
	want{"check " + at("custom"), 0, `note  no-schema`, `^$`}.check(t, env)
	want{"check --crds " + at("crds") + " " + at("custom"), 1, `custom/widget\.yaml:4:14  error  wrong-type  Widget\.example\.com a: spec\.size: wants an integer`, `^$`}.check(t, env)
	want{"check --kubernetes-version 1.33 " + at("class"), 1, `removed-api`, `^$`}.check(t, env)
	want{"check --kubernetes-version v1.34.2 " + at("class"), 0, `nothing wrong in 1 app, checked for Kubernetes 1\.34`, `^$`}.check(t, env)

	want{"check -o json " + at("bad"), 1, `"rule": "unknown-field",\n +"severity": "error",\n +"app": "\.",\n(.*\n)*.*"file": "pod\.yaml",\n +"line": 7,\n +"column": 3,`, `^$`}.check(t, env)
	want{"check -o sarif " + at("bad"), 1, `"uri": "pod\.yaml"`, `^$`}.check(t, env)
	want{"check -o github " + at("bad"), 1, `^::error file=pod\.yaml,line=7,col=3,title=unknown-field::Pod bad: spec\.restart: `, `^$`}.check(t, env)
	want{"check -o junit " + at("bad"), 1, `<testsuites name="fairlead check" tests="1" failures="1">`, `^$`}.check(t, env)

	want{"check", 2, `^$`, `say which directory`}.check(t, env)
	want{"check a b", 2, `^$`, `check takes exactly one`}.check(t, env)
	want{"check " + at("gone"), 1, `^$`, `there is no such directory`}.check(t, env)
	want{"check " + at("good/pod.yaml"), 2, `^$`, `name the directory`}.check(t, env)
	want{"check " + at("none"), 1, `^$`, `there is no app`}.check(t, env)
	want{"check --kubernetes-version 1.2 " + at("good"), 2, `^$`, `the schemas of Kubernetes 1\.2 are not known: take one of 1\.33, `}.check(t, env)
	want{"check --fail-on never " + at("good"), 2, `^$`, `want one of error, warning, note`}.check(t, env)
	want{"check -o xml " + at("good"), 2, `^$`, `want one of text, json, sarif, github, junit`}.check(t, env)
	want{"check --crds " + at("none") + " " + at("good"), 1, `^$`, `holds no CustomResourceDefinition`}.check(t, env)
	want{"check --crds " + at("gone") + " " + at("good"), 1, `^$`, `there is no .*gone`}.check(t, env)
	want{"check --path nothing/* " + w.dir, 1, `^$`, `nothing/\* matches no directory`}.check(t, env)
	want{"check --since HEAD " + at("good"), 1, `^$`, `--since HEAD: there is no such branch, tag or commit`}.check(t, env)
}

// TestCheckConfig holds where the configuration is found, and what its paths are relative to.
func TestCheckConfig(t *testing.T) {
	w := work{t, t.TempDir()}
	w.write("team/.fairlead-check.yaml", "kubernetes: 1.34\napps: ['apps/*']\ncrds: [crds]\nrules: {image-tag: warning}\noverrides:\n- paths: [apps/old]\n  rules: {image-tag: off}\n")
	w.write("team/apps/old/pod.yaml", podOf("old", "web"))
	w.write("team/apps/new/pod.yaml", podOf("new", "web"))
	w.write("team/apps/same/pod.yaml", podOf("new", "web:1"))
	w.write("team/crds/crd.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.example.com}\n")
	w.git("init", "-q")
	env := map[string]string{}
	at := func(name string) string { return filepath.Join(w.dir, name) }
	want{"check " + at("team"), 1, `apps/new/pod\.yaml:3:18  error    duplicate  (.*\n)*.*apps/new/pod\.yaml:6:24  warning  image-tag(.*\n)*.*1 error, 1 warning in 3 apps, checked for Kubernetes 1\.34`, `^$`}.check(t, env)
	want{"check " + at("team/apps/old"), 0, `nothing wrong in 1 app, checked for Kubernetes 1\.34`, `^$`}.check(t, env)
	want{"check --path old --kubernetes-version 1.36 " + at("team/apps"), 0, `nothing wrong in 1 app, checked for Kubernetes 1\.36`, `^$`}.check(t, env)
	w.write("team/.fairlead-check.yaml", "rule: {}\n")
	want{"check " + at("team"), 1, `^$`, `team/\.fairlead-check\.yaml:1: unknown field "rule": did you mean "rules"\?`}.check(t, env)
}

// TestCheckSince holds which apps a change bears on.
func TestCheckSince(t *testing.T) {
	w := work{t, t.TempDir()}
	w.write("base/kustomization.yaml", "resources: [pod.yaml]\n")
	w.write("base/pod.yaml", podOf("base", "web"))
	w.write("apps/a/kustomization.yaml", "resources: [../../base]\nnamePrefix: a-\n")
	w.write("apps/b/kustomization.yaml", "resources: [pod.yaml]\n")
	w.write("apps/b/pod.yaml", podOf("b", "web"))
	w.write("apps/c/pod.yaml", podOf("c", "web"))
	w.git("init", "-q", "-b", "main")
	w.git("add", ".")
	w.git("commit", "-q", "-m", "first")
	w.git("checkout", "-q", "-b", "topic")
	env := map[string]string{}
	since := "check --since main " + w.dir
	want{since, 0, `^nothing wrong in 0 apps`, `^$`}.check(t, env)
	w.write("base/pod.yaml", podOf("base", "web")+"# changed\n")
	want{since, 0, `^\S*base/pod\.yaml:6:24  note .*\n.*\n\n1 note in 1 app,`, `^$`}.check(t, env)
	w.write("apps/c/more.yaml", podOf("more", "web")) // which Git does not know yet
	want{since, 0, `apps/c/more\.yaml:6:24(.*\n)*.*apps/c/pod\.yaml:6:24(.*\n)*.*3 notes in 2 apps`, `^$`}.check(t, env)
	w.git("add", ".")
	w.git("commit", "-q", "-m", "second")
	w.git("checkout", "-q", "main")
	w.write("apps/b/pod.yaml", podOf("b", "web")+"# changed by others\n")
	w.git("commit", "-q", "-a", "-m", "others")
	w.git("checkout", "-q", "topic")
	want{since, 0, `3 notes in 2 apps`, `^$`}.check(t, env) // what others did is not ours
	want{"check --since HEAD " + w.dir, 0, `^nothing wrong in 0 apps`, `^$`}.check(t, env)
	w.write(".fairlead-check.yaml", "rules: {}\n")
	want{"check --since HEAD " + w.dir, 0, `4 notes in 3 apps`, `^$`}.check(t, env)
	want{"check --since nothing " + w.dir, 1, `^$`, `--since nothing: there is no such branch, tag or commit`}.check(t, env)
}

// TestCheckPart holds that a part of an environment is checked as a part of it.
func TestCheckPart(t *testing.T) {
	w := work{t, t.TempDir()}
	w.write("environment.yaml", `{"apiVersion":"fairlead.dev/v1alpha1","kind":"Environment","metadata":{"name":"production","namespace":"shop"},
"spec":{"sources":[{"repository":"shop","ref":{"branch":"main"},"path":"apps/*/production"}]}}`)
	w.write("apps/web/production/pod.yaml", podOf("web", "web:1")+"  serviceAccountName: shared\n")
	w.write("apps/api/production/pod.yaml", podOf("api", "api"))
	w.write("apps/api/production/account.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: shared}\n")
	w.git("init", "-q")
	env := map[string]string{}
	at := func(name string) string { return filepath.Join(w.dir, name) }
	want{"check " + w.dir, 0, `Pod shop/api: (.*\n)*.*1 note in 3 apps`, `^$`}.check(t, env)
	want{"check " + at("apps/web"), 0, `^nothing wrong in 1 app,`, `^$`}.check(t, env)
	want{"check " + at("apps/web/production"), 0, `^nothing wrong in 1 app,`, `^$`}.check(t, env)
	want{"check -o json " + at("apps/api"), 0, `"app": "production/api"`, `^$`}.check(t, env)
	w.write("environment.yaml", `{"apiVersion":"fairlead.dev/v1alpha1","kind":"Environment","metadata":{"name":"production","namespace":"shop"},"spec":{"source":[]}}`)
	want{"check " + w.dir, 1, `environment\.yaml:1:\d+  error  unknown-field  Environment\.fairlead\.dev shop/production: spec\.source: no such field; did you mean "sources"\?`, `^$`}.check(t, env)
}
