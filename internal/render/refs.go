package render

import (
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// visitor follows the references of one kustomization.
type visitor struct {
	*graph
	k       *kustomization
	chain   []string
	configs bool
}

// references checks every path that the kustomization names, field by field. A field of Kustomize's that takes a path and is
// missing here would be a way to the network: TestEveryPathField counts them.
func (v *visitor) references() error {
	spec := &v.k.spec
	if v.configs {
		if err := v.onlyResources(); err != nil {
			return err
		}
	}
	steps := []func() error{
		// The order of these four is the order of Kustomize's result.
		v.resources,
		v.charts,
		v.generators,
		func() error { return v.each("components", spec.Components, v.component) },
		func() error { return v.each("crds", spec.Crds, v.values) },
		func() error { return v.each("configurations", spec.Configurations, v.values) },
		func() error { return v.each("generators", spec.Generators, v.config) },
		func() error { return v.each("transformers", spec.Transformers, v.config) },
		func() error { return v.each("validators", spec.Validators, v.config) },
		v.openAPI,
		v.patches,
		v.replacements,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return v.k.handOverBases()
}

// each calls check for the items of a list of texts.
func (v *visitor) each(field string, items []string, check func(place, string) error) error {
	for i, item := range items {
		if err := check(v.k.at(field, i, ""), item); err != nil {
			return err
		}
	}
	return nil
}

func (v *visitor) resources() error {
	own := len(v.k.spec.Resources)
	if _, was := pair(v.k.root, "resources"); was != nil {
		own = len(was.Content)
	} else if _, old := pair(v.k.root, "bases"); old != nil {
		own = 0
	}
	for i, item := range v.k.spec.Resources {
		at := v.k.at("resources", i, "")
		if i >= own {
			at = v.k.at("bases", i-own, "")
		}
		if err := v.resource(at, item); err != nil {
			return err
		}
	}
	return nil
}

// resource is a file of objects or the directory of another kustomization.
func (v *visitor) resource(at place, p string) error {
	if remote(p) && !v.configs {
		dir, err := v.remote(at, p)
		if err != nil {
			return err
		}
		return v.base(at, dir, false)
	}
	name, isDir, err := v.find(at, p)
	if err != nil {
		return err
	}
	if isDir {
		return v.base(at, name, v.configs)
	}
	if v.configs {
		return v.configFile(name)
	}
	data, err := v.files.read(name)
	if err != nil {
		return err
	}
	objs, known := v.objects[name]
	if !known {
		if objs, err = v.manifests(name, data, true); err != nil {
			return err
		}
		v.objects[name] = objs
	}
	v.k.parts = append(v.k.parts, part{objs: objs})
	v.k.total += len(objs)
	v.k.bytes += len(data)
	return nil
}

func (v *visitor) component(at place, p string) error {
	if remote(p) {
		dir, err := v.remote(at, p)
		if err != nil {
			return err
		}
		return v.base(at, dir, false)
	}
	name, isDir, err := v.find(at, p)
	if err != nil {
		return err
	}
	if !isDir {
		return at.errorf("%s is a file: a component is a directory with a kustomization.yaml of kind Component", p)
	}
	return v.base(at, name, false)
}

func (v *visitor) base(at place, dir string, configs bool) error {
	base, err := v.visit(dir, at, v.chain, configs)
	if err != nil {
		return err
	}
	if !configs {
		v.k.parts = append(v.k.parts, part{base: base})
	}
	v.k.includes(base)
	return nil
}

// values is a file that Kustomize reads as YAML, but not as objects.
func (v *visitor) values(at place, p string) error {
	_, err := v.valuesOf(at, p)
	return err
}

func (v *visitor) valuesOf(at place, p string) ([]any, error) {
	name, data, err := v.file(at, p)
	if err != nil {
		return nil, err
	}
	return object.Values(name, data)
}

// file finds and reads a file of any content.
func (v *visitor) file(at place, p string) (string, []byte, error) {
	name, isDir, err := v.find(at, p)
	if err != nil {
		return "", nil, err
	}
	if isDir {
		return "", nil, at.errorf("%s is a directory, and a file is wanted", p)
	}
	data, err := v.files.read(name)
	v.k.bytes += len(data)
	return name, data, err
}

// find resolves a path that the kustomization names at a line.
func (v *visitor) find(at place, p string) (name string, isDir bool, err error) {
	name = path.Join(v.k.dir, p)
	switch {
	case strings.TrimSpace(p) == "":
		return "", false, at.errorf("an empty path")
	case remote(p):
		return "", false, at.errorf("%s is on the network, and nothing is fetched while rendering: copy it into the repository", withoutUser(p))
	case path.IsAbs(p):
		return "", false, at.errorf("%s is absolute: paths are relative to the kustomization", p)
	case name == ".." || strings.HasPrefix(name, "../") || rootOf(name) != rootOf(v.k.dir):
		return "", false, at.errorf("%s leaves the repository", p)
	}
	target, err := v.files.rec.Real(name)
	if isAbsent(err) {
		return "", false, v.missing(at, p, name)
	}
	if err != nil {
		return "", false, at.errorf("%s: %w", p, err)
	}
	info, err := v.files.stat(target)
	if err != nil {
		return "", false, err
	}
	return target, info.IsDir(), nil
}

// missing says that there is no such file, and which one may have been meant.
func (v *visitor) missing(at place, p, name string) error {
	if strings.Contains(p, "?ref=") || strings.Contains(p, "//") {
		return at.errorf("%s does not exist here, and nothing is fetched from the network: copy it into the repository", p)
	}
	if strings.Contains(p, " - ") {
		return at.errorf("%s does not exist: two entries of a list run together: check the indentation", p)
	}
	var siblings []string
	if entries, err := v.files.rec.ReadDir(path.Dir(name)); err == nil {
		for _, e := range entries {
			siblings = append(siblings, e.Name())
		}
	}
	if near, ok := nearest.Of(path.Base(name), siblings); ok {
		return at.errorf("%s does not exist: did you mean %s?", p, path.Join(path.Dir(p), near))
	}
	return at.errorf("%s does not exist", p)
}

var userAtHost = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*@`)

// remote reports whether Kustomize would fetch p. It is what Kustomize's own, internal, loader.IsRemoteFile and
// git.NewRepoSpecFromURL accept, and a little more.
func remote(p string) bool {
	if u, err := url.Parse(p); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		return true
	}
	low := strings.ToLower(p)
	low = strings.TrimPrefix(low, "git::")
	for _, prefix := range []string{"ssh://", "https://", "http://", "file://", "git://", "github.com/", "github.com:"} {
		if strings.HasPrefix(low, prefix) {
			return true
		}
	}
	return userAtHost.MatchString(low)
}
