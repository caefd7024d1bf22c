package render

import (
	"io/fs"
	"path"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// kustomizationNames are the names that Kustomize knows, the usual one first.
var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// files reads the tree within limits, each file once.
type files struct {
	rec    *trees
	limits Limits
	cache  map[string][]byte
	bytes  int
	// open decrypts what is encrypted.
	open func(name string, data []byte) ([]byte, error)
}

func newFiles(rec *source.Recorder, limits Limits, open func(string, []byte) ([]byte, error)) *files {
	return &files{rec: &trees{own: rec}, limits: limits, cache: map[string][]byte{}, open: open}
}

func (f *files) stat(name string) (fs.FileInfo, error) { return f.rec.Stat(name) }

// read returns the content of a file, decrypted if it is encrypted, which the caller must not change.
func (f *files) read(name string) ([]byte, error) {
	if data, ok := f.cache[name]; ok {
		return data, nil
	}
	info, err := f.rec.Stat(name)
	if err != nil {
		return nil, err
	}
	if f.bytes += int(info.Size()); f.bytes > f.limits.Bytes {
		return nil, fault.Newf(fault.Invalid, "%s: the app reads more than %d MiB", name, f.limits.Bytes>>20)
	}
	if len(f.cache) == f.limits.Files {
		return nil, fault.Newf(fault.Invalid, "%s: the app reads more than %d files", name, f.limits.Files)
	}
	data, err := f.rec.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if data, err = f.open(name, data); err != nil {
		return nil, err
	}
	f.cache[name] = data
	return data, nil
}

// kustomizations returns the kustomization files of a directory. It looks for each name, so that a new one is noticed.
func (f *files) kustomizations(dir string) ([]string, error) {
	var found []string
	for _, name := range kustomizationNames {
		is, err := f.isFile(path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if is {
			found = append(found, path.Join(dir, name))
		}
	}
	return found, nil
}

// isFile reports whether there is a file of that name; a symlink that leads nowhere is none.
func (f *files) isFile(name string) (bool, error) {
	info, err := f.stat(name)
	if isAbsent(err) {
		return false, nil
	}
	return err == nil && !info.IsDir(), err
}
