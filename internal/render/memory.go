package render

import (
	"crypto/sha256"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/gotemplate"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Memory keeps what the files of one app were read as, from one render to the next: of a large app, a commit changes few. The zero Memory is empty.
// It is not safe for concurrent use.
type Memory struct {
	files map[reading]([]object.Object)
	keys  gotemplate.Keys
}

// reading is all that the objects of a file depend on.
type reading struct {
	file    string
	content [sha256.Size]byte
	as      dialect
}

// dialect is how YAML is read.
type dialect uint8

const (
	manifest  dialect = iota // as kubectl does
	kustomize                // as Kustomize does
	templated                // as kubectl does, and of what a template made
)

// manifests reads a file, or remembers what it was read as.
func (r *renderer) manifests(name string, data []byte, forKustomize bool) ([]object.Object, error) {
	if forKustomize {
		return r.parse(name, data, kustomize)
	}
	return r.parse(name, data, manifest)
}

func (r *renderer) parse(name string, data []byte, as dialect) ([]object.Object, error) {
	if err := r.secrets.ofSecrets(name); err != nil {
		return nil, err
	}
	parse := map[dialect]func(string, []byte) ([]object.Object, error){
		manifest: object.Parse, kustomize: object.ParseNew, templated: object.ParseTemplated,
	}[as]
	read := func() ([]object.Object, error) {
		objs, err := parse(name, data)
		if err != nil {
			return nil, err
		}
		return nameHooks(objs, as)
	}
	if r.memory == nil {
		return read()
	}
	key := reading{name, sha256.Sum256(data), as}
	objs, known := r.memory.files[key]
	if !known {
		var err error
		if objs, err = read(); err != nil {
			return nil, err
		}
	}
	r.read[key] = objs
	return objs, nil
}

// nameHooks lets hooks have a metadata.generateName, as Argo CD has them: each is known by the name that it was given when it was read. What is kept applied needs a
// name of its own.
func nameHooks(objs []object.Object, as dialect) ([]object.Object, error) {
	for i, o := range objs {
		switch {
		case !o.IsNamed():
		case as == kustomize:
			return nil, fault.Newf(fault.Invalid, "%s: Kustomize does not know metadata.generateName: give it a metadata.name", o.Origin())
		case app.HookOf(o).IsZero() && app.ApplyOf(o) != app.ApplyNever:
			return nil, fault.Newf(fault.Invalid, "%s: metadata.generateName makes another object at each apply: give it a metadata.name; hooks alone need none", o.Origin())
		default:
			objs[i] = o.With(nil, "metadata", "generateName")
		}
	}
	return objs, nil
}
