package fingerprint_test

import (
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/object"
)

func TestOwned(t *testing.T) {
	objs, err := object.Parse("live.yaml", []byte(`
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  annotations: {a: mine, b: theirs}
  managedFields:
  - manager: fairlead
    operation: Apply
    fieldsV1:
      f:metadata: {f:annotations: {f:a: {}}}
      f:spec:
        f:selector: {}
        f:gone: {}
        f:template: {f:spec: {f:containers: {'k:{"name":"web"}': {.: {}, f:name: {}, f:image: {}}}}}
        f:finalizers: {'v:"one"': {}}
spec:
  replicas: 3
  selector: {matchLabels: {run: web}}
  finalizers: [two, one]
  template: {spec: {dnsPolicy: ClusterFirst, containers: [{name: injected, image: x}, {name: web, image: "web:1", pullPolicy: Always}]}}
status: {replicas: 3}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"a":"mine"},"name":"web","namespace":"shop"},` +
		`"spec":{"finalizers":["one"],"selector":{"matchLabels":{"run":"web"}},"template":{"spec":{"containers":[{"image":"web:1","name":"web"}]}}}}`
	if got := string(fingerprint.Owned(objs[0], "fairlead").JSON()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := fingerprint.Owned(objs[0], "kubectl"); !got.IsZero() {
		t.Errorf("of who applied nothing: %s", got.JSON())
	}
}
