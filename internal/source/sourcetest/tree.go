package sourcetest

import (
	"io/fs"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/archive"
)

// Files are the content of a tree by path. [Link] and [Executable] make what is no plain file.
type Files map[string]string

const (
	linkMark = "\x00link:"
	execMark = "\x00exec:"
)

// Link is the content of a symlink to target.
func Link(target string) string { return linkMark + target }

// Executable is the content of a file with its executable bit set.
func Executable(content string) string { return execMark + content }

// FromArchive reads the files of an archive; one named "a -> b" is a symlink from a to b.
func FromArchive(a *txtar.Archive) Files {
	files := Files{}
	for _, f := range a.Files {
		if name, target, ok := strings.Cut(f.Name, " -> "); ok {
			files[name] = Link(target)
			continue
		}
		files[f.Name] = string(f.Data)
	}
	return files
}

// New makes a tree. It panics on a path that is invalid or lies within a file.
func New(files Files) *archive.Tree {
	all := make(map[string]archive.File, len(files))
	for p, data := range files {
		f := archive.File{Data: []byte(data)}
		if d, ok := strings.CutPrefix(data, linkMark); ok {
			f = archive.File{Mode: fs.ModeSymlink | 0o777, Data: []byte(d)}
		} else if d, ok := strings.CutPrefix(data, execMark); ok {
			f = archive.File{Mode: 0o755, Data: []byte(d)}
		}
		all[p] = f
	}
	t, err := archive.New(all)
	if err != nil {
		panic(err)
	}
	return t
}
