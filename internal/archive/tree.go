package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Tree is the files of an archive, in memory. Like Git it has no empty directories.
type Tree struct {
	nodes map[string]*node
	files int
	bytes int64
}

var (
	_ source.Tree   = (*Tree)(nil)
	_ source.Lister = (*Tree)(nil)
)

// Files is how many files there are, symlinks included.
func (t *Tree) Files() int { return t.files }

// Bytes is how large they are together.
func (t *Tree) Bytes() int64 { return t.bytes }

type node struct {
	name     string
	mode     fs.FileMode
	data     []byte
	id       source.ID
	children []string // names, sorted
}

type builder struct{ t *Tree }

func newBuilder() *builder {
	return &builder{&Tree{nodes: map[string]*node{".": {name: ".", mode: fs.ModeDir | 0o755}}}}
}

// add adds a file, and the directories that it is in.
func (b *builder) add(p string, mode fs.FileMode, data []byte) error {
	t := b.t
	if t.nodes[p] != nil {
		return fault.Newf(fault.Invalid, "%s is there twice", p)
	}
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if d := t.nodes[dir]; d != nil && !d.mode.IsDir() {
			return fault.Newf(fault.Invalid, "%s lies within %s, which is a file", p, dir)
		}
	}
	t.nodes[p] = &node{name: path.Base(p), mode: mode, data: data}
	t.files++
	t.bytes += int64(len(data))
	for child := p; child != "."; child = path.Dir(child) {
		dir := path.Dir(child)
		d, known := t.nodes[dir]
		if !known {
			d = &node{name: path.Base(dir), mode: fs.ModeDir | 0o755}
			t.nodes[dir] = d
		}
		d.children = append(d.children, path.Base(child))
		if known {
			break
		}
	}
	return nil
}

// tree ends the building.
func (b *builder) tree() *Tree {
	b.t.identify(".")
	return b.t
}

// identify gives a file, or a directory and all in it, their ids.
func (t *Tree) identify(p string) source.ID {
	n := t.nodes[p]
	h := sha256.New()
	if n.mode.IsDir() {
		slices.Sort(n.children)
		for _, c := range n.children {
			child := path.Join(p, c)
			_, _ = fmt.Fprintf(h, "%s %s %q\n", t.identify(child), t.nodes[child].mode, c)
		}
	} else {
		_, _ = fmt.Fprintf(h, "%d\x00", len(n.data))
		_, _ = h.Write(n.data)
	}
	n.id = source.ID(hex.EncodeToString(h.Sum(nil)))
	return n.id
}

const maxLinks = 40

// find returns what is at a path, and where that is without symlinks.
func (t *Tree) find(op, name string, follow bool) (*node, string, error) {
	if !fs.ValidPath(name) {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if n := t.nodes[name]; n != nil && n.mode&fs.ModeSymlink == 0 {
		return n, name, nil
	}
	at, rest := ".", name
	for links := 0; rest != ""; {
		var elem string
		elem, rest, _ = strings.Cut(rest, "/")
		p := path.Join(at, elem)
		if p == ".." || strings.HasPrefix(p, "../") {
			return nil, "", fault.Newf(fault.Invalid, "%s %s: a symlink on the way leaves the archive", op, name)
		}
		n := t.nodes[p]
		if n == nil || rest != "" && n.mode.IsRegular() {
			return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		if n.mode&fs.ModeSymlink == 0 || rest == "" && !follow {
			at = p
			continue
		}
		target := string(n.data)
		if links++; links > maxLinks {
			return nil, "", fault.Newf(fault.Invalid, "%s %s: more than %d symlinks on the way", op, name, maxLinks)
		}
		if path.IsAbs(target) || strings.ContainsRune(target, 0) {
			return nil, "", fault.Newf(fault.Invalid, "%s %s: a symlink on the way leaves the archive", op, name)
		}
		rest = strings.TrimSuffix(target+"/"+rest, "/")
	}
	return t.nodes[at], at, nil
}

var errDirectory = errors.New("is a directory")

// Open implements fs.FS.
func (t *Tree) Open(name string) (fs.File, error) {
	n, p, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	return &openFile{tree: t, node: n, path: p, name: path.Base(name), Reader: bytes.NewReader(n.data)}, nil
}

// ReadFile implements fs.ReadFileFS.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	n, _, err := t.find("read", name, true)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errDirectory}
	}
	return bytes.Clone(n.data), nil
}

// ReadDir implements fs.ReadDirFS.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, p, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	out := make([]fs.DirEntry, 0, len(n.children))
	for _, c := range n.children {
		out = append(out, fs.FileInfoToDirEntry(info{t.nodes[path.Join(p, c)], c}))
	}
	return out, nil
}

// Stat implements fs.StatFS.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.stat("stat", name, true) }

// Lstat implements fs.ReadLinkFS.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name, false) }

func (t *Tree) stat(op, name string, follow bool) (fs.FileInfo, error) {
	n, _, err := t.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	return info{n, path.Base(name)}, nil
}

// ReadLink implements fs.ReadLinkFS.
func (t *Tree) ReadLink(name string) (string, error) {
	n, _, err := t.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return string(n.data), nil
}

// ID implements source.Tree.
func (t *Tree) ID(name string) (source.ID, error) {
	n, _, err := t.find("id", name, false)
	if err != nil {
		return "", err
	}
	return n.id, nil
}

// List implements source.Lister.
func (t *Tree) List(dir string) (source.Listing, error) {
	n := t.nodes[dir]
	if n == nil || !n.mode.IsDir() {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	return listing{t, dir, n.children}, nil
}

type listing struct {
	tree  *Tree
	dir   string
	names []string
}

// Len implements source.Listing.
func (l listing) Len() int { return len(l.names) }

// At implements source.Listing.
func (l listing) At(i int) source.Listed {
	n := l.tree.nodes[path.Join(l.dir, l.names[i])]
	return source.Listed{Name: n.name, Mode: n.mode, Sum: string(n.id)}
}

type info struct {
	n    *node
	name string
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return int64(len(i.n.data)) }
func (i info) Mode() fs.FileMode  { return i.n.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.n.mode.IsDir() }
func (i info) Sys() any           { return nil }

type openFile struct {
	tree *Tree
	node *node
	path string
	name string
	read int // entries of a directory that were given
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return info{f.node, f.name}, nil }
func (f *openFile) Close() error               { return nil }

func (f *openFile) Read(b []byte) (int, error) {
	if f.node.mode.IsDir() {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: errDirectory}
	}
	return f.Reader.Read(b)
}

// ReadDir implements fs.ReadDirFile.
func (f *openFile) ReadDir(n int) ([]fs.DirEntry, error) {
	all, err := f.tree.ReadDir(f.path)
	if err != nil {
		return nil, err
	}
	all = all[f.read:]
	if n > 0 {
		if len(all) == 0 {
			return nil, io.EOF
		}
		all = all[:min(n, len(all))]
	}
	f.read += len(all)
	return all, nil
}
