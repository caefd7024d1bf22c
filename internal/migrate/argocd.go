package migrate

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

const argo = "argoproj.io"

// argoOrders are the kinds of what tells Argo CD what to do. Others of the group are of Rollouts, Workflows and Events.
var argoOrders = []object.GroupKind{{Group: argo, Kind: "Application"}, {Group: argo, Kind: "ApplicationSet"}, {Group: argo, Kind: "AppProject"}}

// ArgoCD says what objects of Argo CD mean. Other objects are left out.
func ArgoCD(objs []object.Object, options Options) Result {
	a := argocd{begin(options, argoOrders...), map[string]string{}, nil}
	a.all = a.unfold(inOrder(objs), ordersArgo, a.delivers)
	all := a.all
	a.twice(all)
	understood := map[string]bool{} // sets, by their names
	for _, o := range all {
		if o.Key().GroupKind() == (object.GroupKind{Group: argo, Kind: "ApplicationSet"}) {
			understood[named(o)] = a.set(o)
		}
	}
	for _, o := range all {
		switch k := o.Key(); {
		case k.Group != argo:
		case k.Kind == "Application" && !understood[maker(o)]:
			a.application(o, about(o), from(o))
		case k.Kind == "AppProject":
			a.project(o)
		}
	}
	a.charted()
	return a.result()
}

type argocd struct {
	*migration
	urls map[string]string // the Repository of an address, by namespace and address
	all  []object.Object
}

const noteRights = "what its apps may hold, and where, is said by the rights of the Environment's ServiceAccount"

// delivers are the directories of an Application or of an ApplicationSet that are in the tree.
func (a argocd) delivers(o object.Object, all []object.Object) []ordered {
	tried := argocd{begin(a.options), map[string]string{}, nil}
	switch o.Kind() {
	case "Application":
		tried.application(o, about(o), from(o))
	case "ApplicationSet":
		_ = tried.set(o)
	}
	var out []ordered
	for _, d := range tried.deliveries {
		x := ordered{about: d.about, into: d.into, build: Build{Dir: d.path, App: d.name, Namespace: d.into}}
		if d.path == "" {
			x.build.Dir, x.build.Files = appDir(d), map[string]string{}
			for _, f := range tried.files {
				if path.Dir(f.Path) == x.build.Dir {
					x.build.Files[f.Path] = f.Text
				}
			}
		}
		url := tried.repositories[d.home+"/"+d.repository].Text("spec", "url")
		if url != "" && !strings.Contains(d.path, "*") && a.isHere(url, cmp.Or(d.path, "."), addresses(all)) {
			out = append(out, x)
		}
	}
	return out
}

// addresses are the repositories that objects name.
func addresses(all []object.Object) []string {
	var out []string
	for _, o := range all {
		out = append(out, o.Text("spec", "source", "repoURL"), o.Text("spec", "template", "spec", "source", "repoURL"))
	}
	return out
}

// maker is the ApplicationSet that made an Application, if one did.
func maker(o object.Object) string {
	owners, _ := o.At("metadata", "ownerReferences").([]any)
	for _, w := range owners {
		if m, _ := w.(map[string]any); m["kind"] == "ApplicationSet" {
			name, _ := m["name"].(string)
			return o.Namespace() + "/" + name
		}
	}
	return ""
}

// application makes an app of an Application, of which each source is one if there are several.
func (a argocd) application(o object.Object, about, from string) {
	spec := specOf(o)
	d := delivery{about: about, from: from, name: o.Name(), home: a.home(o.Namespace())}
	if !a.destination(about, spec, &d) {
		return
	}
	p, _ := within(o.Text("spec", "source", "path"))
	h := a.heldIn(o, about, resources(o), p, a.all, ordersArgo)
	if len(h.orders) > 0 { // it undoes that what it orders is stopped
		a.heads = append(a.heads, from)
	}
	if a.isHead(about, "Argo CD", h) {
		return
	}
	if wave := o.Annotation("argocd.argoproj.io/sync-wave"); wave != "" && wave != "0" {
		a.note(about, "metadata.annotations", "its wave among Applications, %s, is not looked at: to have an app wait for others, write dependsOn into its source in the Environment", wave)
	}
	policy := spec.sub("syncPolicy")
	a.automation(about, policy, &d)
	a.syncOptions(about, policy, &d)
	policy.skip("retry")
	annotations, _ := o.At("metadata", "annotations").(map[string]any)
	a.annotations(about, "metadata.annotations", annotations, &d)
	spec.skip("info", "revisionHistoryLimit")
	if p := spec.text("project"); p != "" && p != "default" {
		a.note("AppProject "+o.Namespace()+"/"+p, "", "%s", noteRights)
	}
	sources := spec.items("sources")
	if len(sources) == 0 {
		sources = []*fields{spec.sub("source")}
	}
	spec.skip("source") // it does not count beside others
	named := map[string]*fields{}
	for _, s := range sources {
		if r := s.text("ref"); r != "" {
			named[r] = s
		}
	}
	for i, s := range sources {
		one := d
		if i > 0 {
			one.name += "-" + cmp.Or(s.text("name"), s.text("chart"), path.Base(s.text("path")))
		}
		a.source(o, one, s, named)
	}
	a.leave(about, spec, adviceApplication)
}

// ordersArgo reports whether objects of a kind tell Argo CD what to do.
func ordersArgo(gk object.GroupKind) bool {
	return slices.Contains(argoOrders, gk)
}

// resources are the kinds of what an Application says that it has.
func resources(o object.Object) (kinds []object.GroupKind) {
	list, _ := o.At("status", "resources").([]any)
	for _, v := range list {
		m, _ := v.(map[string]any)
		group, _ := m["group"].(string)
		kind, _ := m["kind"].(string)
		kinds = append(kinds, object.GroupKind{Group: group, Kind: kind})
	}
	return kinds
}

// automation is what happens without a person.
func (a argocd) automation(about string, policy *fields, d *delivery) {
	automated := policy.sub("automated")
	on, said := automated.value("enabled").(bool)
	if automated.flag("allowEmpty") {
		a.note(about, "spec.syncPolicy.automated.allowEmpty", "if Git has no app of the Environment any more, or many objects are gone, their deletion is held until a person approves: see docs/tasks/delete.md")
	}
	d.suspended = !policy.has("automated") || said && !on
	d.keeps, d.holds = !automated.flag("selfHeal"), !automated.flag("prune")
	switch {
	case d.suspended:
		a.note(about, "spec.syncPolicy", "it is synced by hand: it has an Environment of its own, to be resumed when it is meant to go on")
	case d.keeps:
		a.note(about, "spec.syncPolicy.automated.selfHeal", "hand edits stay today, so the Environment has sync.drift: Report")
	}
	if d.holds {
		a.note(about, "spec.syncPolicy.automated.prune", "%s", noteHolds)
	}
}

// destination is where the objects go. It is false if that is another cluster.
func (a argocd) destination(about string, spec *fields, d *delivery) bool {
	to := spec.sub("destination")
	server, name := to.text("server"), to.text("name")
	d.into = to.text("namespace")
	if server != "" && server != "https://kubernetes.default.svc" || name != "" && name != "in-cluster" {
		a.note(about, "spec.destination", "it goes to another cluster, %s: let that run a Fairlead of its own, and make this there", cmp.Or(name, server))
		return false
	}
	return true
}

// meanings are sync options that ask for nothing that has to be said.
var meanings = []string{
	"ServerSideApply=true", "ApplyOutOfSyncOnly=true", "PruneLast=true", "Validate=true", "PrunePropagationPolicy=foreground", "PrunePropagationPolicy=background",
	"RespectIgnoreDifferences=true", "FailOnSharedResource=true", "SkipDryRunOnMissingResource=true", "ServerSideApply=false", "CreateNamespace=false",
}

func (a argocd) syncOptions(about string, policy *fields, d *delivery) {
	for _, v := range policy.list("syncOptions") {
		option, _ := v.(string)
		switch {
		case option == "CreateNamespace=true":
			d.makes = true
		case slices.Contains(meanings, option):
		case option == "Replace=true", option == "Force=true":
			a.note(about, "spec.syncPolicy.syncOptions", "%s: mark the objects that may be deleted and made anew with fairlead.dev/apply: replace", option)
		case option == "Prune=false", option == "Prune=confirm":
			if !d.holds {
				a.note(about, "spec.syncPolicy.syncOptions", "%s: %s", option, noteHolds)
			}
			d.holds = true
		default:
			a.note(about, "spec.syncPolicy.syncOptions", "%s has no equal", option)
		}
	}
}

// source makes an app of one source.
func (a argocd) source(o object.Object, d delivery, s *fields, named map[string]*fields) {
	url, revision, chart := s.text("repoURL"), s.text("targetRevision"), s.text("chart")
	s.skip("ref", "name", "path")
	if chart != "" {
		a.chart(o, d, s, map[string]any{"repository": address(url), "name": chart, "version": cmp.Or(revision, "*")}, named)
		return
	}
	p, ok := within(s.text("path"))
	if s.text("ref") != "" && s.text("path") == "" {
		return // it only holds values of others
	}
	if !ok {
		a.note(d.about, "spec.source.path", "the root of a repository cannot be an app: name the directories that are")
		return
	}
	d.repository, d.path = a.repository(d.home, url), p
	d.ref = a.ref(d.about, revision)
	if helm := s.sub("helm"); len(helm.m) > 0 {
		d.repository = ""
		a.chartDir(o, d, helm, a.repository(d.home, url), "/"+p, named)
		return
	}
	directory := s.sub("directory")
	if directory.has("jsonnet") {
		a.jsonnet(o, d, directory, p)
		return
	}
	for _, field := range []string{"include", "exclude"} {
		if directory.has(field) {
			directory.skip(field)
			a.note(d.about, directory.at+"."+field, "a plain directory is taken as a whole: name what belongs to the app in a kustomization.yaml")
		}
	}
	if s.has("directory") && !directory.flag("recurse") {
		a.note(d.about, "spec.source.directory.recurse", "of a directory of plain YAML, those below it belong to the app, too: move what does not")
	}
	s.skip("kustomize")
	if s.has("kustomize") {
		a.note(d.about, "spec.source.kustomize", "put images, patches and prefixes into the directory's kustomization.yaml: they are Kustomize's own")
	}
	a.deliveries = append(a.deliveries, d)
}

// jsonnet makes an app of a directory of Jsonnet: another one, whose fairlead.yaml names it.
func (a argocd) jsonnet(o object.Object, d delivery, directory *fields, p string) {
	j := directory.sub("jsonnet")
	out := map[string]any{"file": "/" + p}
	var libs []any
	for _, v := range j.list("libs") {
		if lib, ok := v.(string); ok {
			libs = append(libs, path.Join("/", lib))
		}
	}
	if len(libs) > 0 {
		out["libs"] = libs
	}
	for _, field := range []string{"extVars", "tlas"} {
		var all []any
		for _, v := range j.items(field) {
			one := map[string]any{"name": v.text("name"), "value": v.text("value")}
			if v.flag("code") {
				one["code"] = true
			}
			all = append(all, one)
		}
		if len(all) > 0 {
			out[field] = all
		}
	}
	if directory.flag("recurse") {
		a.note(d.about, directory.at+".recurse", "of a directory of Jsonnet, those below it do not belong to the app: import them from a file in it")
	}
	for _, field := range []string{"include", "exclude"} {
		if directory.has(field) {
			directory.skip(field)
			a.note(d.about, directory.at+"."+field, "a directory of Jsonnet is taken as a whole: name one file under jsonnet.file in fairlead.yaml")
		}
	}
	a.file(o, d, "fairlead.yaml", map[string]any{"jsonnet": out})
	d.path = ""
	a.deliveries = append(a.deliveries, d)
}

// chart makes an app of a chart: a directory whose fairlead.yaml names it and its values.
func (a argocd) chart(o object.Object, d delivery, s *fields, chart any, named map[string]*fields) {
	a.chartDir(o, d, s.sub("helm"), "", chart, named)
}

func (a argocd) chartDir(o object.Object, d delivery, h *fields, repository string, chart any, named map[string]*fields) {
	d.into = cmp.Or(d.into, "default")
	helm := map[string]any{"chart": chart, "releaseName": cmp.Or(h.text("releaseName"), o.Name())}
	var layers []any
	for _, v := range h.list("valueFiles") {
		file, _ := v.(string)
		name, rest, other := strings.Cut(strings.TrimPrefix(file, "$"), "/")
		switch {
		case strings.HasPrefix(file, "$") && other && named[name] != nil:
			layers = append(layers, "/"+rest)
			repository = a.repository(d.home, named[name].text("repoURL"))
			d.ref = a.ref(d.about, named[name].text("targetRevision"))
		case strings.Contains(file, "://"):
			a.note(d.about, h.at+".valueFiles", "%s is not fetched: commit it", file)
		case strings.HasPrefix(file, "/"): // from the root of the repository
			layers = append(layers, path.Clean(file))
		default:
			dir, inGit := chart.(string)
			if !inGit {
				a.note(d.about, h.at+".valueFiles", "%s is a file of the chart: copy what it holds into values", file)
				continue
			}
			layers = append(layers, path.Join("/", dir, file))
		}
	}
	inline, _ := h.value("valuesObject").(map[string]any)
	if text := h.text("values"); text != "" && len(inline) == 0 {
		parsed, err := object.Values("values", []byte(text))
		if err == nil && len(parsed) == 1 {
			inline, _ = parsed[0].(map[string]any)
		} else {
			a.note(d.about, h.at+".values", "this is no YAML: write it into fairlead.yaml by hand")
		}
	}
	inline = a.parameters(d.about, h, inline)
	if len(layers) > 0 {
		helm["valueFiles"] = layers
	}
	if len(inline) > 0 {
		helm["values"] = inline
	}
	if h.flag("skipCrds") {
		helm["skipCRDs"] = true
	}
	if v := h.text("kubeVersion"); v != "" {
		helm["kubeVersion"] = v
	}
	if v := h.list("apiVersions"); len(v) > 0 {
		helm["apiVersions"] = v
	}
	h.skip("version", "skipTests") // of Helm, and what is not applied anyway
	if h.text("namespace") == d.into {
		h.skip("namespace")
	} else {
		delete(h.read, "namespace")
	}
	a.leave(d.about, h, adviceHelm)
	a.file(o, d, "fairlead.yaml", map[string]any{"helm": helm})
	d.repository, d.path = repository, ""
	a.deliveries = append(a.deliveries, d)
}

// parameters are single values, by their paths.
func (a argocd) parameters(about string, h *fields, into map[string]any) map[string]any {
	out := object.New(into).Content()
	for _, p := range h.items("parameters") {
		name := p.text("name")
		text := p.text("value")
		var v any = text
		if !p.flag("forceString") {
			v = typed(text)
		}
		if strings.ContainsAny(name, `[]\{}`) || strings.HasPrefix(text, "{") {
			a.note(about, h.at+".parameters", "%s: write this one into fairlead.yaml by hand", name)
			continue
		}
		if out == nil {
			out = map[string]any{}
		}
		out = object.New(out).With(v, strings.Split(name, ".")...).Content()
	}
	return out
}

// typed is a value as Helm's --set has it: only what is certain to be a number, a truth or nothing is not a text. An image's tag 1.10 is one.
func typed(text string) any {
	switch strings.ToLower(text) {
	case "true":
		return true
	case "false":
		return false
	case "null":
		return nil
	}
	if text == "0" {
		return int64(0)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && !strings.HasPrefix(text, "0") {
		return n
	}
	return text
}

// charted lets the apps be found whose directories are written.
func (a argocd) charted() {
	for i := range a.deliveries {
		d := &a.deliveries[i]
		if d.path != "" {
			continue
		}
		was := *d
		d.repository = cmp.Or(a.options.Repository, d.repository, a.written(d.home))
		if d.path = path.Join(a.options.Dir, appDir(*d)); d.repository == "" {
			a.note(d.about, "", "its directory is written to %s: say which Repository that will be committed to, with --repository", appDir(*d))
			continue
		}
		if d.repository == was.repository && was.ref.kind != "" {
			if was.ref.kind != "branch" {
				a.note(d.about, "spec.source.targetRevision", "its directory is written to %s, and is not in what it follows, %s: follow one that has it", d.path, was.ref.name)
			}
			continue
		}
		if was.repository != "" {
			a.note(d.about, "", "what it is made of is in the Repository %s, and its directory is written to %s: files of another repository are not read, so copy them beside it", was.repository, d.repository)
		}
		if d.ref = a.refOf(*d); d.ref.kind == "" {
			d.ref = ref{"branch", "main"}
		}
	}
	a.deliveries = slices.DeleteFunc(a.deliveries, func(d delivery) bool { return d.repository == "" })
}

// address is that of a repository of charts, which Argo CD names without a scheme if it is a registry.
func address(url string) string {
	if strings.Contains(url, "://") {
		return url
	}
	return "oci://" + url
}

// repository is the Repository of an address, made if there is none.
func (a argocd) repository(home, url string) string {
	if strings.HasPrefix(url, "oci://") || !strings.Contains(url, ":") {
		url = address(url)
	}
	if name := a.urls[home+" "+url]; name != "" {
		return name
	}
	short := strings.TrimSuffix(path.Base(strings.ReplaceAll(url, ":", "/")), ".git")
	taken := map[string]bool{}
	for k := range a.repositories {
		taken[strings.TrimPrefix(k, home+"/")] = true
	}
	name := unique(taken, short)
	a.urls[home+" "+url] = name
	a.repositories[home+"/"+name] = made("Repository", home, name, map[string]any{"url": url})
	a.note("Repository "+home+"/"+name, "spec.secretRef", "if %s needs credentials, make a Secret of them beside it and name it: those in Argo CD's repository Secrets have other keys", url)
	return name
}

var (
	commit  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	version = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+([-+].*)?$`)
	ranged  = regexp.MustCompile(`^[v^~<>=]*[0-9]+(\.([0-9]+|[*x]))*([ ,<>=0-9.*x]*)$|^\*$`)
)

// ref is what a target revision means.
func (a argocd) ref(about, revision string) ref {
	switch {
	case revision == "" || revision == "HEAD":
		a.note(about, "spec.source.targetRevision", "HEAD is what the server calls its default branch: main is assumed")
		return ref{"branch", "main"}
	case commit.MatchString(revision):
		return ref{"commit", revision}
	case strings.HasPrefix(revision, "refs/heads/"):
		return ref{"branch", strings.TrimPrefix(revision, "refs/heads/")}
	case strings.HasPrefix(revision, "refs/tags/"):
		return ref{"tag", strings.TrimPrefix(revision, "refs/tags/")}
	case version.MatchString(revision):
		return ref{"tag", revision}
	case ranged.MatchString(revision):
		return ref{"semver", revision}
	}
	return ref{"branch", revision}
}

// project says what becomes of a project's bounds.
func (a argocd) project(o object.Object) {
	spec := specOf(o)
	spec.skip("description", "sourceRepos", "sourceNamespaces", "destinations", "clusterResourceWhitelist", "clusterResourceBlacklist", "namespaceResourceWhitelist", "namespaceResourceBlacklist",
		"permitOnlyProjectScopedClusters")
	if o.Name() != "default" {
		a.note(about(o), "", "%s", noteRights)
	}
	a.leave(about(o), spec, adviceProject)
}

// marked are prefixes of annotations of an Application that ask somebody for something.
var marked = []struct{ prefix, text string }{
	{"notifications.argoproj.io/", "who is told is said by a Notifier: see docs/tasks/notifications.md"},
	{"argocd-image-updater.argoproj.io/", "images are not updated by Fairlead yet: let who builds them commit their tags"},
}

// annotations are what an Application's annotations ask for.
func (a argocd) annotations(about, field string, all map[string]any, d *delivery) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, m := range marked {
			if strings.HasPrefix(name, m.prefix) {
				a.note(about, field+"["+name+"]", "%s", m.text)
			}
		}
	}
	if all["argocd.argoproj.io/skip-reconcile"] == "true" {
		d.suspended = true
		a.note(about, field+"[argocd.argoproj.io/skip-reconcile]", "it is left alone today: it has an Environment of its own, to be resumed when it is meant to go on")
	}
}
