package odb_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// bench is a repository and a store over it.
type bench struct {
	*testing.T
	repo   *gitserver.Repo
	store  *odb.Store
	starts int // of the process
}

func newBench(t *testing.T, l odb.Limits) *bench {
	t.Helper()
	repo, err := gitserver.CreateRepo(t.Context(), t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, repo: repo}
	b.store = odb.Open(func() *exec.Cmd {
		b.starts++
		// Not the test's context: that ends before the cleanup.
		cmd := exec.CommandContext(context.Background(), "git", "cat-file", "--batch-command", "--buffer")
		cmd.Dir = repo.Dir
		return cmd
	}, l)
	t.Cleanup(b.store.Close)
	return b
}

// tree commits the changes and returns their tree.
func (b *bench) tree(changes ...gitserver.Change) source.Tree {
	b.Helper()
	id, err := b.repo.Commit(b.Context(), "main", "m", changes...)
	if err != nil {
		b.Fatal(err)
	}
	c, err := b.store.Commit(id)
	if err != nil {
		b.Fatal(err)
	}
	return b.store.Tree(c.Tree)
}

// object writes an object without git looking at what is in it.
func (b *bench) object(kind string, data []byte) source.ID {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "git", "hash-object", "-w", "--literally", "-t", kind, "--stdin")
	cmd.Dir, cmd.Stdin = b.repo.Dir, bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	return source.ID(strings.TrimSpace(string(out)))
}

// raw is a tree object of these entries, as they stand: "<mode> <name>", id.
func (b *bench) raw(entries ...string) source.ID {
	b.Helper()
	var data []byte
	for i := 0; i < len(entries); i += 2 {
		id, err := hex.DecodeString(entries[i+1])
		if err != nil {
			b.Fatal(err)
		}
		data = append(append(append(data, entries[i]...), 0), id...)
	}
	return b.object("tree", data)
}

func wantErr(t *testing.T, what string, err error, kind fault.Kind, says string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v (%s), want an error of kind %s that says %q", what, err, fault.KindOf(err), kind, says)
	}
}

func TestTree(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, files sourcetest.Files) source.Tree {
		var changes []gitserver.Change
		for path, text := range files {
			if target, ok := strings.CutPrefix(text, sourcetest.Link("")); ok {
				changes = append(changes, gitserver.Link(path, target))
			} else if text, ok := strings.CutPrefix(text, sourcetest.Executable("")); ok {
				changes = append(changes, gitserver.WriteExec(path, text))
			} else {
				changes = append(changes, gitserver.Write(path, text))
			}
		}
		return newBench(t, odb.Limits{}).tree(changes...)
	})
}

// TestHostileNames: a name that no honest repository holds is refused, the names beside it are not.
func TestHostileNames(t *testing.T) {
	b := newBench(t, odb.Limits{})
	blob := string(b.object("blob", []byte("content")))
	for name, why := range map[string]string{
		".": "stands for", "..": "stands for", ".git": "as .git", ".GIT": "as .git", ".gIt ": "as .git", ".git.": "as .git", ".git. .": "as .git",
		"git~1": "as .git", "GIT~1": "as .git", ".git::$INDEX_ALLOCATION": "as .git", ".g\u200cit": "as .git", "\u200c.git": "as .git",
		"a/b": "separator", `a\b`: "separator", "a\nb": "control", "\x1b[31m": "control", "a\x7f": "control",
		"\xff\xfe": "UTF-8", strings.Repeat("n", 256): "too long",
	} {
		root := b.raw("40000 dir", string(b.raw("100644 "+name, blob)), "100644 file", blob)
		tree := b.store.Tree(root)
		if data, err := tree.ReadFile("file"); err != nil || string(data) != "content" {
			t.Errorf("%q beside: %q, %v", name, data, err)
		}
		_, err := tree.ReadDir("dir")
		wantErr(t, fmt.Sprintf("ReadDir with %q", name), err, fault.Invalid, why)
		if fs.ValidPath("dir/" + name) {
			_, err = tree.ReadFile("dir/" + name)
			if err == nil {
				t.Errorf("%q was read", name)
			}
		}
	}
	for _, name := range []string{".gitignore", ".github", "git", ".gitmodules", "..a", "a b", "gi", "ünï"} {
		if data, err := b.store.Tree(b.raw("100644 "+name, blob)).ReadFile(name); err != nil || string(data) != "content" {
			t.Errorf("%q: %q, %v", name, data, err)
		}
	}
}

// TestHostileTrees: a tree object that Git would not write is refused as a whole; one that clashes, for the names that do.
func TestHostileTrees(t *testing.T) {
	b := newBench(t, odb.Limits{Entries: 20})
	blob := string(b.object("blob", []byte("content")))
	var many []string
	for i := range 21 {
		many = append(many, fmt.Sprintf("100644 f%02d", i), blob)
	}
	for says, id := range map[string]source.ID{
		"out of order":       b.raw("100644 b", blob, "100644 a", blob),
		"unknown mode":       b.raw("100600 a", blob),
		"cut off":            b.object("tree", []byte("100644 a\x00123")),
		"has no name":        b.object("tree", append([]byte("100644\x00"), make([]byte, 20)...)),
		"more than 20":       b.raw(many...),
		"it is a blob":       source.ID(blob),
		`"a" and "a" clash`:  b.raw("100644 a", blob, "40000 a", string(b.raw())),
		`"A" and "a" clash`:  b.raw("100644 A", blob, "100644 a", blob),
		"missing":            source.ID(strings.Repeat("1", 40)),
		`entry "a" is out`:   b.raw("100644 a", blob, "100644 a", blob),
		"bytes are more tha": b.object("tree", bytes.Repeat([]byte("x"), 20*300)),
	} {
		kind := fault.Invalid
		if says == "missing" {
			kind = fault.Transient
		}
		tree := b.store.Tree(b.raw("40000 dir", string(id), "100644 file", blob))
		_, err := tree.ReadDir("dir")
		wantErr(t, "ReadDir", err, kind, says)
		_, err = tree.ReadFile("dir/a")
		wantErr(t, "ReadFile", err, kind, says)
		if data, err := tree.ReadFile("file"); err != nil || string(data) != "content" {
			t.Errorf("%s, beside: %q, %v", says, data, err)
		}
	}
	clash := b.store.Tree(b.raw("100644 A", blob, "100644 a", blob, "100644 b", blob))
	if _, err := clash.ReadFile("b"); err != nil {
		t.Errorf("a name beside two that clash: %v", err)
	}
}

func TestLimits(t *testing.T) {
	b := newBench(t, odb.Limits{Blob: 100, Depth: 3})
	tree := b.tree(gitserver.Write("fits", strings.Repeat("x", 100)), gitserver.Write("large", strings.Repeat("x", 101)),
		gitserver.Write("a/b/c", "deep"), gitserver.Write("a/b/d/e", "too deep"), gitserver.Link("self", "."),
		gitserver.Link("long", strings.Repeat("x", 99)), gitserver.Link("grow", "grow/x"))
	if data, err := tree.ReadFile("fits"); err != nil || len(data) != 100 {
		t.Errorf("%d, %v", len(data), err)
	}
	_, err := tree.ReadFile("large")
	wantErr(t, "large", err, fault.Invalid, "101 bytes are more than the limit of 100")
	if info, err := tree.Stat("large"); err != nil || info.Size() != 101 {
		t.Errorf("stat: %v, %v", info, err)
	}
	if _, err := tree.ReadFile("a/b/c"); err != nil {
		t.Error(err)
	}
	_, err = tree.ReadFile("a/b/d/e")
	wantErr(t, "deep", err, fault.Invalid, "more than 3 directories deep")
	_, err = tree.ReadFile(strings.Repeat("self/", 30) + "fits")
	if err != nil {
		t.Error(err)
	}
	_, err = tree.ReadFile(strings.Repeat("self/", 41) + "fits")
	wantErr(t, "links", err, fault.Invalid, "loop")
	_, err = tree.ReadFile("grow")
	wantErr(t, "grow", err, fault.Invalid, `symlink "grow" to "grow/x": it is a loop`)
	_, err = tree.ReadFile(strings.Repeat("x", 5000))
	wantErr(t, "path", err, fault.Invalid, "longer than 4096")
}

func TestSymlinkNamed(t *testing.T) {
	tree := newBench(t, odb.Limits{}).tree(gitserver.Link("a/out", "../../etc/passwd"), gitserver.Link("abs", "/etc/passwd"), gitserver.Link("b", "nowhere"))
	for path, says := range map[string]string{
		"a/out": `symlink "a/out" to "../../etc/passwd": it leaves the repository`,
		"abs":   `symlink "abs" to "/etc/passwd": it leaves the repository`,
	} {
		_, err := tree.ReadFile(path)
		wantErr(t, path, err, fault.Invalid, says)
	}
	if _, err := tree.ReadFile("b"); err == nil || !strings.Contains(err.Error(), `symlink "b" to "nowhere"`) {
		t.Errorf("a dangling symlink: %v", err)
	}
}

func TestSubmoduleAndLFS(t *testing.T) {
	b := newBench(t, odb.Limits{})
	at := source.Commit(strings.Repeat("12", 20))
	tree := b.tree(gitserver.Write("a", "1"), gitserver.Submodule("libs/common", at), gitserver.Write("big.bin",
		"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"))
	entries, err := tree.ReadDir("libs")
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		t.Errorf("got %v, %v", entries, err)
	}
	const says = "libs/common is a submodule (at 12121212); Fairlead does not fetch submodules"
	_, err = tree.ReadDir("libs/common")
	wantErr(t, "ReadDir", err, fault.Invalid, says)
	_, err = tree.ReadFile("libs/common/x")
	wantErr(t, "ReadFile below", err, fault.Invalid, says)
	_, err = tree.Open("libs/common")
	wantErr(t, "Open", err, fault.Invalid, says)
	if id, err := tree.ID("libs/common"); err != nil || id != source.ID(at) {
		t.Errorf("ID: %s, %v", id, err)
	}
	_, err = tree.ReadFile("big.bin")
	wantErr(t, "ReadFile", err, fault.Invalid, "Git LFS pointer")
	_, err = tree.Open("big.bin")
	wantErr(t, "Open", err, fault.Invalid, "Git LFS pointer")
}

// TestCommitIsForShowing: whatever is in a commit, what is read of it can be printed.
func TestCommitIsForShowing(t *testing.T) {
	b := newBench(t, odb.Limits{})
	tree := string(b.raw())
	for text, want := range map[string]string{
		"tree " + tree + "\nauthor A\x1b[31m U Thor <a@b\xff> 99999999999999 +0000\n\n\n\x07bell\xff\n": "bell\uFFFD",
		"tree " + tree + "\n\n": "",
		"tree " + tree + "\nauthor nobody\ngpgsig -----BEGIN\n line\n -----END\n\nsigned\nmore": "signed",
	} {
		c, err := b.store.Commit(source.Commit(b.object("commit", []byte(text))))
		if err != nil || c.Subject != want || strings.ContainsRune(c.Author.Name, 0x1b) || !c.Author.When.IsZero() {
			t.Errorf("got %+v, %v", c, err)
		}
	}
	_, err := b.store.Commit(source.Commit(b.object("commit", []byte("author x\n\nno tree"))))
	wantErr(t, "no tree", err, fault.Invalid, "names no tree")
	_, err = b.store.Commit(source.Commit(tree))
	wantErr(t, "a tree", err, fault.Invalid, "it is a tree")
}

// TestProcessDies: the process is started again; what was read needs none.
func TestProcessDies(t *testing.T) {
	b := newBench(t, odb.Limits{})
	tree := b.tree(gitserver.Write("a", "1"), gitserver.Write("d/b", "2"))
	for _, path := range []string{"a", "d/b"} {
		if _, err := tree.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		b.store.Reset()
	}
	if b.starts != 2 {
		t.Errorf("%d starts", b.starts)
	}
	for range 100 {
		if _, err := tree.ReadFile("d/b"); err != nil {
			t.Fatal(err)
		}
	}
	b.store.Close()
	if _, err := tree.ReadFile("a"); err != nil || b.starts != 2 {
		t.Errorf("a cached file after Close: %v, %d starts", err, b.starts)
	}
}

// TestSmallCache: a cache that holds next to nothing makes it slow, not wrong.
func TestSmallCache(t *testing.T) {
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("d%d/f%d", i%7, i)] = strings.Repeat(fmt.Sprint(i), 50)
	}
	tree := newBench(t, odb.Limits{Cache: 4000}).tree(gitserver.Files(files))
	for path, text := range files {
		if data, err := tree.ReadFile(path); err != nil || string(data) != text {
			t.Fatalf("%s: %q, %v", path, data, err)
		}
	}
}

// TestBytesAreTheCallers: what ReadFile returned may be changed.
func TestBytesAreTheCallers(t *testing.T) {
	tree := newBench(t, odb.Limits{}).tree(gitserver.Write("a", "right"))
	for range 2 {
		data, err := tree.ReadFile("a")
		if err != nil || string(data) != "right" {
			t.Fatalf("%q, %v", data, err)
		}
		copy(data, "wrong")
	}
}

// TestListMissing: that what is compared with is gone is no damage, as it would be if somebody needed it.
func TestListMissing(t *testing.T) {
	b := newBench(t, odb.Limits{})
	gone := b.store.Tree(b.raw("40000 dir", strings.Repeat("1", 40)))
	if _, err := source.Diff(gone, b.tree(gitserver.Write("dir/a", "1"))); fault.KindOf(err) != fault.Transient || b.store.Damaged() {
		t.Errorf("damaged %t after %v", b.store.Damaged(), err)
	}
	if _, err := gone.ReadDir("dir"); err == nil || !b.store.Damaged() {
		t.Errorf("damaged %t after %v", b.store.Damaged(), err)
	}
}

// TestDiffOfBombs: a few objects that stand for a million directories are not all looked at.
func TestDiffOfBombs(t *testing.T) {
	b := newBench(t, odb.Limits{})
	bomb := func(text string) source.Tree {
		id := b.raw("100644 file", string(b.object("blob", []byte(text))))
		for range 6 {
			var entries []string
			for i := range 10 {
				entries = append(entries, fmt.Sprintf("40000 d%d", i), string(id))
			}
			id = b.raw(entries...)
		}
		return b.store.Tree(id)
	}
	_, err := source.Diff(bomb("1"), bomb("2"))
	wantErr(t, "Diff", err, fault.Invalid, "differ in more than")
}

// BenchmarkDiff compares two commits of 5,000 directories, of which one differs.
func BenchmarkDiff(b *testing.B) {
	repo, err := gitserver.CreateRepo(b.Context(), b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	files := map[string]string{}
	for i := range 5000 {
		files[fmt.Sprintf("apps/app-%04d/kustomization.yaml", i)] = fmt.Sprint(i)
	}
	commit := func(changes ...gitserver.Change) source.Commit {
		id, err := repo.Commit(b.Context(), "main", "m", changes...)
		if err != nil {
			b.Fatal(err)
		}
		return id
	}
	ids := []source.Commit{commit(gitserver.Files(files)), commit(gitserver.Write("apps/app-0007/kustomization.yaml", "other"))}
	var trees []source.Tree
	for b.Loop() {
		b.StopTimer()
		store := odb.Open(func() *exec.Cmd {
			cmd := exec.CommandContext(context.Background(), "git", "cat-file", "--batch-command", "--buffer")
			cmd.Dir = repo.Dir
			return cmd
		}, odb.Limits{})
		trees = trees[:0]
		for _, id := range ids {
			c, err := store.Commit(id)
			if err != nil {
				b.Fatal(err)
			}
			trees = append(trees, store.Tree(c.Tree))
		}
		if _, err := trees[0].ReadDir("apps"); err != nil { // as the commit before was read
			b.Fatal(err)
		}
		b.StartTimer()
		d, err := source.Diff(trees[0], trees[1])
		if err != nil || len(d.Dirs) != 3 || len(d.Names) != 0 {
			b.Fatalf("%v, %v", d, err)
		}
		store.Close()
	}
}
