package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/gotemplate"
	"github.com/fairlead-cd/fairlead/internal/helmrelease"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render/chart"
	"github.com/fairlead-cd/fairlead/internal/schema"
)

// inflation is a chart with all that is said of how to render it.
type inflation struct {
	files              []chart.File
	release, namespace string // empty: those of the app
	values             map[string]any
	skipCRDs           bool
	apiVersions        []string
	kubeVersion        string
}

// inflate renders a chart.
func (r *renderer) inflate(in inflation) ([]object.Object, error) {
	bounds := r.archives()
	c, err := chart.Load(in.files, bounds)
	if err != nil {
		return nil, err
	}
	if err := c.Supply(bounds, r.dependency); err != nil {
		return nil, err
	}
	world, err := r.world(in)
	if err != nil {
		return nil, err
	}
	release := chart.Release{Name: cmp.Or(in.release, r.release()), Namespace: cmp.Or(in.namespace, r.at.Namespace, "default")}
	config, err := json.Marshal(in.values) // before templates and conditions change them
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "the values cannot be put together")
	}
	docs, err := c.Render(release, in.values, world)
	if r.unanswered != nil {
		return nil, r.unanswered // and not what the template made of it
	}
	if err != nil {
		return nil, err
	}
	var out []object.Object
	var tests []helmrelease.Hook
	for _, d := range docs {
		if d.CRD && in.skipCRDs {
			continue
		}
		objs, err := r.made(d)
		if err != nil {
			return nil, err
		}
		for _, o := range objs {
			applied, test := uses(o)
			if err := r.shows(o); err != nil {
				return nil, err
			}
			if applied {
				out = append(out, o)
			}
			if h, is := helmrelease.HookOf(o); is && test && !applied && r.record {
				tests = append(tests, h)
			}
		}
		if len(out) > r.files.limits.Objects {
			return nil, r.check(out)
		}
	}
	if r.record {
		r.recorded, err = c.Record(release, config, tests)
	}
	return out, err
}

// release is the name that templates know their release by: the app's.
func (r *renderer) release() string {
	if r.at.App != "" {
		return r.at.App
	}
	if r.dir == "." {
		return "app"
	}
	return path.Base(r.dir)
}

// archives is what the archives of an app may unpack to: they count like what it reads.
func (r *renderer) archives() *chart.Bounds {
	return &chart.Bounds{Files: r.files.limits.Files, Bytes: r.files.limits.Bytes}
}

// world is what the templates may know of the cluster, and whom they may ask.
func (r *renderer) world(in inflation) (chart.World, error) {
	w := chart.World{Templates: gotemplate.Options{Draw: &gotemplate.Draw{Secret: r.secret, For: r.release()}}}
	if r.memory != nil {
		w.Templates.Draw.Keys = &r.memory.keys
	}
	if r.outside.outside == nil {
		latest, err := schema.Builtin("")
		if err != nil {
			return w, err
		}
		w.Kubernetes, w.APIs = "v"+latest.Version()+".0", latest.APIs()
		w.Templates.Lookup = func(_, kind, _, name string) (map[string]any, error) {
			r.unreadAt(place{file: r.dir}, fmt.Sprintf("lookup of %.100q", strings.TrimSpace(kind+" "+name)))
			return map[string]any{}, nil
		}
	} else {
		answer, err := r.outside.ask(Question{About: AboutCluster})
		if err != nil {
			return w, fmt.Errorf("ask what the cluster can do: %w", err)
		}
		w.Kubernetes, w.APIs = answer.Cluster.Version, answer.Cluster.APIs
		w.Templates.Lookup = r.lookup
	}
	w.Kubernetes = cmp.Or(in.kubeVersion, w.Kubernetes)
	w.APIs = slices.Concat(w.APIs, in.apiVersions)
	return w, nil
}

// unreadAt notes what nobody could be asked for: of much that is so, the beginning.
func (r *renderer) unreadAt(at place, what string) {
	const most = 10
	if text := at.String() + ": " + what; len(r.unread) < most && !slices.Contains(r.unread, text) {
		r.unread = append(r.unread, text)
	}
}

// lookup is the function of templates that reads the cluster: one object, or a list of them. Nothing found is an empty answer.
func (r *renderer) lookup(apiVersion, kind, namespace, name string) (map[string]any, error) {
	q := Question{About: AboutObjects, GVK: object.ParseGVK(apiVersion, kind), Namespace: namespace}
	if name != "" {
		q.About, q.Name = AboutObject, name
	}
	answer, err := r.outside.ask(q)
	if err != nil {
		return nil, r.note(fmt.Errorf("look up %s: %w", q, err))
	}
	if name != "" {
		if len(answer.Objects) == 0 {
			return map[string]any{}, nil
		}
		return clone(answer.Objects[0].Content()).(map[string]any), nil
	}
	items := make([]any, 0, len(answer.Objects))
	for _, o := range answer.Objects {
		items = append(items, clone(o.Content()))
	}
	return map[string]any{"apiVersion": apiVersion, "kind": kind + "List", "items": items}, nil
}

// note keeps an error that passes by itself: a template would make one of its own of it.
func (r *renderer) note(err error) error {
	if fault.KindOf(err) != fault.Invalid {
		r.unanswered = err
	}
	return err
}

// clone is a value that a template may change.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = clone(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = clone(item)
		}
		return out
	}
	return v
}

// offlineSecret and offlineTime stand for the environment's own where nobody can be asked: what is drawn then is for looking at.
var (
	offlineSecret = sha256.Sum256([]byte("what is generated without a cluster is no secret"))
	offlineTime   = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
)

// secret is what passwords, keys and certificates of templates are drawn from: see decision 16.
func (r *renderer) secret(days int) ([]byte, time.Time, error) {
	if r.outside.outside == nil {
		return offlineSecret[:], offlineTime, nil
	}
	answer, err := r.outside.ask(Question{About: AboutSeed, Namespace: r.at.Home, Name: r.at.Environment, Days: days})
	if err != nil {
		return nil, time.Time{}, r.note(fmt.Errorf("ask what generated values are drawn from: %w", err))
	}
	if len(answer.Seed) < 16 {
		return nil, time.Time{}, fault.Newf(fault.Invalid, "there is nothing that generated values could be drawn from")
	}
	return answer.Seed, answer.Since, nil
}

// printedLine is where an error of package object says it is.
var printedLine = regexp.MustCompile(`^printed:(\d+): `)

// made reads the objects of a document, each with the line of the template that made it.
func (r *renderer) made(d chart.Document) ([]object.Object, error) {
	objs, err := r.parse("printed", []byte(d.Text), templated)
	if err != nil {
		text := err.Error()
		m := printedLine.FindStringSubmatch(text)
		if m == nil {
			return nil, fault.Newf(fault.Invalid, "%s: %s", d.File, strings.TrimPrefix(text, "printed: "))
		}
		n, _ := strconv.Atoi(m[1])
		at := object.Origin{File: d.File, Line: d.Line(n)}
		if d.CRD {
			return nil, fault.Newf(fault.Invalid, "%s: %s", at, text[len(m[0]):])
		}
		return nil, fault.Newf(fault.Invalid, "%s: what the template prints cannot be read: %s", at, text[len(m[0]):])
	}
	out := make([]object.Object, 0, len(objs))
	for _, o := range objs {
		if d.CRD && app.PruneOf(o) == app.PruneDefault {
			o = o.With("keep", "metadata", "annotations", "helm.sh/resource-policy")
		}
		out = append(out, o.WithOrigin(object.Origin{File: d.File, Line: d.Line(o.Origin().Line)}))
	}
	return out, nil
}

// hookEvents are those that Helm knows, but for tests.
var hookEvents = []string{"pre-install", "post-install", "pre-delete", "post-delete", "pre-upgrade", "post-upgrade", "pre-rollback", "post-rollback"}

// uses says whether an object is ever applied, and whether it is one that `helm test` runs. A hook of an event that Helm does not know is neither, as with Helm.
func uses(o object.Object) (applied, test bool) {
	annotations, _ := o.At("metadata", "annotations").(map[string]any)
	hook, is := annotations["helm.sh/hook"].(string)
	if !is {
		return true, false
	}
	for event := range strings.SplitSeq(strings.ToLower(hook), ",") {
		switch event = strings.TrimSpace(event); {
		case event == "test", event == "test-success":
			test = true
		case slices.Contains(hookEvents, event):
			applied = true
		default:
			return false, false
		}
	}
	return applied, test
}
