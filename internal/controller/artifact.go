package controller

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// artifacts is the mirror of a registry's repository: its commits are artifacts. It has tags and no branches, so that nothing in it is moved or merged.
type artifacts struct {
	mirror   *registry.Mirror
	insecure bool
}

// bareScheme begins the address of a registry that is reached without TLS, as mirrors are opened.
const bareScheme = "oci+http://"

// addressOf is the address that the mirror of a Repository is opened under.
func addressOf(repo *v1alpha1.Repository) string {
	if rest, ok := strings.CutPrefix(repo.Spec.URL, "oci://"); ok && repo.Spec.Insecure {
		return bareScheme + rest
	}
	return repo.Spec.URL
}

// openArtifacts opens the mirror of a registry's repository.
func openArtifacts(dir, url string, o registry.Options) (Mirror, error) {
	rest, insecure := strings.CutPrefix(url, bareScheme)
	if insecure {
		url = "oci://" + rest
	}
	m, err := registry.OpenMirror(dir, url, o)
	if err != nil {
		return nil, err
	}
	return artifacts{m, insecure}, nil
}

func (a artifacts) access(auth git.Auth) registry.Access {
	return registry.Access{Username: auth.Username, Password: auth.Password, Token: auth.BearerToken, CA: auth.CA, Insecure: a.insecure, Field: auth.Field}
}

// Resolve implements Mirror. Patterns mean branches and tags that are candidates, of which there are none.
func (a artifacts) Resolve(ctx context.Context, auth git.Auth, refs []source.Ref, _ ...source.Pattern) ([]git.Resolution, error) {
	return resolutions(a.mirror.Resolve(ctx, a.access(auth), refs))
}

// Fetch implements Mirror.
func (a artifacts) Fetch(ctx context.Context, auth git.Auth, want []source.Resolved) ([]git.Resolution, error) {
	return resolutions(a.mirror.Fetch(ctx, a.access(auth), want))
}

func resolutions(found []registry.Found, err error) ([]git.Resolution, error) {
	out := make([]git.Resolution, len(found))
	for i, f := range found {
		out[i] = git.Resolution{Resolved: f.Resolved, Err: f.Err}
	}
	return out, err
}

// Snapshot implements Mirror.
func (a artifacts) Snapshot(ctx context.Context, commit source.Commit) (source.Snapshot, error) {
	return a.mirror.Snapshot(ctx, commit)
}

// Forced implements Mirror: an artifact descends from nothing, and a tag is moved as its owner likes.
func (artifacts) Forced(context.Context, source.Commit, source.Commit) (bool, error) {
	return false, nil
}

// Past implements Mirror: an artifact is named by its whole digest.
func (a artifacts) Past(ctx context.Context, auth git.Auth, _ source.Commit, id string) (source.Commit, error) {
	id = strings.TrimPrefix(id, "sha256:")
	if !isID(id) || len(id) != 64 {
		return "", fault.Newf(fault.Invalid, "%q is none that is kept: name an artifact of a registry by its whole digest", clipText(id, 80))
	}
	found, err := a.Fetch(ctx, auth, []source.Resolved{{Ref: source.Ref{Commit: source.Commit(id)}, Commit: source.Commit(id)}})
	if err != nil {
		return "", err
	}
	return source.Commit(id), found[0].Err
}

// voucher is a Mirror whose commits are signed beside them.
type voucher interface {
	Vouch(ctx context.Context, auth git.Auth, t registry.Trust, commit source.Commit) (string, error)
}

// Vouch implements voucher.
func (a artifacts) Vouch(ctx context.Context, auth git.Auth, t registry.Trust, commit source.Commit) (string, error) {
	by, err := a.mirror.Vouch(ctx, a.access(auth), t, commit)
	if err != nil {
		return "", err
	}
	return clipText(by, 300), nil
}

// Close implements Mirror.
func (a artifacts) Close() error { return a.mirror.Close() }

func notGit(what string) error {
	return fault.Newf(fault.Invalid, "an artifact of a registry has no %s: that is for repositories of Git", what)
}

// Commit implements Mirror.
func (artifacts) Commit(context.Context, source.Commit) ([]byte, error) {
	return nil, notGit("commit")
}

// Tag implements Mirror.
func (artifacts) Tag(context.Context, source.ID) ([]byte, error) {
	return nil, notGit("annotated tag")
}

// Merge implements Mirror.
func (artifacts) Merge(context.Context, git.Auth, git.Merging) (git.Draft, error) {
	return git.Draft{}, notGit("branch to merge")
}

// Restore implements Mirror.
func (artifacts) Restore(context.Context, git.Restoring) (git.Draft, error) {
	return git.Draft{}, notGit("history to go back in")
}

// Move implements Mirror.
func (artifacts) Move(context.Context, git.Auth, git.Move) error {
	return notGit("branch to move")
}

// Between implements Mirror.
func (artifacts) Between(context.Context, git.Auth, source.Commit, source.Commit) ([]source.Commit, error) {
	return nil, notGit("history")
}

// authFor reads the credentials of a registry from the entries of a Secret.
func authFor(entries map[string][]byte, url string) (git.Auth, error) {
	a, err := registry.AccessOf(entries, url)
	if err != nil {
		return git.Auth{}, fmt.Errorf("read the Secret in spec.secretRef: %w", err)
	}
	return git.Auth{Username: a.Username, Password: a.Password, BearerToken: a.Token, CA: a.CA}, nil
}
