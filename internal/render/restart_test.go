package render

import (
	"encoding/base64"
	"testing"

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
