package odb

import (
	"bytes"
	"io/fs"
	"path"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// Tree is a tree object as a source.Tree. It is immutable, reads lazily and is safe for concurrent use.
//
// A submodule is listed as a directory and refused when it is entered. Times are zero: a tree has none.
type Tree struct {
	store *Store
	root  source.ID
}

var (
	_ source.Tree   = (*Tree)(nil)
	_ source.Lister = (*Tree)(nil)
)

// ID implements source.Tree. A submodule has the id of its commit.
func (t *Tree) ID(name string) (source.ID, error) {
	n, err := t.find(name, false)
	if err != nil {
		return "", wrap("id", name, err)
	}
	return n.id, nil
}

// Open implements fs.FS.
func (t *Tree) Open(name string) (fs.File, error) {
	n, err := t.find(name, true)
	if err != nil {
		return nil, wrap("open", name, err)
	}
	n.name = path.Base(name)
	if n.mode == modeTree {
		return &openDir{info: t.info(n), list: func() ([]fs.DirEntry, error) { return t.list(name, n) }}, nil
	}
	data, err := t.content(name, n)
	if err != nil {
		return nil, wrap("open", name, err)
	}
	return &openFile{Reader: bytes.NewReader(data), info: t.info(n)}, nil
}

// ReadFile implements fs.ReadFileFS. The bytes are the caller's.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	n, err := t.find(name, true)
	if err == nil {
		var data []byte
		if data, err = t.content(name, n); err == nil {
			return append(make([]byte, 0, len(data)), data...), nil
		}
	}
	return nil, wrap("read", name, err)
}

// Stat implements fs.StatFS.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.stat("stat", name, true) }

// Lstat implements fs.ReadLinkFS.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name, false) }

func (t *Tree) stat(op, name string, follow bool) (fs.FileInfo, error) {
	n, err := t.find(name, follow)
	if err != nil {
		return nil, wrap(op, name, err)
	}
	n.name = path.Base(name)
	return t.info(n), nil
}

// ReadLink implements fs.ReadLinkFS.
func (t *Tree) ReadLink(name string) (string, error) {
	n, err := t.find(name, false)
	if err == nil && n.mode != modeLink {
		err = fs.ErrInvalid
	}
	if err != nil {
		return "", wrap("readlink", name, err)
	}
	text, err := t.store.linkText(n.id)
	if err != nil {
		return "", wrap("readlink", name, err)
	}
	return text, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find(name, true)
	if err != nil {
		return nil, wrap("readdir", name, err)
	}
	return t.list(name, n)
}

func (t *Tree) list(name string, n node) ([]fs.DirEntry, error) {
	if n.mode == modeSubmodule {
		return nil, wrap("readdir", name, refuseSubmodule(name, n.id))
	}
	if n.mode != modeTree {
		return nil, wrap("readdir", name, errNotDir)
	}
	d, err := t.store.dir(n.id)
	if err == nil {
		err = d.refused
	}
	if err != nil {
		return nil, wrap("readdir", name, err)
	}
	list := make([]fs.DirEntry, len(d.places))
	for i := range list {
		list[i] = t.info(node{entry: d.entry(i)})
	}
	return list, nil
}

// List implements source.Lister. That something is missing is no damage: a tree that was read once may be gone.
func (t *Tree) List(name string) (source.Listing, error) {
	d, err := t.store.dirBy(t.root, t.store.read)
	for name != "." && name != "" && err == nil {
		var elem string
		elem, name, _ = strings.Cut(name, "/")
		e, ok := d.find(elem)
		if !ok || e.mode != modeTree {
			return nil, wrap("list", elem, fs.ErrNotExist)
		}
		d, err = t.store.dirBy(e.id, t.store.read)
	}
	if err != nil {
		return nil, wrap("list", name, err)
	}
	return d, nil
}

// content returns the bytes of a file, never to be changed.
func (t *Tree) content(name string, n node) ([]byte, error) {
	switch n.mode {
	case modeTree:
		return nil, errIsDir
	case modeSubmodule:
		return nil, refuseSubmodule(name, n.id)
	case modeFile, modeExec, modeLink:
	}
	data, err := t.store.blob(n.id, n.dir)
	if err != nil {
		return nil, err
	}
	return data, refusePointer(data)
}

func (t *Tree) info(n node) info { return info{store: t.store, entry: n.entry} }

func wrap(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}
