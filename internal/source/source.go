// Package source is where desired state comes from: a [Ref] that a person follows, the [Commit] it names now, and the
// [Snapshot] of that commit, read as an immutable [Tree].
//
// A Tree is an io/fs.FS whose every path has an id that is equal exactly when the content is equal. That is what
// lets Fairlead know, without reading a file, which apps a commit touches: a [Recorder] notes what a renderer read
// or looked for, and [Inputs.Unchanged] asks a newer tree whether any of it differs.
//
// This package never fetches anything: package git does.
package source

import (
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Commit is the full lower-case hex id of a Git commit (40 digits for SHA-1, 64 for SHA-256).
type Commit string

// Short is the first 8 digits, as people quote commits.
func (c Commit) Short() string { return string(c[:min(8, len(c))]) }

// ID is the id of a blob or tree: equal content, equal id.
type ID string

// Ref says which commit to follow. Exactly one field is set.
type Ref struct {
	Branch string
	Tag    string // an exact tag
	SemVer string // a range over tags, such as ">=1.2.0 <2.0.0"; the highest matching tag wins
	Commit Commit
}

// String prints the ref as status shows it: "main", "v1.2.3", "semver >=1.2", a short commit.
func (r Ref) String() string {
	switch {
	case r.Branch != "":
		return r.Branch
	case r.Tag != "":
		return r.Tag
	case r.SemVer != "":
		return "semver " + r.SemVer
	default:
		return r.Commit.Short()
	}
}

// Pattern says which branches or tags are meant: exactly one field is set. One * in it stands for any text, slashes included.
type Pattern struct{ Branch, Tag string }

// Ref is a branch or tag as one that the pattern means; false if it means another one.
func (p Pattern) Ref(full string) (Ref, bool) {
	if name, ok := strings.CutPrefix(full, "refs/heads/"); ok && p.Branch != "" {
		return Ref{Branch: name}, stands(p.Branch, name)
	}
	if name, ok := strings.CutPrefix(full, "refs/tags/"); ok && p.Branch == "" && p.Tag != "" {
		return Ref{Tag: name}, stands(p.Tag, name)
	}
	return Ref{}, false
}

// Prefix is how the full names of all that is meant begin.
func (p Pattern) Prefix() string {
	before, _, _ := strings.Cut(p.Branch+p.Tag, "*")
	if p.Branch != "" {
		return "refs/heads/" + before
	}
	return "refs/tags/" + before
}

func stands(pattern, name string) bool {
	before, after, open := strings.Cut(pattern, "*")
	if !open {
		return name == pattern
	}
	return len(name) > len(before)+len(after) && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
}

// Resolved is a ref and what it names now.
type Resolved struct {
	Ref    Ref
	Name   string // full ref name, such as "refs/heads/main"; empty for an exact commit
	Commit Commit
	Tag    ID // the annotated tag through which it names the commit; empty if there is none
}

// Revision is the text that status shows, in Flux's form: "main@sha1:<40 hex>".
func (r Resolved) Revision() string {
	name := strings.TrimPrefix(strings.TrimPrefix(r.Name, "refs/heads/"), "refs/tags/")
	algorithm := "sha1"
	if len(r.Commit) == 64 {
		algorithm = "sha256"
	}
	if name == "" {
		return fmt.Sprintf("%s:%s", algorithm, r.Commit)
	}
	return fmt.Sprintf("%s@%s:%s", name, algorithm, r.Commit)
}

// Author is who wrote a commit, as the commit says it: unverified.
type Author struct {
	Name, Email string
	When        time.Time
}

// Snapshot is one commit of one repository.
type Snapshot struct {
	URL     string // without credentials
	Commit  Commit
	Author  Author
	Subject string // first line of the commit message
	Tree    Tree
}

// Tree is the files of one commit. It implements fs.ReadDirFS, fs.ReadFileFS, fs.StatFS and fs.ReadLinkFS with paths as io/fs
// wants them ("." is the root, no leading slash). Open, ReadFile and Stat follow symlinks within the tree; a symlink that
// leaves the tree is an error of kind fault.Invalid. Trees are immutable and safe for concurrent use.
type Tree interface {
	fs.ReadDirFS
	fs.ReadFileFS
	fs.StatFS
	fs.ReadLinkFS

	// ID returns the id of the file or directory at path, following no symlink in the last element (a symlink
	// has the id of its text). It returns fs.ErrNotExist in the chain if there is nothing.
	ID(path string) (ID, error)
}
