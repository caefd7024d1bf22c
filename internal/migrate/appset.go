package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// set makes apps of an ApplicationSet: a generator over directories is what a path with a * is, one with a list stands for its Applications.
func (a argocd) set(o object.Object) {
	spec := specOf(o)
	template := spec.sub("template")
	template.skip("metadata", "spec")
	spec.skip("goTemplate", "goTemplateOptions", "syncPolicy", "strategy", "preservedFields", "ignoreApplicationDifferences", "applyNestedSelectors")
	for _, g := range spec.items("generators") {
		a.narrowed(o, g)
		switch {
		case g.has("git"):
			a.directories(o, template, g.sub("git"))
		case g.has("list"):
			a.elements(o, template, g.sub("list"))
		case g.has("clusters"):
			a.note(about(o), "spec.generators.clusters", "each cluster runs a Fairlead of its own, with an Environment for what is to run there")
		default:
			for _, kind := range slices.Sorted(maps.Keys(g.m)) {
				if kind != "selector" && kind != "values" && kind != "template" {
					a.note(about(o), "spec.generators."+kind, "this has no equal: write an Environment for each place by hand")
				}
			}
		}
		g.skip(slices.Collect(maps.Keys(g.m))...)
	}
	a.leave(about(o), spec, nil)
}

// narrowed notes what of a generator leaves some of its results out, or makes them differ.
func (a argocd) narrowed(o object.Object, g *fields) {
	for _, kind := range []string{"git", "list"} {
		inner, _ := g.m[kind].(map[string]any)
		for _, field := range []string{"template", "elementsYaml"} {
			if says(inner[field]) {
				a.note(about(o), g.at+"."+kind+"."+field, "this is not looked at: write what differs into the Environment by hand")
			}
		}
	}
	if says(g.m["selector"]) {
		a.note(about(o), g.at+".selector", "it is not looked at: take those out of the Environment that it leaves out today")
	}
}

// wholePath is the directory that was found.
var wholePath = regexp.MustCompile(`^\s*\{\{\s*(path|\.path\.path|\.path)\s*\}\}\s*$`)

// pathWords are what a generator over directories gives of a path.
var pathWords = regexp.MustCompile(`\{\{\s*\.?path(\.path|\.basename|\.basenameNormalized|\[\d+\])?\s*\}\}|\{\{\s*index\s+\.path\.segments\s+\d+\s*\}\}`)

// directories makes a path with a * of a generator over directories.
func (a argocd) directories(o object.Object, template, git *fields) {
	if git.has("files") {
		a.note(about(o), "spec.generators.git.files", "values in files of Git are not read for this: write what differs into each directory")
		return
	}
	git.skip("repoURL", "revision", "directories", "requeueAfterSeconds")
	content, _ := template.m["spec"].(map[string]any)
	tspec := &fields{at: "spec.template.spec", m: content, read: map[string]bool{}}
	d := delivery{about: about(o), from: from(o), name: o.Name(), home: a.home(o.Namespace())}
	if !a.destination(d.about, tspec, &d) {
		return
	}
	switch into := d.into; {
	case pathWords.MatchString(into):
		if d.into = "{app}"; !regexp.MustCompile(`basename|\[|index`).MatchString(into) {
			a.note(d.about, "spec.template.spec.destination.namespace", "it is made of the whole path: {app}, the last element, was chosen")
		}
	case strings.Contains(d.into, "{{"):
		a.note(d.about, "spec.template.spec.destination.namespace", "%s cannot be said of all of them: write the namespace into each directory", d.into)
		d.into = ""
	}
	policy := tspec.sub("syncPolicy")
	a.automation(d.about, policy, &d)
	a.syncOptions(d.about, policy, &d)
	policy.skip("retry")
	source := tspec.sub("source")
	if p := source.text("path"); !wholePath.MatchString(p) {
		a.note(d.about, "spec.template.spec.source.path", "%s is not the directory that was found: write a path into the Environment that has the apps themselves, with a * in it", p)
		return
	}
	repository, revision := a.repository(d.home, git.text("repoURL")), cmp.Or(source.text("targetRevision"), git.text("revision"))
	if url := source.text("repoURL"); url != "" && url != git.text("repoURL") {
		a.note(d.about, "spec.template.spec.source.repoURL", "the directories are looked for in another repository than the apps are in: write the Environment by hand")
		return
	}
	tspec.skip("project", "info", "revisionHistoryLimit")
	a.leave(d.about, tspec, map[string]string{
		"source.helm":       "write a fairlead.yaml with these options into each directory",
		"source.kustomize":  "put images, patches and prefixes into each directory's kustomization.yaml: they are Kustomize's own",
		"source.directory":  "a plain directory is taken as a whole, with those below it: name what belongs to the app in a kustomization.yaml, and Jsonnet in a fairlead.yaml",
		"ignoreDifferences": "mostly not needed: fields that controllers own are theirs. fairlead.dev/ignore on the object for the rest",
	})
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
		}
		one := d
		one.repository, one.ref, one.path = repository, a.ref(d.about, revision), p
		if !strings.Contains(p, "*") {
			one.name = p[strings.LastIndex(p, "/")+1:]
		}
		a.deliveries = append(a.deliveries, one)
	}
}

// elements makes an Application of each element of a list.
func (a argocd) elements(o object.Object, template, list *fields) {
	for i, e := range list.items("elements") {
		filled, missing := fill(template.m, e.m)
		if missing != "" {
			a.note(about(o), "spec.template", "%s is not understood: write the Application for element %d by hand", missing, i+1)
			continue
		}
		e.skip(slices.Collect(maps.Keys(e.m))...)
		m, _ := filled.(map[string]any)
		meta, _ := m["metadata"].(map[string]any)
		app := object.New(map[string]any{
			"apiVersion": argo + "/v1alpha1", "kind": "Application", "spec": m["spec"],
			"metadata": map[string]any{"namespace": o.Namespace(), "name": meta["name"]},
		})
		a.application(app, about(o)+" ("+app.Name()+")", from(o))
	}
}

var word = regexp.MustCompile(`\{\{-?\s*\.?([A-Za-z0-9_.-]+)\s*-?\}\}`)

// fill puts an element's values in where a template names them. What is left over is missing.
func fill(v any, element map[string]any) (filled any, missing string) {
	switch v := v.(type) {
	case string:
		text := word.ReplaceAllStringFunc(v, func(w string) string {
			name := word.FindStringSubmatch(w)[1]
			var at any = element
			for _, key := range strings.Split(name, ".") {
				m, _ := at.(map[string]any)
				at = m[key]
			}
			switch at.(type) {
			case nil, map[string]any, []any:
				return w
			}
			return fmt.Sprint(at)
		})
		if i := strings.Index(text, "{{"); i >= 0 {
			missing = text[i:]
		}
		return text, missing
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			if out[i], missing = fill(e, element); missing != "" {
				return nil, missing
			}
		}
		return out, ""
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if out[k], missing = fill(v[k], element); missing != "" {
				return nil, missing
			}
		}
		return out, ""
	}
	return v, ""
}
