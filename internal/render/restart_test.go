package render

import (
	"encoding/base64"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/restart"
)

// settings is an Outside with a key, and Secrets.
type settings map[string]object.Object

func (s settings) Ask(q Question) (Answer, error) {
	if q.About == AboutKey {
		return Answer{ID: "1", Key: []byte("key")}, nil
	}
	if o, is := s[q.Name]; is {
		return Answer{ID: "1", Objects: []object.Object{o}}, nil
	}
	return Answer{ID: "0"}, nil
}

// TestRestartsOnWhatIsThere: what the app makes once, or never, is what is in the cluster, and not what Git says. Where nothing is yet, it is what will be.
func TestRestartsOnWhatIsThere(t *testing.T) {
	hash := func(annotation, live string) string {
		t.Helper()
		world := settings{}
		if live != "" {
			world["token"] = object.New(map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"a": base64.StdEncoding.EncodeToString([]byte(live))}})
		}
		objs, err := object.Parse("a.yaml", []byte(`
apiVersion: v1
kind: Secret
metadata: {name: token, annotations: {`+annotation+`}}
stringData: {a: of-git}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: a, envFrom: [{secretRef: {name: token}}]}]}}}
`))
		if err != nil {
			t.Fatal(err)
		}
		out, err := Complete(Request{Place: Place{Home: "shop", Namespace: "shop"}, Rules: Rules{Restart: restart.All}, Outside: world}, objs)
		if err != nil {
			t.Fatal(err)
		}
		return out[1].Text("spec", "template", "metadata", "annotations", restart.Annotation)
	}
	base := hash("", "")
	for _, x := range []struct {
		annotation, live string
		same             bool
	}{
		{"", "another", true},
		{"kustomize.toolkit.fluxcd.io/ssa: IfNotPresent", "", true},
		{"kustomize.toolkit.fluxcd.io/ssa: IfNotPresent", "of-git", true},
		{"kustomize.toolkit.fluxcd.io/ssa: IfNotPresent", "another", false},
		{"kustomize.toolkit.fluxcd.io/reconcile: disabled", "another", false},
		{"fairlead.dev/apply: once", "another", false},
	} {
		if got := hash(x.annotation, x.live); (got == base) != x.same {
			t.Errorf("%q with %q in the cluster: %s, and %s without", x.annotation, x.live, got, base)
		}
	}
}

// denying may read nothing but the key.
type denying struct{ settings }

func (d denying) Ask(q Question) (Answer, error) {
	if q.About == AboutSetting {
		return Answer{}, fault.Newf(fault.Denied, "deployer may not get secrets")
	}
	return d.settings.Ask(q)
}

// TestRestartsOnWhatMayNotBeRead: it is not taken for a setting that is not there. Who asked for all is told; who asked for nothing has the workload left alone, and
// the next one restarted.
func TestRestartsOnWhatMayNotBeRead(t *testing.T) {
	objs, err := object.Parse("a.yaml", []byte(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: a, envFrom: [{secretRef: {name: token}}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec: {template: {spec: {containers: [{name: a, envFrom: [{configMapRef: {name: flags}}]}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: flags}
data: {a: b}
`))
	if err != nil {
		t.Fatal(err)
	}
	complete := func(mode restart.Mode) ([]object.Object, error) {
		return Complete(Request{Place: Place{Home: "shop", Namespace: "shop"}, Rules: Rules{Restart: mode}, Outside: denying{}}, objs)
	}
	if _, err := complete(restart.All); err == nil || err.Error() != "a.yaml:2: Deployment web reads it: deployer may not get secrets" {
		t.Errorf("who asked for all is told: %v", err)
	}
	out, err := complete(restart.Readable)
	if err != nil {
		t.Fatal(err)
	}
	hash := func(o object.Object) string {
		return o.Text("spec", "template", "metadata", "annotations", restart.Annotation)
	}
	if web, api := hash(out[0]), hash(out[1]); len(web) != 3 || len(api) != 16 {
		t.Errorf("web has the hash %q, api %q", web, api)
	}
}
