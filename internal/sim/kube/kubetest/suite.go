package kubetest

import (
	"context"
	_ "embed" // the definition of the custom kind
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/golden"
)

//go:embed testdata/widget.yaml
var widget []byte

// Run holds a server to the cases of a pattern: of its requests each one answers as the real server did.
func Run(t *testing.T, pattern string, s Server) {
	t.Helper()
	Prepare(t, s)
	golden.Run(t, pattern, func(t *testing.T, ar *txtar.Archive) {
		ops, err := parse(string(ar.Files[0].Data))
		if err != nil {
			t.Fatal(err)
		}
		ns := "case-" + strings.ReplaceAll(path.Base(t.Name()), "_", "-")
		Namespace(t, s, ns)
		answers, err := Play(t.Context(), s, ns, ops)
		if err != nil {
			t.Fatalf("%v\n%s", err, answers)
		}
		golden.Set(ar, "answers", answers)
	})
}

// Namespace makes one.
func Namespace(t testing.TB, s Server, name string) {
	t.Helper()
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	_, err := s.Client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(t.Context(), ns, metav1.CreateOptions{FieldManager: "kubetest"})
	if err != nil {
		t.Fatal(err)
	}
}

// Prepare defines the custom kind of the cases, and waits until it is served.
func Prepare(t testing.TB, s Server) {
	t.Helper()
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(widget, &crd.Object); err != nil {
		t.Fatal(err)
	}
	definitions := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	if _, err := s.Client.Resource(definitions).Create(t.Context(), crd, metav1.CreateOptions{FieldManager: "kubetest"}); err != nil {
		t.Fatal(err)
	}
	if s.Settle != nil {
		s.Settle()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, err := s.Client.Resource(schema.GroupVersionResource{Group: "test.fairlead.dev", Version: "v1", Resource: "widgets"}).List(ctx, metav1.ListOptions{})
		if err == nil {
			return
		}
		if !apierrors.IsNotFound(err) || s.Settle != nil {
			t.Fatal(fmt.Errorf("widgets are not served: %w", err))
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}
