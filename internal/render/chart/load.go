package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helm "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/gotemplate"
)

// File is a file of a chart.
type File struct {
	Name string // relative to the chart
	At   string // where people find it: a path in the tree, or archive.tgz!path
	Data []byte
}

// Bounds limit what the archives of a chart unpack to, all together. They are counted down.
type Bounds struct{ Files, Bytes int }

func (c *Chart) placeOf(h *helm.Chart) *place { return c.where[h.Raw[0]] }

// maxNested bounds charts within charts.
const maxNested = 16

// Chart is a chart with those below it. Rendering uses it up: its values become those of the release.
type Chart struct {
	root  *helm.Chart
	at    map[*common.File]string
	where map[*common.File]*place // by the first file of a chart: an alias has it as well
	notes string                  // that it printed for people, once it is rendered
}

// place is where a chart is from.
type place struct {
	at    string // of its Chart.yaml
	data  []byte
	files map[string]string // where its files are from, by name
}

// Load reads the files of a chart, and of the charts in its directory charts.
func Load(files []File, b *Bounds) (*Chart, error) {
	c := &Chart{at: map[*common.File]string{}, where: map[*common.File]*place{}}
	var err error
	c.root, err = c.load(files, b, 0)
	return c, err
}

func (c *Chart) load(files []File, b *Bounds, depth int) (*helm.Chart, error) {
	if depth > maxNested {
		return nil, fault.Newf(fault.Invalid, "%s: charts are nested deeper than %d", files[0].At, maxNested)
	}
	own, below := apart(files)
	p := &place{files: map[string]string{}}
	buffered := make([]*archive.BufferedFile, 0, len(own))
	for _, f := range own {
		p.files[f.Name] = f.At
		if f.Name == "Chart.yaml" {
			p.at, p.data = f.At, f.Data
		}
		if isYAML(f.Name) && !strings.Contains(f.Name, "/") {
			if err := flat(f); err != nil {
				return nil, err
			}
		}
		buffered = append(buffered, &archive.BufferedFile{Name: f.Name, Data: f.Data})
	}
	if p.at == "" {
		return nil, fault.Newf(fault.Invalid, "%s: Chart.yaml is missing: a directory below charts has to be a chart", path.Dir(files[0].At))
	}
	h, err := guarded(buffered)
	if err != nil {
		return nil, p.explain(err)
	}
	if v := h.Metadata.APIVersion; v != helm.APIVersionV1 && v != helm.APIVersionV2 {
		return nil, fault.Newf(fault.Invalid, "%s: charts of apiVersion %.40q are not known: v1 and v2 are", p.at, v)
	}
	c.where[h.Raw[0]] = p
	for _, f := range slices.Concat(h.Templates, h.Files) {
		c.at[f] = p.files[f.Name]
	}
	for _, name := range slices.Sorted(maps.Keys(below)) {
		sub, err := c.below(name, below[name], b, depth+1)
		if err != nil {
			return nil, err
		}
		if sub != nil {
			h.AddDependency(sub)
		}
	}
	return h, nil
}

// guarded loads files with Helm's library. A panic of it is an answer to these files, not a reason to stop.
func guarded(files []*archive.BufferedFile) (h *helm.Chart, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the chart cannot be read: %v", p)
		}
	}()
	return loader.LoadFiles(files)
}

// apart tells a chart's own files from those of the charts below it, by the first part of their names after charts/.
func apart(files []File) (own []File, below map[string][]File) {
	below = map[string][]File{}
	for _, f := range files {
		rest, isBelow := strings.CutPrefix(f.Name, "charts/")
		if !isBelow || path.Ext(f.Name) == ".prov" {
			own = append(own, f)
			continue
		}
		name, _, _ := strings.Cut(rest, "/")
		f.Name = rest
		below[name] = append(below[name], f)
	}
	return own, below
}

// below loads one entry of the directory charts: an archive, or a directory. Entries that begin with a dot or an underscore are none.
func (c *Chart) below(name string, files []File, b *Bounds, depth int) (*helm.Chart, error) {
	switch {
	case strings.IndexAny(name, "_.") == 0:
		return nil, nil
	case path.Ext(name) == ".tgz" && files[0].Name == name:
		unpacked, err := Unpack(files[0], b)
		if err != nil {
			return nil, err
		}
		return c.load(unpacked, b, depth)
	}
	var inside []File
	for _, f := range files {
		if _, rest, ok := strings.Cut(f.Name, "/"); ok {
			f.Name = rest
			inside = append(inside, f)
		}
	}
	if len(inside) == 0 {
		return nil, fault.Newf(fault.Invalid, "%s: is no chart: the directory charts holds charts and archives of them", files[0].At)
	}
	return c.load(inside, b, depth)
}

// Unpack reads the archive of a chart, within bounds: before anything of it is kept, it is known how large all of it is.
func Unpack(f File, b *Bounds) ([]File, error) {
	wrong := func(format string, args ...any) error {
		return fault.Newf(fault.Invalid, "%s: %s", f.At, fmt.Sprintf(format, args...))
	}
	tooLarge := func() error { return wrong("the archives of the app unpack to more than it may read") }
	zip, err := gzip.NewReader(bytes.NewReader(f.Data))
	if err != nil {
		return nil, wrong("is no archive of a chart: %s", plain(err))
	}
	left := io.LimitReader(zip, int64(b.Bytes)+1<<20) // what archives add to files
	for tr := tar.NewReader(left); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, wrong("the archive cannot be read: %s", plain(err))
		}
		if h.Size > int64(b.Bytes) || b.Files == 0 {
			return nil, tooLarge()
		}
		if h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink {
			return nil, wrong("%.200q is a link: archives of charts hold files", h.Name)
		}
		b.Bytes -= int(h.Size)
		b.Files--
		if _, err := io.Copy(io.Discard, tr); err != nil {
			return nil, wrong("the archive cannot be read: %s", plain(err))
		}
	}
	unpacked, err := archive.LoadArchiveFiles(bytes.NewReader(f.Data))
	if err != nil {
		return nil, wrong("%s", plain(err))
	}
	out := make([]File, 0, len(unpacked))
	for _, u := range unpacked {
		out = append(out, File{Name: u.Name, At: f.At + "!" + u.Name, Data: u.Data})
	}
	return out, nil
}

// maxYAML bounds what a file of values may be once its aliases stand for what they name.
const maxYAML = 32 << 20

// flat refuses YAML that multiplies.
func flat(f File) error {
	if line := gotemplate.YAMLBeyond(f.Data, maxYAML); line > 0 {
		return fault.Newf(fault.Invalid, "%s:%d: the aliases in it multiply into more than %d MiB: write out what they stand for, where it is needed", f.At, line, maxYAML>>20)
	}
	return nil
}

func isYAML(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".lock":
		return true
	}
	return false
}

var (
	inFile = regexp.MustCompile(`cannot load ([A-Za-z.]+): `)
	atLine = regexp.MustCompile(`\bline (\d+):`)
)

// ofMetadata is what the library says of a field of Chart.yaml.
var ofMetadata = regexp.MustCompile(`^chart\.metadata\.(\w+)( .*)$`)

// lineOf is where a field is in a file; 0: it is not there.
func lineOf(data []byte, field string) int {
	n := 0
	for line := range bytes.Lines(data) {
		if n++; bytes.HasPrefix(line, []byte(field+":")) {
			return n
		}
	}
	return 0
}

// explain names the file, and the line if it is known, that a library's error is about.
func (p *place) explain(err error) error {
	text, at := plain(err), p.at
	if m := inFile.FindStringSubmatch(text); m != nil {
		if file, ok := p.files[m[1]]; ok {
			at = file
		}
		text = strings.Replace(text, m[0], "", 1)
	}
	if m := atLine.FindStringSubmatch(text); m != nil {
		at += ":" + m[1]
	}
	for _, noise := range []string{"cannot unmarshal yaml document: ", "error converting YAML to JSON: ", "error unmarshaling JSON: ", "while decoding JSON: ", "validation: "} {
		text = strings.Replace(text, noise, "", 1)
	}
	if m := ofMetadata.FindStringSubmatch(text); m != nil {
		text = m[1] + m[2]
		if n := lineOf(p.data, m[1]); n > 0 {
			at += ":" + strconv.Itoa(n)
		}
		if m[1] == "version" {
			text += ": write a semantic version, such as 1.0.0"
		}
	}
	text = strings.Replace(text, "json: cannot unmarshal array into Go value of type map[string]interface {}", "values are a map, and this is a list", 1)
	return fault.Newf(fault.Invalid, "%s: %s", at, text)
}

// plain makes one line of a library's error.
func plain(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
