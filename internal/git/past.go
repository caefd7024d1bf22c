package git

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// leastID is how many digits of an id name a commit.
const leastID = 4

// Past finds a commit in the history of another one, by its id or the first digits of that, and makes sure that it can be read. Where the mirror holds too little
// of the history to be certain, the server is asked for all of it. That there is no such commit, or more than one, is an error of kind fault.Invalid.
func (m *Mirror) Past(ctx context.Context, auth Auth, of source.Commit, id string) (source.Commit, error) {
	found, err := m.pastOf(ctx, auth, of, id)
	if err != nil {
		return "", fmt.Errorf("find commit %.64s in %s: %w", id, m.url, err)
	}
	return found, nil
}

func (m *Mirror) pastOf(ctx context.Context, auth Auth, of source.Commit, id string) (source.Commit, error) {
	if !isCommit(of) {
		return "", fault.Newf(fault.Internal, "%q is no commit", of)
	}
	if len(id) < leastID || len(id) > len(of) || strings.Trim(id, "0123456789abcdef") != "" {
		return "", fault.Newf(fault.Invalid, "it is not %d to %d of the digits 0 to 9 and a to f", leastID, len(of))
	}
	found, err := m.alike(ctx, of, id)
	if err != nil {
		return "", err
	}
	if whole := len(id) == len(of); !whole || len(found) == 0 {
		cut, err := m.isCut(ctx, of)
		if err == nil && cut {
			if err = m.deepen(ctx, auth, of, of); err == nil {
				found, err = m.alike(ctx, of, id)
			}
		}
		if err != nil {
			return "", err
		}
	}
	switch {
	case len(found) == 0:
		return "", fault.Newf(fault.Invalid, "there is none in the history of %s", of.Short())
	case len(found) > 1:
		return "", fault.Newf(fault.Invalid, "it may be %s: give more digits", strings.Join(found, " or "))
	}
	return source.Commit(found[0]), nil
}

// alike lists the first commits, as far as the mirror knows the history of one, whose ids begin so.
func (m *Mirror) alike(ctx context.Context, of source.Commit, id string) (found []string, err error) {
	const most = 3
	err = m.each(ctx, []source.Commit{of}, func(line string) {
		if strings.HasPrefix(line, id) && len(found) < most {
			found = append(found, line)
		}
	})
	return found, err
}
