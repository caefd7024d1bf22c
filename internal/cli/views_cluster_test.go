package cli_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/cli"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

const secretWord = "hunter2-the-second"

// shopApp is an app whose objects the controllers of Kubernetes make others of.
func shopApp(image string) gitserver.Change {
	return gitserver.Write("apps/web/all.yaml", shopText(image))
}

func shopText(image string) string {
	return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {run: web}}
  template:
    metadata: {labels: {run: web}}
    spec: {containers: [{name: web, image: "` + image + `"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {run: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {theme: light}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {password: ` + secretWord + `}
`
}

// TestViews looks at running apps by all commands that show them, as an administrator and as somebody with few rights.
func TestViews(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{})
	git := testkit.StartGit(t, gitserver.Options{})
	plane.Controller(t, testkit.ControllerOptions{})
	shop := plane.Tenant(t, "shop", git)
	env := map[string]string{"KUBECONFIG": plane.Kubeconfig}
	git.Commit(t, "main", "first", shopApp("web:1"), configMap("api", "one"))
	shop.Environment(t, "prod", "apps/*", nil)
	want{"status prod -n shop --wait --timeout 120s", 0, ``, ``}.check(t, env)
	few := viewer(t, plane, "shop")

	t.Run("tree", func(t *testing.T) {
		want{"tree -n shop prod/web", 0, `^OBJECT +HEALTH +AGE +REASON
prod/web +Healthy +\S+ +Synced at [0-9a-f]+
├─ Deployment web +Healthy +\S+ +2 replicas available
│  └─ ReplicaSet web-\S+ +Healthy +\S+ +2 replicas available
│     ├─ Pod web-\S+ +Healthy +\S+
│     └─ Pod web-\S+ +Healthy +\S+
├─ ConfigMap web +Healthy +\S+
├─ Secret web +Healthy +\S+
└─ Service web +Healthy +\S+
   └─ EndpointSlice web-\S+ +Healthy +\S+
$`, `^$`}.check(t, env)
		want{"tree -n shop prod -o name", 0, `^configmap/api\ndeployment.apps/web\nreplicaset.apps/web-\S+\npod/web-`, `^$`}.check(t, env)
		want{"tree -n shop prod/wbe", 1, `^$`, `did you mean "prod/web"\?`}.check(t, env)
		want{"tree -n shop", 2, `^$`, `a name is missing`}.check(t, env)
		want{"tree -n shop prod/web -o json --watch", 2, `^$`, `--watch shows text`}.check(t, env)
		want{"tree -n shop prod/web", 0, `Pod web-`, `^note: 1 claimed object cannot be seen: you may not list [^\n]*secrets[^\n]*\n$`}.check(t, few)
		_, out, _ := run(t.Context(), env, "tree", "-n", "shop", "prod/web", "-o", "json")
		var doc struct {
			Apps []struct {
				Name    string
				Objects []struct {
					Kind string
					Made []struct{ Kind string }
				}
			}
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Apps) != 1 || len(doc.Apps[0].Objects) != 4 || len(doc.Apps[0].Objects[0].Made) != 1 {
			t.Errorf("%v in %s", err, out)
		}
	})
	t.Run("status", func(t *testing.T) {
		want{"status -n shop --app w* -o name", 0, `^environment.fairlead.dev/prod\napp.fairlead.dev/prod-web\n$`, `^$`}.check(t, env)
		want{"status -n shop --not-ready", 0, `^$`, `^There is no environment or app that matches in namespace shop`}.check(t, env)
		want{"status -n shop --phase synced --sort-by age -o matrix", 0, `^APP +prod\n(api|web) +[0-9a-f]+ ✓\n(api|web) +[0-9a-f]+ ✓\n\n2 apps: 2 ready\n$`, `^$`}.check(t, env)
		want{"status -n shop --phase sinced", 2, `^$`, `--phase sinced: want one of .*: did you mean Synced\?`}.check(t, env)
		want{"status -n shop --sort-by size", 2, `^$`, `--sort-by size: want one of name, age, phase, commit`}.check(t, env)
		want{"status -n shop --watch --wait", 2, `^$`, `--watch goes on until`}.check(t, env)
	})
	pod := strings.TrimSpace(firstPod(t, env))
	t.Run("trace", func(t *testing.T) {
		want{"trace -n shop " + pod, 0, `^object +Pod shop/web-\S+
made by +ReplicaSet shop/web-\S+
made by +Deployment shop/web
app +prod/web \(Synced\)
environment +prod in namespace shop
repository +config http\S+
commit +main@sha1:[0-9a-f]{40}
author +\S.*
subject +first
directory +apps/web
note +the file is not recorded: --checkout finds it in a clone
$`, `^$`}.check(t, env)
		want{"trace -n shop deploy web --checkout " + git.Dir, 0, `\nfile +apps/web/all.yaml:2\n$`, `^$`}.check(t, env)
		want{"trace -n shop deploy/web -o name", 0, `^app.fairlead.dev/prod-web\n$`, `^$`}.check(t, env)
		want{"trace -n shop secret/git", 1, `^$`, `no app claims Secret shop/git, and it has no owner`}.check(t, env)
		want{"trace deploy/web", 1, `^$`, `^error: there is no Deployment web in namespace default, but there is in shop: -n names the namespace\n$`}.check(t, env)
		want{"trace -n shop cm/gone", 1, `^$`, `^error: there is no ConfigMap gone in namespace shop: -n names another one\n$`}.check(t, env)
		want{"trace ns/gone", 1, `^$`, `^error: there is no Namespace gone\n$`}.check(t, env)
		want{"trace -n shop nonsense/web", 1, `^$`, `knows no kind "nonsense"`}.check(t, env)
		want{"trace -n shop web", 2, `^$`, `say which object, as KIND/NAME`}.check(t, env)
	})
	t.Run("events", func(t *testing.T) {
		want{"events -n shop prod/web", 0, `^LAST +COUNT +TYPE +OBJECT +REASON +MESSAGE\n.* Deployment shop/web +ScalingReplicaSet `, `^$`}.check(t, env)
		want{"events -n shop prod/web -o json", 0, `"object": "Deployment shop/web"`, `^$`}.check(t, env)
		want{"events -n shop prod/api --warnings", 0, `^$`, `There are no Events`}.check(t, env)
	})
	t.Run("logs", func(t *testing.T) {
		want{"logs -n shop prod/web", 1, `^$`, `web-\S+/web: .*no such file`}.check(t, env)
		plane.Says(t, []string{"began", "listens on :8080"}, []string{"out of memory"})
		want{"logs -n shop prod/web", 0, `^(web-\S+/web began\nweb-\S+/web listens on :8080\n){2}$`, `^$`}.check(t, env)
		want{"logs -n shop prod/web --tail 1 -c web", 0, `^(web-\S+/web listens on :8080\n){2}$`, `^$`}.check(t, env)
		want{"logs -n shop prod/web --since 1h --previous", 0, `^(web-\S+/web out of memory\n){2}$`, `^$`}.check(t, env)
		want{"logs -n shop prod/web --tail 1", 0, `^(web-\S+/web listens on :8080\n){2}$`, `^$`}.check(t, few) // the role "view" allows that
		want{"logs -n shop prod/api", 1, `^$`, `app prod/api runs no pod now`}.check(t, env)
		want{"logs -n shop prod/web -c sidecar", 1, `^$`, `app prod/web runs no container "sidecar"`}.check(t, env)
		want{"logs -n shop prod/web --follow --previous", 2, `^$`, `cannot both be meant`}.check(t, env)
	})
	t.Run("diff", func(t *testing.T) {
		git.Commit(t, "main", "a second environment", gitserver.Write("test/web/all.yaml", strings.NewReplacer("web:1", "web:2", secretWord, "another-word").Replace(shopText("web:1"))))
		plane.Tenant(t, "trial", git)
		shop.Environment(t, "test", "test/*", map[string]any{"sources": []any{map[string]any{"repository": testkit.RepoName, "path": "test/*", "ref": map[string]any{"branch": "main"}}}, "destination.namespace": "trial"})
		want{"sync test -n shop --wait --timeout 120s", 0, ``, ``}.check(t, env)
		want{"diff -n shop prod prod --exit-code", 0, `^APP +PROD +PROD +DIFFERENCE\n`, `^$`}.check(t, env)
		want{"diff -n shop prod test --exit-code", 1, `^APP +PROD +TEST +DIFFERENCE
api +[0-9a-f]+ +- +only in prod
web +[0-9a-f]+ +[0-9a-f]+ +2 objects

web
  Secret web
    data.password: \(secret\) → \(secret\)
  Deployment web
    spec.template.spec.containers\[web\].image: web:1 → web:2
$`, `^$`}.check(t, env)
		want{"diff -n shop prod test web -o name", 0, `^web\n$`, `^$`}.check(t, env)
		want{"diff -n shop prod tset", 1, `^$`, `did you mean "test"\?`}.check(t, env)
		want{"diff -n shop prod test nothing", 1, `^$`, `neither prod nor test has an app "nothing"`}.check(t, env)
	})
	t.Run("completion", func(t *testing.T) {
		want{`__complete tree -n shop ""`, 0, `^prod\nprod/api\nprod/web\ntest\ntest/web\n:4\n`, ``}.check(t, env)
		want{`__complete logs -n shop prod/`, 0, `^prod/api\nprod/web\n:4\n`, ``}.check(t, env)
		want{`__complete status --namespace sh`, 0, `^shop\n:4\n`, ``}.check(t, env)
		want{`__complete trace -n shop deployment/`, 0, `^deployment/web\n:4\n`, ``}.check(t, env)
		want{`__complete trace -n shop statefuls`, 0, `^statefulset/\n`, ``}.check(t, env)
		want{`__complete sync -n shop con`, 0, `^config\n:4\n`, ``}.check(t, env)
	})
	t.Run("no secret", func(t *testing.T) {
		for _, line := range []string{"tree prod -o json", "tree prod", "events prod -o json", "diff prod test -o json", "diff prod test", "trace secret/web -o json", "status -o yaml"} {
			_, out, errs := run(t.Context(), env, append(split(line), "-n", "shop")...)
			encoded := base64.StdEncoding.EncodeToString([]byte(secretWord))
			if strings.Contains(out+errs, secretWord) || strings.Contains(out+errs, encoded) {
				t.Errorf("%s prints the Secret", line)
			}
		}
	})
	t.Run("watch", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := &lines{}
		ended := make(chan int)
		go func() {
			ended <- cli.Run(ctx, []string{"tree", "prod/web", "-n", "shop", "--watch"}, cli.IO{Name: "fairlead", Getenv: func(k string) string { return env[k] }, Out: out, Err: out})
		}()
		out.wait(t, `└─ Service web`)
		git.Commit(t, "main", "one more", shopApp("web:1"), gitserver.Write("apps/web/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"))
		want{"sync prod -n shop --wait --timeout 120s", 0, ``, ``}.check(t, env)
		out.wait(t, `\S+Z \+ prod/web ConfigMap more: Healthy\n`)
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d after Ctrl-C", code)
		}
	})
}

func firstPod(t *testing.T, env map[string]string) string {
	t.Helper()
	_, out, _ := run(t.Context(), env, "tree", "-n", "shop", "prod/web", "-o", "name")
	return regexp.MustCompile(`pod/\S+`).FindString(out)
}

// lines collects what a command prints while it runs.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) wait(t *testing.T, pattern string) {
	t.Helper()
	testkit.Eventually(t, func(context.Context) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if text := l.text.String(); !regexp.MustCompile(pattern).MatchString(text) {
			return &mismatch{pattern, text}
		}
		return nil
	})
}

// viewer is somebody who may see what the role view of Kubernetes lets see in a namespace, and Fairlead's objects.
func viewer(t *testing.T, plane *testkit.Plane, namespace string) map[string]string {
	t.Helper()
	err := plane.Objects.Apply(t.Context(), namespace, `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: viewer}
rules: [{apiGroups: [fairlead.dev], resources: ["*"], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewer-fairlead}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: viewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}]
`)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = "viewer"
	}
	file := filepath.Join(t.TempDir(), "viewer")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"KUBECONFIG": file}
}
