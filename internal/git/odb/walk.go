package odb

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// node is a place in a tree.
type node struct {
	entry
	dir *dir // that holds it; nil for the root
}

// walk is on its way from the root to a path.
type walk struct {
	tree  *Tree
	at    []node   // from the root to here
	rest  []string // still to go
	links int
	link  string // the last symlink that was followed, as an error quotes it
	limit int
}

// find returns what is at name. A symlink in the last place is followed only if follow says so.
func (t *Tree) find(name string, follow bool) (node, error) {
	if !fs.ValidPath(name) {
		return node{}, fs.ErrInvalid
	}
	if len(name) > maxPath {
		return node{}, fault.Newf(fault.Invalid, "the path is longer than %d bytes", maxPath)
	}
	if n, known, err := t.direct(name); known {
		return n, err
	}
	w := walk{tree: t, rest: strings.Split(name, "/"), limit: t.store.limits.Depth}
	w.at = append(make([]node, 0, 8), node{entry: entry{name: ".", mode: modeTree, id: t.root}})
	for len(w.rest) > 0 {
		if err := w.step(follow); err != nil {
			return node{}, w.explain(err)
		}
	}
	return w.at[len(w.at)-1], nil
}

// direct returns what is at a name, or that there is nothing, if only directories are on the way to it, as is usual; it costs no memory then. If it is false,
// what is there, or why not, is for a walk to say.
func (t *Tree) direct(name string) (n node, known bool, err error) {
	n = node{entry: entry{name: ".", mode: modeTree, id: t.root}}
	if name == "." {
		return n, true, nil
	}
	for depth := 1; name != ""; depth++ {
		if n.mode != modeTree || depth > t.store.limits.Depth {
			return node{}, false, nil
		}
		d, err := t.store.dir(n.id)
		if err != nil {
			return node{}, false, nil //nolint:nilerr // the walk meets it again
		}
		var elem string
		elem, name, _ = strings.Cut(name, "/")
		e, ok := d.find(elem)
		if !ok {
			return node{}, true, fs.ErrNotExist
		}
		if e.refused != nil || e.mode == modeLink {
			return node{}, false, nil
		}
		n = node{entry: e, dir: d}
	}
	return n, true, nil
}

func (w *walk) step(follow bool) error {
	name := w.rest[0]
	w.rest = w.rest[1:]
	here := w.at[len(w.at)-1]
	if here.mode == modeSubmodule {
		return refuseSubmodule(w.path(), here.id)
	}
	if here.mode != modeTree {
		return fs.ErrNotExist
	}
	switch name {
	case "", ".":
		return nil
	case "..":
		if len(w.at) == 1 {
			return fault.Newf(fault.Invalid, "it leaves the repository")
		}
		w.at = w.at[:len(w.at)-1]
		return nil
	}
	d, err := w.tree.store.dir(here.id)
	if err != nil {
		return err
	}
	e, ok := d.find(name)
	if !ok {
		return fs.ErrNotExist
	}
	if e.refused != nil {
		return e.refused
	}
	if e.mode == modeLink && (follow || len(w.rest) > 0) {
		return w.follow(e)
	}
	if len(w.at) > w.limit {
		return fault.Newf(fault.Invalid, "it is more than %d directories deep", w.limit)
	}
	w.at = append(w.at, node{entry: e, dir: d})
	return nil
}

// follow puts the text of the symlink in front of the way still to go.
func (w *walk) follow(e entry) error {
	text, err := w.tree.store.linkText(e.id)
	if err != nil {
		return err
	}
	w.link = fmt.Sprintf("symlink %q to %q", w.join(e.name), text)
	w.links++
	switch {
	case w.links > maxLinks:
		return fault.Newf(fault.Invalid, "it is a loop")
	case strings.HasPrefix(text, "/"):
		return fault.Newf(fault.Invalid, "it leaves the repository")
	case text == "":
		return fs.ErrNotExist
	}
	if w.rest = append(strings.Split(text, "/"), w.rest...); len(w.rest) > maxPath {
		return fault.Newf(fault.Invalid, "the path is longer than %d elements", maxPath)
	}
	return nil
}

// explain names the symlink that led to the error.
func (w *walk) explain(err error) error {
	if w.link == "" {
		return err
	}
	return fmt.Errorf("%s: %w", w.link, err)
}

func (w *walk) path() string {
	names := make([]string, 0, len(w.at))
	for _, n := range w.at[1:] {
		names = append(names, n.name)
	}
	return strings.Join(names, "/")
}

func (w *walk) join(name string) string {
	if len(w.at) == 1 {
		return name
	}
	return w.path() + "/" + name
}

// linkText returns what a symlink says. It is small or it is none.
func (s *Store) linkText(id source.ID) (string, error) {
	data, err := s.blob(id, nil)
	if err != nil {
		return "", err
	}
	if len(data) > maxPath || strings.ContainsRune(string(data), 0) {
		return "", fault.Newf(fault.Invalid, "the symlink's text is not a path")
	}
	return string(data), nil
}

func refuseSubmodule(path string, id source.ID) error {
	return fault.Newf(fault.Invalid, "%s is a submodule (at %s); Fairlead does not fetch submodules: put the files into this repository, or declare the other one as a source",
		path, source.Commit(id).Short())
}
