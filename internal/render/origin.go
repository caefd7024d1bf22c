package render

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/resource"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// origin is where an object of the result was written: in a resource file, or in the kustomization that generates it. What
// Kustomize does not know came from somewhere in the kustomization of the app.
func (g *graph) origin(k *kustomization, res *resource.Resource) object.Origin {
	from, err := res.GetOrigin()
	if err != nil || from == nil {
		return g.anywhere(k, res)
	}
	if from.Path != "" {
		return g.written(path.Join(k.dir, from.Path), res)
	}
	return g.generated(path.Join(k.dir, from.ConfiguredIn), from.ConfiguredBy.Kind, res)
}

// written finds an object in a resource file. Its name may have got a prefix or suffix on the way.
func (g *graph) written(file string, res *resource.Resource) object.Origin {
	if real, err := g.files.rec.Real(file); err == nil {
		file = real
	}
	objs := g.objects[file]
	if len(objs) == 1 {
		return objs[0].Origin()
	}
	if o := namesake(objs, res); !o.IsZero() {
		return o.Origin()
	}
	return object.Origin{File: file}
}

// anywhere is for objects that lost the note of where they came from, as a patch that sets all annotations takes it away.
func (g *graph) anywhere(k *kustomization, res *resource.Resource) object.Origin {
	var all []object.Object
	for _, file := range slices.Sorted(maps.Keys(g.objects)) {
		all = append(all, g.objects[file]...)
	}
	if o := namesake(all, res); !o.IsZero() {
		return o.Origin()
	}
	return object.Origin{File: k.file}
}

// namesake finds the object that a result was made of, by kind and name.
func namesake(objs []object.Object, res *resource.Resource) object.Object {
	gvk := res.GetGvk()
	for _, close := range []func(object.Object) bool{
		func(o object.Object) bool { return o.Name() == res.GetName() && o.Namespace() == res.GetNamespace() },
		func(o object.Object) bool { return o.Name() == res.GetName() },
		func(o object.Object) bool { return strings.Contains(res.GetName(), o.Name()) },
	} {
		i := slices.IndexFunc(objs, func(o object.Object) bool {
			key := o.Key()
			return key.Kind == gvk.Kind && key.Group == gvk.Group && close(o)
		})
		if i >= 0 {
			return objs[i]
		}
	}
	return object.Object{}
}

// generated finds the entry of a generator in a kustomization file.
func (g *graph) generated(file, generator string, res *resource.Resource) object.Origin {
	if real, err := g.files.rec.Real(file); err == nil {
		file = real
	}
	k := g.byFile[file]
	if k == nil {
		return object.Origin{File: file}
	}
	field := "configMapGenerator"
	switch generator {
	case "ConfigMapGenerator":
	case "SecretGenerator":
		field = "secretGenerator"
	default:
		field = "generators"
	}
	at := k.at(field, -1, "")
	longest := 0
	_, list := pair(k.root, field)
	for i := 0; list != nil && i < len(list.Content); i++ {
		_, name := pair(list.Content[i], "name")
		// The longest name that is part of the result's is meant: "app" is part of "app-env-4f2k" as well.
		if name != nil && len(name.Value) > longest && strings.Contains(res.GetName(), name.Value) {
			longest, at = len(name.Value), k.at(field, i, "")
		}
	}
	return object.Origin{File: at.file, Line: at.line}
}

var resourceID = regexp.MustCompile(`([A-Z][A-Za-z0-9]*)\.[A-Za-z0-9]*\.[^/\s]*/([a-z0-9][-a-z0-9.]*?)\.(\[noNs\]|[a-z0-9-]+)`)

// explain turns an error of Kustomize's into one that names the places it is about: where the objects that it mentions are
// written or patched.
func (g *graph) explain(k *kustomization, err error) error {
	text := shorter(oneLine(err))
	var places []string
	for _, m := range resourceID.FindAllStringSubmatch(text, -1) {
		text = strings.ReplaceAll(text, m[0], m[1]+" "+m[2])
		for _, o := range g.mentioned(m[1], m[2]) {
			if at := o.Origin().String(); !slices.Contains(places, at) && len(places) < 4 {
				places = append(places, at)
			}
		}
	}
	if len(places) > 0 {
		text += " (see " + strings.Join(places, ", ") + ")"
	}
	return place{file: k.file}.errorf("%s", text)
}

func (g *graph) mentioned(kind, name string) []object.Object {
	var out []object.Object
	is := func(o object.Object) bool { return o.Kind() == kind && o.Name() == name }
	for _, file := range slices.Sorted(maps.Keys(g.objects)) {
		for _, o := range g.objects[file] {
			if is(o) {
				out = append(out, o)
			}
		}
	}
	for _, o := range g.patched {
		if is(o) {
			out = append(out, o)
		}
	}
	return out
}

// noise are the layers of Kustomize's errors that say where its code was, not what is wrong.
var noise = []*regexp.Regexp{
	regexp.MustCompile(`^accumulating resources: `),
	regexp.MustCompile(`^accumulating components: `),
	regexp.MustCompile(`^accumulation err='accumulating resources from '[^']*': read [^']*': `),
	regexp.MustCompile(`^accumulation err='.*?': recursed accumulation of path '[^']*': `),
	regexp.MustCompile(`^accumulateDirectory: "`),
	regexp.MustCompile(`^recursed (accumulation of|merging from) path '[^']*': `),
}

func shorter(text string) string {
	for again := true; again; {
		again = false
		for _, re := range noise {
			if cut := re.ReplaceAllString(text, ""); cut != text && cut != "" {
				text, again = cut, true
			}
		}
	}
	return text
}
