package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// place puts every wanted object in its namespace, marks it, and orders them. The result is kept until the want changes or the cluster may have learned a
// kind that it did not know.
func (e *Engine) place(ctx context.Context, m *memory, s Subject) error {
	if !s.Rendered {
		m.placed = placed{}
		return nil
	}
	if m.isPlaced(s) {
		return nil
	}
	digest := digestOf(s)
	p := placed{
		objects: map[object.Key]object.Object{}, hashes: map[object.Key]string{}, made: map[object.Key]made{}, unknown: map[object.Key]string{},
		crds: map[object.GroupKind]bool{}, spaces: map[string]bool{},
	}
	objs := s.Objects()
	for _, o := range objs {
		p.note(o)
	}
	for _, o := range objs {
		placedObject, err := e.placeOne(ctx, m, &p, s, o)
		if err != nil {
			return err
		}
		if s.Policy.Apart && p.isOutside(o) {
			p.left = append(p.left, o.Key())
			continue
		}
		key := placedObject.Key()
		if _, twice := p.hashes[key]; twice {
			return fault.Newf(fault.Invalid, "%s is defined twice: in %s and in %s", key, p.find(key).Origin(), o.Origin())
		}
		if p.hashes[key] = placedObject.Hash(); !p.hook(placedObject) {
			p.objects[key] = placedObject
		}
	}
	if p.bundle = bundleOf(p.hashes); len(m.placed.made) == 0 {
		if err := e.recallVeiled(ctx, m, &p); err != nil {
			return err
		}
	}
	all := make([]object.Object, 0, len(p.objects))
	for _, o := range p.objects {
		all = append(all, o)
	}
	for _, o := range p.runs { // in their waves only those that are run there, but the waves of all are read
		if _, err := order.Wave(o); err != nil {
			return err
		}
		if p.hooks[o.Key()].Has(app.Upgrade, app.During) {
			all = append(all, o)
		}
	}
	batches, err := order.Batches(all)
	if err != nil {
		return err
	}
	slices.SortFunc(p.runs, func(a, b object.Object) int { return a.Key().Compare(b.Key()) })
	p.batches, p.digest, p.learnt = batches, digest, m.unlearnt
	p.keys = make([]object.Key, 0, len(p.hashes))
	for k := range p.hashes {
		p.keys = append(p.keys, k)
	}
	if m.placed.digest != p.digest {
		clear(m.misfits)
	}
	m.placed = p
	return nil
}

// recallVeiled marks the fields that show values of Secrets in what was applied last, where nothing of that is in memory: they are live as long as that is, and a
// change tells what goes. If it cannot be read, and that does not pass, all of every object is hidden; so is an object that is not in it, if the app still shows
// such values. It costs a read where the want is another one than that, and nothing where it is the same.
func (e *Engine) recallVeiled(ctx context.Context, m *memory, p *placed) error {
	r := m.record
	if len(r.Claims) == 0 || p.bundle == r.Digest && !r.Claims.Begun() {
		return nil
	}
	bundle, err := e.loadBundle(ctx, m)
	if err != nil && fault.KindOf(err) == fault.Transient { // the next look may have it
		return fmt.Errorf("read what was applied before: %w", err)
	}
	secret := err != nil // whether there may have been a value of a Secret
	for _, x := range p.made {
		secret = secret || len(x.from.Veiled()) > 0
	}
	for written, x := range p.made {
		key := x.placed.Key()
		was, known := bundle[key]
		var hide []string
		switch {
		case key.Group == "" && key.Kind == "Secret":
		case known && err == nil:
			hide = was.Veiled()
		case secret && r.Claims[key].Applied(): // of one that never was, nothing is live
			hide = allFields(x.placed)
		}
		if len(hide) == 0 {
			continue
		}
		x.placed = x.placed.WithVeiled(slices.Compact(slices.Sorted(slices.Values(slices.Concat(x.placed.Veiled(), hide)))))
		p.made[written] = x
		if _, applied := p.objects[key]; applied {
			p.objects[key] = x.placed
		}
		for i, o := range p.runs {
			if o.Key() == key {
				p.runs[i] = x.placed
			}
		}
	}
	return nil
}

// allFields are the paths of all that an object says, and of where others say something.
func allFields(o object.Object) []string {
	out := []string{"data", "metadata.annotations", "metadata.labels", "spec"}
	for name := range o.Content() {
		if name != "apiVersion" && name != "kind" && name != "metadata" {
			out = append(out, name)
		}
	}
	return out
}

// hook notes an object that releases run, and reports whether it is one.
func (p *placed) hook(o object.Object) bool {
	h := app.HookOf(o)
	if h.IsZero() {
		return false
	}
	if p.hooks == nil {
		p.hooks = map[object.Key]app.Hook{}
	}
	p.hooks[o.Key()] = h
	p.runs = append(p.runs, o)
	return true
}

// find returns an object that is applied or run.
func (p *placed) find(key object.Key) object.Object {
	for _, o := range p.runs {
		if o.Key() == key {
			return o
		}
	}
	return p.objects[key]
}

// all are all objects, those that are run behind those that are applied.
func (p *placed) all() []object.Object {
	out := make([]object.Object, 0, len(p.hashes))
	for _, b := range p.batches {
		for _, o := range b.Objects() {
			if _, run := p.hooks[o.Key()]; !run {
				out = append(out, o)
			}
		}
	}
	return append(out, p.runs...)
}

// Digest identifies what the objects of a subject are in their places, as Want.Digest does of what is released.
func (e *Engine) Digest(ctx context.Context, s Subject) (string, error) {
	m := &memory{kinds: map[object.Key]object.Resource{}, misfits: map[object.Key]misfit{}}
	s.Rendered = true
	err := e.place(ctx, m, s)
	return m.placed.bundle, err
}

// digestOf identifies what is placed where.
func digestOf(s Subject) string { return s.Digest + s.Namespace + s.Files }

// isPlaced reports whether what a subject wants was placed, and nothing that it depends on has changed since.
func (m *memory) isPlaced(s Subject) bool {
	return m.placed.digest == digestOf(s) && len(m.placed.unknown) == 0 && !m.placed.away && m.placed.learnt == m.unlearnt
}

// bundleOf identifies a set of objects.
func bundleOf(hashes map[object.Key]string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(maps.Values(hashes)), "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// note remembers which kinds and namespaces the want itself brings.
func (p *placed) note(o object.Object) {
	switch o.Key().GroupKind() {
	case object.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:
		p.crds[object.GroupKind{Group: o.Text("spec", "group"), Kind: o.Text("spec", "names", "kind")}] = true
	case object.GroupKind{Kind: "Namespace"}:
		p.spaces[o.Name()] = true
	}
}

// isOutside reports whether an object, which was placed, is in no namespace, or of a kind that comes with the want and is left out itself.
func (p *placed) isOutside(o object.Object) bool {
	x := p.made[o.Key()]
	return x.known && !x.namespaced || !x.known && p.crds[o.Key().GroupKind()]
}

func (e *Engine) placeOne(ctx context.Context, m *memory, p *placed, s Subject, o object.Object) (object.Object, error) {
	r, err := e.Kinds.Find(ctx, o.GVK())
	if err != nil && fault.KindOf(err) != fault.Invalid {
		return object.Object{}, err
	}
	now := made{from: o, into: s.Namespace, known: err == nil, namespaced: r.Namespaced, named: s.Policy.NameFiles, apart: s.Policy.Apart}
	was := m.placed.made[o.Key()]
	if was.from.Is(o) && was.into == now.into && was.known == now.known && was.namespaced == now.namespaced && was.named == now.named && was.apart == now.apart {
		now.placed = was.placed // of a large app, a commit changes few
	} else {
		now.placed = now.make(s.Name)
		if before := was.from.Veiled(); len(before) > 0 { // it is still live, and a change tells what goes
			now.placed = now.placed.WithVeiled(slices.Compact(slices.Sorted(slices.Values(slices.Concat(o.Veiled(), before)))))
		}
	}
	p.made[o.Key()] = now
	if now.known {
		m.kinds[now.placed.Key()] = r
	} else {
		p.unknown[now.placed.Key()] = err.Error()
	}
	return now.placed, nil
}

// make puts the object in its namespace and marks it. One of a kind that is not known yet is assumed to be namespaced; it is placed anew once the kind is
// known.
func (x made) make(n app.Name) object.Object {
	o := clean(x.from)
	switch {
	case x.known && !x.namespaced:
		o = o.With(nil, "metadata", "namespace")
	case o.Namespace() == "" || x.apart:
		o = o.With(x.into, "metadata", "namespace")
	}
	if file := x.from.Origin().File; x.named && file != "" {
		o = o.With(file, "metadata", "annotations", app.AnnotationFile)
	}
	return n.Mark(o)
}

// written are the fields that an API server writes. A manifest that was copied from a cluster has them; an apply must not.
var written = [][]string{
	{"status"},
	{"metadata", "managedFields"},
	{"metadata", "resourceVersion"},
	{"metadata", "uid"},
	{"metadata", "generation"},
	{"metadata", "creationTimestamp"},
	{"metadata", "selfLink"},
	{"metadata", "deletionTimestamp"},
}

// clean leaves out what an API server writes by itself. The stringData of a Secret becomes data, as the server would store it: applied as stringData, a
// changed or removed key would not be seen.
func clean(o object.Object) object.Object {
	for _, path := range written {
		parent, _ := o.At(path[:len(path)-1]...).(map[string]any)
		if _, there := parent[path[len(path)-1]]; there {
			o = o.With(nil, path...)
		}
	}
	text, ok := o.At("stringData").(map[string]any)
	if !ok || o.GVK() != (object.GVK{Version: "v1", Kind: "Secret"}) {
		return o
	}
	for k, v := range text {
		s, ok := v.(string)
		if !ok {
			return o // the API server says what is wrong with it
		}
		o = o.With(base64.StdEncoding.EncodeToString([]byte(s)), "data", k)
	}
	return o.With(nil, "stringData")
}

// resource returns how the cluster serves a key that is wanted or claimed. It is an error of kind Invalid if the cluster certainly does not.
func (e *Engine) resource(ctx context.Context, m *memory, key object.Key) (object.Resource, error) {
	if r, ok := m.kinds[key]; ok {
		return r, nil
	}
	claim, ok := m.record.Claims[key]
	if !ok {
		return object.Resource{}, fault.Newf(fault.Invalid, "%s", m.placed.unknown[key])
	}
	r, err := e.Kinds.Any(ctx, object.ParseGVK(claim.Version, key.Kind))
	if err != nil {
		return object.Resource{}, fmt.Errorf("find kind of %s: %w", key, err)
	}
	m.kinds[key] = r
	return r, nil
}

// vanished reports whether the watch says that a claimed object is not there: its namespace may have gone with it.
func (e *Engine) vanished(m *memory, s Subject, key object.Key) bool {
	r, known := m.kinds[key]
	return known && e.Live.Track(s.Identity, r, key.Namespace).Synced && e.Live.Entry(s.Identity, r, key).IsZero()
}

// needsNamespace reports whether something will be put in the default namespace, which the environment wants to be made if it is not there.
func (e *Engine) needsNamespace(m *memory, s Subject) bool {
	if !s.CreateNamespace || !s.Rendered || m.ends || s.Blocked != "" || s.Policy.Suspended || m.placed.spaces[s.Namespace] {
		return false
	}
	fresh := false
	for key, o := range m.placed.objects {
		claim, claimed := m.record.Claims[key]
		if key.Namespace == s.Namespace && app.ApplyOf(o) != app.ApplyNever && (!claimed || !claim.Applied() || e.vanished(m, s, key)) {
			fresh = true
		}
	}
	for key := range m.placed.hooks { // before anything of the app is there
		fresh = fresh || len(m.record.Claims) == 0 && key.Namespace == s.Namespace
	}
	return fresh
}

// namespaceReady makes the default namespace if the environment says so and something will be put in it. It returns why the
// app has to wait, if it has to.
func (e *Engine) namespaceReady(ctx context.Context, session Session, m *memory, s Subject) (string, error) {
	if !e.needsNamespace(m, s) {
		return "", nil
	}
	created, err := session.EnsureNamespace(ctx, s.Namespace, s.Marks)
	if created {
		e.Log.InfoContext(ctx, "created namespace", "app", s.Name.String(), "namespace", s.Namespace)
	}
	if err == nil {
		return "", nil
	}
	if fault.KindOf(err) == fault.Transient {
		return "waits: " + err.Error(), nil
	}
	var refusal *plan.Refusal
	if asRefusal(err, &refusal) {
		return "namespace " + s.Namespace + ": " + refusal.Message, nil
	}
	return "", fmt.Errorf("create namespace %s: %w", s.Namespace, err)
}
