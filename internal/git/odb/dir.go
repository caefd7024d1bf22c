package odb

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// mode is what an entry of a tree object is.
type mode uint8

const (
	modeFile mode = iota
	modeExec
	modeLink
	modeTree
	modeSubmodule
)

// entry is one name in a directory.
type entry struct {
	name    string
	mode    mode
	id      source.ID
	refused error // why the name cannot be used
}

// dir is a parsed tree object. It never changes.
type dir struct {
	entries []entry // sorted by name, byte by byte
	refused error   // of the first entry that is; the directory then cannot be listed, its good names can be looked up
}

// find returns the entry with that name.
func (d *dir) find(name string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(d.entries, name, func(e entry, name string) int { return strings.Compare(e.name, name) })
	if !ok {
		return entry{}, false
	}
	return d.entries[i], true
}

// dir returns the directory with that id.
func (s *Store) dir(id source.ID) (*dir, error) {
	if v, ok := s.cache.get(id); ok {
		if d, ok := v.(*dir); ok {
			return d, nil
		}
	}
	data, err := s.load(id, "tree", s.limits.maxTree())
	if err != nil {
		return nil, err
	}
	d, err := parseTree(data, len(id)/2, s.limits.Entries)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "read tree %s: %w", id, err)
	}
	s.cache.put(id, d, int64(len(data))+int64(len(d.entries))*140)
	return d, nil
}

// parseTree reads a tree object: "<octal mode> <name>\0<id>" again and again. Its error means that the whole object is
// unusable; a name that is refused is noted in the entry.
func parseTree(data []byte, idLen, limit int) (*dir, error) {
	d := &dir{entries: make([]entry, 0, min(bytes.Count(data, []byte{0}), len(data)/(idLen+3), limit))}
	var last string
	for len(data) > 0 {
		if len(d.entries) == limit {
			return nil, fmt.Errorf("more than %d entries", limit)
		}
		e, rest, err := parseEntry(data, idLen)
		if err != nil {
			return nil, err
		}
		data = rest
		key := e.name
		if e.mode == modeTree {
			key += "/" // the order of Git: a directory sorts as if its name ended in a slash
		}
		if last >= key && last != "" {
			return nil, fmt.Errorf("entry %q is out of order", e.name)
		}
		last = key
		e.refused = refuseName(e.name)
		d.entries = append(d.entries, e)
	}
	slices.SortFunc(d.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	d.refuseClashes()
	for _, e := range d.entries {
		d.refused = cmp.Or(d.refused, e.refused)
	}
	return d, nil
}

func parseEntry(data []byte, idLen int) (entry, []byte, error) {
	head, rest, ok := bytes.Cut(data, []byte{0})
	if !ok || len(rest) < idLen {
		return entry{}, nil, errors.New("it is cut off")
	}
	text, name, ok := strings.Cut(string(head), " ")
	if !ok {
		return entry{}, nil, errors.New("an entry has no name")
	}
	e := entry{name: name, id: source.ID(hex.EncodeToString(rest[:idLen]))}
	switch text {
	case "100644", "100664": // the second is from the early days of Git
		e.mode = modeFile
	case "100755":
		e.mode = modeExec
	case "120000":
		e.mode = modeLink
	case "40000", "040000":
		e.mode = modeTree
	case "160000":
		e.mode = modeSubmodule
	default:
		return entry{}, nil, fmt.Errorf("entry %q has the unknown mode %q", name, text)
	}
	return e, rest[idLen:], nil
}

// refuseClashes refuses names that are one name where case does not count. Names that are equal altogether (a file
// and a directory: Git's order puts them apart) are among them.
func (d *dir) refuseClashes() {
	first := make(map[string]int, len(d.entries))
	for i, e := range d.entries {
		folded := strings.ToLower(e.name)
		j, clash := first[folded]
		if !clash {
			first[folded] = i
			continue
		}
		why := fault.Newf(fault.Invalid, "the names %q and %q clash", d.entries[j].name, e.name)
		d.entries[i].refused = cmp.Or(e.refused, why)
		d.entries[j].refused = cmp.Or(d.entries[j].refused, why)
	}
}
