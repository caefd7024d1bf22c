package sim

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/api/crds"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// base is what every run begins with: a server with Fairlead's kinds, its own namespace, a tenant's (team) and two where apps run (shop, lab).
var base = sync.OnceValue(func() *kube.Server {
	s := kube.New(kube.Options{Now: func() time.Time { return epoch.Add(-time.Hour) }})
	if err := furnish(s); err != nil {
		panic(err)
	}
	s.Settle()
	return s
})

func furnish(s *kube.Server) error {
	c := s.Client("", "kubectl")
	create := func(r schema.GroupVersionResource, namespace string, o map[string]any) error {
		at := c.Resource(r)
		if namespace == "" {
			_, err := at.Create(context.Background(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{})
			return err
		}
		_, err := at.Namespace(namespace).Create(context.Background(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{})
		return err
	}
	files, err := crds.Files.ReadDir(".")
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := crds.Files.ReadFile(f.Name())
		if err != nil {
			return err
		}
		var o map[string]any
		if err := yaml.Unmarshal(text, &o); err != nil {
			return err
		}
		if err := create(definitions, "", o); err != nil {
			return err
		}
	}
	for _, name := range []string{system, "team", "shop", "lab"} {
		err := create(served["Namespace"], "", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}})
		if err != nil {
			return err
		}
	}
	return create(served["ServiceAccount"], "team", map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "default"}})
}
