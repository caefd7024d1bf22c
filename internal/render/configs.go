package render

import (
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// config is an entry of generators, transformers or validators: a configuration written there, a file of them, or a directory.
func (v *visitor) config(at place, text string) error {
	if values, err := object.Values(at.file, []byte(text)); err == nil && len(values) > 0 {
		if _, isMap := values[0].(map[string]any); isMap {
			return v.configValues([]place{at}, values)
		}
	}
	name, isDir, err := v.find(at, text)
	if err != nil {
		return err
	}
	if isDir {
		return v.base(at, name, true)
	}
	return v.configFile(name)
}

func (v *visitor) configFile(name string) error {
	data, err := v.files.read(name)
	if err != nil {
		return err
	}
	values, err := object.Values(name, data)
	if err != nil {
		return err
	}
	v.k.bytes += len(data)
	return v.configValues(documentPlaces(name, data), values)
}

// documentPlaces are the lines on which the documents of a file begin, those that object.Values returns.
func documentPlaces(file string, data []byte) []place {
	docs, err := object.Documents(file, data)
	if err != nil {
		return nil
	}
	var out []place
	for _, doc := range docs {
		if doc.ShortTag() != "!!null" {
			out = append(out, place{file, doc.Line})
		}
	}
	return out
}

// configValues lets only Kustomize's own generators and transformers through: others are programs or containers.
// Places are those of the values; the last is that of all that follow.
func (v *visitor) configValues(places []place, values []any) error {
	for i, value := range values {
		at := places[min(i, len(places)-1)]
		m, ok := value.(map[string]any)
		if !ok {
			return at.errorf("expected the configuration of a generator or transformer")
		}
		kind := object.New(m).Kind()
		if items, ok := m["items"].([]any); ok && m["apiVersion"] != "builtin" && strings.HasSuffix(kind, "List") {
			if err := v.configValues([]place{at}, items); err != nil {
				return err
			}
			continue
		}
		switch {
		case kind == "HelmChartInflationGenerator":
			return at.errorf("%s: write the chart under helmCharts: in a generator it is not rendered", kind)
		case m["apiVersion"] != "builtin" || !slices.Contains(krusty.GetBuiltinPluginNames(), kind):
			return at.errorf("%s is no generator or transformer of Kustomize itself, and programs and containers are not run while rendering", kind)
		}
		if p, found := remoteIn(value, false); found {
			return at.errorf("%s is on the network, and nothing is fetched while rendering: copy it into the repository", p)
		}
	}
	return nil
}

// remoteIn finds a path to the network in the fields of built-in plugins that are loaded.
func remoteIn(value any, isPath bool) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, isPath && (remote(value) || remote(afterKey(value)))
	case []any:
		for _, item := range value {
			if p, found := remoteIn(item, isPath); found {
				return p, true
			}
		}
	case map[string]any:
		for name, item := range value {
			// Plugins read their fields whatever the case of the letters.
			loaded := slices.ContainsFunc(pathFields, func(f string) bool { return strings.EqualFold(f, name) })
			if p, found := remoteIn(item, loaded); found {
				return p, true
			}
		}
	}
	return "", false
}

var pathFields = []string{"path", "paths", "files", "env", "envs", "targetFilePath", "valuesFile", "additionalValuesFiles"}

// afterKey is the path of a "key=path" source.
func afterKey(s string) string {
	for i := range len(s) {
		if s[i] == '=' {
			return s[i+1:]
		}
	}
	return s
}

// onlyResources keeps kustomizations of configurations to what is written down: a patch or a prefix could make a URL of
// what was none when it was checked.
func (v *visitor) onlyResources() error {
	for i := 0; i+1 < len(v.k.root.Content); i += 2 {
		key := v.k.root.Content[i]
		if !slices.Contains([]string{"apiVersion", "kind", "metadata", "resources", "bases"}, key.Value) {
			return place{v.k.file, key.Line}.errorf("%s: a kustomization of generators or transformers may only list resources", key.Value)
		}
	}
	return nil
}
