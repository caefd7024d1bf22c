package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Mirror is what is asked of a Git repository, see [git.Mirror], or of one of a registry, see [artifacts].
type Mirror interface {
	Resolve(ctx context.Context, auth git.Auth, refs []source.Ref, patterns ...source.Pattern) ([]git.Resolution, error)
	Fetch(ctx context.Context, auth git.Auth, want []source.Resolved) ([]git.Resolution, error)
	Snapshot(ctx context.Context, commit source.Commit) (source.Snapshot, error)
	Forced(ctx context.Context, old, now source.Commit) (bool, error)
	Commit(ctx context.Context, id source.Commit) ([]byte, error)
	Tag(ctx context.Context, id source.ID) ([]byte, error)
	Merge(ctx context.Context, auth git.Auth, v git.Merging) (git.Draft, error)
	Restore(ctx context.Context, v git.Restoring) (git.Draft, error)
	Move(ctx context.Context, auth git.Auth, v git.Move) error
	Between(ctx context.Context, auth git.Auth, old, now source.Commit) ([]source.Commit, error)
	Past(ctx context.Context, auth git.Auth, of source.Commit, id string) (source.Commit, error)
	Close() error
}

// Mirrors opens the mirror of a URL under a key that names it and the credentials it is read with, and removes one that is closed.
type Mirrors interface {
	Open(key, url string) (Mirror, error)
	Remove(key string) error
}

// disk keeps mirrors in a directory.
type disk struct {
	dir       string
	options   git.Options
	artifacts registry.Options
}

// Open implements Mirrors.
func (d disk) Open(key, url string) (Mirror, error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if strings.HasPrefix(url, "oci") {
		return openArtifacts(filepath.Join(d.dir, key), url, d.artifacts)
	}
	m, err := git.Open(filepath.Join(d.dir, key), url, d.options)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Remove implements Mirrors.
func (d disk) Remove(key string) error { return os.RemoveAll(filepath.Join(d.dir, key)) }

// mirror is a Git mirror and how many Repositories use it.
type mirror struct {
	Mirror
	key   string
	users int
}

// mirrorKey names the mirror of a URL as one set of credentials sees it: who has no credentials never reads what others fetched.
func mirrorKey(url string, a git.Auth) string {
	h := sha256.New()
	for _, part := range []string{url, a.Username, a.Password, a.BearerToken, string(a.Identity), string(a.Passphrase), string(a.KnownHosts), string(a.CA)} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// openMirror returns the mirror of a repository, sharing it with whoever has it open.
func (c *controller) openMirror(url string, a git.Auth) (*mirror, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := mirrorKey(url, a)
	if m := c.mirrors[key]; m != nil {
		m.users++
		return m, nil
	}
	g, err := c.disk.Open(key, url)
	if err != nil {
		return nil, err
	}
	m := &mirror{Mirror: g, key: key, users: 1}
	c.mirrors[key] = m
	return m, nil
}

// closeMirror gives a mirror back; the last user removes it from disk too, since nobody will ask for it again under that key.
func (c *controller) closeMirror(m *mirror) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.users--; m.users > 0 {
		return
	}
	delete(c.mirrors, m.key)
	if err := m.Close(); err != nil {
		c.log.Warn("close mirror", "error", err)
		return
	}
	if err := c.disk.Remove(m.key); err != nil {
		c.log.Warn("remove mirror", "error", err)
	}
}

// closeMirrors ends all mirrors, leaving them on disk for the next start.
func (c *controller) closeMirrors() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.mirrors {
		_ = m.Close()
	}
}

// secretOf reads the Secret that a Repository names for its credentials; nil if it names none.
func (c *controller) secretOf(ctx context.Context, repo *v1alpha1.Repository) (*corev1.Secret, error) {
	if repo.Spec.SecretRef == nil {
		return nil, nil
	}
	return c.secretAt(ctx, repo, "spec.secretRef", repo.Spec.SecretRef.Name)
}

// secretAt reads a Secret beside a Repository, which a field of it names.
func (c *controller) secretAt(ctx context.Context, repo *v1alpha1.Repository, field, name string) (*corev1.Secret, error) {
	return c.secretIn(ctx, repo.Namespace, field, name)
}

// secretIn reads a Secret that a field of an object in its namespace names.
func (c *controller) secretIn(ctx context.Context, namespace, field, name string) (*corev1.Secret, error) {
	return secretIn(ctx, c.reader, namespace, field, name)
}

func secretIn(ctx context.Context, reader client.Reader, namespace, field, name string) (*corev1.Secret, error) {
	var s corev1.Secret
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &s)
	if absent.Object(err) {
		return nil, fault.Newf(fault.Invalid, "Secret %s/%s of %s does not exist: create it, or remove %s", namespace, name, field, field)
	}
	if err != nil {
		return nil, fault.New(fault.Transient, fmt.Errorf("read Secret %s/%s: %w", namespace, name, err))
	}
	return &s, nil
}

// authOf reads credentials from a Secret; nil gives none.
func authOf(s *corev1.Secret, url string) (git.Auth, error) {
	switch {
	case s == nil:
		return git.Auth{}, nil
	case registry.IsOCI(url):
		return authFor(s.Data, url)
	}
	a := git.Auth{
		Username: string(s.Data["username"]), BearerToken: strings.TrimSpace(string(s.Data["bearerToken"])),
		Identity: s.Data["identity"], KnownHosts: s.Data["known_hosts"], CA: s.Data["ca.crt"],
	}
	if len(a.CA) == 0 {
		a.CA = s.Data["caFile"] // Flux's name for it
	}
	if strings.HasPrefix(url, "http") {
		a.Password = string(s.Data["password"])
	} else {
		a.Passphrase = s.Data["password"]
	}
	return a, nil
}

// keyless adds to the error of a server that wants credentials which keys the Secret has, if none of them is one: they may be called by other names.
func keyless(err error, s *corev1.Secret, auth git.Auth) error {
	if kind := fault.KindOf(err); s == nil || auth.String() != (git.Auth{}).String() || kind != fault.Denied && kind != fault.Invalid {
		return err
	}
	keys := slices.Sorted(maps.Keys(s.Data))
	if len(keys) == 0 {
		return fmt.Errorf("%w; Secret %s/%s is empty", err, s.Namespace, s.Name)
	}
	return fmt.Errorf("%w; Secret %s/%s has only %s", err, s.Namespace, s.Name, strings.Join(keys[:min(len(keys), 5)], ", "))
}
