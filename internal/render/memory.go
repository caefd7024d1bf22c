package render

import (
	"crypto/sha256"

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
	if r.memory == nil {
		return parse(name, data)
	}
	key := reading{name, sha256.Sum256(data), as}
	objs, known := r.memory.files[key]
	if !known {
		var err error
		if objs, err = parse(name, data); err != nil {
			return nil, err
		}
	}
	r.read[key] = objs
	return objs, nil
}
