package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Groups of Flux's kinds.
const (
	fluxSource    = "source.toolkit.fluxcd.io"
	fluxKustomize = "kustomize.toolkit.fluxcd.io"
	fluxHelm      = "helm.toolkit.fluxcd.io"
)

// fluxOrders are the groups of what tells Flux what to do. Its image controllers only write to Git: what they are told is applied like anything else.
var fluxOrders = []object.GroupKind{{Group: fluxKustomize}, {Group: fluxHelm}, {Group: fluxSource}, {Group: "notification.toolkit.fluxcd.io"}}

// fluxOthers are groups of Flux's that nothing here is made of, and what to look at instead.
var fluxOthers = map[string]string{
	"notification.toolkit.fluxcd.io": "write a Notifier for alerts, spec.commitStatus of the Repository for commit statuses, and point the webhook at Fairlead",
	"image.toolkit.fluxcd.io":        "images are not updated in Git by Fairlead yet: leave this to Flux's image controllers, which only write to Git",
}

// Flux says what objects of Flux mean. Other objects are left out.
func Flux(objs []object.Object, options Options) Result {
	m := begin(options, fluxOrders...)
	f := flux{migration: m, sources: map[object.Key]object.Object{}}
	f.all = m.unfold(inOrder(objs), ordersFlux, f.delivers)
	for _, o := range f.all {
		if o.Key().Group == fluxSource {
			f.sources[o.Key()] = o
		}
	}
	all := f.all
	m.twice(all)
	each := func(group, kind string, do func(object.Object)) {
		for _, o := range all {
			if k := o.Key(); k.Group == group && (kind == "" || k.Kind == kind) {
				do(o)
			}
		}
	}
	each(fluxSource, "", f.source)
	each(fluxKustomize, "Kustomization", f.kustomization)
	each(fluxHelm, "HelmRelease", f.release)
	for _, group := range slices.Sorted(maps.Keys(fluxOthers)) {
		each(group, "", func(o object.Object) { m.note(about(o), "", "%s", fluxOthers[group]) })
	}
	return m.result()
}

type flux struct {
	*migration
	sources map[object.Key]object.Object
	all     []object.Object
}

// noteHolds is said of what deletes nothing today.
const noteHolds = "it deletes nothing today, so its Environment has sync.prune.maxObjects: 0: what is gone from Git is held until a person approves"

// inOrder are objects by key, so that nothing depends on how they were listed.
func inOrder(objs []object.Object) []object.Object {
	out := slices.Clone(objs)
	slices.SortStableFunc(out, func(a, b object.Object) int {
		return cmp.Or(a.Key().Compare(b.Key()), cmp.Compare(a.Origin().String(), b.Origin().String()), cmp.Compare(a.Hash(), b.Hash()))
	})
	return out
}

func about(o object.Object) string { return o.Kind() + " " + named(o) }

func named(o object.Object) string {
	if o.Namespace() == "" {
		return o.Name()
	}
	return o.Namespace() + "/" + o.Name()
}

func from(o object.Object) string { return o.Kind() + "/" + o.Namespace() + "/" + o.Name() }

func (f flux) source(o object.Object) {
	switch kind := o.Kind(); kind {
	case "GitRepository", "OCIRepository":
		f.repository(o)
	case "HelmRepository":
		spec := specOf(o)
		spec.skip("url", "type", "interval", "timeout", "secretRef", "accessFrom") // what a HelmRelease says of it is looked at there
		f.leave(about(o), spec, adviceCharts)
	case "HelmChart": // a HelmRelease makes it
	default:
		f.note(about(o), "", "%s is no source of Fairlead's: put what it holds into Git or an OCI registry", kind)
	}
}

// repository makes a Repository of a GitRepository or OCIRepository.
func (f flux) repository(o object.Object) {
	spec := specOf(o)
	out := map[string]any{"url": spec.text("url")}
	if i := spec.text("interval"); i != "" {
		out["interval"] = i
	}
	if t := spec.text("timeout"); t != "" {
		out["timeout"] = t
	}
	if name := spec.sub("secretRef").text("name"); name != "" {
		out["secretRef"] = map[string]any{"name": name}
		f.moved(o, "spec.secretRef", "Secret", name)
	}
	for _, name := range []string{"suspend", "insecure"} {
		if spec.flag(name) {
			out[name] = true
		}
	}
	if strings.HasPrefix(o.Text("spec", "layerSelector", "mediaType"), "application/vnd.cncf.helm.chart.") { // a chart, and nothing else is taken of it
		spec.skip("layerSelector")
	}
	spec.skip("ref")
	if o.Text("spec", "ref", "semverFilter") != "" {
		f.note(about(o), "spec.ref.semverFilter", "tags are not filtered: of all that are versions, the highest in the range is taken")
	}
	if spec.text("provider") != "generic" {
		delete(spec.read, "provider")
	}
	f.verification(o, spec, out)
	f.leave(about(o), spec, adviceSource)
	f.repositories[f.home(o.Namespace())+"/"+o.Name()] = made("Repository", f.home(o.Namespace()), o.Name(), out)
}

// verification is what has to be signed.
func (f flux) verification(o object.Object, spec *fields, out map[string]any) {
	if !spec.has("verify") {
		return
	}
	v := spec.sub("verify")
	secret := v.sub("secretRef").text("name")
	f.moved(o, "spec.verify", "Secret", secret)
	mode := v.text("mode")
	switch {
	case o.Kind() != "GitRepository":
		v.skip("provider")
		if secret == "" {
			f.note(about(o), "spec.verify", "keyless signatures are not understood: sign with a key, and name the Secret that holds its public part")
			return
		}
		out["verify"] = map[string]any{"secretRef": map[string]any{"name": secret}}
	case strings.EqualFold(mode, "TagAndHEAD"):
		f.note(about(o), "spec.verify.mode", "either the tag or the head is verified: Tag was chosen")
		fallthrough
	case strings.EqualFold(mode, "Tag"):
		out["verify"] = map[string]any{"mode": "Tag", "secretRef": map[string]any{"name": secret}}
	default:
		out["verify"] = map[string]any{"mode": "Head", "secretRef": map[string]any{"name": secret}}
	}
}

// followed is what of a repository is followed.
func followed(o object.Object) (ref, bool) {
	r := specOf(o).sub("ref")
	// In the order of precedence.
	for _, kind := range []string{"commit", "digest", "name", "semver", "tag", "branch"} {
		name := r.text(kind)
		switch branch, isBranch := strings.CutPrefix(name, "refs/heads/"); {
		case name == "":
		case kind != "name":
			return ref{kind, name}, true
		case isBranch:
			return ref{"branch", branch}, true
		default:
			tag, isTag := strings.CutPrefix(name, "refs/tags/")
			return ref{"tag", tag}, isTag
		}
	}
	if o.Kind() == "OCIRepository" {
		return ref{"tag", "latest"}, true
	}
	return ref{"branch", "master"}, true
}

// sourceOf is the repository that an object names, and what of it.
func (f flux) sourceOf(o object.Object, named *fields) (repository string, what ref, ok bool) {
	kind, name, namespace := named.text("kind"), named.text("name"), cmp.Or(named.text("namespace"), o.Namespace())
	named.skip("apiVersion")
	source, found := f.sources[object.Key{Group: fluxSource, Kind: kind, Namespace: namespace, Name: name}]
	switch {
	case kind == "Bucket" || kind == "ExternalArtifact":
		f.note(about(o), named.at, "a %s is no source of Fairlead's", kind)
		return "", ref{}, false
	case !found:
		f.note(about(o), named.at, "%s %s/%s is not among the objects: nothing can be made of this without it", kind, namespace, name)
		return "", ref{}, false
	case f.home(namespace) != f.home(o.Namespace()):
		f.beside(f.home(o.Namespace()), name)
	}
	if what, ok = followed(source); !ok {
		f.note(about(source), "spec.ref.name", "only branches and tags are followed")
	}
	return name, what, ok
}

func (f flux) kustomization(o object.Object) {
	if o.Name() == "flux-system" && o.Namespace() == "flux-system" {
		f.note(about(o), "", "it holds Flux itself, and what Flux is told: no app is made of it. 'fairlead bootstrap' lets Fairlead manage itself")
		return
	}
	spec := specOf(o)
	d := delivery{about: about(o), from: from(o), name: o.Name(), home: f.home(o.Namespace())}
	if f.elsewhere(o, spec) {
		return
	}
	repository, what, ok := f.sourceOf(o, spec.sub("sourceRef"))
	if !ok {
		return
	}
	d.repository, d.ref = repository, what
	if d.path, ok = within(spec.text("path")); !ok {
		f.note(d.about, "spec.path", "the root of a repository cannot be an app: name the directories that are")
		return
	}
	if f.isHead(d.about, "Flux", f.heldIn(o, d.about, inventory(o), d.path, f.all, ordersFlux)) {
		return // it goes on: it does not undo that what it orders is suspended
	}
	d.into, d.account = spec.text("targetNamespace"), spec.text("serviceAccountName")
	f.suspension(spec, &d)
	f.waits(o, spec, &d)
	build := spec.sub("postBuild")
	d.values, _ = build.value("substitute").(map[string]any)
	d.valuesFrom = build.list("substituteFrom")
	for _, v := range d.valuesFrom {
		if m, _ := v.(map[string]any); m != nil {
			f.moved(o, "spec.postBuild.substituteFrom", fmt.Sprint(m["kind"]), fmt.Sprint(m["name"]))
		}
	}
	if keys := spec.sub("decryption"); len(keys.m) > 0 {
		keys.skip("provider")
		if d.keys = keys.sub("secretRef").text("name"); d.keys == "" {
			f.note(d.about, "spec.decryption", "keys of a cloud are not used: encrypt for an age or OpenPGP key as well, and name its Secret")
		}
		f.moved(o, "spec.decryption", "Secret", d.keys)
	}
	if prune, set := spec.value("prune").(bool); set && !prune {
		d.holds = true
		f.note(d.about, "spec.prune", "%s", noteHolds)
	}
	if d.into != "" {
		f.note(d.about, "spec.targetNamespace", "objects that name another namespace go to %s today, and to the one that they name with Fairlead: if there are any, write namespace: %s into the directory's kustomization.yaml", d.into, d.into)
	}
	if len(d.values)+len(d.valuesFrom) > 0 {
		f.note(d.about, "spec.postBuild", "a variable that has no value is an error, and not empty: say ${name:=} where it may have none")
	}
	if len(spec.list("healthChecks")) > 0 {
		f.note(d.about, "spec.healthChecks", "the health of every object of the app is looked at. What others make, such as the Deployments of an operator, is not waited for by what depends on the app")
	}
	f.deletion(spec, &d)
	if slow := longest(spec); slow != "" && (spec.flag("wait") || spec.has("healthChecks")) {
		f.note(d.about, "spec.timeout", "an object counts as degraded after 10m: write health: {deadline: %s} into the directory's fairlead.yaml", slow)
	}
	spec.skip("interval", "retryInterval", "wait") // nothing is looked at again unless it changed, and health is looked at always
	f.leave(d.about, spec, adviceKustomization)
	f.deliveries = append(f.deliveries, d)
}

// ordersFlux reports whether objects of a kind tell Flux what to do.
func ordersFlux(gk object.GroupKind) bool {
	return slices.Contains(fluxOrders, object.GroupKind{Group: gk.Group})
}

// delivers is the directory of a Kustomization, if it is in the tree.
func (f flux) delivers(o object.Object, all []object.Object) []ordered {
	if o.Key().GroupKind() != (object.GroupKind{Group: fluxKustomize, Kind: "Kustomization"}) {
		return nil
	}
	spec := specOf(o)
	r := spec.sub("sourceRef")
	from := object.Key{Group: fluxSource, Kind: r.text("kind"), Namespace: cmp.Or(r.text("namespace"), o.Namespace()), Name: r.text("name")}
	var url string
	var urls []string
	for _, s := range all {
		if s.Key() == from {
			url = s.Text("spec", "url")
		}
		if s.Key().Group == fluxSource {
			urls = append(urls, s.Text("spec", "url"))
		}
	}
	dir, ok := within(spec.text("path"))
	if !ok || !f.isHere(url, dir, urls) {
		return nil
	}
	x := ordered{about: about(o), into: spec.text("targetNamespace"), all: true, build: Build{Dir: dir, App: o.Name(), Namespace: spec.text("targetNamespace")}}
	if build := spec.sub("postBuild"); len(build.m) > 0 {
		values, _ := build.value("substitute").(map[string]any)
		x.build.Values = map[string]string{}
		for name, v := range values {
			x.build.Values[name] = fmt.Sprint(v)
		}
	}
	return []ordered{x}
}

// inventory are the kinds of what a Kustomization says that it has, as namespace_name_group_Kind.
func inventory(o object.Object) (kinds []object.GroupKind) {
	entries, _ := o.At("status", "inventory", "entries").([]any)
	for _, v := range entries {
		m, _ := v.(map[string]any)
		id, _ := m["id"].(string)
		if part := strings.Split(id, "_"); len(part) == 4 {
			kinds = append(kinds, object.GroupKind{Group: part[2], Kind: part[3]})
		}
	}
	return kinds
}

// moved notes that what an object names beside itself is looked for beside what is made of it.
func (f flux) moved(o object.Object, field, kind, name string) {
	if home := f.home(o.Namespace()); name != "" && o.Namespace() != "" && home != o.Namespace() {
		f.note(about(o), field, "%s %s is looked for in %s, beside the Environment: it has to be there, too", kind, name, home)
	}
}

// waits notes which other orders an order waits for.
func (f flux) waits(o object.Object, spec *fields, d *delivery) {
	for _, dep := range spec.items("dependsOn") {
		name, namespace := dep.text("name"), dep.text("namespace")
		if namespace != "" && namespace != o.Namespace() {
			f.note(d.about, "spec.dependsOn", "%s/%s is in another namespace, and an app waits for apps of its own Environment alone", namespace, name)
			continue
		}
		d.after = append(d.after, name)
	}
}

// elsewhere reports whether an order is for another cluster: no app is made of it here.
func (f flux) elsewhere(o object.Object, spec *fields) bool {
	if !spec.has("kubeConfig") {
		return false
	}
	f.note(about(o), "spec.kubeConfig", "it goes to another cluster: let that run a Fairlead of its own, and make this there")
	return true
}

// deletion is what becomes of the objects when the order is deleted.
func (f flux) deletion(spec *fields, d *delivery) {
	switch policy := spec.text("deletionPolicy"); policy {
	case "", "MirrorPrune":
	case "Delete", "WaitForTermination":
		d.ends = true
	case "Orphan":
		f.note(d.about, "spec.deletionPolicy", "its objects stay when it is deleted, and so they do when the Environment is; but who takes its source out of the Environment retires the app, and deletes them: "+
			"mark those with fairlead.dev/prune: never that have to stay then")
	default:
		f.note(d.about, "spec.deletionPolicy", "%s is not known: spec.deletion of the Environment says what becomes of its objects when it is deleted", policy)
	}
}

// longest is the longest of the timeouts that are longer than an object has to get healthy if nothing is said; empty if there is none.
func longest(all ...*fields) string {
	most, out := 10*time.Minute, ""
	for _, f := range all {
		text := f.text("timeout")
		if d, err := time.ParseDuration(text); err == nil && d > most {
			most, out = d, text
		}
	}
	return out
}

func (f flux) suspension(spec *fields, d *delivery) {
	if d.suspended = spec.flag("suspend"); d.suspended {
		f.note(d.about, "spec.suspend", "it is suspended: it has an Environment of its own, to be resumed when it is meant to go on")
	}
}

// written is the Repository that files are committed to, which is made in a namespace if it is only known in another.
func (m *migration) written(home string) string {
	name := m.options.Repository
	if name == "" {
		for _, o := range m.repositories {
			if strings.HasPrefix(o.Text("spec", "url"), "oci://") {
				continue
			}
			if name != "" && name != o.Name() {
				return ""
			}
			name = o.Name()
		}
	}
	m.beside(home, name)
	return name
}

// beside makes a Repository of another namespace in one: it is beside its Environment.
func (m *migration) beside(home, name string) {
	if _, ok := m.repositories[home+"/"+name]; ok || name == "" {
		return
	}
	for _, o := range values(m.repositories) {
		if o.Name() == name {
			m.repositories[home+"/"+name] = o.With(home, "metadata", "namespace")
			m.note("Repository "+home+"/"+name, "", "a Repository is beside its Environment, so this one was made again; its Secret has to be there, too")
			return
		}
	}
}

// appDir is where the directory of a delivery is that is written.
func appDir(d delivery) string { return path.Join("apps", label(d.into, 63), label(d.name, 63)) }

func (m *migration) file(o object.Object, d delivery, name string, content map[string]any) {
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := cmp.Or(e.Encode(content), e.Close()); err != nil {
		m.note(about(o), "", "%s cannot be written: %v", name, err)
		return
	}
	m.files = append(m.files, File{path.Join(appDir(d), name), b.String()})
}

// charted lets a delivery's app be found where its directory is written.
func (m *migration) charted(o object.Object, d delivery) {
	d.repository = m.written(d.home)
	if d.repository == "" {
		m.note(about(o), "", "its directory is written to %s: say which Repository that will be committed to, with --repository", appDir(d))
		return
	}
	d.ref = m.refOf(d)
	d.path = path.Join(m.options.Dir, appDir(d))
	m.deliveries = append(m.deliveries, d)
}

// refOf is what is followed of the repository that files are written to: what the others follow of it, or main.
func (m *migration) refOf(d delivery) ref {
	for _, o := range m.deliveries {
		if o.repository == d.repository {
			return o.ref
		}
	}
	return ref{"branch", "main"}
}
