package git

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/wire"
	"github.com/fairlead-cd/fairlead/internal/source"
)

var errAbsent = errors.New("the commit is not in the repository")

// exact fetches a commit by its id. Not every server gives one that no ref names; then every branch and tag is
// fetched with its history, once as long as they do not move, and the commit looked for in that.
func (p *puller) exact(ctx context.Context, r source.Resolved) error {
	err := p.tips(ctx, []source.Resolved{r})
	if !errors.Is(err, errNotOurs) {
		return err
	}
	p.close()
	refs, err := p.everything(ctx)
	if err != nil {
		return err
	}
	state := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%v", refs)))
	notFound := fault.Newf(fault.Invalid, "%w: no branch or tag leads to %s", errAbsent, r.Commit)
	if len(refs) == 0 || p.m.searched[r.Commit] == state {
		return notFound
	}
	if _, err := p.pull(ctx, wire.Fetch{Wants: refs, Depth: math.MaxInt32, Done: true}); err != nil {
		return err
	}
	here, err := p.m.store.Has(source.ID(r.Commit))
	if err != nil || here {
		return err
	}
	p.m.searched[r.Commit] = state
	return notFound
}

// everything lists the commits that branches and tags name.
func (p *puller) everything(ctx context.Context) ([]string, error) {
	if err := p.dial(ctx); err != nil {
		return nil, err
	}
	refs, err := p.m.listIn(ctx, p.s, []string{"refs/heads/", "refs/tags/"})
	if err != nil {
		return nil, err
	}
	var list []string
	seen := map[string]bool{}
	for _, r := range refs {
		if id := r.Commit(); id != "" && !seen[id] {
			seen[id] = true
			list = append(list, id)
		}
	}
	return list, nil
}
