package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// heading is a commit that heads may be at, for as long as its mirror is open.
type heading struct {
	head   head
	notes  []string
	mirror *mirror
}

// kept is the name under which a mirror keeps the commit that was asked about last: no environment can follow it.
var kept = source.Ref{Tag: "fairlead.dev//plan"}

// headAt finds what a commit, branch or tag of a Repository names, and fetches it.
func (c *controller) headAt(ctx context.Context, name types.NamespacedName, word string) (heading, error) {
	var h heading
	var repo v1alpha1.Repository
	if err := c.client.Get(ctx, name, &repo); err != nil {
		return h, fault.New(fault.Invalid, fmt.Errorf("read Repository %s: %w", name.Name, err))
	}
	secret, err := c.secretOf(ctx, &repo)
	if err != nil {
		return h, err
	}
	auth, err := authOf(secret, repo.Spec.URL)
	if err != nil {
		return h, err
	}
	if h.mirror, err = c.openMirror(addressOf(&repo), auth); err != nil {
		return h, err
	}
	resolved, err := resolve(ctx, h.mirror, auth, word)
	if err != nil {
		return h, err
	}
	asked := resolved
	asked.Ref = kept
	fetched, err := h.mirror.Fetch(ctx, auth, []source.Resolved{asked})
	if err == nil && len(fetched) == 1 {
		err = fetched[0].Err
	}
	if err != nil {
		return h, fmt.Errorf("fetch %s: %w", word, err)
	}
	h.head.Resolved, h.head.moved = resolved, c.now()
	if h.head.snapshot, err = h.mirror.Snapshot(ctx, resolved.Commit); err != nil {
		return h, err
	}
	return h, c.doubts(ctx, &repo, auth, &h)
}

// resolve finds the commit that a word names: by its id, or as a branch or a tag.
func resolve(ctx context.Context, m Mirror, auth git.Auth, word string) (source.Resolved, error) {
	if isID(word) {
		return source.Resolved{Ref: source.Ref{Commit: source.Commit(word)}, Commit: source.Commit(word)}, nil
	}
	list, err := m.Resolve(ctx, auth, []source.Ref{{Branch: word}, {Tag: word}})
	if err != nil {
		return source.Resolved{}, err
	}
	for _, x := range list {
		if x.Err == nil {
			return x.Resolved, nil
		}
	}
	return source.Resolved{}, fault.Newf(fault.Invalid, "%s is no branch and no tag of the repository; a commit is named by its whole id", word)
}

func isID(word string) bool {
	if len(word) != 40 && len(word) != 64 {
		return false
	}
	for _, c := range word {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// doubts notes if the Repository asks for signatures and would refuse the commit. It may be planned all the same: nothing of it is applied.
func (c *controller) doubts(ctx context.Context, repo *v1alpha1.Repository, auth git.Auth, h *heading) error {
	trusted, err := c.trustOf(ctx, repo)
	if err != nil || trusted == nil {
		return err
	}
	r := &repository{mirror: h.mirror, stored: read(*repo.Status.DeepCopy(), repo)}
	_, err = c.vouch(ctx, r, answers{trust: trusted, auth: auth}, head{}, h.head.Resolved)
	switch {
	case err == nil:
	case fault.KindOf(err) == fault.Denied || fault.KindOf(err) == fault.Invalid:
		h.notes = append(h.notes, "as it is, the commit would not be followed: "+clipText(err.Error(), 500))
	default:
		return err
	}
	return nil
}

func (h heading) end(c *controller) {
	if h.mirror != nil {
		c.closeMirror(h.mirror)
	}
}

// headsAt are the heads of an environment when the given refs of a Repository name something else.
func (c *controller) headsAt(ctx context.Context, env *v1alpha1.Environment, repository string, refs map[source.Ref]bool, at head) ([]sourceHead, error) {
	heads, _, asked := c.heads(ctx, env)
	if !asked {
		return nil, fault.Newf(fault.Transient, "the repositories of environment %s have not been read yet: ask again in a moment", env.Name)
	}
	for i, h := range heads {
		if h.source.Repository == repository && refs[refOf(h.source.Ref)] {
			h.head, h.err, h.note, h.soon = at, nil, nil, false
			heads[i] = h
		}
	}
	return heads, nil
}

// repositoryOf is the Repository in which a request means a commit.
func repositoryOf(env *v1alpha1.Environment, asked string) (string, map[source.Ref]bool, error) {
	refs := map[string]map[source.Ref]bool{}
	for _, s := range env.Spec.Sources {
		if refs[s.Repository] == nil {
			refs[s.Repository] = map[source.Ref]bool{}
		}
		refs[s.Repository][refOf(s.Ref)] = true
	}
	names := slices.Sorted(maps.Keys(refs))
	switch {
	case asked != "" && refs[asked] == nil:
		return "", nil, fault.Newf(fault.Invalid, "environment %s does not follow Repository %s", env.Name, asked)
	case asked != "":
		return asked, refs[asked], nil
	case len(names) == 1:
		return names[0], refs[names[0]], nil
	}
	return "", nil, fault.Newf(fault.Invalid, "environment %s follows %d Repositories: say in which of them the commit is", env.Name, len(names))
}

var errNoApp = errors.New("there is no such app, neither now nor in what is planned")
