package registry_test

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/registry/registrytest"
)

func start(t testing.TB) *registrytest.Server {
	t.Helper()
	s, err := registrytest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func charts(t testing.TB, dir string) *registry.Charts {
	t.Helper()
	return registry.KeepCharts(dir, registry.Options{})
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// find wants a wish to come to a chart.
func find(t *testing.T, c *registry.Charts, w registry.Wish) registry.Chart {
	t.Helper()
	return must(c.Find(t.Context(), w))(t)
}

// refused wants a wish to come to nothing, for a reason.
func refused(t *testing.T, c *registry.Charts, w registry.Wish, kind fault.Kind, says string) {
	t.Helper()
	got, err := c.Find(t.Context(), w)
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %+v, %v (%s); want %s: %q", w, got.Version, err, fault.KindOf(err), kind, says)
	}
}

func chart(version string) registrytest.Chart {
	return registrytest.Chart{Name: "web", Version: version, Files: map[string]string{"templates/a.yaml": "version: " + version}}
}

var insecure = registry.Access{Insecure: true}
