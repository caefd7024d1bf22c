package render

import (
	"crypto/sha256"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Memory keeps what the files of one app were read as, from one render to the next: of a large app, a commit changes few. The zero Memory is empty.
// It is not safe for concurrent use.
type Memory struct{ files map[reading]([]object.Object) }

// reading is all that the objects of a file depend on.
type reading struct {
	file      string
	content   [sha256.Size]byte
	kustomize bool // as Kustomize reads YAML
}

// manifests reads a file, or remembers what it was read as.
func (r *renderer) manifests(name string, data []byte, kustomize bool) ([]object.Object, error) {
	parse := object.Parse
	if kustomize {
		parse = object.ParseNew
	}
	if err := r.secrets.ofSecrets(name); err != nil {
		return nil, err
	}
	if r.memory == nil {
		return parse(name, data)
	}
	key := reading{name, sha256.Sum256(data), kustomize}
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
