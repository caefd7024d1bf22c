package git_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// TestMirror runs one suite over every way to reach a server.
func TestMirror(t *testing.T) {
	ways := map[string]func(*testing.T) *world{
		"http_v2": func(t *testing.T) *world { return newWorld(t, gitserver.Options{}, "") },
		"http_v0": func(t *testing.T) *world { return newWorld(t, gitserver.Options{V0: true}, "") },
		"ssh_v2":  func(t *testing.T) *world { return sshWorld(t, false) },
		"ssh_v0":  func(t *testing.T) *world { return sshWorld(t, true) },
		"sha256":  func(t *testing.T) *world { return newWorld(t, gitserver.Options{}, "sha256") },
	}
	for name, open := range ways {
		t.Run(name, func(t *testing.T) { run(t, open) })
	}
}

func run(t *testing.T, open func(*testing.T) *world) {
	for name, test := range map[string]func(*world){
		"first": first, "fast_forward": fastForward, "forced": forced, "deleted_branch": deletedBranch,
		"empty": empty, "tags": tags, "semver": semverRange, "exact": exact, "several": several,
		"oracle": oracle, "concurrent": concurrent, "merge": merge, "reopen": reopen,
		"said": said, "between": between, "between_forced": betweenForced,
		"pattern": pattern,
	} {
		t.Run(name, func(t *testing.T) { test(open(t)) })
	}
}

func first(w *world) {
	id := w.commit("main", "  add the shop \n\nand more", gitserver.Write("apps/web/web.yaml", "kind: X\n"))
	m := w.mirror()
	s := w.head(m)
	if s.Commit != id || s.URL != w.url || s.Subject != "add the shop" || s.Author.Name != "Ada" || s.Author.Email != "ada@example.com" || s.Author.When.IsZero() {
		w.Errorf("got %+v", s)
	}
	if got := w.read(s, "apps/web/web.yaml"); got != "kind: X\n" {
		w.Errorf("content is %q", got)
	}
	before := w.asks["fetch"]
	w.head(m)
	if w.asks["fetch"] != before {
		w.Error("what is there was fetched again")
	}
	_, err := m.Snapshot(w.Context(), source.Commit(strings.Repeat("1", 40)))
	w.wantErr(err, fault.Transient, "missing from the mirror")
}

func fastForward(w *world) {
	w.commit("main", "root", gitserver.Write("a", "0"), gitserver.Write("same/x", "x"))
	old := w.commit("main", "one", gitserver.Write("a", "1"))
	m := w.mirror()
	s := w.head(m)
	before, err := s.Tree.ID("same")
	w.must(err)
	w.commit("main", "two", gitserver.Write("a", "2"))
	now := w.commit("main", "three", gitserver.Write("a", "3"))
	fetches := w.asks["fetch"]
	s = w.head(m)
	if s.Commit != now || w.read(s, "a") != "3" {
		w.Errorf("got %s", s.Commit)
	}
	if n := w.asks["fetch"] - fetches; n != 1 {
		w.Errorf("%d fetches for a fast-forward", n)
	}
	if is, err := m.Forced(w.Context(), old, now); err != nil || is {
		w.Errorf("Forced = %v, %v", is, err)
	}
	if after, err := s.Tree.ID("same"); err != nil || after != before {
		w.Errorf("the id of what did not change went from %s to %s, %v", before, after, err)
	}
}

func forced(w *world) {
	var ids []source.Commit
	for i := range 8 {
		ids = append(ids, w.commit("main", "base", gitserver.Write("a", fmt.Sprint(i))))
	}
	m := w.mirror()
	w.head(m)
	old, now := ids[7], source.Commit("")
	for i, back := range []int{6, 6, 5, 3} { // the first two amend
		w.must(w.repo.Reset(w.Context(), "main", ids[back]))
		now = w.commit("main", fmt.Sprint("other", i), gitserver.Write("a", fmt.Sprint("other", back)))
		s := w.head(m)
		if s.Commit != now || w.read(s, "a") != fmt.Sprint("other", back) {
			w.Errorf("got %s, %q", s.Commit, w.read(s, "a"))
		}
		if is, err := m.Forced(w.Context(), old, now); err != nil || !is {
			w.Errorf("Forced = %v, %v", is, err)
		}
		if _, err := m.Snapshot(w.Context(), ids[back-2]); err == nil && !w.v0 {
			w.Error("the history of a forced move was fetched")
		}
		old = now
	}
	// And on from there, by fast-forward.
	next := w.commit("main", "on", gitserver.Write("a", "on"))
	if s := w.head(m); s.Commit != next || w.read(s, "a") != "on" {
		w.Errorf("got %s", s.Commit)
	}
	if is, err := m.Forced(w.Context(), now, next); err != nil || is {
		w.Errorf("Forced = %v, %v", is, err)
	}
	_, err := m.Forced(w.Context(), source.Commit(strings.Repeat("1", 40)), next)
	w.wantErr(err, fault.Conflict, "unknown")
}

func deletedBranch(w *world) {
	w.commit("main", "main", gitserver.Write("a", "1"))
	w.commit("gone", "gone", gitserver.Write("a", "2"))
	w.commit("main2", "not main", gitserver.Write("a", "3"))
	m := w.mirror()
	w.pull(m, main, source.Ref{Branch: "gone"})
	w.must(w.repo.DeleteBranch(w.Context(), "gone"))
	got, err := m.Resolve(w.Context(), w.auth, []source.Ref{{Branch: "gone"}, main, {Branch: "mai"}, {}, {Branch: "a b"}})
	w.must(err)
	w.wantErr(got[0].Err, fault.Invalid, `branch "gone" does not exist`, `the default branch is "main"`)
	w.must(got[1].Err)
	w.wantErr(got[2].Err, fault.Invalid, `branch "mai" does not exist`)
	w.wantErr(got[3].Err, fault.Invalid, "neither")
	w.wantErr(got[4].Err, fault.Invalid, "cannot be")
}

func empty(w *world) {
	m := w.mirror()
	got, err := m.Resolve(w.Context(), w.auth, []source.Ref{main, {SemVer: ">=1"}})
	w.must(err)
	w.wantErr(got[0].Err, fault.Invalid, "the repository is empty")
	w.wantErr(got[1].Err, fault.Invalid, "no tag")
	w.commit("main", "born", gitserver.Write("a", "1"))
	if s := w.head(m); w.read(s, "a") != "1" {
		w.Error("the first commit did not arrive")
	}
}

func tags(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	two := w.commit("main", "two", gitserver.Write("a", "2"))
	w.must(w.repo.Tag(w.Context(), "light", one))
	w.must(w.repo.AnnotatedTag(w.Context(), "heavy", "a release", one))
	m := w.mirror()
	got := w.pull(m, source.Ref{Tag: "light"}, source.Ref{Tag: "heavy"}, main)
	if got[0].Commit != one || got[1].Commit != one || got[2].Commit != two {
		w.Errorf("got %s %s %s", got[0].Commit, got[1].Commit, got[2].Commit)
	}
	// An annotated tag alone, in a mirror that has nothing yet.
	if s := w.pull(w.mirror(), source.Ref{Tag: "heavy"})[0]; w.read(s, "a") != "1" {
		w.Error("wrong content")
	}
	w.must(w.repo.AnnotatedTag(w.Context(), "heavy", "again", two))
	if s := w.pull(m, source.Ref{Tag: "heavy"})[0]; s.Commit != two {
		w.Errorf("a tag that moved is at %s", s.Commit)
	}
	none, err := m.Resolve(w.Context(), w.auth, []source.Ref{{Tag: "heav"}})
	w.must(err)
	w.wantErr(none[0].Err, fault.Invalid, `tag "heav" does not exist`)
}

func semverRange(w *world) {
	ids := map[string]source.Commit{}
	for _, tag := range []string{"v1.0.0", "v1.2.0", "v1.10.0", "v2.0.0-rc.1", "nightly", "1.10.0-beta", "3"} {
		ids[tag] = w.commit("main", tag, gitserver.Write("version", tag))
		w.must(w.repo.AnnotatedTag(w.Context(), tag, tag, ids[tag]))
	}
	m := w.mirror()
	for text, want := range map[string]string{
		">=1.0.0": "v1.10.0", "~1.2": "v1.2.0", "<1.2": "v1.0.0", ">=2.0.0-0": "v2.0.0-rc.1", "1.x": "v1.10.0",
	} {
		if s := w.pull(m, source.Ref{SemVer: text})[0]; s.Commit != ids[want] || w.read(s, "version") != want {
			w.Errorf("%s: got %s, want %s", text, w.read(s, "version"), want)
		}
	}
	bad, err := m.Resolve(w.Context(), w.auth, []source.Ref{{SemVer: ">=9"}, {SemVer: "one"}})
	w.must(err)
	w.wantErr(bad[0].Err, fault.Invalid, "no tag is in the range")
	w.wantErr(bad[1].Err, fault.Invalid, "no range of versions")
}

// exact: a commit that no ref names, in a mirror that knows nothing of it, beside one that does not exist.
func exact(w *world) {
	old := w.commit("main", "old", gitserver.Write("a", "old"))
	w.commit("main", "mid", gitserver.Write("a", "mid"))
	now := w.commit("main", "now", gitserver.Write("a", "now"))
	m := w.mirror()
	w.head(m)
	if s := w.pull(m, source.Ref{Commit: old})[0]; s.Commit != old || w.read(s, "a") != "old" {
		w.Errorf("got %s", s.Commit)
	}
	nowhere := source.Commit(strings.Repeat("1", len(now)))
	for range 2 {
		got, err := m.Fetch(w.Context(), w.auth, []source.Resolved{
			{Ref: source.Ref{Commit: nowhere}, Commit: nowhere}, {Ref: main, Name: "refs/heads/main", Commit: now},
		})
		w.must(err)
		w.wantErr(got[0].Err, fault.Invalid, "not in the repository", string(nowhere))
		w.must(got[1].Err)
	}
	if s := w.head(m); w.read(s, "a") != "now" {
		w.Error("main is not what it was")
	}
	bad, err := m.Resolve(w.Context(), w.auth, []source.Ref{{Commit: "abc"}})
	w.must(err)
	w.wantErr(bad[0].Err, fault.Invalid, "full lower-case id")
}

// several refs are one ls-refs and one fetch, however many.
func several(w *world) {
	var refs []source.Ref
	for i := range 20 {
		name := fmt.Sprintf("team-%d/env", i)
		w.commit(name, name, gitserver.Write("name", name), gitserver.Write("shared", "s"))
		refs = append(refs, source.Ref{Branch: name})
	}
	m := w.mirror()
	w.pull(m, refs...)
	for i := range 20 {
		w.commit(refs[i].Branch, "next", gitserver.Write("next", "n"))
	}
	for i, s := range w.pull(m, refs...) {
		if w.read(s, "name") != refs[i].Branch || w.read(s, "next") != "n" {
			w.Errorf("%s is wrong", refs[i])
		}
	}
	if w.asks["fetch"] != 2 || !w.v0 && w.asks["ls-refs"] != 2 {
		w.Errorf("requests: %v", w.asks)
	}
}

func oracle(w *world) {
	w.commit("main", "all kinds", gitserver.Files(map[string]string{
		"README.md": "hi", "apps/web/kustomization.yaml": "resources: [web.yaml]\n", "apps/web/web.yaml": strings.Repeat("line\n", 10000),
		"apps/db/empty": "", "ünï/ä b/ç": "\x00\x01binary\xff", "apps.yaml": "x", "apps-2/x": "y",
	}), gitserver.WriteExec("bin/run", "#!/bin/sh\n"), gitserver.Link("apps/link", "web/web.yaml"), gitserver.Link("dir", "apps/web"))
	m := w.mirror()
	w.compareWithClone(w.head(m))
	w.commit("main", "move", gitserver.Rename("apps/web", "apps/www"), gitserver.Delete("README.md"), gitserver.Link("dir", "apps/www"),
		gitserver.Write("bin/run", "not executable now"), gitserver.Archive([]byte("-- new/a --\n1\n-- new/b --\n2\n")))
	w.compareWithClone(w.head(m))
	w.commit("main", "anew", gitserver.Clear(), gitserver.Write("only/one", "1"))
	w.compareWithClone(w.head(m))
}

// concurrent: many readers of an old and a new snapshot while commits arrive.
func concurrent(w *world) {
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("apps/app-%d/a.yaml", i)] = fmt.Sprint(i)
	}
	w.commit("main", "all", gitserver.Files(files))
	m := w.mirror()
	s := w.head(m)
	var readers sync.WaitGroup
	for r := range 8 {
		readers.Go(func() {
			for i := range 50 {
				i = (i + 7*r) % 50
				data, err := s.Tree.ReadFile(fmt.Sprintf("apps/app-%d/a.yaml", i))
				if err != nil || string(data) != fmt.Sprint(i) {
					w.Errorf("app %d: %q, %v", i, data, err)
				}
			}
		})
	}
	for i := range 5 {
		w.commit("main", "next", gitserver.Write("apps/app-1/a.yaml", fmt.Sprint("v", i)))
		if got := w.read(w.head(m), "apps/app-1/a.yaml"); got != fmt.Sprint("v", i) {
			w.Errorf("got %q", got)
		}
	}
	readers.Wait()
}

// merge: a merge of a branch that forked before the first commit that was fetched.
func merge(w *world) {
	base := w.commit("main", "base", gitserver.Write("a", "0"))
	w.must(w.repo.Reset(w.Context(), "side", base))
	w.commit("side", "side", gitserver.Write("side", "s"))
	old := w.commit("main", "one", gitserver.Write("a", "1"))
	m := w.mirror()
	w.head(m)
	now, err := w.repo.Merge(w.Context(), "main", "side", "merge side", gitserver.Write("side", "s"))
	w.must(err)
	if s := w.head(m); s.Commit != now || w.read(s, "side") != "s" || w.read(s, "a") != "1" {
		w.Errorf("got %s", s.Commit)
	}
	if is, err := m.Forced(w.Context(), old, now); err != nil || is {
		w.Errorf("Forced = %v, %v", is, err)
	}
	w.git(w.TempDir(), "clone", "--quiet", w.repo.Dir, "x") // the server is sane
}

// reopen: a mirror that is opened again has what it had.
func reopen(w *world) {
	id := w.commit("main", "one", gitserver.Write("a", "1"))
	dir := w.TempDir()
	m := w.mirrorIn(dir, git.Options{})
	w.head(m)
	w.must(m.Close())
	m = w.mirrorIn(dir, git.Options{})
	s, err := m.Snapshot(w.Context(), id)
	w.must(err)
	if w.read(s, "a") != "1" {
		w.Error("wrong content")
	}
	next := w.commit("main", "two", gitserver.Write("a", "2"))
	w.head(m)
	if is, err := m.Forced(w.Context(), id, next); err != nil || is {
		w.Errorf("Forced = %v, %v", is, err)
	}
}

// said: commits and tags can be had as they are stored, a tag also where its commit is here already.
func said(w *world) {
	id := w.commit("main", "one\n\nand more", gitserver.Write("a", "1"))
	m := w.mirror()
	w.head(m)
	raw, err := m.Commit(w.Context(), id)
	w.must(err)
	if !strings.HasPrefix(string(raw), "tree ") || !strings.HasSuffix(string(raw), "\n\none\n\nand more") {
		w.Errorf("the commit says %q", raw)
	}
	w.must(w.repo.AnnotatedTag(w.Context(), "v1", "a release", id))
	heavy := source.Ref{Tag: "v1"}
	found, err := m.Resolve(w.Context(), w.auth, []source.Ref{heavy, main})
	w.must(err)
	if tag := found[0].Tag; tag == "" || tag == source.ID(id) || found[0].Commit != id || found[1].Tag != "" {
		w.Fatalf("got %+v", found)
	}
	_, err = m.Tag(w.Context(), found[0].Tag)
	w.wantErr(err, fault.Transient, "missing from the mirror")
	for _, m := range []*git.Mirror{m, w.mirror()} {
		w.pull(m, heavy)
		raw, err = m.Tag(w.Context(), found[0].Tag)
		w.must(err)
		if want := "object " + string(id) + "\ntype commit\ntag v1\n"; !strings.HasPrefix(string(raw), want) || !strings.Contains(string(raw), "a release") {
			w.Errorf("the tag says %q", raw)
		}
	}
	_, err = m.Commit(w.Context(), source.Commit(found[0].Tag))
	w.wantErr(err, fault.Invalid, "it is a tag")
}

// between: what came with a move is listed exactly, also where the mirror does not have the history of it.
func between(w *world) {
	base := w.commit("main", "base", gitserver.Write("a", "0"))
	w.must(w.repo.Reset(w.Context(), "side", base))
	side := w.commit("side", "side", gitserver.Write("side", "s"))
	w.commit("main", "two", gitserver.Write("a", "2"))
	w.commit("main", "three", gitserver.Write("a", "3"))
	old := w.commit("main", "four", gitserver.Write("a", "4"))
	m := w.mirror()
	w.head(m)
	five := w.commit("main", "five", gitserver.Write("a", "5"))
	six := w.commit("main", "six", gitserver.Write("a", "6"))
	w.head(m)
	fetched := w.asks["fetch"]
	w.wantBetween(m, old, six, six, five)
	w.wantBetween(m, six, six)
	if w.asks["fetch"] != fetched {
		w.Error("history that is here was fetched")
	}
	// The side branch began before all that the mirror has.
	merged, err := w.repo.Merge(w.Context(), "main", "side", "merge side", gitserver.Write("side", "s"))
	w.must(err)
	w.head(m)
	w.wantBetween(m, six, merged, merged, side)
	// Another mirror, which never saw the old commit.
	m = w.mirror()
	w.head(m)
	w.wantBetween(m, old, merged, merged, six, side, five)
}

// betweenForced: what replaced commits that are gone is listed.
func betweenForced(w *world) {
	root := w.commit("main", "root", gitserver.Write("a", "0"))
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	m := w.mirror()
	w.head(m)
	w.must(w.repo.Reset(w.Context(), "main", root))
	other := w.commit("main", "other", gitserver.Write("a", "x"))
	w.head(m)
	w.wantBetween(m, one, other, other)
	// Nobody can tell what an unknown commit had: all that there is has to be looked at.
	w.wantBetween(m, source.Commit(strings.Repeat("1", len(one))), other, other, root)
}

// wantBetween fails the test unless the commits between two are these, in any order but for the first.
func (w *world) wantBetween(m *git.Mirror, old, now source.Commit, want ...source.Commit) {
	w.Helper()
	got, err := m.Between(w.Context(), w.auth, old, now)
	w.must(err)
	if len(got) > 0 && got[0] != now {
		w.Errorf("the first is %s", got[0].Short())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.Errorf("between %s and %s are %v, want %v", old.Short(), now.Short(), got, want)
	}
}

func pattern(w *world) {
	main := w.commit("main", "base", gitserver.Write("a", "0"))
	two := w.commit("candidate/two/deep", "two", gitserver.Write("a", "2"))
	one := w.commit("candidate/one", "one", gitserver.Write("a", "1"))
	w.commit("other", "other", gitserver.Write("a", "3"))
	w.must(w.repo.AnnotatedTag(w.Context(), "try-1", "try", one))
	m := w.mirror()
	asks := w.asks["ls-refs"]
	all, err := m.Resolve(w.Context(), w.auth, []source.Ref{{Branch: "main"}}, source.Pattern{Branch: "candidate/*"}, source.Pattern{Tag: "try-*"})
	w.must(err)
	var got []string
	for _, x := range all {
		got = append(got, x.Ref.String()+" "+string(x.Commit))
	}
	want := []string{"main " + string(main), "candidate/one " + string(one), "candidate/two/deep " + string(two), "try-1 " + string(one)}
	if !slices.Equal(got, want) {
		w.Errorf("got %v, want %v", got, want)
	}
	if n := w.asks["ls-refs"] - asks; !w.v0 && n != 1 {
		w.Errorf("the server was asked %d times", n)
	}
	if all, err = m.Resolve(w.Context(), w.auth, nil, source.Pattern{Branch: "nobody/*"}); err != nil || len(all) != 0 {
		w.Errorf("of a pattern that means nothing: %v, %v", all, err)
	}
}
