package sim

import (
	"io/fs"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// tornFor is how long files stay unreadable.
const tornFor = 5 * time.Second

// treeOf returns a tree as a process reads it.
func (w *world) treeOf(p *process, t source.Tree) source.Tree { return tree{t, p} }

// tree is one whose files cannot be read at times, as those of a disk that is broken.
type tree struct {
	source.Tree
	process *process
}

// List implements source.Lister.
func (t tree) List(path string) (source.Listing, error) {
	if err := t.torn("list", path); err != nil {
		return nil, err
	}
	quick, ok := t.Tree.(source.Lister)
	if !ok {
		return nil, fs.ErrInvalid
	}
	return quick.List(path)
}

func (t tree) torn(op, path string) error {
	t.process.world.looks++
	if w := t.process.world; w.now.Before(w.torn) {
		return fault.New(fault.Transient, &fs.PathError{Op: op, Path: path, Err: fs.ErrClosed})
	}
	return nil
}

// ReadFile implements source.Tree.
func (t tree) ReadFile(path string) ([]byte, error) {
	if err := t.torn("read", path); err != nil {
		return nil, err
	}
	return t.Tree.ReadFile(path)
}

// ReadDir implements source.Tree.
func (t tree) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := t.torn("list", path); err != nil {
		return nil, err
	}
	return t.Tree.ReadDir(path)
}

// ID implements source.Tree.
func (t tree) ID(path string) (source.ID, error) {
	if err := t.torn("look for", path); err != nil {
		return "", err
	}
	return t.Tree.ID(path)
}

// Lstat implements source.Tree.
func (t tree) Lstat(path string) (fs.FileInfo, error) {
	if err := t.torn("look at", path); err != nil {
		return nil, err
	}
	return t.Tree.Lstat(path)
}
