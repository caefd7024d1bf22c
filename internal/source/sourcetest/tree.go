package sourcetest

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // Git's ids, for tests
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Files are the content of a tree by path. [Link] and [Executable] make what is no plain file.
type Files map[string]string

const (
	linkMark = "\x00link:"
	execMark = "\x00exec:"
)

// Link is the content of a symlink to target.
func Link(target string) string { return linkMark + target }

// Executable is the content of a file with its executable bit set.
func Executable(content string) string { return execMark + content }

// FromArchive reads the files of an archive; one named "a -> b" is a symlink from a to b.
func FromArchive(a *txtar.Archive) Files {
	files := Files{}
	for _, f := range a.Files {
		if name, target, ok := strings.Cut(f.Name, " -> "); ok {
			files[name] = Link(target)
			continue
		}
		files[f.Name] = string(f.Data)
	}
	return files
}

// Tree is a source.Tree in memory. Like Git it has no empty directories. It is immutable.
type Tree struct {
	nodes map[string]*node
}

var (
	_ source.Tree   = (*Tree)(nil)
	_ source.Lister = (*Tree)(nil)
)

type node struct {
	name     string
	mode     fs.FileMode
	data     string
	id       source.ID
	children []string // names, sorted
}

// New makes a tree. It panics on a path that is invalid or lies within a file.
func New(files Files) *Tree {
	t := &Tree{nodes: map[string]*node{".": {name: ".", mode: fs.ModeDir | 0o755}}}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		t.add(p, files[p])
	}
	t.hash(".")
	return t
}

func (t *Tree) add(p, data string) {
	if !fs.ValidPath(p) || p == "." || t.nodes[p] != nil {
		panic(fmt.Sprintf("path %q is invalid or there twice", p))
	}
	n := &node{name: path.Base(p), mode: 0o644, data: data}
	if d, ok := strings.CutPrefix(data, linkMark); ok {
		n.mode, n.data = fs.ModeSymlink|0o777, d
	} else if d, ok := strings.CutPrefix(data, execMark); ok {
		n.mode, n.data = 0o755, d
	}
	t.nodes[p] = n
	for p != "." {
		dir := path.Dir(p)
		d, known := t.nodes[dir]
		if !known {
			d = &node{name: path.Base(dir), mode: fs.ModeDir | 0o755}
			t.nodes[dir] = d
		}
		if !d.mode.IsDir() {
			panic(fmt.Sprintf("path %q lies within a file", p))
		}
		d.children = append(d.children, path.Base(p))
		if known {
			return
		}
		p = dir
	}
}

func (t *Tree) hash(p string) source.ID {
	n := t.nodes[p]
	kind, data := "blob", n.data
	if n.mode.IsDir() {
		kind = "tree"
		slices.Sort(n.children)
		var b strings.Builder
		for _, c := range n.children {
			fmt.Fprintf(&b, "%s %s %q\n", t.hash(path.Join(p, c)), t.nodes[path.Join(p, c)].mode, c)
		}
		data = b.String()
	}
	sum := sha1.Sum([]byte(fmt.Sprintf("%s %d\x00%s", kind, len(data), data))) //nolint:gosec // Git's ids, for tests
	n.id = source.ID(hex.EncodeToString(sum[:]))
	return n.id
}

// find resolves symlinks by its own means, not those of package source, so that the two check each other.
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
			return nil, "", fault.Newf(fault.Invalid, "%s %s: a symlink leaves the tree", op, name)
		}
		n := t.nodes[p]
		if n == nil || rest != "" && n.mode.IsRegular() {
			return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		if n.mode&fs.ModeSymlink == 0 || rest == "" && !follow {
			at = p
			continue
		}
		if links++; links > 40 || path.IsAbs(n.data) {
			return nil, "", fault.Newf(fault.Invalid, "%s %s: symlink %s loops or is absolute", op, name, p)
		}
		rest = strings.TrimSuffix(n.data+"/"+rest, "/")
	}
	return t.nodes[at], at, nil
}

// Open implements fs.FS.
func (t *Tree) Open(name string) (fs.File, error) {
	n, p, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	return &openFile{tree: t, node: n, path: p, name: path.Base(name), Reader: bytes.NewReader([]byte(n.data))}, nil
}

// ReadFile implements fs.ReadFileFS.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	n, _, err := t.find("read", name, true)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a directory")}
	}
	return []byte(n.data), nil
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
		child := t.nodes[path.Join(p, c)]
		out = append(out, fs.FileInfoToDirEntry(info{child, child.name}))
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
	return n.data, nil
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
	read int // entries of a directory already given
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return info{f.node, f.name}, nil }
func (f *openFile) Close() error               { return nil }

func (f *openFile) Read(b []byte) (int, error) {
	if f.node.mode.IsDir() {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: errors.New("is a directory")}
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
