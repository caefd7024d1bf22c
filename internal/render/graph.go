package render

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// maxBuilds bounds how many kustomizations one build goes through. Kustomize builds a base once for each kustomization that names it,
// so that a few files can ask for millions of builds.
const maxBuilds = 2000

// graph is all kustomizations of a build, read and checked before Kustomize sees any of them:
//
//	visit(dir) ─▶ read the file ─▶ unknown fields, charts ─▶ every path that it names ─▶ visit(base) …
//
// Kustomize itself fetches what looks like a URL and runs git for it, even with plugins disabled; here every path of every
// field is looked at first, and checkedFS lets no other kustomization through.
type graph struct {
	files   *files
	byFile  map[string]*kustomization
	visited map[visit]*kustomization
	// objects are those of the resource files, patched those that patches are about, both as written.
	objects   map[string][]object.Object
	manifests func(name string, data []byte, kustomize bool) ([]object.Object, error)
	patched   []object.Object
	secrets   *secrets
	sourced   map[string]bool // files that generators read, as they are
	renderer  *renderer
	// made are the files of objects that charts were rendered to, by name.
	made map[string][]byte
	// ownSchema is set if some kustomization brings an OpenAPI schema: a global of Kustomize's.
	ownSchema bool
}

// visit is a directory and what it is visited for.
type visit struct {
	dir     string
	configs bool
}

// kustomization is one file of the graph.
type kustomization struct {
	dir, file string // without symlinks
	root      *yaml.Node
	spec      types.Kustomization
	checked   []byte            // the file as Kustomize gets it
	moved     map[string]string // where Kustomize finds what is written as a remote base
	parts     []part
	// What building it takes, bases counted as often as they are built.
	builds, total, bytes int
}

// part is what one line of a kustomization adds to the objects: objects written in a file, one that is generated, or a base.
type part struct {
	objs []object.Object
	base *kustomization
}

// expected are the objects that Kustomize starts from, in its order, with their origins.
func (k *kustomization) expected(out []object.Object) []object.Object {
	for _, p := range k.parts {
		out = append(out, p.objs...)
		if p.base != nil {
			out = p.base.expected(out)
		}
	}
	return out
}

// place is a line that asks for something.
type place struct {
	file string
	line int
}

func (p place) String() string { return object.Origin{File: p.file, Line: p.line}.String() }

func (p place) errorf(format string, args ...any) error {
	at := object.Origin{File: p.file, Line: p.line}.String()
	return fault.Newf(fault.Invalid, "%s: "+format, append([]any{at}, args...)...)
}

func newGraph(r *renderer) *graph {
	return &graph{
		files: r.files, manifests: r.manifests, secrets: r.secrets, sourced: map[string]bool{}, byFile: map[string]*kustomization{}, visited: map[visit]*kustomization{},
		objects: map[string][]object.Object{}, renderer: r, made: map[string][]byte{},
	}
}

// visit reads and checks the kustomization of a directory and all that it refers to. Chain are the directories that led here.
// With configs, what it lists are configurations of generators and transformers.
func (g *graph) visit(dir string, asked place, chain []string, configs bool) (*kustomization, error) {
	dir, err := g.files.rec.Real(dir)
	if err != nil {
		return nil, err
	}
	for _, above := range chain {
		if above == dir || dir == "." || strings.HasPrefix(above, dir+"/") {
			return nil, asked.errorf("%s leads back to %s: a base may not hold what builds upon it", dir, strings.Join(chain, " → "))
		}
	}
	if k := g.visited[visit{dir, configs}]; k != nil {
		return k, nil
	}
	k, err := g.open(dir, asked)
	if err != nil {
		return nil, err
	}
	if err := g.parse(k); err != nil {
		return nil, err
	}
	v := visitor{graph: g, k: k, chain: append(slices.Clone(chain), dir), configs: configs}
	if err := v.references(); err != nil {
		return nil, err
	}
	g.visited[visit{dir, configs}], g.byFile[k.file] = k, k
	return k, g.bounds(k)
}

// open finds the one kustomization file of a directory.
func (g *graph) open(dir string, asked place) (*kustomization, error) {
	names, err := g.files.kustomizations(dir)
	if err != nil {
		return nil, err
	}
	switch len(names) {
	case 1:
		return &kustomization{dir: dir, file: names[0], builds: 1}, nil
	case 0:
		return nil, asked.errorf("%s has no kustomization.yaml: add one, or name its files", dir)
	}
	return nil, fault.Newf(fault.Invalid, "%s: %s and %s are both kustomizations: keep one", dir, path.Base(names[0]), path.Base(names[1]))
}

// bounds refuses what would take too long before it begins.
func (g *graph) bounds(k *kustomization) error {
	limits := g.files.limits
	switch at := (place{k.file, 0}); {
	case k.builds > maxBuilds:
		return at.errorf("takes %d builds of bases, more than %d: a base is built for each kustomization that names it", k.builds, maxBuilds)
	case k.total > limits.Objects:
		return at.errorf("gathers more than %d objects: split the app", limits.Objects)
	case k.bytes > limits.Bytes:
		return at.errorf("gathers more than %d MiB: split the app", limits.Bytes>>20)
	}
	return nil
}

// includes adds what another kustomization takes.
func (k *kustomization) includes(base *kustomization) {
	const enough = 1 << 40 // sums of bounded numbers stay bounded
	k.builds = min(k.builds+base.builds, enough)
	k.total = min(k.total+base.total, enough)
	k.bytes = min(k.bytes+base.bytes, enough)
}

// at is the line of a field, of the item of its list if index is not negative, of a field of that item if there is a name.
func (k *kustomization) at(field string, index int, name string) place {
	key, value := pair(k.root, field)
	if key == nil {
		return place{k.file, 0}
	}
	line := key.Line
	if index >= 0 && value.Kind == yaml.SequenceNode && index < len(value.Content) {
		item := value.Content[index]
		line = item.Line
		if inner, v := pair(item, name); inner != nil {
			line = inner.Line
			if v.Kind == yaml.ScalarNode && v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
				line = v.Line
			}
		}
	}
	return place{k.file, line}
}

// pair finds a key of a mapping.
func pair(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
