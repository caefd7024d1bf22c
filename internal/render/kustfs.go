package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// mount is where Kustomize sees the tree. It is not the root, so that a path which leaves the tree is not
// taken for one at the top of it: Kustomize cleans paths before it asks.
const mount = "/repository"

// checkedFS is the file system that Kustomize reads: the tree, but of kustomization files only those that the
// walk before has checked, in the form in which they were checked. Nothing can be written.
type checkedFS struct{ graph *graph }

var _ filesys.FileSystem = checkedFS{}

var errReadOnly = errors.New("the repository is read-only")

func inTree(p string) (string, error) {
	p = path.Clean(p)
	if p == mount {
		return ".", nil
	}
	name, ok := strings.CutPrefix(p, mount+"/")
	if !ok {
		return "", fault.Newf(fault.Invalid, "%s is outside of the repository", p)
	}
	return name, nil
}

// ReadFile implements filesys.FileSystem.
func (c checkedFS) ReadFile(p string) ([]byte, error) {
	name, err := inTree(p)
	if err != nil {
		return nil, err
	}
	if data, ok := c.graph.made[name]; ok {
		return data, nil
	}
	if !slices.Contains(kustomizationNames, path.Base(name)) {
		data, err := c.graph.files.read(name)
		if f := c.graph.secrets.files[name]; f != nil && c.graph.sourced[name] {
			data = f.exact
		}
		return data, err
	}
	if k := c.graph.byFile[name]; k != nil {
		return k.checked, nil
	}
	if is, err := c.graph.files.isFile(name); is || err != nil {
		// Invariant: what was not checked is not built. It could fetch from the network.
		return nil, errors.Join(err, fault.Newf(fault.Internal, "%s: was not checked before the build", name))
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// IsDir implements filesys.FileSystem.
func (c checkedFS) IsDir(p string) bool {
	name, err := inTree(p)
	if err != nil {
		return false
	}
	info, err := c.graph.files.stat(name)
	return err == nil && info.IsDir()
}

// Exists implements filesys.FileSystem.
func (c checkedFS) Exists(p string) bool {
	name, err := inTree(p)
	if err != nil {
		return false
	}
	_, err = c.graph.files.stat(name)
	return err == nil
}

// CleanedAbs implements filesys.FileSystem: the path without symlinks, split if it is a file.
func (c checkedFS) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	name, err := inTree(p)
	if err != nil {
		return "", "", err
	}
	if name, err = c.graph.files.rec.Real(name); err != nil {
		return "", "", err
	}
	info, err := c.graph.files.stat(name)
	if err != nil {
		return "", "", err
	}
	full := path.Join(mount, name)
	if info.IsDir() {
		return filesys.ConfirmedDir(full), "", nil
	}
	return filesys.ConfirmedDir(path.Dir(full)), path.Base(full), nil
}

// The rest of filesys.FileSystem is not needed to build.

// Open implements filesys.FileSystem.
func (checkedFS) Open(p string) (filesys.File, error) { return nil, unsupported("open", p) }

// ReadDir implements filesys.FileSystem.
func (checkedFS) ReadDir(p string) ([]string, error) { return nil, unsupported("list", p) }

// Glob implements filesys.FileSystem.
func (checkedFS) Glob(p string) ([]string, error) { return nil, unsupported("glob", p) }

// Walk implements filesys.FileSystem.
func (checkedFS) Walk(p string, _ filepath.WalkFunc) error { return unsupported("walk", p) }

// Create implements filesys.FileSystem.
func (checkedFS) Create(string) (filesys.File, error) { return nil, errReadOnly }

// Mkdir implements filesys.FileSystem.
func (checkedFS) Mkdir(string) error { return errReadOnly }

// MkdirAll implements filesys.FileSystem.
func (checkedFS) MkdirAll(string) error { return errReadOnly }

// RemoveAll implements filesys.FileSystem.
func (checkedFS) RemoveAll(string) error { return errReadOnly }

// WriteFile implements filesys.FileSystem.
func (checkedFS) WriteFile(string, []byte) error { return errReadOnly }

func unsupported(verb, p string) error { return fmt.Errorf("%s %s: not supported", verb, p) }
