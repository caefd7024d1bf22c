package kube_test

import (
	"encoding/json"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/sim/kube"
	"github.com/fairlead-cd/fairlead/internal/sim/kube/kubetest"
)

// bench is a server with one object of a kind, and what is asked of it.
type bench struct {
	server *kube.Server
	at     dynamic.ResourceInterface
	body   func(n int) map[string]any
}

func benches(b *testing.B) map[string]bench {
	b.Helper()
	s := kube.New(kube.Options{Now: clock()})
	kubetest.Prepare(b, held(s))
	c := s.Client("", "bench")
	at := func(group, version, resource string) dynamic.ResourceInterface {
		return c.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: resource}).Namespace("default")
	}
	object := func(apiVersion, kind string, more map[string]any) map[string]any {
		m := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": "x", "labels": map[string]any{"app": "x"}}}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	return map[string]bench{
		"ConfigMap": {s, at("", "v1", "configmaps"), func(n int) map[string]any {
			return object("v1", "ConfigMap", map[string]any{"data": map[string]any{"a": "b", "n": fmt.Sprint(n)}})
		}},
		"Widget": {s, at("test.fairlead.dev", "v1", "widgets"), func(n int) map[string]any {
			return object("test.fairlead.dev/v1", "Widget", map[string]any{"spec": map[string]any{"size": int64(n % 100), "title": "a title"}})
		}},
		"Deployment": {s, at("apps", "v1", "deployments"), func(n int) map[string]any {
			return object("apps/v1", "Deployment", map[string]any{"spec": map[string]any{
				"replicas": int64(n), "selector": map[string]any{"matchLabels": map[string]any{"app": "x"}},
				"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "x"}}, "spec": map[string]any{
					"containers": []any{map[string]any{"name": "x", "image": "x:1", "ports": []any{map[string]any{"containerPort": int64(80)}}}},
				}},
			}})
		}},
	}
}

// BenchmarkServer is what one request costs: mostly of those that were asked before, as they are in the runs of a simulation.
func BenchmarkServer(b *testing.B) {
	force := true
	options := metav1.PatchOptions{FieldManager: "fairlead", Force: &force, FieldValidation: "Strict"}
	dry := options
	dry.DryRun = []string{metav1.DryRunAll}
	for kind, x := range benches(b) {
		apply := func(b *testing.B, n int, o metav1.PatchOptions) {
			data, err := json.Marshal(x.body(n))
			if err == nil {
				_, err = x.at.Patch(b.Context(), "x", types.ApplyPatchType, data, o)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		apply(b, 1, options)
		for name, do := range map[string]func(b *testing.B, n int){
			"apply-new": func(b *testing.B, n int) { apply(b, n, options) }, // never asked before
			"apply":     func(b *testing.B, n int) { apply(b, n%2, options) },
			"same":      func(b *testing.B, _ int) { apply(b, 1, options) },
			"dry-run":   func(b *testing.B, n int) { apply(b, n%2, dry) },
			"get": func(b *testing.B, _ int) {
				if _, err := x.at.Get(b.Context(), "x", metav1.GetOptions{}); err != nil {
					b.Fatal(err)
				}
			},
			"merge": func(b *testing.B, n int) {
				patch := fmt.Sprintf(`{"metadata":{"annotations":{"n":"%d"}}}`, n%2)
				if _, err := x.at.Patch(b.Context(), "x", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "other"}); err != nil {
					b.Fatal(err)
				}
			},
			"create-delete": func(b *testing.B, n int) {
				u := &unstructured.Unstructured{Object: x.body(n % 2)}
				u.SetName("y")
				if _, err := x.at.Create(b.Context(), u, metav1.CreateOptions{FieldManager: "fairlead"}); err != nil {
					b.Fatal(err)
				}
				if err := x.at.Delete(b.Context(), "y", metav1.DeleteOptions{}); err != nil {
					b.Fatal(err)
				}
			},
		} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					n++
					do(b, n)
				}
			})
		}
	}
}

// BenchmarkFork is what a run of a simulation pays for its server.
func BenchmarkFork(b *testing.B) {
	s := kube.New(kube.Options{Now: clock()})
	kubetest.Prepare(b, held(s))
	for b.Loop() {
		s.Fork(kube.Options{Now: clock()})
	}
}
