package render

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/helmrelease"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Request is all that a render depends on.
type Request struct {
	Tree   source.Tree
	Dir    string // the app's directory in the tree
	Place  Place
	Rules  Rules
	Limits Limits
	// Decryption says how what is encrypted is opened.
	Decryption Decryption
	// Outside is asked for what is not in the tree; nil: nobody is, as on a machine without a network.
	Outside Outside
	// Fetch is asked for charts and remote bases where there is no Outside: all else is as if nobody could be asked.
	Fetch Outside
	// Record says that of an app that is one chart it is to be kept what Helm would record: see Result.Chart.
	Record bool
	// Memory makes the next render of the same app cheaper; nil: nothing is remembered.
	Memory *Memory
}

// Limits bound one app, so that a hostile tree is refused with a reason. Zero fields have the defaults.
type Limits struct {
	Objects int // 20,000
	Files   int // 20,000: files read
	Bytes   int // 64 MiB: read, and again rendered
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Objects: cmp.Or(l.Objects, 20_000),
		Files:   cmp.Or(l.Files, 20_000),
		Bytes:   cmp.Or(l.Bytes, 64<<20),
	}
}

// Kind says how an app was rendered.
type Kind string

// The kinds of app directories.
const (
	Plain     Kind = "plain"
	Kustomize Kind = "kustomize"
	Helm      Kind = "helm"
	Jsonnet   Kind = "jsonnet"
)

// Result is what an app renders to.
type Result struct {
	Objects     []object.Object
	Declaration app.Declaration
	Kind        Kind // empty if the render failed before it was known
	// Inputs are what the render read or looked for, up to an error if there was one: trying again can help
	// exactly when one of them has changed.
	Inputs source.Inputs
	// Asked is what the render asked of Outside, up to an error if there was one.
	Asked Asked
	// Charts are the charts of registries and repositories that the app names, whether they could be had or not.
	Charts []ChartNamed
	// Values are the files that were read for values of charts: one is named as often as it was read.
	Values []string
	// Closed are the files and objects of which placeholders stand for the values: see Decryption.Look.
	Closed []object.Origin
	// Unread is what the render would have read of the cluster and had nobody to ask for, as people read it: file and line, and what. It is as if none of it were there.
	Unread []string
	// Sealed are the SealedSecrets for which Secrets with placeholders stand.
	Sealed []object.Object
	// Chart is what Helm would record of the release, if that was asked for, and the app is one chart. It holds values in clear.
	Chart helmrelease.Packed
}

// declarationFile is the optional file of an app directory that holds what belongs to the app alone.
const declarationFile = "fairlead.yaml"

// chartFile is what makes a directory a Helm chart.
const chartFile = "Chart.yaml"

// Render renders one app. Errors that the user can mend are fault.Invalid and name file and line. With an error there are
// no objects, but Inputs are always there. It is safe for concurrent use.
func Render(req Request) (Result, error) {
	r := newRenderer(req, &asker{outside: req.Outside, fetch: req.Fetch})
	res, err := r.render()
	if err != nil {
		res.Objects = nil
	} else if r.memory != nil {
		r.memory.files = r.read // and what is not read any more is forgotten
		r.memory.keys.Forget()
	}
	err = r.conceal(err)
	res.Inputs, res.Asked, res.Closed, res.Sealed, res.Charts = r.files.rec.own.Inputs(), r.outside.asked(), r.secrets.closed, r.secrets.sealed, r.named
	res.Unread, res.Values = r.unread, r.valued
	return res, err
}

type renderer struct {
	req     Request
	dir     string
	at      Place
	rules   Rules
	files   *files
	outside *asker
	secrets *secrets
	memory  *Memory
	read    map[reading][]object.Object
	// record says that recorded is wanted: the chart, and what it was given.
	record   bool
	recorded helmrelease.Packed
	named    []ChartNamed
	unread   []string
	valued   []string
	// disguise is what has other texts in its place in this render; empty: nothing. Given says that a chart was given values of a Secret.
	disguise disguise
	given    bool
	// hidden is what was read of encrypted files for charts.
	hidden []hidden
	// without is what was left out first; nil: nothing.
	without error
	// unanswered is why a question of a template was not answered, where that passes by itself.
	unanswered error
}

func newRenderer(req Request, asks *asker) *renderer {
	secrets := newSecrets(req, asks)
	return &renderer{
		req: req, dir: req.Dir, at: req.Place, rules: req.Rules, files: newFiles(source.NewRecorder(req.Tree), req.Limits.withDefaults(), secrets.open), secrets: secrets,
		outside: asks, record: req.Record, memory: req.Memory, read: map[reading][]object.Object{},
	}
}

func (r *renderer) render() (Result, error) {
	var res Result
	info, err := r.files.stat(r.dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return res, fault.Newf(fault.Invalid, "%s: there is no such directory in this commit", r.dir)
	}
	if err != nil {
		return res, err
	}
	if res.Declaration, err = r.declaration(); err != nil {
		return res, err
	}
	names, err := r.files.kustomizations(r.dir)
	if err != nil {
		return res, err
	}
	if res.Kind, err = r.kind(names, res.Declaration); err != nil {
		return res, err
	}
	if res.Objects, err = r.make(res.Kind, res.Declaration); err != nil {
		return res, err
	}
	res.Chart = r.recorded
	if res.Objects, err = r.betrays(res.Kind, res.Declaration, res.Objects); err != nil {
		return res, err
	}
	if res.Objects, err = r.substitute(res.Objects); err != nil {
		return res, err
	}
	// The scope of a SealedSecret is bound to the name that it has in the end.
	if res.Objects, err = r.secrets.unseal(res.Objects); err != nil {
		return res, err
	}
	res.Objects = r.veiled(r.never(res.Objects)) // before Secrets are read that workloads refer to: of those nothing is shown but a hash
	if err := r.check(res.Objects); err != nil {
		return res, err
	}
	res.Objects, err = r.restarts(res.Objects)
	return res, err
}

// make makes the objects as they are written.
func (r *renderer) make(kind Kind, decl app.Declaration) ([]object.Object, error) {
	switch kind {
	case Kustomize:
		return r.kustomize(r.dir)
	case Helm:
		return r.helm(decl.Helm)
	case Jsonnet:
		return r.jsonnet(decl.Jsonnet)
	case Plain:
	}
	return r.plain()
}

// kind says how the app's directory is rendered, of which these are the kustomizations.
func (r *renderer) kind(kustomizations []string, d app.Declaration) (Kind, error) {
	h, j := d.Helm, d.Jsonnet
	switch {
	case h != nil && j != nil:
		return "", r.declared(j.Line).errorf("jsonnet: helm is written as well: an app is one of the two")
	case len(kustomizations) > 0 && h != nil:
		return "", r.declared(h.Line).errorf("helm: the directory has a %s as well: name the chart under helmCharts in it, or remove one of the two", path.Base(kustomizations[0]))
	case len(kustomizations) > 0 && j != nil:
		return "", r.declared(j.Line).errorf("jsonnet: the directory has a %s as well: remove one of the two", path.Base(kustomizations[0]))
	case len(kustomizations) > 0:
		return Kustomize, nil
	case h != nil:
		return Helm, nil
	case j != nil:
		return Jsonnet, nil
	}
	for _, is := range []struct {
		file string
		kind Kind
	}{{chartFile, Helm}, {app.JsonnetFile, Jsonnet}} {
		if found, err := r.files.isFile(path.Join(r.dir, is.file)); found || err != nil {
			return is.kind, err
		}
	}
	return Plain, nil
}

func (r *renderer) declaration() (app.Declaration, error) {
	file := path.Join(r.dir, declarationFile)
	data, err := r.files.read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return app.Declaration{}, nil
	}
	if err != nil {
		return app.Declaration{}, err
	}
	return app.ParseDeclaration(file, data)
}

// check refuses results that no app can have.
func (r *renderer) check(objs []object.Object) error {
	limits := r.files.limits
	if len(objs) == 0 && r.without != nil {
		return fault.Newf(fault.Invalid, "%w, and %s renders to no objects: correct that, add manifests, or remove the directory to remove the app", r.without, r.dir)
	}
	if len(objs) == 0 {
		return fault.Newf(fault.Invalid, "%s: renders to no objects: add manifests, or remove the directory to remove the app", r.dir)
	}
	if len(objs) > limits.Objects {
		return fault.Newf(fault.Invalid, "%s: renders to more than %d objects: split the app", r.dir, limits.Objects)
	}
	for _, o := range objs {
		if err := app.CheckMarks(o); err != nil {
			return err
		}
		if _, err := order.Wave(o); err != nil {
			return err
		}
	}
	if _, err := object.NewSet(objs...); err != nil {
		return fault.New(fault.Invalid, fmt.Errorf("%s: %w", r.dir, err))
	}
	return nil
}
