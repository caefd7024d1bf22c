package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/draft"
	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Draft is a commit that the mirror holds, as if it had been fetched, and the server does not have yet. Equal input makes an equal commit.
type Draft struct {
	Commit source.Commit
	Pack   []byte // what the server lacks of it; nil: nothing
}

// ErrClash says that both sides of a merge changed one path differently: the error names it. Its kind is fault.Invalid.
var ErrClash = draft.ErrClash

// Merging is a merge that is to be made: Head is what a branch names, Other what is to come into it. Both have been fetched.
type Merging struct {
	Head, Other source.Commit
	Message     string
	When        time.Time
}

// Merge makes a merge by paths: what one side alone changed since the two parted is as that side has it, a file that both changed is ErrClash, and is settled by
// nobody. What needs no merge gets none: the Draft is then Other, or Head. Where the mirror holds too little of the history, the server is asked for all of it.
func (m *Mirror) Merge(ctx context.Context, auth Auth, v Merging) (Draft, error) {
	d, err := m.merge(ctx, auth, v)
	if err != nil {
		return Draft{}, fmt.Errorf("merge %s into %s of %s: %w", v.Other.Short(), v.Head.Short(), m.url, err)
	}
	return d, nil
}

func (m *Mirror) merge(ctx context.Context, auth Auth, v Merging) (Draft, error) {
	base, err := m.base(ctx, auth, v.Head, v.Other)
	if err != nil {
		return Draft{}, err
	}
	switch base {
	case v.Head:
		return Draft{Commit: v.Other}, nil
	case v.Other:
		return Draft{Commit: v.Head}, nil
	}
	return m.make(ctx, func(d *draft.Draft) (draft.Commit, error) {
		var trees [3]source.ID
		for i, id := range []source.Commit{base, v.Head, v.Other} {
			c, err := m.store.Commit(id)
			if err != nil {
				return draft.Commit{}, err
			}
			trees[i] = c.Tree
		}
		tree, err := d.Merge(trees[0], trees[1], trees[2])
		return draft.Commit{Tree: tree, Parents: []source.Commit{v.Head, v.Other}, Message: v.Message, When: v.When}, err
	})
}

// Restoring is a commit that is to be made on top of Head, in which each of the Paths is as it is in From: gone, if it is not there. Both commits have been
// fetched, and the server has From.
type Restoring struct {
	Head    source.Commit
	Paths   []string
	From    source.Commit
	Message string
	When    time.Time
}

// Restore makes such a commit. If nothing has to be restored, the Draft is Head. A path that leads through a file or a symlink is an error of kind fault.Invalid.
func (m *Mirror) Restore(ctx context.Context, v Restoring) (Draft, error) {
	head, err := m.store.Commit(v.Head)
	var from odb.Commit
	if err == nil {
		from, err = m.store.Commit(v.From)
	}
	tree := head.Tree
	var d Draft
	if err == nil {
		d, err = m.make(ctx, func(d *draft.Draft) (draft.Commit, error) {
			for _, p := range v.Paths {
				was, err := d.At(from.Tree, p)
				if err == nil {
					tree, err = d.Put(tree, p, was)
				}
				if err != nil {
					return draft.Commit{}, fmt.Errorf("restore %s: %w", p, err)
				}
			}
			return draft.Commit{Tree: tree, Parents: []source.Commit{v.Head}, Message: v.Message, When: v.When}, nil
		})
	}
	switch {
	case err != nil:
		return Draft{}, fmt.Errorf("restore files of %s in %s of %s: %w", v.From.Short(), v.Head.Short(), m.url, err)
	case tree == head.Tree:
		return Draft{Commit: v.Head}, nil
	}
	return d, nil
}

// make makes a commit, and adds it to the mirror.
func (m *Mirror) make(ctx context.Context, plan func(*draft.Draft) (draft.Commit, error)) (Draft, error) {
	if err := m.take(ctx); err != nil {
		return Draft{}, err
	}
	defer m.give()
	d := draft.New(m.bare.format, m.store.Entries)
	c, err := plan(d)
	if err != nil {
		return Draft{}, err
	}
	out := Draft{Commit: d.Commit(c), Pack: d.Pack()}
	return out, m.index(ctx, bytes.NewReader(out.Pack))
}

// base is the commit at which two parted.
func (m *Mirror) base(ctx context.Context, auth Auth, a, b source.Commit) (source.Commit, error) {
	if !isCommit(a) || !isCommit(b) {
		return "", fault.Newf(fault.Internal, "%q and %q are not two commits", a, b)
	}
	cut, err := m.isCut(ctx, a, b)
	if err == nil && cut {
		if err = m.deepen(ctx, auth, a, b); err == nil {
			cut, err = m.isCut(ctx, a, b)
		}
	}
	switch {
	case err != nil:
		return "", err
	case cut:
		return "", fault.Newf(fault.Transient, "the server does not give all of the history")
	}
	out, err := m.bare.output(ctx, "merge-base", "--all", string(a), string(b))
	all := strings.Fields(out)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return "", fault.Newf(fault.Invalid, "they have no commit in common")
	case err != nil:
		return "", fault.New(fault.Transient, err)
	case len(all) != 1:
		return "", fault.Newf(fault.Invalid, "they were merged crosswise before: what each side changed since cannot be told")
	}
	return source.Commit(all[0]), nil
}

// isCut reports whether the mirror lacks some of the history of commits.
func (m *Mirror) isCut(ctx context.Context, ids ...source.Commit) (bool, error) {
	shallow, err := m.bare.shallow()
	if err != nil || len(shallow) == 0 {
		return false, err
	}
	ends := make(map[string]bool, len(shallow))
	for _, id := range shallow {
		ends[id] = true
	}
	cut := false
	err = m.each(ctx, ids, func(id string) { cut = cut || ends[id] })
	return cut, err
}

// each calls f for each commit that the mirror holds of the history of some.
func (m *Mirror) each(ctx context.Context, of []source.Commit, f func(id string)) error {
	args := []string{"rev-list"}
	for _, id := range of {
		args = append(args, string(id))
	}
	lines := &lines{f: f}
	if err := m.bare.print(ctx, lines, args...); err != nil {
		return fault.New(fault.Transient, err)
	}
	return nil
}

// lines calls a function for each whole line that is written to it.
type lines struct {
	f    func(string)
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			l.rest = append([]byte(nil), line...)
			return len(p), nil
		}
		l.f(string(line))
		l.rest = rest
	}
}
