package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// maxLinks bounds the symlinks on the way to one file, as kernels do; more are a loop.
const maxLinks = 40

// walk finds what name stands for, element by element, and tells seen of every symlink on the way, and of the element that is missing or
// is a file where a directory is needed. It returns the physical path: one without symlinks in it, but in the last element if follow is false.
func walk(t Tree, name string, follow bool, seen func(path string, info fs.FileInfo)) (string, fs.FileInfo, error) {
	at, links := ".", 0
	var last fs.FileInfo
	todo := strings.Split(name, "/")
	for len(todo) > 0 {
		elem := todo[0]
		todo = todo[1:]
		if elem == "" || elem == "." {
			continue
		}
		if elem == ".." {
			if at == "." {
				return "", nil, leaves(name)
			}
			at, last = path.Dir(at), nil
			continue
		}
		p := path.Join(at, elem)
		info, err := t.Lstat(p)
		if errors.Is(err, fs.ErrNotExist) {
			seen(p, nil)
			return "", nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		if err != nil {
			return "", nil, err
		}
		if info.Mode()&fs.ModeSymlink != 0 && (follow || len(todo) > 0) {
			seen(p, info)
			target, err := t.ReadLink(p)
			if err != nil {
				return "", nil, err
			}
			if links++; links > maxLinks {
				return "", nil, fault.Newf(fault.Invalid, "open %s: more than %d symlinks on the way", name, maxLinks)
			}
			if path.IsAbs(target) {
				return "", nil, leaves(name)
			}
			if !utf8.ValidString(target) { // there can be no such path
				return "", nil, fault.Newf(fault.Invalid, "open %s: a symlink on the way leads to a name that is not UTF-8", name)
			}
			todo, last = append(strings.Split(target, "/"), todo...), nil
			continue
		}
		if !info.IsDir() && len(todo) > 0 {
			seen(p, info)
			return "", nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		at, last = p, info
	}
	if last != nil {
		return at, last, nil
	}
	info, err := t.Lstat(at)
	return at, info, err
}

func leaves(name string) error {
	return fault.Newf(fault.Invalid, "open %s: a symlink on the way leaves the repository", name)
}

// invalidPath is what io/fs wants for a path that is not one.
func invalidPath(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("%w path", fs.ErrInvalid)}
}
