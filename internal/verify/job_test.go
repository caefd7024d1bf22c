package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

var web = app.Name{Namespace: "teams", Environment: "production", App: "web"}

// TestJobFor: a Job of a directory, as it is made for the release 12.
func TestJobFor(t *testing.T) {
	golden.Run(t, "testdata/jobs/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		objs, err := object.Parse("smoke.yaml", ar.Files[0].Data)
		if err != nil || len(objs) != 1 {
			t.Fatal(err)
		}
		text, err := yaml.Marshal(verify.JobFor(objs[0], web, 12, began, "shop").Content())
		if err != nil {
			t.Fatal(err)
		}
		golden.Set(ar, "made.yaml", string(text))
		golden.Set(ar, "unfit", verify.Unfit(objs[0])+"\n")
	})
}

// TestJobNames: each release has a Job of its own, always the same.
func TestJobNames(t *testing.T) {
	job := object.New(map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": "smoke"}})
	name := func(o object.Object, n app.Name, serial int, at time.Time) string {
		return verify.JobFor(o, n, serial, at, "shop").Name()
	}
	first := name(job, web, 1, began)
	other := web
	other.Environment = "staging"
	for what, got := range map[string]string{
		"serial": name(job, web, 2, began), "time": name(job, web, 1, began.Add(time.Hour)), "app": name(job, other, 1, began),
		"spec": name(job.With("x", "spec", "x"), web, 1, began),
	} {
		if got == first {
			t.Errorf("another %s has the same Job %s", what, got)
		}
	}
	if again := name(job, web, 1, began); again != first || !strings.HasPrefix(first, "smoke-r1-") {
		t.Errorf("%s, then %s", first, again)
	}
	long := name(job.With(strings.Repeat("a-", 31)+"b", "metadata", "name"), web, 1234, began)
	if len(long) > 63 || strings.Contains(long, "--") {
		t.Errorf("%s has %d bytes", long, len(long))
	}
	if why := verify.Unfit(object.Object{}); why != "is not in the app's directory" {
		t.Error(why)
	}
}

func TestTail(t *testing.T) {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "line %d \x1b[31m\r\n\n", i)
	}
	b.WriteString(strings.Repeat("x", 5000))
	got := verify.Tail([]byte(b.String()))
	if len(got) != 20 || got[0] != "line 31 [31m" || len(got[19]) > 200 || slices.ContainsFunc(got, func(l string) bool { return !printable(l) }) {
		t.Errorf("%q", got)
	}
}
