package test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// signer is somebody with a key of SSH.
type signer struct {
	name string
	key  ssh.Signer
}

func newSigner(t *testing.T, name string) signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer{name, key}
}

// line is the public key, as authorized_keys has it.
func (s signer) line() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.key.PublicKey()))) + " " + s.name
}

func (s signer) sign(t testing.TB, payload []byte) []byte {
	t.Helper()
	sig, err := sshsig.Sign(bytes.NewReader(payload), s.key, sshsig.HashSHA512, "git")
	if err != nil {
		t.Fatal(err)
	}
	return sshsig.Armor(sig)
}

// signs commits to a branch, and signs the commit; nobody does if there is no signer.
func (p place) signs(by *signer, branch string, changes ...gitserver.Change) source.Commit {
	p.t.Helper()
	id := p.Git.Commit(p.t, branch, "a change", changes...)
	if by == nil {
		return id
	}
	raw, err := p.repo().Raw(p.t.Context(), "commit", string(id))
	if err != nil {
		p.t.Fatal(err)
	}
	header := "gpgsig " + strings.ReplaceAll(strings.TrimSpace(string(by.sign(p.t, raw))), "\n", "\n ")
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	signed := fmt.Appendf(nil, "%s\n%s\n\n%s", head, header, message)
	now, err := p.repo().Store(p.t.Context(), "commit", "refs/heads/"+branch, signed)
	if err != nil {
		p.t.Fatal(err)
	}
	return source.Commit(now)
}

// signsTag makes a signed tag.
func (p place) signsTag(by signer, name string, at source.Commit) {
	p.t.Helper()
	raw := fmt.Appendf(nil, "object %s\ntype commit\ntag %s\ntagger Ada <ada@example.com> 1780315200 +0000\n\na release\n", at, name)
	if _, err := p.repo().Store(p.t.Context(), "tag", "refs/tags/"+name, append(raw, by.sign(p.t, raw)...)); err != nil {
		p.t.Fatal(err)
	}
}

func (p place) repo() *gitserver.Repo { return p.Git.Server.Repo(testkit.RepoName) }

// trusts asks for signatures by the given keys.
func (p place) trusts(mode string, entries map[string]string) {
	p.t.Helper()
	text := "{apiVersion: v1, kind: Secret, metadata: {name: signers}, stringData: {"
	for name, lines := range entries {
		text += fmt.Sprintf("%q: %q,", name, lines)
	}
	p.apply(text + "}}")
	p.patch("repositories.fairlead.dev/config", "{spec: {verify: {mode: "+mode+", secretRef: {name: signers}}}}")
	p.hook()
}

// signedBy waits until the first followed ref is at a commit, and says who signed it.
func (p place) signedBy(c source.Commit, who signer) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		revision, err := p.objs.Field(ctx, p.Namespace, "repositories.fairlead.dev/config", ".status.refs[0].revision")
		if err != nil {
			return err
		}
		by, err := p.objs.Field(ctx, p.Namespace, "repositories.fairlead.dev/config", ".status.refs[0].signer")
		want := fmt.Sprintf("%s (SSH %s)", who.name, ssh.FingerprintSHA256(who.key.PublicKey()))
		if err == nil && (!strings.HasSuffix(revision, string(c)) || by != want) {
			return fmt.Errorf("it is at %s, signed by %q; want %s, signed by %q", revision, by, c, want)
		}
		return err
	})
}

// TestSignatures has commits that are signed, not signed, and signed by somebody else. What is refused changes nothing, and takes nothing away, even from a
// controller that is started anew.
func TestSignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, eve := newSigner(t, "ada@example.com"), newSigner(t, "eve@example.com")
	config := "repositories.fairlead.dev/config"

	t.Run("head", func(t *testing.T) {
		p := w.place(t, "signed-head")
		p.trusts("Head", map[string]string{"ada": ada.line()})
		none := p.signs(nil, "main", write("apps/web", "a", "b"))
		p.Environment(t, "prod", "apps/*", nil)
		p.says(config, "main: commit "+none.Short()+" is refused: it is not signed: sign it with the key in spec.verify")
		p.says("environments.fairlead.dev/prod", "commit "+none.Short()+" is refused")
		p.gone("configmap/a", "apps.fairlead.dev/prod-web")

		good := p.signs(&ada, "main")
		p.hook()
		p.synced("prod-web")
		p.signedBy(good, ada)
		was := p.uids("configmap/a", "configmap/b")

		bad := p.signs(&eve, "main", gitserver.Delete("apps/web/b.yaml"))
		p.hook()
		refusal := "commit " + bad.Short() + " is refused: it is signed with SSH " + ssh.FingerprintSHA256(eve.key.PublicKey()) + ", which is not the key in spec.verify"
		p.says(config, refusal)
		p.says("environments.fairlead.dev/prod", refusal)
		p.signedBy(good, ada)
		p.guarded("a", "b")
		w.ctl.Stop(t)
		w.ctl.Start(t)
		p.guarded("a", "b")
		p.says(config, refusal)
		p.signedBy(good, ada)
		p.kept(was)

		// Eve joins. Then Ada's key is stolen: what she signed is not believed any more, and what is there stays.
		p.trusts("Head", map[string]string{"ada": ada.line(), "eve": eve.line()})
		p.signedBy(bad, eve)
		p.gone("configmap/b")
		p.trusts("Head", map[string]string{"ada": ada.line(), "eve": eve.line(), "revoked": ada.line()})
		stolen := p.signs(&ada, "main", gitserver.Delete("apps/web/a.yaml"))
		p.hook()
		p.says(config, "commit "+stolen.Short()+" is refused: it is signed by ada@example.com (SSH SHA256:", "that key is revoked")
		p.guarded("a")
	})

	t.Run("every", func(t *testing.T) {
		p := w.place(t, "signed-every")
		p.trusts("Every", map[string]string{"ada": ada.line()})
		p.signs(nil, "main", write("apps/web", "a")) // came before anybody asked
		first := p.signs(&ada, "main", write("apps/web", "b"))
		p.Environment(t, "prod", "apps/*", nil)
		p.synced("prod-web")
		p.signedBy(first, ada)
		smuggled := p.signs(nil, "main", gitserver.Delete("apps/web/a.yaml"))
		p.signs(&ada, "main", write("apps/web", "c"))
		p.hook()
		p.says(config, "it is one of 2 that came since "+first.Short(), "commit "+smuggled.Short()+" is refused: it is not signed")
		p.guarded("a", "b")
		p.gone("configmap/c")
		if err := p.repo().Reset(t.Context(), "main", first); err != nil {
			t.Fatal(err)
		}
		p.signs(&ada, "main", write("apps/web", "c"))
		last := p.signs(&ada, "main", gitserver.Delete("apps/web/a.yaml"))
		p.hook()
		p.signedBy(last, ada)
		p.gone("configmap/a")
		p.synced("prod-web")
	})

	t.Run("tag", func(t *testing.T) {
		p := w.place(t, "signed-tag")
		p.trusts("Tag", map[string]string{"ada": ada.line()})
		c := p.signs(nil, "main", write("apps/web", "a"))
		p.Environment(t, "prod", "apps/*", nil)
		p.says(config, "main is refused: it is no tag, and spec.verify.mode is Tag")
		p.patch("environments.fairlead.dev/prod", `{spec: {sources: [{repository: config, ref: {semver: ">=1.0.0"}, path: apps/*}]}}`)
		if err := p.repo().Tag(t.Context(), "v1.0.0", c); err != nil {
			t.Fatal(err)
		}
		p.hook()
		p.says(config, "tag v1.0.0 is refused: it is not annotated, and so not signed")
		p.signsTag(eve, "v1.0.1", c)
		p.hook()
		p.says(config, "tag v1.0.1 is refused: it is signed with SSH ")
		p.gone("configmap/a")
		p.signsTag(ada, "v1.1.0", c)
		p.hook()
		p.signedBy(c, ada)
		testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/a", ".data.of", "git") })
	})

	t.Run("keys", func(t *testing.T) {
		p := w.place(t, "signed-keys")
		p.patch(config, "{spec: {verify: {secretRef: {name: signers}}}}")
		p.signs(&ada, "main", write("apps/web", "a"))
		p.Environment(t, "prod", "apps/*", nil)
		p.says(config, "Secret signed-keys/signers of spec.verify.secretRef does not exist")
		p.trusts("Head", map[string]string{"ada": "ssh-ed25519 AAAA"})
		p.says(config, "read Secret signed-keys/signers of spec.verify: read key ada: line 1: it is no public key of SSH")
		p.gone("configmap/a")
		p.trusts("Head", map[string]string{"ada": ada.line()})
		p.synced("prod-web")
	})
}
