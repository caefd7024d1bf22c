package git

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/wire"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Resolution is a ref and the commit it names, or why it names none.
type Resolution struct {
	source.Resolved
	Err error // of kind fault.Invalid; nil if Commit is set
}

// Resolve asks the server once what the refs name now. The answers are in the order of refs. A ref that does not
// exist is an Err in its Resolution; that the server cannot be asked is the error. Exact commits need no answer: if
// that is all, nothing is asked. After them come the branches and tags that the patterns mean, ordered by name, the first 200 of
// them: with the same question.
func (m *Mirror) Resolve(ctx context.Context, auth Auth, refs []source.Ref, patterns ...source.Pattern) ([]Resolution, error) {
	prefixes := prefixesOf(refs)
	for _, p := range patterns {
		prefixes = append(prefixes, p.Prefix())
	}
	if len(prefixes) == 0 {
		return pickAll(refs, nil), nil
	}
	if err := m.take(ctx); err != nil {
		return nil, fmt.Errorf("resolve refs of %s: %w", m.url, err)
	}
	defer m.give()
	ctx, cancel := m.bound(ctx)
	defer cancel()
	list, err := m.list(ctx, auth, append(prefixes, "HEAD"))
	if err != nil {
		return nil, fmt.Errorf("resolve refs of %s: %w", m.url, err)
	}
	return pickAll(append(slices.Clone(refs), meant(patterns, refs, list)...), list), nil
}

// maxMeant is how many branches and tags patterns may mean: who leaves more of them has them looked at in turns, as he deletes others.
const maxMeant = 200

// meant are the branches and tags that the patterns mean, besides refs.
func meant(patterns []source.Pattern, refs []source.Ref, list []wire.Ref) []source.Ref {
	var out []source.Ref
	for _, p := range patterns {
		for _, l := range list {
			if r, ok := p.Ref(l.Name); ok && l.ID != "" && refuseRef(r) == nil && !slices.Contains(refs, r) && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b source.Ref) int { return strings.Compare(a.String(), b.String()) })
	return out[:min(len(out), maxMeant)]
}

// list returns the server's refs that start with one of the prefixes, and perhaps others.
func (m *Mirror) list(ctx context.Context, auth Auth, prefixes []string) ([]wire.Ref, error) {
	s, err := m.remote.dial(ctx, auth)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return m.listIn(ctx, s, prefixes)
}

func (m *Mirror) listIn(ctx context.Context, s session, prefixes []string) ([]wire.Ref, error) {
	if s.advert().Version != 2 {
		return s.advert().Refs, nil
	}
	body, err := s.ask(ctx, requestRefs, wire.LsRefs(s.advert(), prefixes))
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	refs, err := wire.ReadRefs(wire.NewReader(wire.Bound(body, m.o.MaxRefs, tooLarge("list of refs", m.o.MaxRefs))))
	if err != nil {
		m.remote.forget()
	}
	return refs, protocolError(err)
}

func prefixesOf(refs []source.Ref) []string {
	var prefixes []string
	for _, r := range refs {
		if refuseRef(r) != nil {
			continue
		}
		switch {
		case r.Branch != "":
			prefixes = append(prefixes, "refs/heads/"+r.Branch)
		case r.Tag != "":
			prefixes = append(prefixes, "refs/tags/"+r.Tag)
		case r.SemVer != "":
			prefixes = append(prefixes, "refs/tags/")
		}
	}
	slices.Sort(prefixes)
	return slices.Compact(prefixes)
}

// refuseRef says what is wrong with what the user wrote.
func refuseRef(r source.Ref) error {
	name := r.Branch + r.Tag
	switch {
	case r == source.Ref{}:
		return fault.Newf(fault.Invalid, "it names neither branch, tag, semver nor commit")
	case r.Branch != "" && r.Tag != "":
		return fault.Newf(fault.Invalid, "it names a branch and a tag")
	case strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == 0x7f }) || len(name) > 1000:
		return fault.Newf(fault.Invalid, "%q cannot be the name of a branch or tag", name)
	case r.Commit != "" && !isCommit(r.Commit):
		return fault.Newf(fault.Invalid, "commit %q is not a full lower-case id of 40 or 64 digits", r.Commit)
	}
	return nil
}

func pickAll(refs []source.Ref, list []wire.Ref) []Resolution {
	byName := make(map[string]wire.Ref, len(list))
	for _, l := range list {
		byName[l.Name] = l
	}
	all := make([]Resolution, len(refs))
	for i, r := range refs {
		res := Resolution{Resolved: source.Resolved{Ref: r}}
		if res.Err = refuseRef(r); res.Err == nil {
			res.Resolved, res.Err = pick(r, byName)
		}
		all[i] = res
	}
	return all
}

func pick(r source.Ref, byName map[string]wire.Ref) (source.Resolved, error) {
	res := source.Resolved{Ref: r}
	switch {
	case r.Branch != "":
		res.Name = "refs/heads/" + r.Branch
	case r.Tag != "":
		res.Name = "refs/tags/" + r.Tag
	case r.SemVer != "":
		tag, err := highest(r.SemVer, byName)
		if err != nil {
			return res, err
		}
		res.Name = "refs/tags/" + tag
	default:
		res.Commit = r.Commit
		return res, nil
	}
	found, ok := byName[res.Name]
	if !ok || found.ID == "" {
		return source.Resolved{Ref: r}, absent(r, byName)
	}
	res.Commit = source.Commit(found.Commit())
	if found.Peeled != "" {
		res.Tag = source.ID(found.ID)
	}
	return res, nil
}

// absent says what is there instead of a branch or tag that is not.
func absent(r source.Ref, byName map[string]wire.Ref) error {
	if r.Branch == "" {
		return fault.Newf(fault.Invalid, "tag %q does not exist: it was deleted or never pushed", r.Tag)
	}
	head, ok := byName["HEAD"]
	main := strings.TrimPrefix(head.Target, "refs/heads/")
	switch {
	case !ok || head.ID == "":
		return fault.Newf(fault.Invalid, "branch %q does not exist: the repository is empty, or its default branch was never pushed", r.Branch)
	case main != "" && main != r.Branch:
		return fault.Newf(fault.Invalid, "branch %q does not exist: it was deleted or never pushed (the default branch is %q)", r.Branch, main)
	}
	return fault.Newf(fault.Invalid, "branch %q does not exist: it was deleted or never pushed", r.Branch)
}

// highest returns the tag with the highest version in the range. Of two tags for one version, the later by name wins.
func highest(text string, byName map[string]wire.Ref) (string, error) {
	in, err := semver.NewConstraint(text)
	if err != nil {
		return "", fault.Newf(fault.Invalid, "semver %q is no range of versions: %w", text, err)
	}
	var best *semver.Version
	var tag string
	for name := range byName {
		t, ok := strings.CutPrefix(name, "refs/tags/")
		if !ok {
			continue
		}
		v, err := semver.StrictNewVersion(strings.TrimPrefix(t, "v"))
		if err != nil || !in.Check(v) {
			continue
		}
		if best == nil || v.GreaterThan(best) || v.Equal(best) && t > tag {
			best, tag = v, t
		}
	}
	if best == nil {
		return "", fault.Newf(fault.Invalid, "no tag is in the range %q", text)
	}
	return tag, nil
}
