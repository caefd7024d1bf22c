package source

import (
	"errors"
	"io/fs"
	"path"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Recorder is a Tree that notes every path that is read or looked for in another one, the absent ones as well, and the
// symlinks on the way. [Recorder.Inputs] are the notes. It is safe for concurrent use.
type Recorder struct {
	tree Tree

	mu     sync.Mutex
	noted  map[string]input // by physical path
	listed map[string]bool  // directories whose listing or id was asked for
	dirs   map[string]bool  // directories that were looked for only
	broken bool
}

var _ Tree = (*Recorder)(nil)

// NewRecorder returns a Recorder over tree that has noted nothing.
func NewRecorder(tree Tree) *Recorder {
	return &Recorder{tree: tree, noted: map[string]input{}, listed: map[string]bool{}, dirs: map[string]bool{}}
}

// use is what a caller learns of the path that it asks for.
type use uint8

const (
	entry   use = iota // what it is and, if a file, its content
	listing            // of a directory, everything in it
)

// find resolves name and notes that it was used.
func (r *Recorder) find(op, name string, follow bool, u use) (string, fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return "", nil, invalidPath(op, name)
	}
	p, info, err := walk(r.tree, name, follow, r.note)
	switch {
	case err == nil:
		r.noteUse(p, info, u)
	case errors.Is(err, fs.ErrNotExist), fault.KindOf(err) == fault.Invalid:
		// What made it so is noted: the missing element or the symlinks.
	default:
		r.breaks()
	}
	return p, info, err
}

func (r *Recorder) noteUse(p string, info fs.FileInfo, u use) {
	if !info.IsDir() {
		r.note(p, info)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if u == listing {
		r.listed[p] = true
	} else {
		r.dirs[p] = true
	}
}

// note records one physical path; a nil info means that there is nothing.
func (r *Recorder) note(p string, info fs.FileInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, done := r.noted[p]; done {
		return
	}
	in := input{name: path.Base(p), kind: kindOf(info)}
	if in.kind != absent {
		id, err := r.tree.ID(p)
		if err != nil {
			r.broken = true
		}
		in.id = id
	}
	r.noted[p] = in
}

// breaks marks the notes as incomplete: something failed that says nothing about the content, so it has to be tried again.
func (r *Recorder) breaks() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = true
}

// check passes an error of the tree on and notes if it is none of the content's making.
func (r *Recorder) check(err error) error {
	if err != nil && fault.KindOf(err) != fault.Invalid && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
		r.breaks()
	}
	return err
}

// Open implements fs.FS. To open a directory counts as listing it.
func (r *Recorder) Open(name string) (fs.File, error) {
	if _, _, err := r.find("open", name, true, listing); err != nil {
		return nil, err
	}
	f, err := r.tree.Open(name)
	return f, r.check(err)
}

// ReadFile implements fs.ReadFileFS.
func (r *Recorder) ReadFile(name string) ([]byte, error) {
	p, info, err := r.find("read", name, true, entry)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a directory")}
	}
	b, err := r.tree.ReadFile(p)
	return b, r.check(err)
}

// ReadDir implements fs.ReadDirFS.
func (r *Recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	p, info, err := r.find("readdir", name, true, listing)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	entries, err := r.tree.ReadDir(p)
	return entries, r.check(err)
}

// Stat implements fs.StatFS. Of a directory only that it is one is noted.
func (r *Recorder) Stat(name string) (fs.FileInfo, error) {
	_, info, err := r.find("stat", name, true, entry)
	return renamed(info, name), err
}

// Lstat implements fs.ReadLinkFS.
func (r *Recorder) Lstat(name string) (fs.FileInfo, error) {
	_, info, err := r.find("lstat", name, false, entry)
	return renamed(info, name), err
}

// ReadLink implements fs.ReadLinkFS.
func (r *Recorder) ReadLink(name string) (string, error) {
	p, info, err := r.find("readlink", name, false, entry)
	if err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	target, err := r.tree.ReadLink(p)
	return target, r.check(err)
}

// ID implements Tree. The id of a directory covers all that is in it, so it counts as a listing.
func (r *Recorder) ID(name string) (ID, error) {
	p, _, err := r.find("id", name, false, listing)
	if err != nil {
		return "", err
	}
	id, err := r.tree.ID(p)
	return id, r.check(err)
}

// renamed gives info the name that it was asked for by, which differs at the end of a symlink.
func renamed(info fs.FileInfo, name string) fs.FileInfo {
	if info == nil || info.Name() == path.Base(name) {
		return info
	}
	return namedInfo{info, path.Base(name)}
}

type namedInfo struct {
	fs.FileInfo
	name string
}

func (n namedInfo) Name() string { return n.name }

// Real returns the path of name without symlinks, those in its last element included. The symlinks on the way are noted.
func (r *Recorder) Real(name string) (string, error) {
	p, _, err := r.find("resolve", name, true, entry)
	return p, err
}
