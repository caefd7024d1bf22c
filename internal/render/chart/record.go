package chart

import (
	"encoding/json"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/helmrelease"
)

// Record is what Helm records of a chart that was rendered with these values, which are in JSON, and that has these tests.
func (c *Chart) Record(r Release, config []byte, tests []helmrelease.Hook) (helmrelease.Packed, error) {
	text, err := json.Marshal(c.root)
	if err != nil {
		return helmrelease.Packed{}, fault.Newf(fault.Invalid, "%s: the chart cannot be recorded as Helm does it", c.placeOf(c.root).at)
	}
	var crds []string
	for _, d := range c.crds(c.root, nil) {
		crds = append(crds, d.File)
	}
	return helmrelease.Pack(helmrelease.Chart{Name: r.Name, Namespace: r.Namespace, Chart: text, Config: config, Notes: c.notes, CRDs: crds, Tests: tests}), nil
}
