package render

import (
	"encoding/base64"
	"path"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render/chart"
)

// helm renders the chart of the app: that of its directory, or the one that its declaration names.
func (r *renderer) helm(h *app.Helm) ([]object.Object, error) {
	if h == nil {
		h = &app.Helm{}
	}
	in := inflation{
		release: h.ReleaseName, skipCRDs: h.SkipCRDs, apiVersions: h.APIVersions, kubeVersion: h.KubeVersion,
	}
	dir, err := r.chartOf(h, &in)
	if err != nil {
		return nil, err
	}
	in.values, err = r.layers(h, dir)
	if err != nil {
		return nil, err
	}
	return r.inflate(in)
}

// declared is a line of the app's declaration.
func (r *renderer) declared(line int) place { return place{path.Join(r.dir, declarationFile), line} }

// chartOf finds the chart's files, and the directory that they are in, empty if it is in no directory of the tree.
func (r *renderer) chartOf(h *app.Helm, in *inflation) (dir string, err error) {
	c := h.Chart
	if c.Repository != "" {
		in.files, err = r.fetched(r.declared(c.Line).String(), Question{About: AboutChart, URL: c.Repository, Chart: c.Name, Version: c.Version})
		return "", err
	}
	dir = r.dir
	if c.Path != "" {
		if dir, err = r.within(r.declared(c.Line), c.Path); err != nil {
			return "", err
		}
	}
	if is, err := r.files.isFile(path.Join(dir, chartFile)); err != nil {
		return "", err
	} else if !is && c.Path == "" {
		return "", r.declared(h.Line).errorf("helm: there is no %s beside it: say with chart which chart is meant", chartFile)
	} else if !is {
		return "", r.declared(c.Line).errorf("helm.chart: there is no chart at %s", dir)
	}
	in.files, err = r.chartFiles(dir)
	return dir, err
}

// within is a path that a declaration names: relative to the app's directory, or from the root of the tree.
func (r *renderer) within(at place, p string) (string, error) {
	name := path.Join(r.dir, p)
	if path.IsAbs(p) {
		name = path.Clean(strings.TrimPrefix(p, "/"))
	}
	if name == ".." || strings.HasPrefix(name, "../") {
		return "", at.errorf("%s leaves the repository", p)
	}
	return name, nil
}

// layers are the values that a declaration gives, one over the other.
func (r *renderer) layers(h *app.Helm, chartDir string) (map[string]any, error) {
	values := map[string]any{}
	for _, f := range r.valueFiles(h, chartDir) {
		name, err := r.within(r.declared(f.Line), f.Path)
		if err != nil {
			return nil, err
		}
		data, err := r.files.read(name)
		if isAbsent(err) && f.Line == 0 {
			continue
		}
		if isAbsent(err) {
			return nil, r.declared(f.Line).errorf("helm.valueFiles: %s does not exist", name)
		}
		if err != nil {
			return nil, err
		}
		r.hide(name)
		r.valued = append(r.valued, name)
		if values, err = chart.Layer(values, chart.File{Name: name, At: name, Data: data}); err != nil {
			return nil, err
		}
	}
	for _, from := range h.ValuesFrom {
		var err error
		if values, err = r.valuesFrom(values, from); err != nil {
			return nil, err
		}
	}
	at := r.declared(h.Line).String()
	return chart.Layer(values, chart.File{Name: declarationFile, At: at + ": helm.values", Data: []byte(h.Values)})
}

// valueFiles are those that a declaration names. A values.yaml beside it is one if nothing is said, and the chart is elsewhere: of what would it be otherwise?
func (r *renderer) valueFiles(h *app.Helm, chartDir string) []app.ValueFile {
	if h.ValueFiles == nil && chartDir != r.dir {
		return []app.ValueFile{{Path: "values.yaml"}}
	}
	return h.ValueFiles
}

// valuesFrom puts the values of a ConfigMap or Secret over others. Where nobody can be asked, there are none.
func (r *renderer) valuesFrom(values map[string]any, from app.ValuesFrom) (map[string]any, error) {
	at := r.declared(from.Line)
	if r.outside.outside == nil {
		r.unreadAt(at, "values of "+from.Kind+" "+from.Name)
		return values, nil
	}
	answer, err := r.outside.ask(Question{About: AboutObject, GVK: object.GVK{Version: "v1", Kind: from.Kind}, Namespace: r.at.Home, Name: from.Name})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), at.errorf("helm.valuesFrom: %w", err))
	}
	if len(answer.Objects) == 0 {
		if from.Optional {
			return values, nil
		}
		return nil, at.errorf("helm.valuesFrom: there is no %s %s/%s: create it, or say optional: true", from.Kind, r.at.Home, from.Name)
	}
	o := answer.Objects[0]
	text, ok := o.At("data", from.Key).(string)
	if ok && from.Kind == "Secret" {
		data, err := base64.StdEncoding.DecodeString(text)
		text, ok = string(data), err == nil
	}
	switch {
	case !ok && from.Optional:
		return values, nil
	case !ok:
		return nil, at.errorf("helm.valuesFrom: the %s %s/%s has no key %s", from.Kind, r.at.Home, from.Name, from.Key)
	case from.TargetPath != "":
		r.given = r.given || from.Kind == "Secret"
		if r.disguise == disguiseValues && from.Kind == "Secret" {
			text = mask(text)
		}
		return chart.Merge(values, nested(strings.Split(from.TargetPath, "."), text)), nil
	}
	over, err := chart.Layer(map[string]any{}, chart.File{Name: from.Key, At: at.String() + ": " + from.Kind + " " + r.at.Home + "/" + from.Name, Data: []byte(text)})
	if err != nil {
		return nil, err
	}
	if from.Kind == "Secret" {
		r.given = true
		if r.disguise == disguiseValues {
			over, _ = maskValues(over).(map[string]any)
		}
	}
	return chart.Merge(values, over), nil
}

// nested is a value in maps.
func nested(steps []string, text string) map[string]any {
	if len(steps) == 1 {
		return map[string]any{steps[0]: text}
	}
	return map[string]any{steps[0]: nested(steps[1:], text)}
}
