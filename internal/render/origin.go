package render

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/resource"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// origins finds where the objects of a result were written. Kustomize can note it in annotations, but that takes half again as long, and
// with one more annotation a JSON patch can pass that would fail without. So it is found by order: Kustomize keeps the order in
// which it read the objects, and here they were read in the same order. A patch may have deleted some.
func origins(k *kustomization, built []*resource.Resource) []object.Origin {
	expected := k.expected(nil)
	out := make([]object.Origin, len(built))
	next, sorted := 0, k.spec.SortOptions != nil
	for i, res := range built {
		if j := counterpart(expected, next, res); j >= 0 {
			out[i] = expected[j].Origin()
			if !sorted {
				next = j + 1
			}
		} else {
			out[i] = object.Origin{File: k.file} // renamed by a patch, or made by a generator plugin
		}
	}
	return out
}

// counterpart is the first object from start on that the result can have been made of: of its kind, and the one whose name is the
// longest part of the result's, as names get prefixes and suffixes on the way. In order, that is nearly always the next.
func counterpart(expected []object.Object, start int, res *resource.Resource) int {
	gvk, name := res.GetGvk(), res.GetName()
	best, longest := -1, -1
	for j := start; j < len(expected); j++ {
		key := expected[j].Key()
		if key.Kind != gvk.Kind || key.Group != gvk.Group || len(key.Name) <= longest || !strings.Contains(name, key.Name) {
			continue
		}
		best, longest = j, len(key.Name)
		if j == start && start > 0 || key.Name == name {
			break // the next in order: no need to look through all for each
		}
	}
	return best
}

var resourceID = regexp.MustCompile(`([A-Z][A-Za-z0-9]*)\.[A-Za-z0-9]*\.[^/\s]*/([a-z0-9][-a-z0-9.]*?)\.(\[noNs\]|[a-z0-9-]+)`)

// madeTwice is what Kustomize says of a generator whose object is there already.
var madeTwice = regexp.MustCompile(`Kind:"([A-Za-z]+)", isClusterScoped:\w+\}, Name:"([^"]*)", Namespace:"[^"]*"\} exists; can not use behavior`)

// generator is where the last generator of an object is written; else the kustomization.
func (k *kustomization) generator(kind, name string) place {
	at := place{file: k.file}
	for i, g := range k.spec.ConfigMapGenerator {
		if kind == "ConfigMap" && g.Name == name {
			at = k.at("configMapGenerator", i, "")
		}
	}
	for i, g := range k.spec.SecretGenerator {
		if kind == "Secret" && g.Name == name {
			at = k.at("secretGenerator", i, "")
		}
	}
	return at
}

// explain turns an error of Kustomize's into one that names the places it is about: where the objects that it mentions are
// written or patched.
func (g *graph) explain(k *kustomization, err error) error {
	text := shorter(oneLine(err))
	if m := madeTwice.FindStringSubmatch(text); m != nil {
		return k.generator(m[1], m[2]).errorf("a %s %s is there already: give this generator another name, or behavior: merge or replace", m[1], m[2])
	}
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
