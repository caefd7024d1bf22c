package chart

import (
	"bytes"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// Layer puts the values of a file over others, and returns new ones: maps are merged, anything else is replaced, and null takes away what a chart has.
func Layer(values map[string]any, f File) (map[string]any, error) {
	if err := flat(f); err != nil {
		return nil, err
	}
	over, err := loader.LoadValues(bytes.NewReader(f.Data))
	if err != nil {
		p := place{at: f.At}
		return nil, p.explain(err)
	}
	return Merge(values, over), nil
}

// Merge puts values over others.
func Merge(values, over map[string]any) map[string]any { return loader.MergeMaps(values, over) }
