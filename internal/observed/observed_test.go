package observed_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
)

func one(t *testing.T, text string) object.Object {
	t.Helper()
	objs, err := object.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objs[0]
}

const live = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: flags
  namespace: shop
  uid: u-1
  resourceVersion: "7"
  deletionTimestamp: "2026-03-03T10:00:00Z"
  labels: {fairlead.dev/app: prod-web, fairlead.dev/app-namespace: shop}
  managedFields:
  - {manager: fairlead, operation: Apply, fieldsType: FieldsV1, fieldsV1: {"f:data": {"f:theme": {}}}}
  - {manager: my-tool, operation: Update, fieldsType: FieldsV1, fieldsV1: {"f:data": {"f:extra": {}}}}
data: {theme: light, extra: x}
`

func TestOf(t *testing.T) {
	o := one(t, live)
	got := observed.Of(o, observed.Lens{Version: "v"})
	want := observed.Entry{
		UID: "u-1", ResourceVersion: "7", Owner: app.Owner{Namespace: "shop", Name: "prod-web"},
		Print: fingerprint.Of(o, app.Manager, nil), Deleting: true, Health: health.Rules{}.Assess(o), Lens: "v",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got.Print == (fingerprint.Print{}) || got.IsZero() {
		t.Errorf("nothing was observed: %+v", got)
	}
	person := observed.Lens{Policy: app.Policy{Interactive: []string{"my-*"}}}
	if !observed.Of(o, person).Added {
		t.Error("a person's addition is not seen")
	}
	ignoring := o.With("/data/extra, /data/theme", "metadata", "annotations", app.AnnotationIgnore)
	if e := observed.Of(ignoring, person); e.Added || e.Print == got.Print {
		t.Errorf("fields to ignore are looked at: %+v", e)
	}
	if e := observed.Of(object.Object{}, person); !e.IsZero() {
		t.Errorf("an absent object: %+v", e)
	}
}

// A finished Job with a time to live leaves the word that it ended; nothing else leaves anything.
func TestGone(t *testing.T) {
	job := one(t, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, namespace: shop, uid: u-1, resourceVersion: \"7\"}\n"+
		"spec: {ttlSecondsAfterFinished: 0}\nstatus: {conditions: [{type: Complete, status: \"True\"}]}\n")
	e := observed.Of(job, observed.Lens{}).Gone()
	want := observed.Entry{ResourceVersion: "7", Ended: health.Healthy}
	if diff := cmp.Diff(want, e); diff != "" || !e.IsZero() {
		t.Errorf("-want +got\n%s", diff)
	}
	failed := job.With([]any{map[string]any{"type": "Failed", "status": "True"}}, "status", "conditions").With("2026-03-03T10:00:00Z", "metadata", "deletionTimestamp")
	if e := observed.Of(failed, observed.Lens{}); e.Ended != health.Degraded {
		t.Errorf("a failed Job: %+v", e)
	}
	for name, o := range map[string]object.Object{
		"no time to live": job.With(map[string]any{}, "spec"), "not finished": job.With(map[string]any{}, "status"), "another kind": one(t, live), "absent": {},
	} {
		if e := observed.Of(o, observed.Lens{}).Gone(); e != (observed.Entry{}) {
			t.Errorf("%s leaves %+v", name, e)
		}
	}
}

func TestScaledBy(t *testing.T) {
	const hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: shop}\n" +
		"spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n"
	want := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	if got := observed.ScaledBy(one(t, hpa)); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	for _, o := range []object.Object{{}, one(t, live), one(t, hpa).With("example.com/v1", "apiVersion")} {
		if got := observed.ScaledBy(o); got != (object.Key{}) {
			t.Errorf("%v scales %v", o, got)
		}
	}
}

func TestOlder(t *testing.T) {
	for _, x := range []struct {
		a, b  string
		older bool
	}{
		{"9", "10", true},
		{"10", "9", false},
		{"10", "10", false},
		{"", "10", false},
		{"x", "10", false},
		{"10", "x", false},
		{"18446744073709551614", "18446744073709551615", true},
	} {
		if got := observed.Older(x.a, x.b); got != x.older {
			t.Errorf("Older(%q, %q) is %t", x.a, x.b, got)
		}
	}
}
