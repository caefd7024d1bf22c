package render

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"helm.sh/helm/v4/pkg/ignore"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/render/chart"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// maxChartDepth bounds directories within a chart: a symlink may lead back into it.
const maxChartDepth = 40

// chartFiles reads a chart's directory as Helm does: all of it but what its .helmignore says. Symlinks are followed, within the tree.
func (r *renderer) chartFiles(dir string) ([]chart.File, error) {
	rules := ignore.Empty()
	name := path.Join(dir, ignore.HelmIgnore)
	data, err := r.files.read(name)
	if err == nil {
		if rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return nil, fault.Newf(fault.Invalid, "%s: %s", name, oneLine(err))
		}
	} else if !isAbsent(err) {
		return nil, err
	}
	rules.AddDefaults()
	w := chartWalk{renderer: r, rules: rules, root: dir}
	err = w.dir("", 0)
	return w.out, err
}

type chartWalk struct {
	*renderer
	rules *ignore.Rules
	root  string
	out   []chart.File
}

func (w *chartWalk) dir(rel string, depth int) error {
	at := path.Join(w.root, rel)
	if depth > maxChartDepth {
		return fault.Newf(fault.Invalid, "%s: directories of a chart are nested deeper than %d: a symlink may lead back", at, maxChartDepth)
	}
	entries, err := w.files.rec.ReadDir(at)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		info, err := w.files.stat(path.Join(w.root, name))
		switch {
		case isAbsent(err):
			return fault.Newf(fault.Invalid, "%s: the symlink leads to nothing", path.Join(w.root, name))
		case err != nil:
			return err
		case w.rules.Ignore(name, info):
			continue
		case info.IsDir():
			if err := w.dir(name, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := w.file(name, info); err != nil {
			return err
		}
	}
	return nil
}

// ownValues are the values that a chart brings, and those below it.
var ownValues = regexp.MustCompile(`^(charts/[^/]+/)*values\.yaml$`)

func (w *chartWalk) file(name string, info fs.FileInfo) error {
	full := path.Join(w.root, name)
	if !info.Mode().IsRegular() {
		return fault.Newf(fault.Invalid, "%s: is no regular file, and charts hold no other", full)
	}
	data, err := w.files.read(full)
	if err != nil {
		return err
	}
	w.hide(full)
	if ownValues.MatchString(name) {
		w.valued = append(w.valued, full)
	}
	w.out = append(w.out, chart.File{Name: name, At: full, Data: bytes.TrimPrefix(data, []byte("\ufeff"))})
	return nil
}

// dependency finds a chart that another one declares and does not bring: beside it in the tree, or in a registry.
func (r *renderer) dependency(d chart.Dependency) ([]chart.File, error) {
	if rel, local := d.LocalPath(); local {
		dir := path.Join(d.Dir, rel)
		if path.IsAbs(rel) || dir == ".." || strings.HasPrefix(dir, "../") || rootOf(dir) != rootOf(d.Dir) {
			return nil, fault.Newf(fault.Invalid, "%s: %s leaves the repository", d.At, d.Repository)
		}
		if is, err := r.files.isFile(path.Join(dir, chartFile)); !is || err != nil {
			return nil, firstOf(err, fault.Newf(fault.Invalid, "%s: there is no chart at %s", d.At, dir))
		}
		return r.chartFiles(dir)
	}
	if d.Repository == "" {
		return nil, fault.Newf(fault.Invalid, "%s: the dependency %s is not in the directory charts, and names no repository: commit it there", d.At, d.Name)
	}
	return r.fetched(d.At, Question{About: AboutChart, URL: d.Repository, Chart: d.Name, Version: d.Version})
}

func firstOf(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// ChartNamed is a chart of a registry or repository that an app names, and where.
type ChartNamed struct{ At, URL, Name, Version string }

var exactVersion = regexp.MustCompile(`^(v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?)?(@?sha256:[0-9a-f]{64})?$`)

// Pinned reports whether it is the same chart tomorrow: its version is exact, or its digest is named.
func (c ChartNamed) Pinned() bool { return c.Version != "" && exactVersion.MatchString(c.Version) }

// ErrNotFetched is that what an app is made of is elsewhere, and that there is nobody to fetch it.
var ErrNotFetched = errors.New("nothing is fetched here")

// fetched asks for a chart that is elsewhere.
func (r *renderer) fetched(at string, q Question) ([]chart.File, error) {
	_, rest, _ := strings.Cut(q.URL, "://")
	host, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		return nil, fault.Newf(fault.Invalid, "%s: the address of the chart %s at %s holds credentials, which all who read the repository see: "+
			"change them, and put them into a Secret that spec.render.charts of the Environment names", at, q.Chart, host[i+1:])
	}
	r.named = append(r.named, ChartNamed{At: at, URL: q.URL, Name: q.Chart, Version: q.Version})
	if !r.outside.fetches() {
		return nil, fault.Newf(fault.Invalid, "%s: the chart %s of %s is not in this tree, and %w: "+
			"commit the chart (helm pull, or helm dependency build), have it fetched with --fetch, or leave it to the controller, which fetches it", at, q.Chart, q.URL, ErrNotFetched)
	}
	answer, err := r.outside.ask(q)
	if err != nil {
		return nil, fmt.Errorf("%s: the chart %s of %s: %w", at, q.Chart, q.URL, err)
	}
	if answer.Tree == nil {
		return nil, fault.Newf(fault.Invalid, "%s: the chart %s of %s has no files", at, q.Chart, q.URL)
	}
	inner := &renderer{dir: ".", at: r.at, files: newFiles(source.NewRecorder(answer.Tree), r.files.limits, asWritten)}
	files, err := inner.chartFiles(".")
	if err != nil {
		return nil, fmt.Errorf("the chart %s %s: %w", q.Chart, answer.Version, err)
	}
	for i := range files {
		files[i].At = fmt.Sprintf("%s-%s:%s", q.Chart, answer.Version, files[i].At)
	}
	return files, nil
}

// asWritten opens files of a chart from elsewhere: nothing in them is for a key of this environment.
func asWritten(_ string, data []byte) ([]byte, error) { return data, nil }

func decoded(s string) string {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(data)
}
