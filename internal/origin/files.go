package origin

import (
	"fmt"
	"path"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Place is a point in a file. A Line or Column of 0 is not known.
type Place struct {
	File         string
	Line, Column int
}

// String is "file:line:column", as far as it is known.
func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Files reads the files of a tree, each once. It is safe for concurrent use.
type Files struct {
	tree source.Tree
	mu   sync.Mutex
	read map[string]*text
}

// text is a file and its documents.
type text struct {
	data []byte
	docs []*yaml.Node
}

// NewFiles returns the files of a tree.
func NewFiles(tree source.Tree) *Files { return &Files{tree: tree, read: map[string]*text{}} }

// file returns a file; an empty one if it cannot be read.
func (f *Files) file(name string) *text {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.read[name]; t != nil {
		return t
	}
	t := &text{}
	if data, err := f.tree.ReadFile(name); err == nil {
		t.data = data
		t.docs, _ = object.Documents(name, data)
	}
	f.read[name] = t
	return t
}

// kustomization returns the kustomization file of a directory.
func (f *Files) kustomization(dir string) (string, *yaml.Node) {
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		file := path.Join(dir, name)
		if info, err := f.tree.Stat(file); err != nil || info.IsDir() {
			continue
		}
		for _, d := range f.file(file).docs {
			if d.Kind == yaml.MappingNode {
				return file, d
			}
		}
	}
	return "", nil
}

// isDir reports whether there is a directory of that name.
func (f *Files) isDir(name string) bool {
	info, err := f.tree.Stat(name)
	return err == nil && info.IsDir()
}

// fragment is a document and where it is: in a file of its own, or in a text within another file.
type fragment struct {
	file         string
	root         *yaml.Node
	lines, chars int        // to add to the lines and columns of nodes
	whole        *yaml.Node // if set, every node is there
}

func (g fragment) place(n *yaml.Node) Place {
	if g.whole != nil {
		return Place{g.file, g.whole.Line, g.whole.Column}
	}
	column := n.Column
	if column > 0 {
		column += g.chars
	}
	return Place{g.file, n.Line + g.lines, column}
}

// inline returns the documents of a text that is written into a file.
func (f *Files) inline(file string, n *yaml.Node) []fragment {
	docs, err := object.Documents(file, []byte(n.Value))
	if err != nil {
		return nil
	}
	g := fragment{file: file, whole: n}
	if n.Style&yaml.LiteralStyle != 0 {
		g.whole, g.lines = nil, n.Line
		lines := strings.Split(string(f.file(file).data), "\n")
		for i, l := range strings.Split(n.Value, "\n") {
			if strings.TrimSpace(l) != "" && n.Line+i < len(lines) {
				g.chars = indent(lines[n.Line+i]) - indent(l)
				break
			}
		}
	}
	var out []fragment
	for _, d := range docs {
		g.root = d
		out = append(out, g)
	}
	return out
}

func indent(l string) int { return len(l) - len(strings.TrimLeft(l, " ")) }
