package helmrelease

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/restart"
)

// Chart is a chart, and what it was given, as Helm records both.
type Chart struct {
	// Name and Namespace are those of the release.
	Name, Namespace string
	// Chart is the chart as Helm encodes it, and Config the values that it was given, over its own.
	Chart, Config json.RawMessage
	Notes         string
	// CRDs are the files of directories crds: what is in them is no part of a manifest.
	CRDs []string
	// Tests are the hooks that `helm test` runs, and nobody else: they are none of the objects.
	Tests []Hook
}

// Packed is a Chart that is kept until it is written. The zero Packed is none.
type Packed struct{ data string }

// Pack makes a chart small.
func Pack(c Chart) Packed { return Packed{string(zipped(encoded(c), gzip.BestSpeed))} }

// IsZero reports whether there is none.
func (p Packed) IsZero() bool { return p.data == "" }

// Chart is what was packed.
func (p Packed) Chart() (Chart, error) {
	var c Chart
	data, err := unzip([]byte(p.data))
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return Chart{}, fault.Newf(fault.Internal, "what was kept of a chart cannot be read")
	}
	return c, nil
}

// Content is what was released: a chart with its values, and the objects that came of it. Without a chart, only the objects are known.
type Content struct {
	Chart
	Objects []object.Object
}

// unknownChart stands for a chart of which only the objects are kept.
func unknownChart(name string) json.RawMessage {
	return encoded(map[string]any{"metadata": map[string]any{
		"name": name, "version": "0.0.0", "apiVersion": "v2", "description": "of this revision only the objects are known",
	}})
}

// Hook is an object that Helm runs instead of applying it.
type Hook struct {
	Name     string            `json:"name"`
	Kind     string            `json:"kind"`
	Path     string            `json:"path"`
	Manifest string            `json:"manifest"`
	Events   []string          `json:"events"`
	LastRun  map[string]string `json:"last_run"`
	Weight   int               `json:"weight,omitempty"`
	Policies []string          `json:"delete_policies,omitempty"`
}

// body is a revision as Helm encodes it.
func (c Content) body(name, namespace string, revision int, i info) map[string]json.RawMessage {
	chart := c.Chart.Chart
	if len(chart) == 0 {
		chart = unknownChart(name)
	}
	manifest, hooks := c.manifests()
	body := map[string]json.RawMessage{
		"name": encoded(name), "namespace": encoded(namespace), "version": encoded(revision), "info": encoded(i), "chart": chart,
		"manifest": encoded(manifest), "apply_method": encoded("ssa"),
	}
	if len(c.Config) > 0 {
		body["config"] = c.Config
	}
	if len(hooks) > 0 {
		body["hooks"] = encoded(hooks)
	}
	return body
}

// manifests are the objects as the chart has them: what is applied in one text, and the hooks by themselves. What is in crds/ is in neither.
func (c Content) manifests() (string, []Hook) {
	var text strings.Builder
	var hooks []Hook
	for _, o := range c.Objects {
		file := o.Origin().File
		if slices.Contains(c.CRDs, file) {
			continue
		}
		if h, is := HookOf(o); is {
			hooks = append(hooks, h)
			continue
		}
		text.WriteString("---\n# Source: " + cmp.Or(file, "unknown") + "\n" + string(restart.Unmark(o).YAML()))
	}
	return text.String(), slices.Concat(hooks, c.Tests)
}

// HookOf is an object as Helm records its hooks; false if it is none.
func HookOf(o object.Object) (Hook, bool) {
	events := words(o.Annotation("helm.sh/hook"))
	for i, e := range events {
		if e == "test-success" { // which is what a test was called once
			events[i] = "test"
		}
	}
	h := Hook{
		Name: o.Name(), Kind: o.Kind(), Path: cmp.Or(o.Origin().File, "unknown"), Manifest: string(o.YAML()), Events: events, LastRun: map[string]string{"phase": ""},
		Policies: words(o.Annotation("helm.sh/hook-delete-policy")),
	}
	h.Weight, _ = strconv.Atoi(o.Annotation("helm.sh/hook-weight")) // as Helm: what is no number is 0
	return h, len(events) > 0
}

// words are those of a list, as Helm reads them: it takes capital letters for small ones.
func words(list string) []string {
	var out []string
	for w := range strings.SplitSeq(list, ",") {
		if w = strings.ToLower(strings.TrimSpace(w)); w != "" {
			out = append(out, w)
		}
	}
	return out
}
