package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/wire"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Fetch makes sure that the commits are in the mirror. What is there costs nothing, so call it after every Resolve
// with all that is followed: that also heals a mirror that was damaged. The answers are in the order of want; a commit
// that does not exist is an Err in its Resolution; that the server cannot be asked is the error, and what was
// fetched before it stays.
func (m *Mirror) Fetch(ctx context.Context, auth Auth, want []source.Resolved) ([]Resolution, error) {
	if err := m.take(ctx); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", m.url, err)
	}
	defer m.give()
	ctx, cancel := m.bound(ctx)
	defer cancel()
	all, err := m.fetch(ctx, auth, want)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", m.url, err)
	}
	return all, nil
}

func (m *Mirror) fetch(ctx context.Context, auth Auth, want []source.Resolved) ([]Resolution, error) {
	if m.store.Damaged() || !m.bare.whole() {
		if err := m.rebuild(m.bare.format); err != nil {
			return nil, err
		}
	}
	need, err := m.missing(want)
	if err != nil {
		return nil, err
	}
	p := puller{m: m, auth: auth}
	defer p.close()
	for _, group := range []struct {
		refs []source.Resolved
		pull func(context.Context, []source.Resolved) error
	}{{need.moved, p.newer}, {need.fresh, p.tips}} {
		if len(group.refs) > 0 {
			if err := group.pull(ctx, group.refs); err != nil {
				return nil, err
			}
		}
	}
	refused := map[source.Commit]error{}
	for _, r := range need.exact {
		if err := p.exact(ctx, r); errors.Is(err, errAbsent) {
			refused[r.Commit] = err
		} else if err != nil {
			return nil, err
		}
	}
	m.tidy()
	return m.keepAll(want, refused)
}

// missing sorts the commits that the mirror does not hold by how they are asked for.
type missing struct {
	moved []source.Resolved // of refs whose earlier commit is here
	fresh []source.Resolved // of refs that were never fetched
	exact []source.Resolved // of no ref
}

func (m *Mirror) missing(want []source.Resolved) (missing, error) {
	var need missing
	seen := map[source.ID]bool{}
	for _, w := range want {
		if !isCommit(w.Commit) || w.Tag != "" && !isCommit(source.Commit(w.Tag)) {
			return need, fault.Newf(fault.Internal, "commit %q of %s is no id", w.Commit, w.Ref)
		}
		if seen[named(w)] {
			continue
		}
		seen[named(w)] = true
		here, err := m.has(w)
		if err != nil {
			return need, err
		}
		_, followed := m.kept[keyOf(w.Ref)]
		switch {
		case here:
		case w.Name == "":
			need.exact = append(need.exact, w)
		case followed:
			need.moved = append(need.moved, w)
		default:
			need.fresh = append(need.fresh, w)
		}
	}
	return need, nil
}

// named is the object that a ref names: a commit, or the annotated tag in front of it.
func named(r source.Resolved) source.ID { return cmp.Or(r.Tag, source.ID(r.Commit)) }

// has reports whether the commit is here, and the tag in front of it.
func (m *Mirror) has(r source.Resolved) (bool, error) {
	here, err := m.store.Has(source.ID(r.Commit))
	if here && err == nil && r.Tag != "" {
		here, err = m.store.Has(r.Tag)
	}
	return here, err
}

// keepAll moves the kept refs to what was fetched.
func (m *Mirror) keepAll(want []source.Resolved, refused map[source.Commit]error) ([]Resolution, error) {
	all := make([]Resolution, len(want))
	for i, w := range want {
		all[i] = Resolution{Resolved: w, Err: refused[w.Commit]}
		key := keyOf(w.Ref)
		if all[i].Err != nil || m.kept[key] == w.Commit {
			continue
		}
		here, err := m.has(w)
		if err != nil {
			return nil, err
		}
		if !here {
			return nil, fault.Newf(fault.Transient, "the server did not send %s of %s", w.Commit.Short(), w.Ref)
		}
		if err := m.bare.keep(key, w.Commit); err != nil {
			return nil, err
		}
		m.kept[key] = w.Commit
	}
	return all, nil
}

// puller is one Fetch at work: it dials when it first needs to.
type puller struct {
	m     *Mirror
	auth  Auth
	s     session
	spent bool // the session is of an older version, good for one request, and has had it
}

func (p *puller) close() {
	if p.s != nil {
		p.s.close()
		p.s = nil
	}
}

func (p *puller) dial(ctx context.Context) error {
	if p.s != nil && !p.spent {
		return nil
	}
	p.close()
	s, err := p.m.remote.dial(ctx, p.auth)
	if err != nil {
		return err
	}
	p.s, p.spent = s, false
	if f := s.advert().Format(); f != p.m.bare.format {
		if f != "sha1" && f != "sha256" {
			return fault.Newf(fault.Invalid, "the repository's object format %q is unknown", f)
		}
		return p.m.rebuild(f)
	}
	return nil
}

// newer fetches what refs gained since their earlier commit. One that does not descend from anything here is a forced
// move: its whole history may be large and is of no use, so it starts anew with one commit.
func (p *puller) newer(ctx context.Context, refs []source.Resolved) error {
	shallow, err := p.m.bare.shallow()
	if err != nil {
		return err
	}
	if len(p.m.haves(shallow)) == 0 {
		return p.tips(ctx, refs)
	}
	if err := p.dial(ctx); err != nil {
		return err
	}
	// Version 0 has no such question in one request, so there a forced move costs its history.
	f := wire.Fetch{Wants: ids(refs), Done: p.s.advert().Version != 2}
	descends, err := p.pull(ctx, f)
	if err != nil || descends {
		return err
	}
	if len(refs) == 1 {
		return p.tips(ctx, refs)
	}
	for i := range refs {
		if err := p.newer(ctx, refs[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// tipDepth is a commit and its parents. One would do to read it, but a server takes the parents of what we have for
// ours as well, and then sends the whole history behind them when someone amends that commit.
const tipDepth = 2

// tips fetches the commits without their history.
func (p *puller) tips(ctx context.Context, refs []source.Resolved) error {
	_, err := p.pull(ctx, wire.Fetch{Wants: ids(refs), Depth: tipDepth, Done: true})
	return err
}

// pull sends one request and adds the pack to the mirror. It is false if the server sent none because it was not asked to.
func (p *puller) pull(ctx context.Context, f wire.Fetch) (bool, error) {
	if err := p.dial(ctx); err != nil {
		return false, err
	}
	m, adv := p.m, p.s.advert()
	var err error
	if f.Shallow, err = m.bare.shallow(); err != nil {
		return false, err
	}
	f.Haves = m.haves(f.Shallow)
	if adv.Version != 2 {
		f.Wants = advertised(adv.Refs, f.Wants)
	}
	p.spent = adv.Version != 2
	body, err := p.s.ask(ctx, requestFetch, f.Encode(adv))
	if err != nil {
		return false, err
	}
	defer func() { _ = body.Close() }()
	r := wire.NewReader(wire.Bound(body, m.o.MaxPack, tooLarge("pack", m.o.MaxPack)))
	ans, err := wire.ReadAnswer(r, adv, f)
	if err != nil {
		return false, refusal(err)
	}
	if ans.Pack == nil {
		if f.Done {
			return false, fault.Newf(fault.Transient, "the server sent no pack")
		}
		return false, nil
	}
	return true, m.add(ctx, ans, f.Shallow)
}

// refusal gives the error of a request for commits its kind: what is not there now may have been a moment ago.
func refusal(err error) error {
	var said *wire.ServerError
	if errors.As(err, &said) && strings.Contains(said.Text, "not our ref") {
		return fault.Newf(fault.Transient, "%w: %w", errNotOurs, err)
	}
	return protocolError(err)
}

var errNotOurs = errors.New("the commit is not, or no longer, in the repository")

// haves lists the commits that are here with all their files and parents, bounded.
func (m *Mirror) haves(shallow []string) []string {
	const most = 256
	var list []string
	for _, id := range m.kept {
		list = append(list, string(id))
	}
	slices.Sort(list)
	list = slices.DeleteFunc(slices.Compact(list), func(id string) bool { return slices.Contains(shallow, id) })
	return list[:min(most, len(list))]
}

func ids(refs []source.Resolved) []string {
	list := make([]string, len(refs))
	for i, r := range refs {
		list[i] = string(named(r))
	}
	return list
}

// advertised replaces a commit by the annotated tag that names it: version 0 gives only what it advertises.
func advertised(refs []wire.Ref, wants []string) []string {
	byCommit := map[string]string{}
	for _, r := range refs {
		if _, ok := byCommit[r.Commit()]; !ok || r.Peeled == "" {
			byCommit[r.Commit()] = r.ID
		}
	}
	list := slices.Clone(wants)
	for i, id := range list {
		if advertisedID, ok := byCommit[id]; ok {
			list[i] = advertisedID
		}
	}
	return list
}
