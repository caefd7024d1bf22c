package gitserver

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// A Change is one thing that a commit does to the files before it. Changes apply in order.
type Change func(*bytes.Buffer)

// Write makes or replaces a file.
func Write(path, text string) Change { return file("100644", path, text) }

// WriteExec makes or replaces an executable file.
func WriteExec(path, text string) Change { return file("100755", path, text) }

// Link makes or replaces a symlink.
func Link(path, target string) Change { return file("120000", path, target) }

// Files makes or replaces many files: text by path.
func Files(texts map[string]string) Change {
	return func(b *bytes.Buffer) {
		paths := make([]string, 0, len(texts))
		for path := range texts {
			paths = append(paths, path)
		}
		slices.Sort(paths)
		for _, path := range paths {
			Write(path, texts[path])(b)
		}
	}
}

// Archive makes or replaces the files of a txtar archive.
func Archive(archive []byte) Change {
	return func(b *bytes.Buffer) {
		for _, f := range txtar.Parse(archive).Files {
			Write(f.Name, string(f.Data))(b)
		}
	}
}

// Submodule makes or replaces a submodule's entry; .gitmodules is a file like any other.
func Submodule(path string, at source.Commit) Change {
	return func(b *bytes.Buffer) { fmt.Fprintf(b, "M 160000 %s %s\n", at, quote(path)) }
}

// Delete removes a file or directory.
func Delete(path string) Change {
	return func(b *bytes.Buffer) { fmt.Fprintf(b, "D %s\n", quote(path)) }
}

// Rename moves a file or directory.
func Rename(from, to string) Change {
	return func(b *bytes.Buffer) { fmt.Fprintf(b, "R %s %s\n", quote(from), quote(to)) }
}

// Clear removes every file.
func Clear() Change {
	return func(b *bytes.Buffer) { b.WriteString("deleteall\n") }
}

func file(mode, path, text string) Change {
	return func(b *bytes.Buffer) {
		fmt.Fprintf(b, "M %s inline %s\ndata %d\n%s\n", mode, quote(path), len(text), text)
	}
}

// quote writes a path as fast-import reads it: as C does, which for printable ASCII is as Go does.
func quote(path string) string { return strconv.Quote(path) }
