package health_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// TestRuns has the ways in which container runtimes say which image runs.
func TestRuns(t *testing.T) {
	const a, b = "sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "sha256:" + "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde0"
	type m = map[string]any
	container := func(name, image string) any { return m{"name": name, "image": image} }
	status := func(name, id string) any { return m{"name": name, "image": "what the node calls it", "imageID": id} }
	pod := func(meta m) object.Object {
		return object.New(m{
			"apiVersion": "v1", "kind": "Pod", "metadata": meta,
			"spec": m{
				"initContainers": []any{container("prepare", "tools:1")},
				"containers":     []any{container("web", "web:1.2"), container("proxy", "proxy"), container("old", "old:1"), container("none", "none:1"), container("odd", "odd:1")},
			},
			"status": m{
				"initContainerStatuses": []any{status("prepare", "docker-pullable://docker.io/library/tools@"+b)},
				"containerStatuses": []any{
					status("web", "registry.example.com/web@"+a), status("proxy", "docker.io/library/proxy@"+b),
					status("old", "docker://"+a), // an id of the node's own: no registry knows it
					status("none", ""), status("odd", "odd@sha256:"+strings.Repeat("g", 64)),
				},
			},
		})
	}
	got := health.Runs(pod(m{"name": "web-0"}))
	want := map[string]string{"tools:1": "tools:1@" + b, "web:1.2": "web:1.2@" + a, "proxy": "proxy@" + b}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := health.Runs(pod(m{"name": "web-0", "deletionTimestamp": "2026-01-01T00:00:00Z"})); len(got) != 0 {
		t.Errorf("a Pod that is going: %v", got)
	}
}
