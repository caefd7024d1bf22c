package test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// tagged has the spec of an environment whose candidates are tags.
func tagged(pattern string) map[string]any {
	set := tried(nil)
	candidate := map[string]any{"tag": pattern, "secretRef": map[string]any{"name": "git-write"}}
	set["sources"] = []any{map[string]any{"repository": testkit.RepoName, "path": "apps/*", "ref": map[string]any{"branch": "main"}, "candidate": candidate}}
	return set
}

// tagsNext makes a commit on top of main that no branch has, and a tag of it.
func (p place) tagsNext(name string, annotated bool, changes ...gitserver.Change) source.Commit {
	p.t.Helper()
	ctx := p.t.Context()
	id := p.nominate("aside", changes...)
	tag := p.repo().Tag
	if annotated {
		tag = func(ctx context.Context, name string, at source.Commit) error {
			return p.repo().AnnotatedTag(ctx, name, "a release", at)
		}
	}
	if err := tag(ctx, name, id); err != nil {
		p.t.Fatal(err)
	}
	if err := p.Git.DeleteBranch(ctx, "candidate/aside"); err != nil {
		p.t.Fatal(err)
	}
	return id
}

// TestCandidateSources has candidates that are tags, that are pushed over SSH by a key of their own, and that have to be signed.
func TestCandidateSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host, _ := newKey(t, "")
	reader, readKey := newKey(t, "")
	writer, writeKey := newKey(t, "")
	run := func(name string, o gitserver.Options, f func(*testing.T, place)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, w.gated(t, "candidate-by-"+name, o))
		})
	}

	run("tag", gitserver.Options{}, func(t *testing.T, p place) {
		p.begin(tagged("release-*"), []string{"web"}, write("apps/web", "a"))
		good := p.tagsNext("release-1", true, write("apps/web", "b"))
		p.hook()
		if st := p.candidate(good, "Moved"); st.Ref != "release-1" {
			t.Errorf("the candidate is named %q", st.Ref)
		}
		p.has("configmap/b")
		bad := p.tagsNext("release-2", false, sick("a", "very"))
		p.tagsNext("nightly-2", false, write("apps/web", "c"))
		p.hook()
		p.candidate(bad, "Refused", "web", "not healthy within 2s")
		p.moved("aside", "first")
		p.at("configmap/a", ".data.sick", "")
		// Another environment's exact tag, which is moved from one commit to the next.
		p.Environment(t, "prod", "apps/*", tagged("go"))
		first := p.tagsNext("go", false, sick("a", "very"))
		p.hook()
		p.candidate(first, "Refused")
		second := p.tagsNext("go", true, write("apps/web", "d"))
		p.hook()
		p.candidate(second, "Moved")
		p.moved("aside", "aside", "first")
		p.gone("configmap/c")
		p.synced("prod-web")
		if n := p.Git.Count("push"); n != 2 {
			t.Errorf("%d pushes for two candidates that got well", n)
		}
	})

	// The key that reads may not push. Who the server is, is known by what it is read with.
	run("ssh", gitserver.Options{SSH: &gitserver.SSH{HostKey: host, Authorized: reader.PublicKey(), Writer: writer.PublicKey()}}, func(t *testing.T, p place) {
		known := knownhosts.Line([]string{knownhosts.Normalize(p.Git.SSHAddr())}, host.PublicKey())
		p.holds("git", readKey, known)
		p.holds("git-write", readKey, "")
		p.patch("repositories.fairlead.dev/config", fmt.Sprintf("{spec: {url: %q}}", p.Git.SSHURL(testkit.RepoName)))
		p.begin(tried(map[string]any{"candidate.merge": "WhereApart"}), []string{"web"}, write("apps/web", "a"))
		early := p.nominate("early", write("apps/web", "b"))
		p.hook()
		p.candidate(early, "Refused", "main could not be moved", "read only")
		p.moved("first")
		p.gone("configmap/b")
		p.holds("git-write", writeKey, "")
		good, bad := p.nominate("good", write("apps/web", "c")), p.nominate("bad", sick("d", "very"), write("apps/api", "d"))
		apart := p.nominate("apart", write("apps/db", "e"))
		p.hook()
		p.candidate(good, "Moved")
		p.candidate(apart, "Moved")
		p.candidate(bad, "Refused")
		p.has("configmap/c")
		p.has("configmap/e")
		if log := p.log(); slices.Contains(log, "bad") || !slices.Contains(log, "good") || !slices.Contains(log, "apart") {
			t.Errorf("main has %q", log)
		}
		p.synced("prod-web")
		p.synced("prod-db")
	})

	run("signed", gitserver.Options{}, func(t *testing.T, p place) {
		ada, eve := newSigner(t, "ada@example.com"), newSigner(t, "eve@example.com")
		p.trusts("Every", map[string]string{"ada": ada.line()})
		first := p.signs(&ada, "main", write("apps/web", "a"))
		p.Environment(t, "prod", "apps/*", tried(map[string]any{"candidate.merge": "WhereApart"}))
		p.synced("prod-web")
		nominates := func(by *signer, name string, on source.Commit, changes ...gitserver.Change) source.Commit {
			if err := p.Git.Reset(t.Context(), "candidate/"+name, on); err != nil {
				t.Fatal(err)
			}
			return p.signs(by, "candidate/"+name, changes...)
		}
		unsigned := nominates(nil, "unsigned", first, write("apps/web", "b"))
		foreign := nominates(&eve, "foreign", first, write("apps/web", "c"))
		smuggled := nominates(&ada, "smuggled", nominates(nil, "smuggled", first, write("apps/web", "d")), write("apps/web", "e"))
		p.hook()
		p.candidate(unsigned, "Refused", "it is not signed")
		p.candidate(foreign, "Refused", "which is not the key in spec.verify")
		p.candidate(smuggled, "Refused", "it is not signed")
		if now := p.head("main", ""); now != first {
			t.Errorf("main is at %s", now)
		}
		p.gone("configmap/b", "configmap/c", "configmap/d", "configmap/e")
		// A merge would not be signed: it is asked for a rebase instead.
		good, apart := nominates(&ada, "good", first, write("apps/web", "f")), nominates(&ada, "apart", first, write("apps/api", "g"))
		p.hook()
		testkit.Eventually(t, func(ctx context.Context) error {
			now, err := p.Git.Head(ctx, "main")
			if err == nil && now != good && now != apart {
				err = fmt.Errorf("main is at %s", now)
			}
			return err
		})
		rest := map[source.Commit]source.Commit{good: apart, apart: good}[p.head("main", "")]
		p.candidate(rest, "Refused", "asks for signatures, which a merge by Fairlead would not have: rebase it on main")
		p.signedBy(p.head("main", ""), ada)
		again := nominates(&ada, "again", p.head("main", ""), write("apps/web", "h"))
		p.hook()
		p.candidate(again, "Moved")
		p.signedBy(again, ada)
		p.has("configmap/h")
		p.synced("prod-web")
	})
}

// holds makes a Secret of a key of SSH.
func (p place) holds(name, keyFile, known string) {
	p.t.Helper()
	key, err := os.ReadFile(keyFile)
	if err != nil {
		p.t.Fatal(err)
	}
	p.apply(fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: %s}, stringData: {identity: %q, known_hosts: %q}}", name, key, known))
}
