package git

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/git/wire"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Commit returns a commit that was fetched as Git stores it, signature included.
func (m *Mirror) Commit(ctx context.Context, id source.Commit) ([]byte, error) {
	return m.said(ctx, "commit", source.ID(id))
}

// Tag returns an annotated tag that was fetched as Git stores it, signature included.
func (m *Mirror) Tag(ctx context.Context, id source.ID) ([]byte, error) {
	return m.said(ctx, "tag", id)
}

func (m *Mirror) said(ctx context.Context, kind string, id source.ID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !isCommit(source.Commit(id)) {
		return nil, fault.Newf(fault.Invalid, "read %s of %s: %q is no id", kind, m.url, id)
	}
	data, err := m.store.Said(kind, id)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", kind, m.url, err)
	}
	return data, nil
}

// maxPast is how many commits Between looks at, on each side.
const maxPast = 10_000

// Between lists what now has and old has not, now first: the commits that came with a move from old to now. Where the mirror holds too little of the history
// to be certain, the server is asked for all of it. If old is not to be had any more, all that now descends from is listed. More than 10,000 commits are an
// error of kind fault.Invalid.
func (m *Mirror) Between(ctx context.Context, auth Auth, old, now source.Commit) ([]source.Commit, error) {
	list, whole, err := m.between(ctx, old, now)
	if err == nil && !whole {
		if err = m.deepen(ctx, auth, old, now); err == nil {
			list, _, err = m.between(ctx, old, now)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list commits of %s from %s to %s: %w", m.url, old.Short(), now.Short(), err)
	}
	return list, nil
}

// between is Between as far as the mirror knows, and whether it is certain that each of the list came after old.
func (m *Mirror) between(ctx context.Context, old, now source.Commit) ([]source.Commit, bool, error) {
	before, err := m.past(ctx, old, nil)
	if err != nil {
		return nil, false, err
	}
	known := make(map[source.Commit]bool, len(before.commits))
	for _, id := range before.commits {
		known[id] = true
	}
	after, err := m.past(ctx, now, known)
	return after.commits, !after.cut && (!before.cut || !after.rooted), err
}

// past is what a commit descends from, itself first.
type past struct {
	commits []source.Commit
	cut     bool // it goes on, but not in the mirror
	rooted  bool // a commit without parents is among it
}

// past goes back from a commit, not through those that are known.
func (m *Mirror) past(ctx context.Context, from source.Commit, known map[source.Commit]bool) (past, error) {
	var p past
	seen := map[source.Commit]bool{from: true}
	for next := []source.Commit{from}; len(next) > 0; next = next[1:] {
		id := next[0]
		if known[id] {
			continue
		}
		c, err := m.store.Commit(id)
		if errors.Is(err, odb.ErrMissing) {
			p.cut = true
			continue
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && len(p.commits) == maxPast {
			err = fault.Newf(fault.Invalid, "there are more than %d", maxPast)
		}
		if err != nil {
			return past{}, err
		}
		p.commits = append(p.commits, id)
		p.rooted = p.rooted || len(c.Parents) == 0
		for _, parent := range c.Parents {
			if !seen[parent] {
				seen[parent] = true
				next = append(next, parent)
			}
		}
	}
	return p, nil
}

// deepen fetches the whole history of now, and that of old if the server still has it.
func (m *Mirror) deepen(ctx context.Context, auth Auth, old, now source.Commit) error {
	if err := m.take(ctx); err != nil {
		return err
	}
	defer m.give()
	ctx, cancel := m.bound(ctx)
	defer cancel()
	p := puller{m: m, auth: auth}
	defer p.close()
	_, err := p.pull(ctx, wire.Fetch{Wants: []string{string(now), string(old)}, Depth: math.MaxInt32, Done: true})
	if errors.Is(err, errNotOurs) {
		p.close()
		_, err = p.pull(ctx, wire.Fetch{Wants: []string{string(now)}, Depth: math.MaxInt32, Done: true})
	}
	return err
}
