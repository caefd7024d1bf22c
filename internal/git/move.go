package git

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/draft"
	"github.com/fairlead-cd/fairlead/internal/git/wire"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Move is a branch of the server that is to go from one commit to another.
type Move struct {
	Branch string
	From   source.Commit // empty: there must be no such branch
	To     source.Commit // never empty: no branch is deleted
	Pack   []byte        // what the server lacks of To: see Draft; nil: nothing
}

// ErrMoved says that the branch is neither where it was to go from nor where it was to go. Its kind is fault.Conflict. Somebody else moved it: instead, or on
// from there.
var ErrMoved = errors.New("the branch has moved meanwhile")

// ErrUnknown says that it is not known whether the branch was moved: the server was asked to, and did not answer. Its kind is fault.Transient. Whoever asks
// for the same Move again learns it.
var ErrUnknown = errors.New("it is not known whether the branch was moved")

// Move moves a branch to a commit that the server has, or gets with it. A branch that is there already is one that was moved. That To descends from From is for the caller to
// know: see [Mirror.Forced]; the server may take a move by force for allowed.
//
// Besides ErrMoved and ErrUnknown, an error of kind fault.Denied says, in the server's words, that it does not let these credentials move the branch there. It
// may run beside anything else.
func (m *Mirror) Move(ctx context.Context, auth Auth, v Move) error {
	if err := m.push(ctx, auth, v); err != nil {
		return fmt.Errorf("move branch %s of %s to %s: %w", v.Branch, m.url, v.To.Short(), err)
	}
	return nil
}

func (m *Mirror) push(ctx context.Context, auth Auth, v Move) error {
	if err := v.check(); err != nil {
		return err
	}
	ctx, cancel := m.bound(ctx)
	defer cancel()
	remote, err := newTransport(m.dir, m.url, receive, m.o)
	if err != nil {
		return err
	}
	defer remote.close()
	s, err := remote.dial(ctx, auth)
	if err != nil {
		return err
	}
	defer s.close()
	if done, err := v.done(s.advert()); done || err != nil {
		return err
	}
	pack := v.Pack
	if pack == nil {
		pack = draft.New(s.advert().Format(), nil).Pack()
	}
	rep, err := m.ask(ctx, s, v.request(), pack)
	if err == nil && rep.Done {
		return nil
	}
	if err == nil {
		err = fault.Newf(fault.Denied, "the server refuses it: %s", rep.Why)
	}
	return settle(ctx, remote, auth, v, err)
}

// ask sends a push and reads what became of it.
func (m *Mirror) ask(ctx context.Context, s session, p wire.Push, pack []byte) (wire.Report, error) {
	body, err := s.ask(ctx, requestPush, append(p.Encode(s.advert()), pack...))
	if err != nil {
		return wire.Report{}, err
	}
	defer func() { _ = body.Close() }()
	const most = 1 << 20
	r := wire.NewReader(wire.Bound(body, most, tooLarge("report", most)))
	rep, err := wire.ReadReport(r, s.advert(), p)
	var said *wire.ServerError
	if errors.As(err, &said) {
		return rep, fault.New(fault.Denied, err)
	}
	return rep, err
}

// settle looks where the branch is after a push that did not succeed, and returns what that means.
func settle(ctx context.Context, remote transport, auth Auth, v Move, why error) error {
	refused := fault.KindOf(why) == fault.Denied
	s, err := remote.dial(ctx, auth)
	if err == nil {
		defer s.close()
		done, moved := v.done(s.advert())
		if done {
			return nil
		}
		if moved != nil {
			return moved
		}
	}
	if refused {
		return why
	}
	return &fault.Error{Kind: fault.Transient, Err: fmt.Errorf("%w: %w", ErrUnknown, why), After: fault.After(why)}
}

// check says what of a move makes no sense, whatever the server holds.
func (v Move) check() error {
	if err := refuseBranch(v.Branch); err != nil {
		return err
	}
	if !isCommit(v.To) || v.From != "" && (!isCommit(v.From) || len(v.From) != len(v.To)) {
		return fault.Newf(fault.Internal, "move from %q to %q: these are not two commits", v.From, v.To)
	}
	return nil
}

// done says whether the server has the branch where it was to go. That it has it neither there nor where it was is ErrMoved.
func (v Move) done(a wire.Advert) (bool, error) {
	if digits := map[string]int{"sha1": 40, "sha256": 64}[a.Format()]; len(v.To) != digits {
		return false, fault.Newf(fault.Invalid, "%s is no commit of a repository of the format %q", v.To, a.Format())
	}
	at := ""
	for _, r := range a.Refs {
		if r.Name == v.ref() {
			at = r.ID
		}
	}
	switch at {
	case string(v.To):
		return true, nil
	case string(v.From):
		return false, nil
	case "":
		return false, fault.Newf(fault.Conflict, "%w: it is gone", ErrMoved)
	}
	return false, fault.Newf(fault.Conflict, "%w: it is at %s, not at %s", ErrMoved, source.Commit(at).Short(), place(v.From))
}

func (v Move) ref() string { return "refs/heads/" + v.Branch }

func (v Move) request() wire.Push {
	from := string(v.From)
	if from == "" {
		from = strings.Repeat("0", len(v.To))
	}
	return wire.Push{Ref: v.ref(), From: from, To: string(v.To)}
}

func place(c source.Commit) string {
	if c == "" {
		return "none"
	}
	return c.Short()
}

// refuseBranch says why no branch can be called so. What it lets pass the server may still refuse.
func refuseBranch(name string) error {
	if err := refuseRef(source.Ref{Branch: name}); err != nil {
		return err
	}
	if strings.ContainsAny(name, `~^:?*[\`) || strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.Contains(name, "//") ||
		strings.HasPrefix(name, "/") || strings.HasPrefix(name, "-") || strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") || strings.HasSuffix(name, ".lock") {
		return fault.Newf(fault.Invalid, "%q cannot be the name of a branch", name)
	}
	return nil
}
