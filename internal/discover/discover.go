package discover

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Found is an app and the directory that it lives in.
type Found struct {
	Name   string // a DNS label
	Dir    string
	Source int // which of the sources that were merged; 0 before
}

// Problem is a directory that matches the pattern but is not used, and why.
type Problem struct {
	Name   string // of the app that it might be; need not be valid
	Dir    string
	Why    string
	Source int // which of the sources that were merged; 0 before
}

// String is "dir: why".
func (p Problem) String() string { return p.Dir + ": " + p.Why }

// Clauses says what is wrong, a clause for each problem, but one for all names that are no DNS labels.
func Clauses(problems []Problem) []string {
	var misnamed, out []string
	for _, p := range problems {
		if wrongName(p.Name) != "" {
			misnamed = append(misnamed, p.Dir)
		} else {
			out = append(out, p.String())
		}
	}
	const most = 2
	switch n := len(misnamed); {
	case n == 1:
		i := slices.IndexFunc(problems, func(p Problem) bool { return p.Dir == misnamed[0] })
		return append([]string{problems[i].String()}, out...)
	case n > most:
		misnamed = append(misnamed[:most:most], fmt.Sprintf("%d more", n-most))
		fallthrough
	case n > 1:
		last := len(misnamed) - 1
		dirs := strings.Join(misnamed[:last], ", ") + " and " + misnamed[last]
		return append([]string{fmt.Sprintf("%d directories cannot be apps, since names must be DNS labels: %s", n, dirs)}, out...)
	}
	return out
}

// Result is what a pattern matches in a tree.
type Result struct {
	Found    []Found   // ordered by name; names are distinct
	Problems []Problem // ordered by directory
	// Missing is the first directory on the way to a pattern's first wildcard that does not exist. Then the pattern is more
	// likely wrong than every app retired.
	Missing string
}

// Gone reports whether the app of that name, found earlier, has been removed. It is false where that is not certain: if a directory on
// the way is missing, or if the app is one of the problems.
func (r Result) Gone(name string) bool {
	return r.Missing == "" &&
		!slices.ContainsFunc(r.Found, func(f Found) bool { return f.Name == name }) &&
		!slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Name == name })
}

// maxApps bounds what one pattern may match: far more than an environment has.
const maxApps = 20_000

// Apps finds the directories of tree that match pattern, such as "apps/*/production" or "team-?/[a-c]*". A wildcard stays within one
// element of the path, as in path.Match; a wildcard never matches a leading dot. The name of an app is what the first * matched;
// without a *, the last element of its directory. A pattern that is malformed is fault.Invalid.
//
// Symlinks to directories are not followed: the same app would be found twice.
func Apps(tree source.Tree, pattern string) (Result, error) {
	elems, err := parse(pattern)
	if err != nil {
		return Result{}, err
	}
	m := &matcher{tree: tree, elems: elems}
	if err := m.walk(".", 0, ""); err != nil {
		return Result{}, fmt.Errorf("discover %s: %w", pattern, err)
	}
	return Merge(Source{Result: m.res}), nil
}

// Named is [Apps] for a pattern without wildcards, whose app has a name of its own, whatever its directory is called. An empty name is the directory's.
func Named(tree source.Tree, pattern, name string) (Result, error) {
	res, err := Apps(tree, pattern)
	if err != nil || name == "" {
		return res, err
	}
	if isGlob(pattern) {
		return Result{}, fault.Newf(fault.Invalid, "path %q: what matches a wildcard has no name of its own", pattern)
	}
	if why := wrongName(name); why != "" {
		return Result{}, fault.New(fault.Invalid, errors.New(why))
	}
	for _, p := range res.Problems { // that its directory is called something else is none
		res.Found = append(res.Found, Found{Dir: p.Dir, Source: p.Source})
	}
	res.Problems = nil
	for i := range res.Found {
		res.Found[i].Name = name
	}
	return res, nil
}

// Concerns reports whether a pattern may find something else since a path came or went, or became another kind of thing. If it concerns none of
// [source.Difference.Names], Apps finds the same in both trees.
func Concerns(pattern, changed string) bool {
	elems, err := parse(pattern)
	if err != nil {
		return true
	}
	names := strings.Split(changed, "/")
	if len(names) > len(elems) {
		return false
	}
	last := len(names) - 1
	for i, name := range names[:last] {
		if ok, err := path.Match(elems[i], name); err == nil && !ok {
			return false
		}
	}
	// Where there is a wildcard, all names are read, and one that cannot be used spoils it. A name that is looked up may clash with one of another case.
	fold := strings.ToLower // as the trees of Git do it
	return isGlob(elems[last]) || fold(elems[last]) == fold(names[last])
}

func isGlob(elem string) bool { return strings.ContainsAny(elem, `*?[\`) }

func parse(pattern string) ([]string, error) {
	elems := strings.Split(strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/"), "/")
	for _, e := range elems {
		if e == "" || e == "." || e == ".." || !utf8.ValidString(e) {
			return nil, fault.Newf(fault.Invalid, "path %q: want a relative path such as apps/*/production", pattern)
		}
		if strings.Contains(e, "**") {
			return nil, fault.Newf(fault.Invalid, "path %q: ** is not supported: a * matches within one element, write apps/*/*/production", pattern)
		}
		if _, err := path.Match(e, "x"); err != nil {
			return nil, fault.Newf(fault.Invalid, "path %q: %q is malformed: check its brackets", pattern, e)
		}
	}
	return elems, nil
}

type matcher struct {
	tree  source.Tree
	elems []string
	res   Result
}

// walk matches the elements from i on below dir. Name is what the first * has matched so far.
func (m *matcher) walk(dir string, i int, name string) error {
	if i == len(m.elems) {
		m.found(dir, name)
		if len(m.res.Found) > maxApps {
			return fault.Newf(fault.Invalid, "matches more than %d directories", maxApps)
		}
		return nil
	}
	elem := m.elems[i]
	if !isGlob(elem) {
		return m.literal(path.Join(dir, elem), i, name)
	}
	entries, err := m.tree.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		ok, err := path.Match(elem, e.Name())
		if err != nil || !ok || !e.IsDir() || !utf8.ValidString(e.Name()) || strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(elem, ".") {
			continue // Invariant: parse has refused malformed elements.
		}
		next := name
		if next == "" && strings.Contains(elem, "*") {
			next = starred(elem, e.Name())
		}
		if err := m.walk(path.Join(dir, e.Name()), i+1, next); err != nil {
			return err
		}
	}
	return nil
}

func (m *matcher) literal(dir string, i int, name string) error {
	info, err := m.tree.Lstat(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && info.IsDir():
		return m.walk(dir, i+1, name)
	}
	// Below a wildcard an absent directory only means that this is no app of the pattern.
	if !isGlob(strings.Join(m.elems[:i], "")) {
		m.res.Missing = dir
	}
	return nil
}

func (m *matcher) found(dir, name string) {
	if name == "" {
		name = path.Base(dir)
	}
	if why := wrongName(name); why != "" {
		m.res.Problems = append(m.res.Problems, Problem{Name: name, Dir: dir, Why: why})
		return
	}
	m.res.Found = append(m.res.Found, Found{Name: name, Dir: dir})
}

// starred is what the first * of an element matched in name: all but what stands before and after it.
func starred(elem, name string) string {
	before, after, _ := strings.Cut(elem, "*")
	for start := 0; start <= len(name); start++ {
		if ok, err := path.Match(before, name[:start]); err != nil || !ok {
			continue
		}
		for end := len(name); end >= start; end-- {
			if ok, err := path.Match(after, name[end:]); err == nil && ok {
				return name[start:end]
			}
		}
	}
	return name
}

func wrongName(name string) string {
	const rule = "an app's name is a DNS label: lower-case letters, digits and -, beginning and ending with a letter or digit, 63 at most"
	if len(name) > 63 || name == "" {
		return fmt.Sprintf("%q is %d characters long: %s", name, len(name), rule)
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-' && i > 0 && i < len(name)-1:
		default:
			return fmt.Sprintf("%q cannot be an app's name: %s", name, rule)
		}
	}
	return ""
}
