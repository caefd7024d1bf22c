package chart

import (
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
	helm "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Dependency is one that a chart declares and does not bring.
type Dependency struct {
	Name, Repository string
	Version          string // as Chart.lock has it, else a version or a range
	At               string // file:line of the declaration
	Dir              string // of the chart that declares it, in the tree
}

// Supply loads what the chart, and each chart that is loaded for it, depends on and does not bring in its directory charts. Files are asked for one by one.
func (c *Chart) Supply(b *Bounds, files func(Dependency) ([]File, error)) error {
	return c.supply(c.root, b, files, nil)
}

func (c *Chart) supply(h *helm.Chart, b *Bounds, files func(Dependency) ([]File, error), chain []string) error {
	p := c.placeOf(h)
	for i, want := range h.Metadata.Dependencies {
		if want == nil || brings(h, want) {
			continue
		}
		d := Dependency{Name: want.Name, Repository: want.Repository, Version: locked(h, want), At: p.dependency(i), Dir: path.Dir(p.at)}
		found, err := files(d)
		if err != nil {
			return err
		}
		for _, above := range chain {
			if len(found) > 0 && above == found[0].At {
				return fault.Newf(fault.Invalid, "%s: the chart %s depends on itself in the end", d.At, d.Name)
			}
		}
		if len(found) == 0 || len(chain) > maxNested {
			return fault.Newf(fault.Invalid, "%s: the dependency %s has no files, or is nested deeper than %d", d.At, d.Name, maxNested)
		}
		sub, err := c.load(found, b, 0)
		if err != nil {
			return err
		}
		if sub.Name() != want.Name || want.Version != "" && !chartutil.IsCompatibleRange(want.Version, sub.Metadata.Version) {
			return fault.Newf(fault.Invalid, "%s: the dependency is %s %s, and what is found is %s %s", d.At, want.Name, want.Version, sub.Name(), sub.Metadata.Version)
		}
		if err := c.supply(sub, b, files, append(chain, found[0].At)); err != nil {
			return err
		}
		h.AddDependency(sub)
	}
	return nil
}

// brings reports whether a dependency is among the charts that are loaded.
func brings(h *helm.Chart, want *helm.Dependency) bool {
	for _, sub := range h.Dependencies() {
		if sub.Name() == want.Name {
			return true
		}
	}
	return false
}

// locked is the version in Chart.lock, else the one that is declared.
func locked(h *helm.Chart, want *helm.Dependency) string {
	if h.Lock != nil {
		for _, d := range h.Lock.Dependencies {
			if d != nil && d.Name == want.Name && d.Repository == want.Repository {
				return d.Version
			}
		}
	}
	return want.Version
}

// dependency is the line of the i-th dependency.
func (p *place) dependency(i int) string {
	var doc struct {
		Dependencies []yaml.Node `yaml:"dependencies"`
	}
	if err := yaml.Unmarshal(p.data, &doc); err != nil || i >= len(doc.Dependencies) {
		return p.at // an old chart declares them in requirements.yaml
	}
	return at(p.at, doc.Dependencies[i].Line)
}

// LocalPath is the directory that a dependency on a chart beside this one means, relative to the chart that declares it.
func (d Dependency) LocalPath() (string, bool) {
	rel, ok := strings.CutPrefix(d.Repository, "file://")
	return rel, ok
}
