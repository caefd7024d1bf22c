package odb

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
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

// bits is how io/fs describes it.
func (m mode) bits() fs.FileMode {
	switch m {
	case modeFile:
		return 0o444
	case modeExec:
		return 0o555
	case modeLink:
		return fs.ModeSymlink | 0o777
	case modeTree:
		return fs.ModeDir | 0o555
	case modeSubmodule:
	}
	return fs.ModeIrregular
}

// entry is one name in a directory.
type entry struct {
	name    string
	mode    mode
	id      source.ID
	refused error // why the name cannot be used
}

// dir is a parsed tree object. It never changes. Names and ids stay where they were read from: a directory of thousands of names takes two pieces of memory.
type dir struct {
	text    string
	idLen   int
	places  []place       // sorted by name, byte by byte
	why     map[int]error // of names that cannot be used, by their place
	refused error         // of the first of them; the directory then cannot be listed, its good names can be looked up
}

// place is where in the text a name begins, and how long it is. A zero byte and the id follow it.
type place struct {
	at, size uint32
	mode     mode
}

func (d *dir) name(i int) string {
	p := d.places[i]
	return d.text[p.at : p.at+p.size]
}

// sum is the id as it stands in the tree object.
func (d *dir) sum(i int) string {
	begin := d.places[i].at + d.places[i].size + 1
	return d.text[begin : begin+uint32(d.idLen)] //nolint:gosec // 20 or 32
}

func (d *dir) id(i int) source.ID { return source.ID(hex.EncodeToString([]byte(d.sum(i)))) }

// entry returns an entry that shares no memory with the directory: who keeps it does not keep thousands of others.
func (d *dir) entry(i int) entry {
	return entry{name: strings.Clone(d.name(i)), mode: d.places[i].mode, id: d.id(i), refused: d.why[i]}
}

// find returns the entry with that name.
func (d *dir) find(name string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(d.places, name, func(p place, name string) int { return strings.Compare(d.text[p.at:p.at+p.size], name) })
	if !ok {
		return entry{}, false
	}
	return d.entry(i), true
}

// Len implements source.Listing.
func (d *dir) Len() int { return len(d.places) }

// At implements source.Listing.
func (d *dir) At(i int) source.Listed {
	return source.Listed{Name: d.name(i), Mode: d.places[i].mode.bits(), Sum: d.sum(i)}
}

// dir returns the directory with that id.
func (s *Store) dir(id source.ID) (*dir, error) { return s.dirBy(id, s.load) }

// dirBy reads the directory, if it has to be, by a function of the store.
func (s *Store) dirBy(id source.ID, read func(source.ID, string, int64) ([]byte, error)) (*dir, error) {
	if v, ok := s.cache.get(id); ok {
		if d, ok := v.(*dir); ok {
			return d, nil
		}
	}
	data, err := read(id, "tree", s.limits.maxTree())
	if err != nil {
		return nil, err
	}
	d, err := parseTree(data, len(id)/2, s.limits.Entries)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "read tree %s: %w", id, err)
	}
	s.cache.put(id, d, int64(len(data))+int64(len(d.places))*16)
	return d, nil
}

// parseTree reads a tree object: "<octal mode> <name>\0<id>" again and again. Its error means that the whole object is
// unusable; a name that is refused is noted.
func parseTree(data []byte, idLen, limit int) (*dir, error) {
	d := &dir{text: string(data), idLen: idLen, places: make([]place, 0, min(bytes.Count(data, []byte{0}), len(data)/(idLen+3), limit))}
	sorted, plain := true, true
	for rest := d.text; rest != ""; {
		if len(d.places) == limit {
			return nil, fmt.Errorf("more than %d entries", limit)
		}
		p, size, err := parseEntry(rest, idLen)
		if err != nil {
			return nil, err
		}
		p.at += uint32(len(d.text) - len(rest)) //nolint:gosec // bounded by maxTree
		rest = rest[size:]
		d.places = append(d.places, p)
		if i := len(d.places) - 1; i > 0 {
			if last := d.places[i-1]; compareAsGit(d.name(i-1), last.mode, d.name(i), p.mode) >= 0 {
				return nil, fmt.Errorf("entry %q is out of order", d.name(i))
			}
			sorted = sorted && d.name(i-1) < d.name(i)
		}
		plain = plain && isPlain(d.name(len(d.places)-1))
	}
	if !sorted {
		slices.SortFunc(d.places, func(a, b place) int { return strings.Compare(d.text[a.at:a.at+a.size], d.text[b.at:b.at+b.size]) })
	}
	if !sorted || !plain {
		d.refuseNames()
	}
	return d, nil
}

// compareAsGit orders as Git does: a directory sorts as if its name ended in a slash.
func compareAsGit(a string, aMode mode, b string, bMode mode) int {
	n := min(len(a), len(b))
	if c := strings.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	next := func(name string, m mode) int {
		switch {
		case len(name) > n:
			return int(name[n])
		case m == modeTree:
			return '/'
		}
		return -1
	}
	x, y := next(a, aMode), next(b, bMode)
	if x == y && x == '/' { // the one ends there, the other has a slash in it
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(x, y)
}

// parseEntry reads the first entry of a text, and how much of the text it is.
func parseEntry(text string, idLen int) (place, int, error) {
	end := strings.IndexByte(text, 0)
	if end < 0 || len(text)-end-1 < idLen {
		return place{}, 0, errors.New("it is cut off")
	}
	bits, name, ok := strings.Cut(text[:end], " ")
	if !ok {
		return place{}, 0, errors.New("an entry has no name")
	}
	p := place{at: uint32(len(bits) + 1), size: uint32(len(name))} //nolint:gosec // bounded by maxTree
	switch bits {
	case "100644", "100664": // the second is from the early days of Git
		p.mode = modeFile
	case "100755":
		p.mode = modeExec
	case "120000":
		p.mode = modeLink
	case "40000", "040000":
		p.mode = modeTree
	case "160000":
		p.mode = modeSubmodule
	default:
		return place{}, 0, fmt.Errorf("entry %q has the unknown mode %q", name, bits)
	}
	return p, end + 1 + idLen, nil
}

// isPlain reports whether a name is certainly not refused, and can only clash with one that is the same byte by byte.
func isPlain(name string) bool {
	if name == "" || len(name) > maxName || name[0] == '.' {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// refuseNames notes the names that cannot be used, those among them that are one name where case does not count. Names that are equal altogether (a file
// and a directory: Git's order puts them apart) are, too.
func (d *dir) refuseNames() {
	d.why = map[int]error{}
	first := make(map[string]int, len(d.places))
	for i := range d.places {
		name := d.name(i)
		if why := refuseName(name); why != nil {
			d.why[i] = why
		}
		folded := strings.ToLower(name)
		j, clash := first[folded]
		if !clash {
			first[folded] = i
			continue
		}
		why := fault.Newf(fault.Invalid, "the names %q and %q clash", d.name(j), name)
		d.why[i], d.why[j] = cmp.Or(d.why[i], why), cmp.Or(d.why[j], why)
	}
	for i := range d.places {
		d.refused = cmp.Or(d.refused, d.why[i])
	}
}
