package source

import (
	"cmp"
	"errors"
	"io/fs"
	"path"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Difference is what of a tree is not the same in another one.
type Difference struct {
	// Dirs are the directories of the first tree that are not in the second as they were: with other content, gone, or no directory any more. What is in a
	// directory that is gone is gone with it. What was read in no other directory reads the same in both trees.
	Dirs []string
	// Names are the paths that only one of the trees has, or that stand for another kind of thing in it: a directory, a file, a symlink, a submodule. Of a
	// directory that came or went, only its own is among them.
	Names []string
}

// Lister is a Tree that tells at once what is in a directory, with what identifies it.
type Lister interface {
	// List lists the directory at a path without symlinks. Names that the tree refuses to read are there, too.
	List(dir string) (Listing, error)
}

// Listing is what is in a directory, ordered by name.
type Listing interface {
	Len() int
	At(i int) Listed
}

// Listed is one name in a directory. Sum is the same for the same content, in listings of one kind of Tree.
type Listed struct {
	Name string
	Mode fs.FileMode
	Sum  string
}

// maxDiff bounds the directories that are looked into: a few objects of Git can stand for more than anybody could list.
const maxDiff = 20_000

// Diff compares two trees. It looks into those directories alone that are not the same in both. After an error, of the reading or since they differ in too
// much, nothing is known.
func Diff(before, after Tree) (Difference, error) {
	d := differ{before: list(before, after), after: list(after, before)}
	a, errA := before.ID(".")
	b, errB := after.ID(".")
	if err := errors.Join(errA, errB); err != nil || a == b {
		return Difference{}, err
	}
	err := d.compare(".")
	return d.found, err
}

type differ struct {
	before, after func(dir string) (Listing, error)
	found         Difference
}

func (d *differ) note(dir string) error {
	if len(d.found.Dirs) == maxDiff {
		return fault.Newf(fault.Invalid, "the trees differ in more than %d directories", maxDiff)
	}
	d.found.Dirs = append(d.found.Dirs, dir)
	return nil
}

// compare looks at a directory that is in both trees, and not the same.
func (d *differ) compare(dir string) error {
	if err := d.note(dir); err != nil {
		return err
	}
	before, errA := d.before(dir)
	after, errB := d.after(dir)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	for i, j := 0, 0; i < before.Len() || j < after.Len(); {
		a, b := at(before, i), at(after, j)
		switch order := cmp.Compare(a.Name, b.Name); {
		case b.Name == "" || a.Name != "" && order < 0:
			b = Listed{}
			i++
		case a.Name == "" || order > 0:
			a = Listed{}
			j++
		default:
			i++
			j++
		}
		if a == b {
			continue
		}
		if err := d.differs(path.Join(dir, cmp.Or(a.Name, b.Name)), a, b); err != nil {
			return err
		}
	}
	return nil
}

// at is the zero Listed behind the end.
func at(l Listing, i int) Listed {
	if i < l.Len() {
		return l.At(i)
	}
	return Listed{}
}

// differs looks at what is at a path. The zero Listed is nothing.
func (d *differ) differs(p string, a, b Listed) error {
	if a.Mode.IsDir() && b.Mode.IsDir() {
		return d.compare(p)
	}
	if a.Name == "" || b.Name == "" || a.Mode.Type() != b.Mode.Type() {
		d.found.Names = append(d.found.Names, p)
	}
	if a.Mode.IsDir() {
		return d.gone(p)
	}
	return nil
}

// gone notes a directory of the first tree, and all in it.
func (d *differ) gone(dir string) error {
	if err := d.note(dir); err != nil {
		return err
	}
	before, err := d.before(dir)
	if err != nil {
		return err
	}
	for i := range before.Len() {
		if e := before.At(i); e.Mode.IsDir() {
			if err := d.gone(path.Join(dir, e.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// list returns how to list the directories of a tree, comparably with those of another one.
func list(t, other Tree) func(string) (Listing, error) {
	quick, ok := t.(Lister)
	if _, both := other.(Lister); ok && both {
		return quick.List
	}
	return func(dir string) (Listing, error) {
		entries, err := t.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		all := make(listedNames, 0, len(entries))
		for _, e := range entries {
			p := path.Join(dir, e.Name())
			info, err := t.Lstat(p)
			if err != nil {
				return nil, err
			}
			id, err := t.ID(p)
			if err != nil {
				return nil, err
			}
			all = append(all, Listed{Name: e.Name(), Mode: info.Mode(), Sum: string(id)})
		}
		return all, nil
	}
}

type listedNames []Listed

func (l listedNames) Len() int        { return len(l) }
func (l listedNames) At(i int) Listed { return l[i] }
