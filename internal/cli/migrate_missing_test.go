package cli

import (
	"errors"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// TestMissing: a group that could not be asked about is nothing to worry about unless it may hold an engine's own objects, which would be taken for none.
func TestMissing(t *testing.T) {
	failed := func(groups ...string) error {
		err := &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{}}
		for _, g := range groups {
			err.Groups[schema.GroupVersion{Group: g, Version: "v1"}] = errors.New("the server is currently unable to handle the request")
		}
		return err
	}
	for _, x := range []struct {
		engine string
		err    error
		want   bool
	}{
		{"flux", failed("metrics.k8s.io"), false},
		{"flux", failed("argoproj.io", "custom.metrics.k8s.io"), false},
		{"flux", failed("metrics.k8s.io", "helm.toolkit.fluxcd.io"), true},
		{"flux", failed("kustomize.toolkit.fluxcd.io"), true},
		{"flux", failed("nottoolkit.fluxcd.io"), false},
		{"flux", fmt.Errorf("discovery: %w", failed("source.toolkit.fluxcd.io")), true},
		{"flux", fmt.Errorf("discovery: %w", failed("metrics.k8s.io")), false},
		{"flux", errors.New("connection refused"), true}, // nobody knows which groups there are
		{"argocd", failed("argoproj.io"), true},
		{"argocd", failed("helm.toolkit.fluxcd.io"), false},
	} {
		if got := missing(x.err, *delivererOf(x.engine)); got != x.want {
			t.Errorf("%s: objects may be missing after %q: %t, want %t", x.engine, x.err, got, x.want)
		}
	}
}
