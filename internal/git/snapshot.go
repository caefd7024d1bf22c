package git

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Snapshot returns a commit that was fetched. It reads the commit only; the tree is read as it is used. A commit
// that is not here is an error of kind fault.Transient: Fetch it.
func (m *Mirror) Snapshot(ctx context.Context, id source.Commit) (source.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return source.Snapshot{}, err
	}
	if !isCommit(id) {
		return source.Snapshot{}, fault.Newf(fault.Invalid, "read snapshot of %s: commit %q is no id", m.url, id)
	}
	c, err := m.store.Commit(id)
	if err != nil {
		return source.Snapshot{}, fmt.Errorf("read snapshot of %s: %w", m.url, err)
	}
	return source.Snapshot{URL: m.url, Commit: id, Author: c.Author, Subject: c.Subject, Tree: m.store.Tree(c.Tree)}, nil
}

// Forced says whether a ref that moved from old to now was moved by force: now does not descend from old, as far as
// the mirror knows the history. If old is not in the mirror (it was made anew since), nothing can be said, and that is
// an error of kind fault.Conflict.
func (m *Mirror) Forced(ctx context.Context, old, now source.Commit) (bool, error) {
	if old == now {
		return false, nil
	}
	if here, err := m.store.Has(source.ID(old)); err != nil || !here {
		if err == nil {
			err = fault.Newf(fault.Conflict, "commit %s is not in the mirror, so what descends from it is unknown", old.Short())
		}
		return false, fmt.Errorf("compare commits of %s: %w", m.url, err)
	}
	seen := map[source.Commit]bool{now: true}
	for next := []source.Commit{now}; len(next) > 0; {
		id := next[0]
		next = next[1:]
		c, err := m.store.Commit(id)
		if errors.Is(err, odb.ErrMissing) && id != now {
			continue // the end of what was fetched
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return false, fmt.Errorf("compare commits of %s: %w", m.url, err)
		}
		for _, parent := range c.Parents {
			if parent == old {
				return false, nil
			}
			if !seen[parent] {
				seen[parent] = true
				next = append(next, parent)
			}
		}
	}
	return true, nil
}
