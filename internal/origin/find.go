package origin

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// At says what of a field is looked for.
type At uint8

const (
	// Key is where the field is named.
	Key At = iota
	// Value is where its value is written.
	Value
	// Holder is where something should be added: rather in the object's own file than in what is written over it.
	Holder
)

// Finder finds the fields of the objects of one app. It is not safe for concurrent use.
type Finder struct {
	files  *Files
	dir    string
	layers []layer
	walked bool
}

// New returns a Finder for the app in a directory.
func New(files *Files, dir string) *Finder { return &Finder{files: files, dir: dir} }

// spot is a place that says a part of a path: the first depth steps.
type spot struct {
	place Place
	depth int
}

// Find returns where a field of an object of the app is written.
func (f *Finder) Find(o object.Object, p object.Path, at At) Place {
	t := target{Object: o, path: p, at: at}
	own := f.own(&t)
	if at == Holder && own.depth == len(p) {
		return own.place
	}
	best := spot{depth: -1}
	for _, l := range f.kustomizations() {
		for _, s := range l.spots(f.files, t) {
			if s.depth == len(p) && at != Holder {
				return s.place
			}
			if s.depth > best.depth {
				best = s
			}
		}
	}
	if own.depth >= best.depth || best.depth < 1 {
		return own.place
	}
	return best.place
}

// target is what is looked for.
type target struct {
	object.Object
	path     object.Path
	at       At
	original string // name of the object in its file
}

// names reports whether a name in a kustomization can mean the object: as it is called, as it was, or on the way from one to the other.
func (t target) names(name string) bool {
	return name != "" && (name == t.original || strings.Contains(t.Name(), name) && strings.Contains(name, t.original))
}

func (t target) spot(g fragment, w found) spot {
	n := w.key
	if t.at == Value && w.depth == len(t.path) && w.value.Kind == yaml.ScalarNode {
		n = w.value
	}
	return spot{g.place(n), w.depth}
}

// own looks in the file in which the object is written.
func (f *Finder) own(t *target) spot {
	at := t.Origin()
	s := spot{place: Place{File: at.File, Line: at.Line}}
	for _, d := range f.files.file(at.File).docs {
		if n := begun(d, at.Line, 0); n != nil {
			_, meta := entry(n, "metadata")
			t.original = scalar(meta, "name")
			return t.spot(fragment{file: at.File, root: n}, walk(n, t.Object, t.path, 0))
		}
		if g := generator(d, *t); g != nil {
			t.original = scalar(g, "name")
			return generated(fragment{file: at.File, root: g}, *t)
		}
	}
	if s.place.Line == 0 {
		s.place.Line, s.place.Column = 1, 1
	}
	return s
}

// begun returns the object of a document, or of a list in it, that begins at a line.
func begun(n *yaml.Node, line, depth int) *yaml.Node {
	const deep = 20
	n = resolved(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > deep {
		return nil
	}
	if _, items := entry(n, "items"); items != nil && resolved(items).Kind == yaml.SequenceNode {
		for _, c := range resolved(items).Content {
			if found := begun(c, line, depth+1); found != nil {
				return found
			}
		}
	}
	if _, kind := entry(n, "kind"); kind != nil && n.Line == line {
		return n
	}
	return nil
}
