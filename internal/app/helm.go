package app

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/strict"
)

// Helm says which chart an app is, and what it is given. The names of the fields are those of Flux's HelmRelease and of Argo CD's Application, where they have one.
type Helm struct {
	Chart Chart
	// ReleaseName is what templates know their release by; empty: the app's name.
	ReleaseName string
	// ValueFiles, ValuesFrom and Values are layers over the chart's own values, in this order: the later wins.
	ValueFiles []ValueFile
	ValuesFrom []ValuesFrom
	Values     string // YAML, empty if there are none
	SkipCRDs   bool
	// APIVersions are added to what the cluster serves, and KubeVersion takes the place of its version; empty: it is the cluster's.
	APIVersions []string
	KubeVersion string
	Line        int // of the field in its file
}

// Chart is where a chart is: in the tree, or in a repository. The zero Chart is in the app's directory.
type Chart struct {
	Path                      string // relative to the app's directory, or with a slash at its beginning to the root of the tree
	Repository, Name, Version string
	Line                      int
}

// ValueFile is a file of values, relative like a chart.
type ValueFile struct {
	Path string
	Line int
}

// ValuesFrom are values in a ConfigMap or Secret in the namespace of the Environment.
type ValuesFrom struct {
	Kind, Name string
	Key        string // values.yaml, if nothing else is said
	// TargetPath is where the text under the key is put, with dots between its parts; empty: it is YAML, and all of the values.
	TargetPath string
	Optional   bool
	Line       int
}

// Bounds of what a declaration says of a chart.
const (
	maxValueFiles  = 50
	maxAPIVersions = 200
)

var (
	releaseName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$`)
	objectName  = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`)
	dataKey     = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)
)

func helm(r strict.Reader, n *yaml.Node) (*Helm, error) {
	if strict.IsNull(n) {
		return nil, nil
	}
	h := &Helm{Line: n.Line}
	err := r.Mapping(n, "helm", strict.Fields{
		"chart": func(r strict.Reader, n *yaml.Node) (err error) { h.Chart, err = helmChart(r, n); return err },
		"releaseName": func(r strict.Reader, n *yaml.Node) (err error) {
			if h.ReleaseName, err = r.Text(n, "helm.releaseName", "web"); err == nil && !releaseName.MatchString(h.ReleaseName) {
				err = r.Errorf(n, "helm.releaseName: %q is no name of a release: lower-case letters, digits and '-', at most 53", strict.Clip(h.ReleaseName))
			}
			return err
		},
		"valueFiles": func(r strict.Reader, n *yaml.Node) (err error) { h.ValueFiles, err = valueFiles(r, n); return err },
		"valuesFrom": func(r strict.Reader, n *yaml.Node) (err error) { h.ValuesFrom, err = valuesFrom(r, n); return err },
		"values":     func(r strict.Reader, n *yaml.Node) (err error) { h.Values, err = inlineValues(r, n); return err },
		"skipCRDs": func(r strict.Reader, n *yaml.Node) (err error) {
			h.SkipCRDs, err = r.Bool(n, "helm.skipCRDs")
			return err
		},
		"kubeVersion": func(r strict.Reader, n *yaml.Node) (err error) {
			h.KubeVersion, err = r.Text(n, "helm.kubeVersion", "v1.36.0")
			return err
		},
		"apiVersions": func(r strict.Reader, n *yaml.Node) error {
			items, err := r.List(n, "helm.apiVersions", "[monitoring.coreos.com/v1]", maxAPIVersions)
			for _, item := range items {
				version, err := r.Text(item, "an entry of helm.apiVersions", "monitoring.coreos.com/v1")
				if err != nil {
					return err
				}
				h.APIVersions = append(h.APIVersions, version)
			}
			return err
		},
	})
	return h, err
}

func helmChart(r strict.Reader, n *yaml.Node) (Chart, error) {
	c := Chart{Line: n.Line}
	if n.Kind == yaml.ScalarNode {
		var err error
		c.Path, err = chartPath(r, n, "helm.chart")
		return c, err
	}
	text := func(field *string, what, example string) func(strict.Reader, *yaml.Node) error {
		return func(r strict.Reader, n *yaml.Node) (err error) {
			*field, err = r.Text(n, "helm.chart."+what, example)
			return err
		}
	}
	err := r.Mapping(n, "helm.chart", strict.Fields{
		"repository": text(&c.Repository, "repository", "https://charts.example.com"),
		"name":       text(&c.Name, "name", "podinfo"),
		"version":    text(&c.Version, "version", "6.7.1"),
	})
	if err != nil {
		return c, err
	}
	switch known := strings.HasPrefix(c.Repository, "https://") || strings.HasPrefix(c.Repository, "http://") || strings.HasPrefix(c.Repository, "oci://"); {
	case !known:
		return c, r.Errorf(n, "helm.chart needs the repository that it is in, for example https://charts.example.com or oci://ghcr.io/example/charts; of a chart in Git, write the path alone")
	case c.Name == "" || strings.ContainsAny(c.Name, "/ "):
		return c, r.Errorf(n, "helm.chart needs the name of the chart in its repository, for example podinfo")
	case c.Version == "":
		return c, r.Errorf(n, "helm.chart needs a version, or a range of versions such as ^6.7.0")
	}
	return c, nil
}

func chartPath(r strict.Reader, n *yaml.Node, what string) (string, error) {
	return treePath(r, n, what, "../../charts/web", ": charts are fetched from {repository: …, name: …, version: …}, and nothing else is")
}

// treePath is a path in the tree. Those that leave it are found when they are followed. Instead is what there is to do about one on the network.
func treePath(r strict.Reader, n *yaml.Node, what, example, instead string) (string, error) {
	p, err := r.Text(n, what, example)
	switch {
	case err != nil:
		return "", err
	case p == "":
		return "", r.Errorf(n, "%s: an empty path: write one that is relative to the app's directory, or /… for one from the root of the repository", what)
	case strings.Contains(p, "://"):
		return "", r.Errorf(n, "%s: %q is on the network%s", what, strict.Clip(p), instead)
	}
	return path.Clean(p), nil
}

func valueFiles(r strict.Reader, n *yaml.Node) ([]ValueFile, error) {
	items, err := r.List(n, "helm.valueFiles", "[values.yaml, values-production.yaml]", maxValueFiles)
	if err != nil {
		return nil, err
	}
	files := []ValueFile{} // none is something else than nothing said
	for _, item := range items {
		p, err := chartPath(r, item, "an entry of helm.valueFiles")
		if err != nil {
			return nil, err
		}
		files = append(files, ValueFile{Path: p, Line: item.Line})
	}
	return files, nil
}

func valuesFrom(r strict.Reader, n *yaml.Node) ([]ValuesFrom, error) {
	items, err := r.List(n, "helm.valuesFrom", "[{kind: Secret, name: web-values}]", maxValueFiles)
	if err != nil {
		return nil, err
	}
	var out []ValuesFrom
	for _, item := range items {
		from := ValuesFrom{Line: item.Line}
		text := func(field *string, what, example string) func(strict.Reader, *yaml.Node) error {
			return func(r strict.Reader, n *yaml.Node) (err error) { *field, err = r.Text(n, what, example); return err }
		}
		err := r.Mapping(item, "an entry of helm.valuesFrom", strict.Fields{
			"kind":       text(&from.Kind, "kind", "Secret"),
			"name":       text(&from.Name, "name", "web-values"),
			"valuesKey":  text(&from.Key, "valuesKey", "values.yaml"),
			"targetPath": text(&from.TargetPath, "targetPath", "database.password"),
			"optional": func(r strict.Reader, n *yaml.Node) (err error) {
				from.Optional, err = r.Bool(n, "optional")
				return err
			},
		})
		if err != nil {
			return nil, err
		}
		if from.Key == "" {
			from.Key = "values.yaml"
		}
		switch {
		case from.Kind != "ConfigMap" && from.Kind != "Secret":
			return nil, r.Errorf(item, "an entry of helm.valuesFrom needs a kind: ConfigMap or Secret")
		case !objectName.MatchString(from.Name):
			return nil, r.Errorf(item, "an entry of helm.valuesFrom needs the name of a %s in the namespace of the Environment", from.Kind)
		case !dataKey.MatchString(from.Key):
			return nil, r.Errorf(item, "valuesKey: %q is no key of a %s", strict.Clip(from.Key), from.Kind)
		case slices.Contains(strings.Split(from.TargetPath, "."), "") && from.TargetPath != "":
			return nil, r.Errorf(item, "targetPath: %q has an empty part: write for example database.password", strict.Clip(from.TargetPath))
		}
		out = append(out, from)
	}
	return out, nil
}

func inlineValues(r strict.Reader, n *yaml.Node) (string, error) {
	if strict.IsNull(n) {
		return "", nil
	}
	if n.Kind == yaml.SequenceNode {
		return "", r.Errorf(n, "helm.values is a list: write the values themselves, and files of values under valueFiles")
	}
	if n.Kind != yaml.MappingNode {
		return "", r.Errorf(n, "helm.values has to be a mapping: write the values themselves, such as {replicas: 2}")
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		return "", r.Errorf(n, "helm.values cannot be read: an alias in it may be of an anchor outside of it")
	}
	return string(text), nil
}
