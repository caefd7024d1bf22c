package draft

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// ErrClash says that both sides changed the same path, and not in the same way. The error names the path; its kind is fault.Invalid.
var ErrClash = errors.New("both sides changed")

// The bounds of what is looked at: a few objects of Git can stand for more than anybody could list.
const (
	maxReads = 50_000
	maxDepth = 100
)

// Merge makes the tree in which every path is as that side has it that changed it since base. An empty base is a tree without files.
func (d *Draft) Merge(base, ours, theirs source.ID) (source.ID, error) {
	m := merger{d}
	out, err := m.merge(".", tree(base), tree(ours), tree(theirs))
	return out.ID, err
}

const modeTree = "40000"

// tree is a directory as an entry without a name; the zero entry if there is none.
func tree(id source.ID) odb.Entry {
	if id == "" {
		return odb.Entry{}
	}
	return odb.Entry{Mode: modeTree, ID: id}
}

type merger struct{ *Draft }

// merge returns what is to be at a path. A zero entry is nothing.
func (m merger) merge(at string, base, ours, theirs odb.Entry) (odb.Entry, error) {
	switch {
	case ours == theirs, theirs == base:
		return ours, nil
	case ours == base:
		return theirs, nil
	case !ours.IsTree() || !theirs.IsTree():
		return odb.Entry{}, fault.Newf(fault.Invalid, "%w %s", ErrClash, at)
	case strings.Count(at, "/") > maxDepth:
		return odb.Entry{}, fault.Newf(fault.Invalid, "%s is more than %d directories deep", at, maxDepth)
	}
	was := source.ID("")
	if base.IsTree() {
		was = base.ID
	}
	sides, names, err := m.list(was, ours.ID, theirs.ID)
	if err != nil {
		return odb.Entry{}, err
	}
	var merged []odb.Entry
	for _, name := range names {
		e, err := m.merge(path.Join(at, name), sides[0][name], sides[1][name], sides[2][name])
		if err != nil {
			return odb.Entry{}, err
		}
		if e.ID != "" {
			merged = append(merged, e)
		}
	}
	out := tree(m.tree(merged))
	if out.ID != "" {
		out.Name = ours.Name
	}
	return out, nil
}

// list reads directories, and the names that are in any of them.
func (m merger) list(ids ...source.ID) (sides []map[string]odb.Entry, names []string, err error) {
	for _, id := range ids {
		entries, err := m.entries(id)
		if err != nil {
			return nil, nil, err
		}
		side := make(map[string]odb.Entry, len(entries))
		for _, e := range entries {
			side[e.Name] = e
			names = append(names, e.Name)
		}
		sides = append(sides, side)
	}
	slices.Sort(names)
	return sides, slices.Compact(names), nil
}

// entries lists a directory, one that was made here too; the zero ID has none.
func (d *Draft) entries(id source.ID) ([]odb.Entry, error) {
	if made, ok := d.made[id]; ok || id == "" {
		return made, nil
	}
	if d.reads++; d.reads > maxReads {
		return nil, fault.Newf(fault.Invalid, "more than %d directories differ", maxReads)
	}
	return d.read(id)
}

// At is what is at a path of a tree; the zero Entry if nothing is. A symlink is not followed.
func (d *Draft) At(root source.ID, at string) (odb.Entry, error) {
	e := tree(root)
	if at == "." {
		return e, nil
	}
	for name := range strings.SplitSeq(at, "/") {
		if !e.IsTree() {
			return odb.Entry{}, nil
		}
		entries, err := d.entries(e.ID)
		if err != nil {
			return odb.Entry{}, err
		}
		i := slices.IndexFunc(entries, func(e odb.Entry) bool { return e.Name == name })
		if i < 0 {
			return odb.Entry{}, nil
		}
		e = entries[i]
	}
	return e, nil
}

// Put makes a tree that has an entry at a path, whatever was there, or nothing if the entry is zero; and is otherwise as it was. Directories on the way are made.
// That a file or a symlink is in the way is an error of kind fault.Invalid.
func (d *Draft) Put(root source.ID, at string, e odb.Entry) (source.ID, error) {
	if at == "." {
		if e.ID != "" && !e.IsTree() {
			return "", fault.Newf(fault.Invalid, "what is at the root is a directory")
		}
		return e.ID, nil
	}
	name, rest, deeper := strings.Cut(at, "/")
	entries, err := d.entries(root)
	if err != nil {
		return "", err
	}
	var others []odb.Entry
	var here odb.Entry
	for _, o := range entries {
		if o.Name == name {
			here = o
		} else {
			others = append(others, o)
		}
	}
	if deeper {
		if here.ID != "" && !here.IsTree() {
			return "", fault.Newf(fault.Invalid, "%s is no directory", name)
		}
		sub, err := d.Put(here.ID, rest, e)
		if err != nil {
			return "", err
		}
		e = tree(sub)
	}
	if e.ID != "" {
		e.Name = name
		others = append(others, e)
	}
	if e == here {
		return root, nil
	}
	return d.tree(others), nil
}
