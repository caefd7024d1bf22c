package git

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/wire"
)

// add adds the pack of an answer to the repository. The shallow commits are noted before: were the process killed in
// between, a note of a commit that never came is harmless, a commit without the note looks like damage.
func (m *Mirror) add(ctx context.Context, ans wire.Answer, before []string) error {
	after := slices.Concat(before, ans.Shallow)
	slices.Sort(after)
	after = slices.DeleteFunc(slices.Compact(after), func(id string) bool { return slices.Contains(ans.Unshallow, id) })
	changed := !slices.Equal(after, slices.Sorted(slices.Values(before)))
	if changed {
		if err := m.bare.setShallow(after); err != nil {
			return err
		}
	}
	err := m.index(ctx, ans.Pack)
	if err != nil && changed {
		if undo := m.bare.setShallow(before); undo != nil {
			return undo
		}
	}
	return err
}

// index has git check the pack and put it into the repository: as a whole or, on any error, not at all.
func (m *Mirror) index(ctx context.Context, pack io.Reader) error {
	in := &watched{r: pack}
	cmd := m.bare.command(ctx, "index-pack", "--stdin", "--fix-thin")
	var errs tail
	cmd.Stdin, cmd.Stderr = in, &errs
	err := cmd.Run()
	switch {
	case in.err != nil: // git only saw its input end
		return fmt.Errorf("receive pack: %w", protocolError(in.err))
	case err == nil:
		return nil
	case strings.Contains(errs.String(), "unresolved delta"):
		// The server builds on what we said to have, and we have it not.
		if err := m.rebuild(m.bare.format); err != nil {
			return err
		}
	}
	return fault.New(fault.Transient, fmt.Errorf("receive pack: %w", gitError(ctx, "index-pack", err, &errs)))
}

// watched remembers why a reader failed.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
