package survey

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// scan is what a walk through a tree has seen.
type scan struct {
	tree         source.Tree
	environments []environment
	kustomize    map[string]*kustomization // by directory
	loose        map[string][]string       // manifests, by directory
	declared     []string                  // directories with a fairlead.yaml or a main.jsonnet
	charts       []string
}

// environment is an Environment object, as far as it says where apps are.
type environment struct {
	name, namespace, destination, file string
	sources                            []sought
	rules                              render.Rules
}

// sought is where a source has apps, and what the one is called if it says that.
type sought struct{ pattern, name string }

// kustomization is a kustomization file, as far as it says what it builds upon.
type kustomization struct {
	component bool
	refers    []string // paths
}

// newScan walks the whole tree for Environments, and a directory of it for apps.
func newScan(tree source.Tree, dir string) (*scan, error) {
	s := &scan{tree: tree, kustomize: map[string]*kustomization{}, loose: map[string][]string{}}
	if err := s.walk(".", dir, 0); err != nil {
		return nil, err
	}
	for from, k := range s.kustomize {
		for i, p := range k.refers {
			k.refers[i] = path.Join(from, p)
		}
	}
	return s, nil
}

var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// skipped are directories that hold no manifests of one's own.
var skipped = []string{"node_modules", "vendor", "testdata"}

const maxDepth = 60

func (s *scan) walk(dir, shown string, depth int) error {
	entries, err := s.tree.ReadDir(dir)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	if names["Chart.yaml"] {
		s.charts = append(s.charts, dir)
		if names["fairlead.yaml"] {
			s.declared = append(s.declared, dir)
		}
		return nil
	}
	if names["fairlead.yaml"] || names["main.jsonnet"] {
		s.declared = append(s.declared, dir)
	}
	for _, name := range kustomizationNames {
		if names[name] && s.kustomize[dir] == nil {
			s.kustomize[dir] = s.read(path.Join(dir, name))
		}
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			if !slices.Contains(skipped, e.Name()) && depth < maxDepth {
				if err := s.walk(name, shown, depth+1); err != nil {
					return err
				}
			}
		case e.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)):
			s.file(dir, name, within(dir, shown))
		}
	}
	return nil
}

var (
	saysVersion = regexp.MustCompile(`(^|[\s{,])"?apiVersion"?\s*:`)
	saysKind    = regexp.MustCompile(`(^|[\s{,])"?kind"?\s*:`)
)

// file notes a manifest. What cannot be read is left out here: rendering says it.
func (s *scan) file(dir, name string, shown bool) {
	if s.kustomize[dir] != nil && !shown {
		return
	}
	data, err := s.tree.ReadFile(name)
	ours := bytes.Contains(data, []byte("fairlead.dev/"))
	if err != nil || !shown && !ours || !saysVersion.Match(data) || !saysKind.Match(data) {
		return
	}
	if ours && bytes.Contains(data, []byte("Environment")) {
		s.environment(name, data)
	}
	base := path.Base(name)
	if shown && !strings.HasPrefix(strings.ToLower(base), "kustomization.") {
		s.loose[dir] = append(s.loose[dir], name)
	}
}

func (s *scan) environment(file string, data []byte) {
	objs, err := object.Parse(file, data)
	if err != nil {
		return
	}
	for _, o := range objs {
		if o.Key().GroupKind() != (object.GroupKind{Group: "fairlead.dev", Kind: "Environment"}) {
			continue
		}
		e := environment{name: o.Name(), namespace: o.Namespace(), destination: o.Text("spec", "destination", "namespace"), file: file}
		if e.destination == "" {
			e.destination = e.namespace
		}
		e.rules = rulesOf(o)
		sources, _ := o.At("spec", "sources").([]any)
		for _, src := range sources {
			m, _ := src.(map[string]any)
			if pattern, ok := m["path"].(string); ok {
				name, _ := m["name"].(string)
				e.sources = append(e.sources, sought{pattern, name})
			}
		}
		s.environments = append(s.environments, e)
	}
}

// rulesOf is what an Environment says of rendering. What is in ConfigMaps and Secrets of a cluster is not known here: what lacks a value that could be there stays
// as it is written.
func rulesOf(o object.Object) render.Rules {
	values, here := o.At("spec", "render", "substitute").(map[string]any)
	from, _ := o.At("spec", "render", "substituteFrom").([]any)
	var rules render.Rules
	never, _ := o.At("spec", "render", "neverApply").([]any)
	for _, v := range never {
		m, _ := v.(map[string]any)
		group, _ := m["group"].(string)
		kind, _ := m["kind"].(string)
		rules.Never = append(rules.Never, object.GroupKind{Group: group, Kind: kind})
	}
	if !here && len(from) == 0 {
		return rules
	}
	s := &render.Substitute{Values: map[string]string{"FAIRLEAD_CLUSTER": "in-cluster"}, Loose: len(from) > 0}
	for name, v := range values {
		if text, ok := v.(string); ok { // what is wrong with the Environment is said of the object
			s.Values[name] = text
		}
	}
	rules.Substitute = s
	return rules
}

// read reads what a kustomization builds upon. One that is no YAML builds upon nothing.
func (s *scan) read(file string) *kustomization {
	k := &kustomization{}
	data, err := s.tree.ReadFile(file)
	if err != nil {
		return k
	}
	var spec struct {
		Kind                                                                     string
		Resources, Bases, Components, Generators, Transformers, Validators, Crds []yaml.Node
	}
	if yaml.Unmarshal(data, &spec) != nil {
		return k
	}
	k.component = spec.Kind == "Component"
	for _, list := range [][]yaml.Node{spec.Resources, spec.Bases, spec.Components, spec.Generators, spec.Transformers, spec.Validators, spec.Crds} {
		for _, n := range list {
			if n.Kind == yaml.ScalarNode && !path.IsAbs(n.Value) {
				k.refers = append(k.refers, n.Value)
			}
		}
	}
	return k
}

// roots are the kustomizations that no other one builds upon, and that of the directory itself.
func (s *scan) roots(dir string) []string {
	used := map[string]bool{}
	for _, k := range s.kustomize {
		for _, p := range k.refers {
			used[p] = true
		}
	}
	var out []string
	for d, k := range s.kustomize {
		if d == dir || !used[d] && !k.component {
			out = append(out, d)
		}
	}
	slices.Sort(out)
	return out
}

// kustomized reports whether a directory is that of a kustomization or within one.
func (s *scan) kustomized(dir string) bool {
	for d := dir; ; d = path.Dir(d) {
		if s.kustomize[d] != nil {
			return true
		}
		if d == "." {
			return false
		}
	}
}
