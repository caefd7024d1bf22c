// Package localtree shows a directory of this machine as a source.Tree, so that what is not committed yet is rendered exactly as a commit is.
//
//	tree, err := localtree.Open("/home/ann/shop-config")
//	defer tree.Close()
//	res, err := render.Render(render.Request{Tree: tree, Dir: "apps/web/production"})
//
// Files that Git ignores are part of it; the directory .git is not. Nothing outside the directory is ever read: a symlink that leaves it is an error of kind
// fault.Invalid, as it is in a commit. Unlike a commit the tree may change while it is read.
package localtree

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Tree is a directory. It is safe for concurrent use.
type Tree struct {
	root  *os.Root
	files fs.FS
}

var _ source.Tree = (*Tree)(nil)

// Open opens a directory.
func Open(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Tree{root: root, files: root.FS()}, nil
}

// Close ends the reading.
func (t *Tree) Close() error { return t.root.Close() }

// Open implements fs.FS.
func (t *Tree) Open(name string) (fs.File, error) {
	if err := hidden("open", name); err != nil {
		return nil, err
	}
	f, err := t.files.Open(name)
	if d, ok := f.(fs.ReadDirFile); ok && err == nil {
		return dir{d}, nil
	}
	return f, classify(err)
}

// dir is an open file that lists no .git.
type dir struct{ fs.ReadDirFile }

func (d dir) ReadDir(n int) ([]fs.DirEntry, error) {
	all, err := d.ReadDirFile.ReadDir(n)
	entries := visible(all)
	if n > 0 && err == nil && len(entries) == 0 {
		return d.ReadDir(n)
	}
	return entries, err
}

func visible(all []fs.DirEntry) []fs.DirEntry {
	return slices.DeleteFunc(all, func(e fs.DirEntry) bool { return e.Name() == dotGit })
}

// ReadFile implements fs.ReadFileFS.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	if err := hidden("read", name); err != nil {
		return nil, err
	}
	const waits = fs.ModeNamedPipe | fs.ModeSocket | fs.ModeDevice | fs.ModeCharDevice
	if info, err := fs.Stat(t.files, name); err == nil && info.Mode()&waits != 0 { // whoever reads it may wait for ever
		return nil, fault.Newf(fault.Invalid, "%s: it is no file, but a pipe, a socket or a device", name)
	}
	data, err := fs.ReadFile(t.files, name)
	return data, classify(err)
}

// ReadDir implements fs.ReadDirFS.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := hidden("readdir", name); err != nil {
		return nil, err
	}
	all, err := fs.ReadDir(t.files, name)
	return visible(all), classify(err)
}

// Stat implements fs.StatFS.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	if err := hidden("stat", name); err != nil {
		return nil, err
	}
	info, err := fs.Stat(t.files, name)
	return info, classify(err)
}

// Lstat implements fs.ReadLinkFS.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	if err := hidden("lstat", name); err != nil {
		return nil, err
	}
	info, err := fs.Lstat(t.files, name)
	return info, classify(err)
}

// ReadLink implements fs.ReadLinkFS.
func (t *Tree) ReadLink(name string) (string, error) {
	if err := hidden("readlink", name); err != nil {
		return "", err
	}
	text, err := fs.ReadLink(t.files, name)
	return text, classify(err)
}

// ID returns a hash of the content: for a directory, of all that is below it.
func (t *Tree) ID(name string) (source.ID, error) {
	info, err := t.Lstat(name)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	switch {
	case info.IsDir():
		entries, err := t.ReadDir(name)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			id, err := t.ID(path.Join(name, e.Name()))
			if err != nil {
				return "", err
			}
			_, _ = fmt.Fprintf(h, "%v %s %s\n", e.Type(), id, e.Name())
		}
	case info.Mode()&fs.ModeSymlink != 0:
		text, err := t.ReadLink(name)
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(h, "link %s", text)
	case !info.Mode().IsRegular():
		return "", fault.Newf(fault.Invalid, "%s: is neither a file nor a directory", name)
	default:
		data, err := t.ReadFile(name)
		if err != nil {
			return "", err
		}
		_, _ = h.Write(data)
	}
	return source.ID(hex.EncodeToString(h.Sum(nil))), nil
}

// dotGit is where Git keeps its own: no commit has it.
const dotGit = ".git"

func hidden(op, name string) error {
	for elem := range strings.SplitSeq(name, "/") {
		if elem == dotGit {
			return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return nil
}

// classify recognises a symlink that leaves the tree. The error has no exported value.
func classify(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) && strings.Contains(p.Err.Error(), "escapes from parent") {
		return fault.New(fault.Invalid, fmt.Errorf("%s: a symlink leaves the tree: %w", p.Path, err))
	}
	return err
}
