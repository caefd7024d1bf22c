package odb

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"time"
)

var (
	errIsDir  = errors.New("is a directory")
	errNotDir = errors.New("is not a directory")
)

// info is a fs.FileInfo and fs.DirEntry. Its size is looked up when it is asked for: hardly anyone asks, and unless the
// file was read already it is a question to Git.
type info struct {
	entry
	store *Store
}

var (
	_ fs.FileInfo = info{}
	_ fs.DirEntry = info{}
)

func (i info) Name() string               { return i.name }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) IsDir() bool                { return i.Mode().IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Type() fs.FileMode          { return i.Mode().Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) String() string             { return fs.FormatDirEntry(i) }

// Mode says of a submodule that it is a directory: what enters it is told what it is.
func (i info) Mode() fs.FileMode {
	if i.mode == modeSubmodule {
		return modeTree.bits()
	}
	return i.mode.bits()
}

// Size is 0 for a file that cannot be read; reading it then says why.
func (i info) Size() int64 {
	if i.IsDir() {
		return 0
	}
	return i.store.size(i.id)
}

type openFile struct {
	*bytes.Reader
	info info
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info info
	list func() ([]fs.DirEntry, error)
	rest []fs.DirEntry
	read bool
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error)   { return 0, wrap("read", d.info.name, errIsDir) }

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		var err error
		if d.rest, err = d.list(); err != nil {
			return nil, err
		}
		d.read = true
	}
	if n <= 0 {
		n = len(d.rest)
	} else if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	list := d.rest[:n]
	d.rest = d.rest[n:]
	return list, nil
}
