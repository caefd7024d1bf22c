package registry

import (
	"context"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// What helm push calls the parts of a chart.
const (
	chartLayer      = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	chartLayerOld   = "application/tar+gzip"
	provenanceLayer = "application/vnd.cncf.helm.chart.provenance.v1.prov"
)

// ociCharts is the charts below an address of a registry.
type ociCharts struct {
	url  string
	o    Options
	a    Access
	open map[string]*repository // by the name of the chart
	tags map[string][]string    // what was asked already
}

func openOCICharts(w Wish, o Options) *ociCharts {
	return &ociCharts{url: w.URL, o: o, a: w.Access, open: map[string]*repository{}, tags: map[string][]string{}}
}

func (c *ociCharts) close() {
	for _, r := range c.open {
		r.close()
	}
}

// repository is the one of a chart: its name is the last part of the address.
func (c *ociCharts) repository(w Wish) (*repository, error) {
	if r := c.open[w.Name]; r != nil {
		return r, nil
	}
	url := strings.TrimSuffix(c.url, "/")
	if w.Name != "" {
		url += "/" + w.Name
	}
	address, err := parse(url)
	if err != nil {
		return nil, err
	}
	r, err := openRepository(address, c.a, c.o)
	if err == nil {
		c.open[w.Name] = r
	}
	return r, err
}

// A + may not be in a tag, so that helm push writes _ for it.
func versionOf(tag string) string { return strings.ReplaceAll(tag, "_", "+") }
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }

func (c *ociCharts) choose(ctx context.Context, w Wish) (candidate, error) {
	version, pin, err := w.split()
	if err != nil {
		return candidate{}, err
	}
	if pin != "" || isExact(version) { // one question less
		return candidate{version: version, digest: pin}, nil
	}
	tags, err := c.tagsOf(ctx, w)
	if err != nil {
		return candidate{}, err
	}
	version, err = choose(version, tags)
	return candidate{version: version}, err
}

// tagsOf are the versions that there are of a chart.
func (c *ociCharts) tagsOf(ctx context.Context, w Wish) ([]string, error) {
	if known, ok := c.tags[w.Name]; ok {
		return known, nil
	}
	r, err := c.repository(w)
	if err != nil {
		return nil, err
	}
	tags, err := r.tags(ctx)
	if err != nil {
		return nil, err
	}
	for i, t := range tags {
		tags[i] = versionOf(t)
	}
	c.tags[w.Name] = tags
	return tags, nil
}

func (c *ociCharts) fetch(ctx context.Context, w Wish, of candidate) (fetched, error) {
	r, err := c.repository(w)
	if err != nil {
		return fetched{}, err
	}
	reference := of.digest
	if reference == "" {
		reference = tagOf(of.version)
	}
	m, err := r.manifest(ctx, reference)
	if isAbsent(err) && of.digest == "" {
		if tags, errTags := c.tagsOf(ctx, w); errTags == nil {
			if other, errOther := choose(of.version, tags); errOther != nil {
				return fetched{}, errOther // it says which there are
			} else if other != of.version { // with or without a v
				m, err = r.manifest(ctx, tagOf(other))
			}
		}
	}
	if err != nil {
		return fetched{}, err
	}
	content, provenance, err := chartLayers(m)
	if err != nil {
		return fetched{}, err
	}
	got := fetched{digest: m.Digest}
	if got.archive, err = r.blob(ctx, content, c.o.MaxBlob, "chart"); err != nil {
		return fetched{}, err
	}
	if !w.Trust.Asked() {
		return got, nil
	}
	if provenance.Digest != "" && (len(w.Trust.keys) == 0 || w.Trust.ring.Len() > 0) {
		text, err := r.blob(ctx, provenance, maxProvenance, "provenance file")
		if err != nil {
			return fetched{}, err
		}
		if got.signer, err = w.Trust.vouched(text, sha256Of(got.archive), c.o.Now()); err == nil || len(w.Trust.keys) == 0 {
			return got, err
		}
	}
	got.signer, err = w.Trust.signed(ctx, r, m)
	return got, err
}

// chartLayers finds the archive of a chart, and its provenance file, if it has one.
func chartLayers(m manifest) (content, provenance ocispec.Descriptor, err error) {
	for _, l := range m.Layers {
		switch l.MediaType {
		case chartLayer, chartLayerOld:
			if content.Digest != "" {
				return content, provenance, fault.Newf(fault.Invalid, "it is no chart: it has two archives")
			}
			content = l
		case provenanceLayer:
			provenance = l
		}
	}
	if content.Digest == "" {
		return content, provenance, fault.Newf(fault.Invalid, "it is no chart: no layer of it is of the type %s", chartLayer)
	}
	return content, provenance, nil
}
