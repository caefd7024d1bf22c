package render

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render/chart"
)

// charts renders the charts that a kustomization names. Kustomize would run a program for that: it is handed the objects instead, as one more file of resources each.
func (v *visitor) charts() error {
	spec := &v.k.spec
	if len(spec.HelmCharts) == 0 && spec.HelmGlobals == nil {
		return nil
	}
	var names []string
	for i := range spec.HelmCharts {
		objs, err := v.inflated(i, spec.HelmCharts[i])
		if err != nil {
			return err
		}
		name := fmt.Sprintf(".chart-%d.yaml", i)
		for v.isTaken(name) {
			name = "." + name
		}
		data := object.Stream(objs)
		v.made[path.Join(v.k.dir, name)] = data
		names = append(names, name)
		v.k.parts = append(v.k.parts, part{objs: objs})
		v.k.total += len(objs)
		v.k.bytes += len(data)
	}
	return v.k.handedOver(names)
}

func (v *visitor) isTaken(name string) bool {
	_, err := v.files.rec.Lstat(path.Join(v.k.dir, name))
	return err == nil
}

// handedOver puts the files of objects in the place of the charts, in what Kustomize gets.
func (k *kustomization) handedOver(names []string) error {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(k.checked, &fields); err != nil {
		return err
	}
	var resources []string
	if err := json.Unmarshal(orNull(fields["resources"]), &resources); err != nil {
		return err
	}
	data, err := json.Marshal(append(resources, names...))
	if err != nil {
		return err
	}
	fields["resources"] = data
	delete(fields, "helmCharts")
	delete(fields, "helmGlobals")
	k.checked, err = json.Marshal(fields)
	return err
}

// inflated renders one chart.
func (v *visitor) inflated(i int, c types.HelmChart) ([]object.Object, error) {
	at := v.k.at("helmCharts", i, "")
	switch {
	case c.Name == "" || strings.ContainsAny(c.Name, "/ ") || strings.HasPrefix(c.Name, "-") || c.Name == "..":
		return nil, at.errorf("helmCharts: %q is no name of a chart", c.Name)
	case c.NameTemplate != "":
		return nil, v.k.at("helmCharts", i, "nameTemplate").errorf("nameTemplate is not known here: write releaseName")
	case c.Devel:
		return nil, v.k.at("helmCharts", i, "devel").errorf("devel is not known here: write a version, or a range such as >=1.0.0-0")
	case !slices.Contains([]string{"", "override", "merge", "replace"}, c.ValuesMerge):
		return nil, v.k.at("helmCharts", i, "valuesMerge").errorf("valuesMerge is %q: it takes one of override, merge, replace", c.ValuesMerge)
	}
	in := inflation{
		release: c.ReleaseName, namespace: c.Namespace, skipCRDs: !c.IncludeCRDs, apiVersions: c.ApiVersions, kubeVersion: c.KubeVersion,
	}
	if in.release == "" {
		in.release = "release-name" // as it is in what Kustomize builds
	}
	var err error
	if in.files, err = v.chartFiles(at, c); err != nil {
		return nil, err
	}
	if in.values, err = v.layers(i, c, in.files); err != nil {
		return nil, err
	}
	objs, err := v.renderer.inflate(in)
	if c.SkipHooks {
		objs = slices.DeleteFunc(objs, func(o object.Object) bool { return o.Annotation("helm.sh/hook") != "" })
	}
	return objs, err
}

// chartFiles finds a chart in the directory that Kustomize would look in, else in its repository.
func (v *visitor) chartFiles(at place, c types.HelmChart) ([]chart.File, error) {
	home := types.HelmDefaultHome
	if g := v.k.spec.HelmGlobals; g != nil && g.ChartHome != "" {
		home = g.ChartHome
	}
	if path.IsAbs(home) || remote(home) {
		return nil, v.k.at("helmGlobals", -1, "").errorf("chartHome: %s is not a path in the repository, relative to the kustomization", home)
	}
	dirs := []string{path.Join(v.k.dir, home, c.Name)}
	if c.Repo != "" && c.Version != "" {
		dirs = []string{path.Join(v.k.dir, home, c.Name+"-"+c.Version, c.Name), dirs[0]}
	}
	for _, dir := range dirs {
		if dir == ".." || strings.HasPrefix(dir, "../") || rootOf(dir) != rootOf(v.k.dir) {
			return nil, at.errorf("%s leaves the repository", dir)
		}
		if is, err := v.files.isFile(path.Join(dir, chartFile)); err != nil {
			return nil, err
		} else if is {
			return v.renderer.chartFiles(dir)
		}
	}
	if c.Repo == "" {
		return nil, at.errorf("there is no chart at %s, and no repo to fetch it from", dirs[0])
	}
	return v.renderer.fetched(at.String(), Question{About: AboutChart, URL: c.Repo, Chart: c.Name, Version: c.Version})
}

// layers puts the values together as Kustomize does: those of a file, or the chart's own, with those that are written inline over or under them.
func (v *visitor) layers(i int, c types.HelmChart, files []chart.File) (map[string]any, error) {
	base := map[string]any{}
	if c.ValuesFile != "" {
		name, data, err := v.file(v.k.at("helmCharts", i, "valuesFile"), c.ValuesFile)
		if err != nil {
			return nil, err
		}
		v.renderer.hide(name)
		v.renderer.valued = append(v.renderer.valued, name)
		if base, err = chart.Layer(base, chart.File{Name: name, At: name, Data: data}); err != nil {
			return nil, err
		}
	} else if own := slices.IndexFunc(files, func(f chart.File) bool { return f.Name == "values.yaml" }); own >= 0 {
		var err error
		if base, err = chart.Layer(base, files[own]); err != nil {
			return nil, err
		}
	}
	if len(c.ValuesInline) > 0 {
		text, err := k8syaml.Marshal(c.ValuesInline)
		if err != nil {
			return nil, err
		}
		inline, err := chart.Layer(map[string]any{}, chart.File{Name: "valuesInline", At: v.k.at("helmCharts", i, "valuesInline").String(), Data: text})
		if err != nil {
			return nil, err
		}
		switch c.ValuesMerge {
		case "replace":
			base = inline
		case "merge":
			base = chart.Merge(inline, base)
		default:
			base = chart.Merge(base, inline)
		}
	}
	for j, p := range c.AdditionalValuesFiles {
		name, data, err := v.file(v.item("helmCharts", i, "additionalValuesFiles", j), p)
		if err != nil {
			return nil, err
		}
		v.renderer.hide(name)
		v.renderer.valued = append(v.renderer.valued, name)
		if base, err = chart.Layer(base, chart.File{Name: name, At: name, Data: data}); err != nil {
			return nil, err
		}
	}
	return base, nil
}
