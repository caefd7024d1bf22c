package odb

import (
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Entry is a name in a tree object, as Git has it: no link is followed and no name is refused.
type Entry struct {
	Name string
	Mode string // octal, as in a tree object: "40000" is a tree
	ID   source.ID
}

// octal is how tree objects write what an entry is.
var octal = map[mode]string{modeFile: "100644", modeExec: "100755", modeLink: "120000", modeTree: "40000", modeSubmodule: "160000"}

// IsTree reports whether the entry is a directory.
func (e Entry) IsTree() bool { return e.Mode == octal[modeTree] }

// Entries lists a tree object by name, no name twice.
func (s *Store) Entries(tree source.ID) ([]Entry, error) {
	d, err := s.dir(tree)
	if err != nil {
		return nil, err
	}
	out := make([]Entry, d.Len())
	for i := range out {
		e := d.entry(i)
		out[i] = Entry{Name: e.name, Mode: octal[e.mode], ID: e.id}
		if i > 0 && out[i-1].Name == e.name {
			return nil, fault.Newf(fault.Invalid, "read tree %s: the name %q is in it twice", tree, shorten(e.name))
		}
	}
	return out, nil
}
