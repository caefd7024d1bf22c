package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
)

// mirror is a Git mirror and how many Repositories use it.
type mirror struct {
	*git.Mirror
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
	dir := filepath.Join(c.dataDir, "mirrors", key)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	g, err := git.Open(dir, url, git.Options{Proxy: c.proxy, OnRequest: c.metrics.gitRequest})
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
	if err := os.RemoveAll(filepath.Join(c.dataDir, "mirrors", m.key)); err != nil {
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

// secretOf reads the Secret that a Repository names; nil if it names none.
func (c *controller) secretOf(ctx context.Context, repo *v1alpha1.Repository) (*corev1.Secret, error) {
	if repo.Spec.SecretRef == nil {
		return nil, nil
	}
	var s corev1.Secret
	err := c.reader.Get(ctx, types.NamespacedName{Namespace: repo.Namespace, Name: repo.Spec.SecretRef.Name}, &s)
	if apierrors.IsNotFound(err) {
		return nil, fault.Newf(fault.Invalid, "Secret %s/%s of spec.secretRef does not exist: create it, or remove spec.secretRef", repo.Namespace, repo.Spec.SecretRef.Name)
	}
	if err != nil {
		return nil, fault.New(fault.Transient, fmt.Errorf("read Secret %s/%s: %w", repo.Namespace, repo.Spec.SecretRef.Name, err))
	}
	return &s, nil
}

// authOf reads credentials from a Secret; nil gives none.
func authOf(s *corev1.Secret, url string) git.Auth {
	if s == nil {
		return git.Auth{}
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
	return a
}
