package sops

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// branch is a map in the order of its file, comments among its entries: the MAC covers the order.
type branch []entry

// entry is a key with its value, or a comment.
type entry struct {
	key     string
	line    int
	comment *comment
	value   any // branch, list or *leaf
}

// list holds branches, lists, leaves and comments.
type list []any

// leaf is a single value: a string, int, float64, bool, time.Time or nil.
type leaf struct {
	value any
	line  int
	// gone is set for what was a comment before it was encrypted: it is no value of the file.
	gone bool
}

type comment struct {
	text   string
	inline bool
}

// value returns what a branch has under a key; nil if nothing.
func (b branch) value(key string) any {
	for _, e := range b {
		if e.comment == nil && e.key == key {
			return e.value
		}
	}
	return nil
}

// text returns the text under a key; empty if there is none.
func (b branch) text(key string) string {
	l, ok := b.value(key).(*leaf)
	if !ok {
		return ""
	}
	return textOf(l.value)
}

// textOf prints a value as SOPS hashes and encrypts it.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		if v {
			return "True"
		}
		return "False"
	case time.Time:
		b, err := v.MarshalText()
		if err != nil {
			return ""
		}
		return string(b)
	}
	return ""
}

// visitor is called for every value but null, and for every comment. Comments are those that are in force where it is.
type visitor struct {
	leaf    func(path []string, comments [][]string, l *leaf) error
	comment func(path []string, comments [][]string, c *comment) error
}

func (v visitor) branch(b branch, path []string, above [][]string) error {
	comments := append(above[:len(above):len(above)], nil)
	last := len(comments) - 1
	for _, e := range b {
		if e.comment != nil {
			comments[last] = append(comments[last], e.comment.text)
			if err := v.comment(path, comments, e.comment); err != nil {
				return err
			}
			continue
		}
		if err := v.value(e.value, append(path[:len(path):len(path)], e.key), comments); err != nil {
			return err
		}
		comments[last] = nil
	}
	return nil
}

func (v visitor) value(value any, path []string, comments [][]string) error {
	switch value := value.(type) {
	case branch:
		return v.branch(value, path, comments)
	case list:
		return v.list(value, path, comments)
	case *leaf:
		if value.value != nil {
			return v.leaf(path, comments, value)
		}
	}
	return nil
}

func (v visitor) list(items list, path []string, above [][]string) error {
	comments := append(above[:len(above):len(above)], nil)
	last := len(comments) - 1
	for _, item := range items {
		if c, ok := item.(*comment); ok {
			comments[last] = append(comments[last], c.text)
			if err := v.comment(path, comments, c); err != nil {
				return err
			}
			continue
		}
		if err := v.value(item, path, comments); err != nil {
			return err
		}
		comments[last] = nil
	}
	return nil
}

// rule says which values of a file are encrypted. At most one of its fields is set.
type rule struct {
	unencryptedSuffix, encryptedSuffix             string
	unencryptedRegex, encryptedRegex               *regexp.Regexp
	unencryptedCommentRegex, encryptedCommentRegex *regexp.Regexp
}

// some reports whether the rule leaves some values in plain text that a manifest has.
func (r rule) some() bool { return r.unencryptedSuffix == "" }

// covers reports whether the value at a path is encrypted, or the comment that is the last of comments.
func (r rule) covers(path []string, comments [][]string, isComment bool) bool {
	some := func(match func(string) bool) bool {
		for _, p := range path {
			if match(p) {
				return true
			}
		}
		return false
	}
	switch {
	case r.encryptedSuffix != "":
		return some(func(p string) bool { return strings.HasSuffix(p, r.encryptedSuffix) })
	case r.unencryptedRegex != nil:
		return !some(r.unencryptedRegex.MatchString)
	case r.encryptedRegex != nil:
		return some(r.encryptedRegex.MatchString)
	case r.unencryptedCommentRegex != nil:
		return !commented(comments, r.unencryptedCommentRegex, false)
	case r.encryptedCommentRegex != nil:
		return commented(comments, r.encryptedCommentRegex, isComment)
	}
	return r.unencryptedSuffix == "" || !some(func(p string) bool { return strings.HasSuffix(p, r.unencryptedSuffix) })
}

// commented reports whether one of the comments matches, the very last one left out if asked to.
func commented(comments [][]string, re *regexp.Regexp, butLast bool) bool {
	for i, group := range comments {
		if butLast && i == len(comments)-1 && len(group) > 0 {
			group = group[:len(group)-1]
		}
		for _, c := range group {
			if re.MatchString(c) {
				return true
			}
		}
	}
	return false
}

// at makes an error of this file.
func at(file string, line int, format string, args ...any) error {
	return fault.Newf(fault.Invalid, "%s: "+format, append([]any{object.Origin{File: file, Line: line}}, args...)...)
}

func dotted(path []string) string { return strings.Join(path, ".") }

// unique refuses a branch that says a key twice: which of them counts would be a guess.
func (b branch) unique(file string) error {
	seen := map[string]bool{}
	for _, e := range b {
		if e.comment != nil {
			continue
		}
		if seen[e.key] {
			return at(file, e.line, "the key %q is there twice", e.key)
		}
		seen[e.key] = true
	}
	return nil
}
