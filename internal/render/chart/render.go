package chart

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	charts "helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	helm "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/gotemplate"
)

// Release is what templates know as .Release. To them it is always the first installation: a render depends on what is in Git and not on what was done before.
type Release struct{ Name, Namespace string }

// World is what templates may ask for beyond the chart.
type World struct {
	Kubernetes string   // such as v1.36.3
	APIs       []string // such as apps/v1 and apps/v1/Deployment
	Templates  gotemplate.Options
}

// Document is one manifest that a chart makes. Its text may be empty of objects.
type Document struct {
	File string // that it was made by, as people find it
	Text string
	CRD  bool // of a directory crds: it is not made by a template
	line func(int) int
}

// Line is the line in File that made a line of the text, both counted from 1. 0: it is not known.
func (d Document) Line(n int) int { return d.line(n) }

// Render executes the chart's templates. The documents are in the order of their files' paths, those of crds first; NOTES.txt is none. Errors are fault.Invalid and
// begin with the file, and the line if it is known.
func (c *Chart) Render(r Release, values map[string]any, w World) ([]Document, error) {
	h, at := c.root, c.placeOf(c.root).at
	if h.Metadata.Type == "library" {
		return nil, fault.Newf(fault.Invalid, "%s: the chart is a library: it is for other charts to depend on, and makes no objects", at)
	}
	caps, err := capabilities(w)
	if err != nil {
		return nil, err
	}
	if want := h.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, caps.KubeVersion.String()) {
		return nil, fault.Newf(fault.Invalid, "%s: the chart wants Kubernetes %s, and this is %s", at, want, caps.KubeVersion.Version)
	}
	top, err := c.values(r, values, caps)
	if err != nil {
		return nil, err
	}
	var files []gotemplate.File
	from := map[string]string{}
	c.templates(h, top, from, &files)
	printed, err := gotemplate.Render(files, w.Templates)
	if err != nil {
		return nil, explain(err, from)
	}
	docs := c.crds(h, nil)
	for _, name := range slices.Sorted(maps.Keys(printed)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			if name == path.Join(h.Name(), "templates", "NOTES.txt") {
				c.notes = printed[name].Text
			}
			continue
		}
		docs = documents(docs, from[name], printed[name])
	}
	return docs, nil
}

// values are all that templates see, with those of the chart and of the charts below it put together.
func (c *Chart) values(r Release, values map[string]any, caps *common.Capabilities) (_ common.Values, err error) {
	at := c.placeOf(c.root).at
	defer func() {
		if p := recover(); p != nil {
			err = fault.Newf(fault.Invalid, "%s: the values cannot be put together: %v", at, p)
		}
	}()
	if err := chartutil.ProcessDependencies(c.root, values); err != nil {
		return nil, fault.Newf(fault.Invalid, "%s: %s", at, plain(err))
	}
	top, err := util.ToRenderValuesWithSchemaValidation(c.root, values, common.ReleaseOptions{Name: r.Name, Namespace: r.Namespace, Revision: 1, IsInstall: true}, caps, true)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "%s: %s", at, plain(err))
	}
	all, err := top.Table("Values")
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "%s: %s", at, plain(err))
	}
	return top, c.validate(c.root, all, "")
}

func capabilities(w World) (*common.Capabilities, error) {
	version, err := common.ParseKubeVersion(w.Kubernetes)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "%.40q is no version of Kubernetes: write for example v1.36.0", w.Kubernetes)
	}
	caps := common.DefaultCapabilities.Copy()
	caps.KubeVersion, caps.APIVersions = *version, common.VersionSet(w.APIs)
	return caps, nil
}

// templates collects those of a chart and of the charts below it, each with the values that it sees: its own part of them, and what is global.
func (c *Chart) templates(h *helm.Chart, above common.Values, from map[string]string, out *[]gotemplate.File) map[string]any {
	accessor, err := charts.NewAccessor(h)
	if err != nil { // a chart of this library always has one
		return nil
	}
	meta := accessor.MetadataAsMap()
	meta["IsRoot"] = h.IsRoot()
	below := map[string]any{}
	own := map[string]any{
		"Chart": meta, "Files": newFiles(h.Files), "Release": above["Release"], "Capabilities": above["Capabilities"],
		"Values": make(common.Values), "Subcharts": below,
	}
	if h.IsRoot() {
		own["Values"] = above["Values"]
	} else if v, err := above.Table("Values." + h.Name()); err == nil {
		own["Values"] = v
	}
	for _, sub := range h.Dependencies() {
		below[sub.Name()] = c.templates(sub, own, from, out)
	}
	full := h.ChartFullPath()
	for _, t := range h.Templates {
		if h.Metadata.Type == "library" && !strings.HasPrefix(path.Base(t.Name), "_") {
			continue
		}
		name := path.Join(full, t.Name)
		from[name] = c.at[t]
		seen := map[string]any{}
		for k, v := range own {
			seen[k] = v
		}
		seen["Template"] = common.Values{"Name": name, "BasePath": path.Join(full, "templates")}
		*out = append(*out, gotemplate.File{Name: name, Text: string(t.Data), Values: seen})
	}
	return own
}

// crds are the manifests in the directories crds, that of the chart first.
func (c *Chart) crds(h *helm.Chart, out []Document) []Document {
	for _, f := range h.Files {
		if !strings.HasPrefix(f.Name, "crds/") {
			continue
		}
		switch strings.ToLower(path.Ext(f.Name)) {
		case ".yaml", ".yml", ".json":
			out = append(out, Document{File: c.at[f], Text: string(f.Data), CRD: true, line: func(n int) int { return n }})
		}
	}
	for _, sub := range h.Dependencies() {
		out = c.crds(sub, out)
	}
	return out
}

// separator is what Helm takes for the beginning of a document.
var separator = regexp.MustCompile(`(?m)^---[ \t]*`)

// documents takes apart what a template printed.
func documents(out []Document, file string, printed gotemplate.Output) []Document {
	text := printed.Text
	begin := 0
	take := func(end int) {
		part := text[begin:end]
		space := len(part) - len(strings.TrimLeft(part, " \t\r\n"))
		if space < len(part) {
			start := begin + space
			out = append(out, Document{File: file, Text: part[space:], line: func(n int) int { return lineAt(printed, start, end, n) }})
		}
	}
	for _, m := range separator.FindAllStringIndex(text, -1) {
		take(m[0])
		begin = m[1]
	}
	take(len(text))
	return out
}

// lineAt is the line of the template that made the n-th line of what begins at start.
func lineAt(printed gotemplate.Output, start, end, n int) int {
	offset := start
	for ; n > 1; n-- {
		i := strings.IndexByte(printed.Text[offset:end], '\n')
		if i < 0 {
			break
		}
		offset += i + 1
	}
	for offset < end && strings.ContainsRune(" \t", rune(printed.Text[offset])) {
		offset++
	}
	return printed.Line(offset)
}

// explain puts the files of the tree for the names of templates.
func explain(err error, from map[string]string) error {
	var e *gotemplate.Error
	if !errors.As(err, &e) {
		return err
	}
	file := func(name string) string {
		if at, ok := from[name]; ok {
			return at
		}
		return name
	}
	tail := ""
	if e.From != "" {
		tail = fmt.Sprintf(" (by way of %s)", at(file(e.From), e.FromLine))
	}
	if _, ok := from[e.File]; !ok && e.From != "" { // in a text that tpl was given
		return fault.Newf(fault.Invalid, "%s: %s (in line %d of a text for tpl)", at(file(e.From), e.FromLine), e.Message, e.Line)
	}
	return fault.Newf(fault.Invalid, "%s: %s%s", at(file(e.File), e.Line), e.Message, tail)
}

func at(file string, line int) string {
	if line == 0 {
		return file
	}
	return file + ":" + strconv.Itoa(line)
}
