package ignore

import (
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// File is what such files are called.
const File = ".sourceignore"

// Is reports whether a file is called so.
func Is(name string) bool { return name == File }

// Bounds of one file.
const (
	mostBytes    = 64 << 10
	mostPatterns = 1000
)

// Patterns are those of several files. The zero Patterns leave nothing out.
type Patterns struct{ list []pattern }

type pattern struct {
	file     string
	line     int
	dir      []string // where the file is that it stands in; of the root: none
	parts    []string
	anchored bool // it is about paths from there, not about names at any depth
	onlyDirs bool
	includes bool
}

// With adds the patterns of a file that lies in a directory, and wins over those that were there. The error is of kind fault.Invalid.
func (p Patterns) With(dir, file string, text []byte) (Patterns, error) {
	if len(text) > mostBytes {
		return p, fault.Newf(fault.Invalid, "%s: it has more than %d KiB", file, mostBytes>>10)
	}
	out := Patterns{slices.Clone(p.list)}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if one, ok := parse(strings.TrimRight(line, "\r\n")); ok {
			one.dir, one.file, one.line = elements(dir), file, n
			out.list = append(out.list, one)
		}
		if len(out.list)-len(p.list) > mostPatterns {
			return p, fault.Newf(fault.Invalid, "%s: it has more than %d patterns", file, mostPatterns)
		}
	}
	return out, nil
}

// parse reads a line. One without a pattern is none.
func parse(line string) (p pattern, ok bool) {
	if !strings.HasSuffix(line, `\ `) {
		line = strings.TrimRight(line, " ")
	}
	if line == "" || line[0] == '#' {
		return p, false
	}
	if rest, not := strings.CutPrefix(line, "!"); not {
		p.includes, line = true, rest
	}
	if rest, only := strings.CutSuffix(line, "/"); only {
		p.onlyDirs, line = true, rest
	}
	p.anchored = strings.Contains(line, "/")
	for part := range strings.SplitSeq(line, "/") {
		if part != "" {
			p.parts = append(p.parts, part)
		}
	}
	return p, len(p.parts) > 0
}

// Ignored reports whether a file or a directory is left out.
func (p Patterns) Ignored(name string, isDir bool) bool {
	_, _, left := p.By(name, isDir)
	return left
}

// By says which line of which file leaves a file or a directory out, if one does.
func (p Patterns) By(name string, isDir bool) (file string, line int, left bool) {
	at := elements(name)
	for _, one := range slices.Backward(p.list) {
		if one.matches(at, isDir) {
			return one.file, one.line, !one.includes
		}
	}
	return "", 0, false
}

func elements(name string) []string {
	if name = path.Clean(name); name == "." {
		return nil
	}
	return strings.Split(name, "/")
}

// matches reports whether a pattern is of a path, or of a directory that it is in.
func (p pattern) matches(at []string, isDir bool) bool {
	if len(at) <= len(p.dir) || !slices.Equal(at[:len(p.dir)], p.dir) {
		return false
	}
	at = at[len(p.dir):]
	for n := 1; n <= len(at); n++ {
		if p.onlyDirs && n == len(at) && !isDir {
			break
		}
		if p.anchored && glob(p.parts, at[:n]) || !p.anchored && same(p.parts[0], at[n-1]) {
			return true
		}
	}
	return false
}

// glob matches a whole path; ** stands for any number of its elements.
func glob(parts, at []string) bool {
	// reach[i] says that the parts until now match the first i elements.
	reach := make([]bool, len(at)+1)
	reach[0] = true
	for _, part := range parts {
		next := make([]bool, len(at)+1)
		for i := range reach {
			switch {
			case part == "**":
				next[i] = reach[i] || i > 0 && next[i-1]
			case i > 0:
				next[i] = reach[i-1] && same(part, at[i-1])
			}
		}
		reach = next
	}
	return reach[len(at)]
}

// same matches one element of a path. What is no pattern matches nothing, as with Flux.
func same(part, name string) bool {
	ok, err := path.Match(part, name)
	return ok && err == nil
}
