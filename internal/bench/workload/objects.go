package workload

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

// Object is one object as a request: where, and what.
type Object struct {
	// Path is that of the object in the API server.
	Path string
	// JSON is the object, its namespace included.
	JSON []byte
}

// Kind is one of the kinds of the workload's objects, as the API server serves it.
type Kind struct{ Group, Version, Resource string }

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{{"", "v1", "configmaps"}, {"", "v1", "serviceaccounts"}, {"", "v1", "services"}, {"apps", "v1", "deployments"}}
}

// Of returns how many objects of a kind there are.
func (w Workload) Of(k Kind) int {
	if k.Resource == "configmaps" {
		return 2 * w.Spots()
	}
	return w.Spots()
}

// Collection is the path of a kind in a namespace.
func (k Kind) Collection(namespace string) string {
	prefix := "/api/" + k.Version
	if k.Group != "" {
		prefix = "/apis/" + k.Group + "/" + k.Version
	}
	return prefix + "/namespaces/" + namespace + "/" + k.Resource
}

// Objects are the objects of the files, set by set, each in its namespace.
func (w Workload) Objects() ([]Object, error) {
	kinds := Kinds()
	all := make([]Object, 0, w.Total())
	for i := range w.Spots() {
		s := w.Spot(i)
		_, own := s.Settings(Level)
		for _, o := range []struct {
			kind       Kind
			name, text string
		}{
			{kinds[0], s.SettingsName(), own},
			{kinds[0], s.PagesName(), s.fill(pages, "${TEXT}", "hello")},
			{kinds[1], s.WebName(), s.fill(account)},
			{kinds[2], s.WebName(), s.fill(service)},
			{kinds[3], s.WebName(), s.fill(deployment, "${VERSION}", Version)},
		} {
			data, err := placed(o.text, s.App())
			if err != nil {
				return nil, fmt.Errorf("read %s of %s: %w", o.name, s.App(), err)
			}
			all = append(all, Object{Path: o.kind.Collection(s.App()) + "/" + o.name, JSON: data})
		}
	}
	return all, nil
}

// placed is a manifest as JSON, in a namespace.
func placed(text, namespace string) ([]byte, error) {
	var content map[string]any
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		return nil, err
	}
	meta, ok := content["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("no metadata in %q", text)
	}
	meta["namespace"] = namespace
	return json.Marshal(content)
}
