package odb

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// refuseName says why a name cannot be that of a file: no honest Git writes such a tree, or some file system would
// take it for another name.
func refuseName(name string) error {
	why := ""
	switch {
	case name == "":
		why = "it is empty"
	case name == "." || name == "..":
		why = "it stands for a directory"
	case len(name) > maxName:
		why = "it is too long"
	case !utf8.ValidString(name):
		why = "it is not UTF-8"
	case strings.ContainsAny(name, `/\`):
		why = "it holds a separator"
	case strings.ContainsFunc(name, unicode.IsControl):
		why = "it holds a control character"
	case isDotGit(name):
		why = "some file systems read it as .git"
	}
	if why == "" {
		return nil
	}
	return fault.Newf(fault.Invalid, "the name %q is refused: %s", shorten(name), why)
}

// isDotGit says whether name is ".git" on a file system that ignores case, blanks and dots at the end, streams (NTFS)
// or invisible characters (HFS+).
func isDotGit(name string) bool {
	if len(name) < 4 || !strings.ContainsAny(name[:1], ".gG\u200c") && name[0] < utf8.RuneSelf {
		return false
	}
	name, _, _ = strings.Cut(name, ":")
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	name = strings.TrimRight(name, " .")
	return name == ".git" || name == "git~1"
}

func shorten(name string) string {
	if len(name) > maxName {
		return name[:maxName] + "…"
	}
	return name
}
