package cli

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/localtree"
	"github.com/fairlead-cd/fairlead/internal/migrate"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// treeAround is the repository that a directory is in, as migrate looks at it; the directory itself if it is in none.
func treeAround(given string) (*migrate.Tree, func(), error) {
	full, err := filepath.Abs(given)
	if err != nil {
		return nil, nil, err
	}
	full = resolve(full)
	root := enclosing(full)
	if root == "" {
		root = full
	}
	rel, err := filepath.Rel(root, full)
	if err != nil {
		return nil, nil, err
	}
	tree, err := localtree.Open(root)
	if err != nil {
		return nil, nil, err
	}
	prefix := path.Join(filepath.ToSlash(given)) + "/"
	return &migrate.Tree{
		Files:   tree,
		Remotes: remotes(root),
		Path: func(file string) string {
			switch {
			case prefix == "./":
				return path.Join(filepath.ToSlash(rel), file)
			case strings.HasPrefix(file, prefix):
				return path.Join(filepath.ToSlash(rel), strings.TrimPrefix(file, prefix))
			}
			return ""
		},
		Render: func(b migrate.Build) (migrate.Built, error) { return built(tree, b) },
	}, func() { _ = tree.Close() }, nil
}

// builtIn is where the files are put that are rendered besides those of the tree.
const builtIn = "fairlead-migrate"

func built(tree source.Tree, b migrate.Build) (migrate.Built, error) {
	req := render.Request{
		Tree: tree, Dir: b.Dir, Place: render.Place{App: b.App, Namespace: b.Namespace}, Decryption: render.Decryption{Look: true},
	}
	if b.Values != nil {
		req.Rules.Substitute = &render.Substitute{Values: b.Values, Loose: true}
	}
	if len(b.Files) > 0 {
		files := map[string]archive.File{}
		for name, text := range b.Files {
			files[path.Join(builtIn, name)] = archive.File{Data: []byte(text)}
		}
		own, err := archive.New(files)
		if err != nil {
			return migrate.Built{}, err
		}
		req.Tree, req.Dir = beside{tree, own}, path.Join(builtIn, b.Dir)
	}
	res, err := render.Render(req)
	return migrate.Built{Objects: res.Objects, Read: res.Inputs.Files()}, err
}

// beside is a tree with another one in the directory builtIn.
type beside struct {
	source.Tree
	own *archive.Tree
}

func (b beside) of(name string) source.Tree {
	if name == builtIn || strings.HasPrefix(name, builtIn+"/") {
		return b.own
	}
	return b.Tree
}

func (b beside) Open(name string) (fs.File, error)          { return b.of(name).Open(name) }
func (b beside) ReadDir(name string) ([]fs.DirEntry, error) { return b.of(name).ReadDir(name) }
func (b beside) ReadFile(name string) ([]byte, error)       { return b.of(name).ReadFile(name) }
func (b beside) Stat(name string) (fs.FileInfo, error)      { return b.of(name).Stat(name) }
func (b beside) Lstat(name string) (fs.FileInfo, error)     { return b.of(name).Lstat(name) }
func (b beside) ReadLink(name string) (string, error)       { return b.of(name).ReadLink(name) }
func (b beside) ID(name string) (source.ID, error)          { return b.of(name).ID(name) }

// remotes are the addresses of a repository, as its configuration has them.
func remotes(root string) []string {
	data, err := os.ReadFile(filepath.Join(root, ".git", "config")) //nolint:gosec // where the user says
	if err != nil {
		return nil
	}
	var out []string
	in := false
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if strings.HasPrefix(line, "[") {
			in = strings.HasPrefix(line, "[remote ")
		}
		if key, value, ok := strings.Cut(line, "="); ok && in && strings.TrimSpace(key) == "url" {
			out = append(out, strings.TrimSpace(value))
		}
	}
	return out
}
