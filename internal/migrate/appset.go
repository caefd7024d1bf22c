package migrate

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// set makes apps of an ApplicationSet: a generator over directories is what a path with a * is, wherever that says the same; any other stands for the Applications that
// it gives. It is false if the Applications that it made in the cluster are to be taken in its place.
func (a argocd) set(o object.Object) bool {
	spec := specOf(o)
	spec.skip("generators", "template", "templatePatch", "goTemplate", "goTemplateOptions", "applyNestedSelectors")
	spec.skip("preservedFields", "ignoreApplicationDifferences") // of Applications, which there are none of
	spec.sub("syncPolicy").skip("applicationsSync", "preserveResourcesOnDeletion")
	if strategy, _ := spec.value("strategy").(map[string]any); len(strategy) > 0 && strategy["type"] != "AllAtOnce" {
		a.note(about(o), "spec.strategy", "apps are not released in steps: write dependsOn into the sources that wait for others, or a gate into an Environment that waits for another, such as soak")
	}
	a.leave(about(o), spec, nil)
	for _, g := range list(spec.m, "generators") {
		a.unknownIn(about(o), "spec.generators[]", g)
	}
	made := slices.ContainsFunc(a.all, func(x object.Object) bool { return maker(x) == named(o) })
	var todo []func()
	var failed []error
	for _, g := range list(spec.m, "generators") {
		s := a.expansion(o)
		if s.isStar(g) {
			todo = append(todo, func() { a.directories(s, g) })
			continue
		}
		apps, err := s.applications(g)
		git, _ := g["git"].(map[string]any)
		switch {
		case err == nil:
			todo = append(todo, func() { a.listed(s, g, apps) })
		case !made && len(list(git, "directories")) > 0: // the best that can be said
			todo = append(todo, func() { a.directories(s, g) })
		default:
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 && made {
		a.note(about(o), fieldOf(failed[0]), "the Applications that it made are taken as they are: for what would be made later, add a source to the Environment (%v)", failed[0])
		a.heads = append(a.heads, from(o)) // it undoes that they are stopped
		return false
	}
	for _, do := range todo {
		do()
	}
	for _, err := range failed {
		a.note(about(o), fieldOf(err), "%v", err)
	}
	return len(todo) > 0
}

// generated are the fields of the generators that are understood.
var generated = map[string][]string{
	"list":   {"elements", "elementsYaml", "template"},
	"git":    {"repoURL", "revision", "directories", "files", "requeueAfterSeconds", "template", "pathParamPrefix", "values"},
	"matrix": {"generators", "template"},
	"merge":  {"generators", "mergeKeys", "template"},
}

// unknownIn notes what a generator says that nobody knows, and what those below it do. One of a kind that is not understood is looked at elsewhere.
func (a argocd) unknownIn(about, at string, g map[string]any) {
	for _, kind := range kindsOf(g) {
		content, _ := g[kind].(map[string]any)
		known, ok := generated[kind]
		if !ok {
			continue
		}
		f := &fields{at: at + "." + kind, m: content, read: map[string]bool{}}
		f.skip(known...)
		a.leave(about, f, nil)
		for _, below := range list(content, "generators") {
			a.unknownIn(about, at+"."+kind+".generators[]", below)
		}
	}
}

// expansion is an ApplicationSet with its templates.
type expansion struct {
	generation
	o        object.Object
	template map[string]any
	patch    string
}

func (a argocd) expansion(o object.Object) expansion {
	options, _ := o.At("spec", "goTemplateOptions").([]any)
	on, _ := o.At("spec", "goTemplate").(bool)
	template, _ := o.At("spec", "template").(map[string]any)
	return expansion{
		generation{a.migration, templates{on, slices.Contains(options, any("missingkey=error"))}, addresses(a.all), new(string)}, o, template, o.Text("spec", "templatePatch"),
	}
}

// applications are those that a generator gives.
func (s expansion) applications(g map[string]any) ([]object.Object, error) {
	all, err := s.params(g, nil)
	if err != nil {
		return nil, err
	}
	template := s.template
	for _, kind := range kindsOf(g) { // what it says itself counts, and the set's for the rest
		spec, _ := g[kind].(map[string]any)
		if own, _ := spec["template"].(map[string]any); len(own) > 0 {
			template = merged(own, template)
		}
	}
	var out []object.Object
	for i, p := range all {
		filled, err := s.fill(template, p)
		if err == nil && left(filled) != "" {
			err = fmt.Errorf("%s is not understood: write the Application for element %d by hand", left(filled), i+1)
		}
		if err != nil {
			return nil, err
		}
		if s.patch != "" {
			text, err := s.text(s.patch, p)
			if err != nil {
				return nil, err
			}
			docs, err := object.Values("templatePatch", []byte(text))
			if err != nil {
				return nil, fmt.Errorf("spec.templatePatch: %w", err)
			}
			for _, doc := range docs {
				filled = patched(filled, doc)
			}
		}
		m, _ := filled.(map[string]any)
		meta, _ := m["metadata"].(map[string]any)
		out = append(out, object.New(map[string]any{
			"apiVersion": argo + "/v1alpha1", "kind": "Application", "spec": m["spec"],
			"metadata": map[string]any{"namespace": s.o.Namespace(), "name": meta["name"], "annotations": meta["annotations"]},
		}))
	}
	return out, nil
}

// listed makes apps of the Applications that a generator gives.
func (a argocd) listed(s expansion, g map[string]any, apps []object.Object) {
	if len(apps) == 0 {
		a.note(about(s.o), "spec.generators", "one of them gives nothing at present")
	}
	for _, app := range apps {
		a.application(app, about(s.o)+" ("+app.Name()+")", from(s.o))
	}
	if asksGit(g) {
		a.note(about(s.o), "spec.generators", "its Applications are those that the files here give, each a source of its own: for what is added later, add a source to the Environment")
	}
	if *s.wide != "" {
		a.note(about(s.o), "spec.generators.git.files", "in %s a * was taken to go on over slashes, as it does if Argo CD is not told otherwise", *s.wide)
	}
}

// asksGit reports whether what a generator gives changes with what is in Git.
func asksGit(g map[string]any) bool {
	if g["git"] != nil {
		return true
	}
	for _, kind := range kindsOf(g) {
		spec, _ := g[kind].(map[string]any)
		if slices.ContainsFunc(list(spec, "generators"), asksGit) {
			return true
		}
	}
	return false
}

// A directory is looked for with these in the place of what a wildcard matched: that of the app's name, and any other.
const (
	probeApp   = "fairleadapp"
	probeOther = "fairleadother"
)

// probe is a directory that a pattern matches.
func probe(pattern string) string {
	elems := strings.Split(pattern, "/")
	found := false
	for i, e := range elems {
		switch {
		case !strings.ContainsAny(e, `*?[\`):
		case !found && strings.Contains(e, "*") && !strings.ContainsAny(e, `?[\`):
			elems[i], found = strings.Replace(e, "*", probeApp, 1), true
			elems[i] = strings.ReplaceAll(elems[i], "*", probeOther)
		default:
			elems[i] = probeOther
		}
	}
	return strings.Join(elems, "/")
}

// probed is a template for a directory that a pattern matches.
func (s expansion) probed(pattern string, template any) string {
	text, _ := template.(string)
	out, err := s.text(text, s.pathed(params{}, "", probe(pattern), ""))
	if err != nil {
		return ""
	}
	return out
}

func (s expansion) templated(fields ...string) any {
	return object.New(s.template).At(fields...)
}

// isStar reports whether a path with a * says the same as a generator.
func (s expansion) isStar(g map[string]any) bool {
	git, _ := g["git"].(map[string]any)
	source, _ := s.templated("spec", "source").(map[string]any)
	only := func(m map[string]any, names ...string) bool {
		for k, v := range m {
			if says(v) && !slices.Contains(names, k) {
				return false
			}
		}
		return true
	}
	if len(list(git, "directories")) == 0 || !only(g, "git") || !only(git, "repoURL", "revision", "directories", "requeueAfterSeconds") || s.patch != "" ||
		!only(source, "repoURL", "targetRevision", "path") || says(s.templated("spec", "sources")) || source["repoURL"] != git["repoURL"] {
		return false
	}
	charts := s.charts(git)
	for _, dir := range list(git, "directories") {
		p, ok := within(fmt.Sprint(dir["path"]))
		into := s.probed(p, s.templated("spec", "destination", "namespace"))
		switch {
		case !ok, says(dir["exclude"]), strings.Contains(p, "**"), strings.Contains(into, probeOther), strings.ContainsAny(into, "/{"):
			return false
		case s.probed(p, source["path"]) != probe(p):
			return false
		case charts && s.probed(p, s.templated("metadata", "name")) != appOf(p): // they are released under that name
			return false
		case left(source["targetRevision"]) != "", left(s.templated("spec", "destination", "server")) != "", left(s.templated("spec", "destination", "name")) != "":
			return false
		}
	}
	return true
}

// appOf is what Fairlead calls the app in a directory that a pattern matches.
func appOf(pattern string) string {
	if strings.Contains(pattern, "*") {
		return probeApp
	}
	return path.Base(pattern)
}

// charts reports whether there is a chart among the directories, as far as they are here.
func (s expansion) charts(git map[string]any) bool {
	url, _ := git["repoURL"].(string)
	if !s.isHere(url, ".", s.urls) {
		return false
	}
	dirs, files, err := s.listed()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(chosenOf(dirs, list(git, "directories"), path.Match), func(dir string) bool { return slices.Contains(files, path.Join(dir, "Chart.yaml")) })
}

// directories makes a path with a * of a generator over directories.
func (a argocd) directories(s expansion, generator map[string]any) {
	o := s.o
	content, _ := generator["git"].(map[string]any)
	git := &fields{at: "spec.generators.git", m: content, read: map[string]bool{}}
	git.skip("repoURL", "revision", "directories", "requeueAfterSeconds", "template")
	tcontent, _ := s.template["spec"].(map[string]any)
	tspec := &fields{at: "spec.template.spec", m: tcontent, read: map[string]bool{}}
	d := delivery{about: about(o), from: from(o), name: o.Name(), home: a.home(o.Namespace())}
	if says(generator["selector"]) {
		a.note(d.about, "spec.generators.selector", "it is not looked at, since the directories are not here: take those out of the Environment that it leaves out today")
	}
	if says(content["template"]) {
		a.note(d.about, "spec.generators.git.template", "this is not looked at: write what differs into the Environment by hand")
	}
	a.leave(d.about, git, nil)
	if !a.destination(d.about, tspec, &d) {
		return
	}
	namespace := d.into
	policy := tspec.sub("syncPolicy")
	a.automation(d.about, policy, &d)
	a.syncOptions(d.about, policy, &d)
	annotations, _ := s.templated("metadata", "annotations").(map[string]any)
	a.annotations(d.about, "spec.template.metadata.annotations", annotations, &d)
	if sync := o.Text("spec", "syncPolicy", "applicationsSync"); !d.holds && (sync == "create-only" || sync == "create-update") {
		d.holds = true
		a.note(d.about, "spec.syncPolicy.applicationsSync", "an app stays today though its directory is gone, so its Environment has sync.prune.maxObjects: 0: what is gone from Git is held until a person approves")
	}
	policy.skip("retry")
	source := tspec.sub("source")
	repository, revision := a.repository(d.home, git.text("repoURL")), source.text("targetRevision")
	if revision == "" {
		revision = git.text("revision")
	}
	if url := source.text("repoURL"); url != "" && url != git.text("repoURL") {
		a.note(d.about, "spec.template.spec.source.repoURL", "the directories are looked for in another repository than the apps are in: write the Environment by hand")
		return
	}
	tspec.skip("project", "info", "revisionHistoryLimit")
	template := source.text("path")
	a.leave(d.about, tspec, adviceFound)
	for _, dir := range git.items("directories") {
		p, ok := within(dir.text("path"))
		switch {
		case !ok:
			a.note(d.about, "spec.generators.git.directories", "the root of a repository cannot be an app")
			continue
		case dir.flag("exclude"):
			a.note(d.about, "spec.generators.git.directories", "%s is left out today: move it elsewhere, or name the others one by one", p)
			continue
		case strings.Contains(p, "**"):
			a.note(d.about, "spec.generators.git.directories", "%s: a * stands for one element of a path", p)
			continue
		case s.probed(p, template) != probe(p):
			a.note(d.about, "spec.template.spec.source.path", "%s is not the directory that was found: write a path into the Environment that has the apps themselves, with a * in it", template)
			continue
		}
		one := d
		one.repository, one.ref, one.path = repository, a.ref(d.about, revision), p
		one.into = strings.ReplaceAll(s.probed(p, namespace), probeApp, "{app}")
		if strings.Contains(one.into, probeOther) || strings.ContainsAny(strings.ReplaceAll(one.into, "{app}", ""), "/{") {
			a.note(d.about, "spec.template.spec.destination.namespace", "%s cannot be said of all of them: write the namespace into each directory", namespace)
			one.into = ""
		}
		if name, _ := s.templated("metadata", "name").(string); s.probed(p, name) != appOf(p) && !s.isHere(git.text("repoURL"), ".", s.urls) {
			a.note(d.about, "spec.template.metadata.name", "a chart among the directories is released as %s today, and as its directory is called by Fairlead: write that as helm.releaseName into a fairlead.yaml in it", name)
		}
		if !strings.Contains(p, "*") {
			one.name = path.Base(p)
		}
		a.deliveries = append(a.deliveries, one)
	}
}
