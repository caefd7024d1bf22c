package source

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Inputs are all that something depended on in a tree: what it read, listed or looked for in vain. They are immutable.
// The zero Inputs mean that nothing is known: they are never unchanged.
type Inputs struct {
	dirs   []inputDir // ordered by path, a directory before what is in it
	broken bool       // something failed on the way, so there may be more
}

// inputDir is one directory that holds inputs. All paths are physical: Invariant: no element of path is a symlink.
type inputDir struct {
	path   string
	id     ID // equal id, equal content: nothing in it needs a look
	listed bool
	inputs []input // ordered by name
}

// input is one file, symlink or absence in a directory.
type input struct {
	name string
	kind kind
	id   ID // empty if absent
}

// kind is part of an input because a symlink has the id of a file that holds its text.
type kind byte

const (
	absent     kind = '-'
	file       kind = 'f'
	executable kind = 'x'
	link       kind = 'l'
	directory  kind = 'd'
	other      kind = '?' // such as a submodule
)

func kindOf(info fs.FileInfo) kind {
	switch {
	case info == nil:
		return absent
	case info.Mode()&fs.ModeSymlink != 0:
		return link
	case info.IsDir():
		return directory
	case !info.Mode().IsRegular():
		return other
	case info.Mode()&0o111 != 0:
		return executable
	}
	return file
}

// Inputs returns what was noted so far.
func (r *Recorder) Inputs() Inputs {
	r.mu.Lock()
	defer r.mu.Unlock()
	dirs := map[string]*inputDir{}
	at := func(p string) *inputDir {
		if dirs[p] == nil {
			dirs[p] = &inputDir{path: p}
		}
		return dirs[p]
	}
	for p, in := range r.noted {
		d := at(path.Dir(p))
		d.inputs = append(d.inputs, in)
	}
	for p := range r.listed {
		at(p).listed = true
	}
	for p := range r.dirs {
		at(p)
	}
	in := Inputs{broken: r.broken}
	for _, p := range slices.SortedFunc(maps.Keys(dirs), byElements) {
		d := *dirs[p]
		id, err := r.tree.ID(p)
		if err != nil {
			in.broken = true
		}
		d.id = id
		slices.SortFunc(d.inputs, func(a, b input) int { return cmp.Compare(a.name, b.name) })
		in.dirs = append(in.dirs, d)
	}
	in.dirs = withoutImplied(in.dirs)
	return in
}

// withoutImplied drops directories that were only looked for, where one within them is checked to be there anyway.
func withoutImplied(dirs []inputDir) []inputDir {
	out := dirs[:0]
	for i, d := range dirs {
		implied := !d.listed && len(d.inputs) == 0 && i+1 < len(dirs) && within(dirs[i+1].path, d.path)
		if !implied {
			out = append(out, d)
		}
	}
	return out
}

// byElements orders paths so that what is in a directory follows it without a gap ("a", "a/b", "a-b").
func byElements(a, b string) int {
	if a == "." || b == "." {
		return cmp.Compare(depth(a), depth(b))
	}
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if a[i] == '/' {
			return -1
		}
		if b[i] == '/' {
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}

func depth(p string) int {
	if p == "." {
		return 0
	}
	return 1 + strings.Count(p, "/")
}

// within reports whether p is dir or lies in it.
func within(p, dir string) bool {
	return dir == "." || p == dir || len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir
}

// Unchanged reports whether every input is in tree what it was: then whatever was made of them would be made again.
// It asks for the ids of directories first and looks into those that differ.
func (in Inputs) Unchanged(tree Tree) (bool, error) {
	if in.broken || len(in.dirs) == 0 {
		return false, nil
	}
	same, checked := "", "."
	for i, d := range in.dirs {
		if i > 0 && same != "" && within(d.path, same) {
			continue
		}
		ok, err := isReal(tree, d.path, checked)
		if !ok || err != nil {
			return false, err
		}
		checked = d.path
		id, err := tree.ID(d.path)
		if err != nil {
			return false, ignoreAbsence(err)
		}
		if id == d.id {
			same = d.path
			continue
		}
		if d.listed {
			return false, nil
		}
		for _, e := range d.inputs {
			if ok, err := e.unchanged(tree, d.path); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// isReal reports whether every element of p is a directory and no symlink to one: a path through a symlink may have the same
// content and yet lead elsewhere by its "..". Elements that p shares with done are known to be.
func isReal(tree Tree, p, done string) (bool, error) {
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' || p == "." || within(done, p[:i]) {
			continue
		}
		info, err := tree.Lstat(p[:i])
		if err != nil {
			return false, ignoreAbsence(err)
		}
		if !info.IsDir() {
			return false, nil
		}
	}
	return true, nil
}

func (e input) unchanged(tree Tree, dir string) (bool, error) {
	p := path.Join(dir, e.name)
	id, err := tree.ID(p)
	if errors.Is(err, fs.ErrNotExist) {
		return e.kind == absent, nil
	}
	if err != nil || id != e.id || e.kind == absent {
		return false, err
	}
	info, err := tree.Lstat(p)
	return err == nil && kindOf(info) == e.kind, err
}

func ignoreAbsence(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Touches reports whether a change of the file at a path may bear on the inputs: if it is one of them, was looked for, or lies in a directory that was listed.
// It may say so of a file that turns out not to matter. Of inputs of which nothing is known it does.
func (in Inputs) Touches(name string) bool {
	if in.broken || len(in.dirs) == 0 {
		return true
	}
	for _, d := range in.dirs {
		if d.listed && within(name, d.path) {
			return true
		}
		for _, e := range d.inputs {
			p := path.Join(d.path, e.name)
			if p == name || within(name, p) || e.kind != absent && within(p, name) {
				return true
			}
		}
	}
	return false
}

// Files are the paths of the files that were read or looked at, in order.
func (in Inputs) Files() []string {
	var out []string
	for _, d := range in.dirs {
		for _, e := range d.inputs {
			if e.kind == file || e.kind == executable {
				out = append(out, path.Join(d.path, e.name))
			}
		}
	}
	return out
}

// Dirs are the directories that hold the inputs, but for those of which only names count that are left out. As long as each of them is what it was, so are the other
// inputs. There are none if not all inputs are known.
func (in Inputs) Dirs(leftOut func(name string) bool) []string {
	if in.broken {
		return nil
	}
	dirs := make([]string, 0, len(in.dirs))
	for _, d := range in.dirs {
		if d.listed || len(d.inputs) == 0 || slices.ContainsFunc(d.inputs, func(e input) bool { return !leftOut(e.name) }) {
			dirs = append(dirs, d.path)
		}
	}
	return dirs
}

// Digest identifies the inputs: equal inputs, equal digest, whatever else changed around them.
func (in Inputs) Digest() string {
	var b []byte
	for _, d := range in.dirs {
		b = strconv.AppendQuote(b, d.path)
		if d.listed {
			b = append(append(b, ' '), d.id...)
		}
		b = append(b, '\n')
		for _, e := range d.inputs {
			b = append(append(b, byte(e.kind), ' '), e.id...)
			b = append(strconv.AppendQuote(append(b, ' '), e.name), '\n')
		}
	}
	if in.broken {
		b = append(b, "broken\n"...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// String lists the inputs, one to a line: a path, "link" or "absent" after it where it is one, "/" where a directory was listed.
func (in Inputs) String() string {
	var b strings.Builder
	for _, d := range in.dirs {
		if d.listed {
			fmt.Fprintf(&b, "%s/\n", d.path)
		} else if len(d.inputs) == 0 {
			fmt.Fprintf(&b, "%s directory\n", d.path)
		}
		for _, e := range d.inputs {
			b.WriteString(path.Join(d.path, e.name))
			switch e.kind {
			case absent:
				b.WriteString(" absent")
			case link:
				b.WriteString(" link")
			default:
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
