package cli_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

const secretWord = "hunter2-the-second"

// shopApp is an app whose objects the controllers of Kubernetes make others of.
func shopApp(image string) gitserver.Change {
	return gitserver.Write("apps/web/all.yaml", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {run: web}}
  template:
    metadata: {labels: {run: web}}
    spec: {containers: [{name: web, image: "`+image+`"}]}
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
stringData: {password: `+secretWord+`}
`)
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
