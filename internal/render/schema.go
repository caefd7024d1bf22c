package render

import (
	"sync"

	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// shared guards the OpenAPI schema that Kustomize keeps in package variables. Builds that use the built-in one share it, parsed
// once per process. A build that brings its own has Kustomize to itself, and the built-in one is put back after it:
// Kustomize would go on with the other.
var shared struct {
	sync.RWMutex
	once sync.Once
}

// withSchema calls build when the schema is as it needs it.
func withSchema(own bool, build func() error) error {
	shared.once.Do(func() { openapi.Schema() })
	if !own {
		shared.RLock()
		defer shared.RUnlock()
		return build()
	}
	shared.Lock()
	defer shared.Unlock()
	openapi.ResetOpenAPI()
	defer func() {
		openapi.ResetOpenAPI()
		openapi.Schema()
	}()
	return build()
}
