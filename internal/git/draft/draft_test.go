package draft_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/draft"
	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// bench is a repository, and the trees in it.
type bench struct {
	*testing.T
	repo   *gitserver.Repo
	store  *odb.Store
	format string
}

func newBench(t *testing.T, format string) *bench {
	t.Helper()
	repo, err := gitserver.CreateRepo(t.Context(), filepath.Join(t.TempDir(), "r.git"), format)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, repo: repo, format: format}
	b.store = odb.Open(func() *exec.Cmd {
		cmd := exec.CommandContext(context.Background(), "git", "cat-file", "--batch-command", "--buffer") // ends with the store, after the test's context
		cmd.Dir = repo.Dir
		return cmd
	}, odb.Limits{})
	t.Cleanup(b.store.Close)
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// tree commits files to a branch of its own, and returns the commit and the tree.
func (b *bench) tree(branch string, files map[string]string, more ...gitserver.Change) (source.Commit, source.ID) {
	b.Helper()
	id, err := b.repo.Commit(b.Context(), branch, "m", append([]gitserver.Change{gitserver.Clear(), gitserver.Files(files)}, more...)...)
	b.must(err)
	c, err := b.store.Commit(id)
	b.must(err)
	return id, c.Tree
}

func (b *bench) git(in []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(b.Context(), "git", args...)
	cmd.Dir, cmd.Stdin = b.repo.Dir, bytes.NewReader(in)
	cmd.Env = []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "HOME=" + b.repo.Dir}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// unpack gives git what was made, and returns what it finds in a commit of it.
func (b *bench) unpack(d *draft.Draft, tree source.ID, parents ...source.Commit) string {
	b.Helper()
	commit := d.Commit(draft.Commit{Tree: tree, Parents: parents, Message: "merge\n\nboth", When: time.Unix(1700000000, 0)})
	if out, err := b.git(d.Pack(), "index-pack", "--stdin", "--strict"); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	if out, err := b.git(nil, "fsck", "--strict", "--no-dangling"); err != nil {
		b.Errorf("fsck: %v: %s", err, out)
	}
	out, err := b.git(nil, "ls-tree", "-r", "--full-tree", "--format=%(objectmode) %(path) %(objectname)", string(commit))
	b.must(err)
	return out
}

// TestMerge: a path is as that side has it that changed it. What git merges without looking into files is merged alike; where it would, nobody does.
func TestMerge(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			b := newBench(t, format)
			base := map[string]string{"a/x": "1", "a/y": "1", "a/z/deep/file": "1", "b.txt": "1", "b/c": "1", "gone": "1", "alone/file": "1"}
			ours, theirs := maps.Clone(base), maps.Clone(base)
			ours["a/x"], theirs["a/y"], theirs["a/new/file"], ours["a/z/deep/other"], theirs["a/z/deep/file"] = "2", "2", "2", "2", "2"
			delete(ours, "gone")
			delete(theirs, "alone/file")
			ours["both"], theirs["both"] = "same", "same"
			c0, t0 := b.tree("base", base)
			c1, t1 := b.tree("ours", ours)
			c2, t2 := b.tree("theirs", theirs, gitserver.WriteExec("run", "x"), gitserver.Link("link", "a/x"))
			d := draft.New(format, b.store.Entries)
			tree, err := d.Merge(t0, t1, t2)
			b.must(err)
			got := b.unpack(d, tree, c1, c2)
			want := maps.Clone(ours)
			maps.Copy(want, map[string]string{"a/y": "2", "a/new/file": "2", "a/z/deep/file": "2"})
			delete(want, "alone/file")
			c3, _ := b.tree("want", want, gitserver.WriteExec("run", "x"), gitserver.Link("link", "a/x"))
			expected, err := b.git(nil, "ls-tree", "-r", "--full-tree", "--format=%(objectmode) %(path) %(objectname)", string(c3))
			b.must(err)
			if got != expected {
				t.Errorf("got\n%s\nwant\n%s", got, expected)
			}
			_ = c0
		})
	}
}

// TestMergeClash: what both changed differently is named.
func TestMergeClash(t *testing.T) {
	b := newBench(t, "sha1")
	base := map[string]string{"apps/web/x.yaml": "1", "apps/web/y.yaml": "1"}
	_, t0 := b.tree("base", base)
	for name, c := range map[string]struct {
		ours, theirs map[string]string
		path         string
	}{
		"changed":   {map[string]string{"apps/web/x.yaml": "2", "apps/web/y.yaml": "1"}, map[string]string{"apps/web/x.yaml": "3", "apps/web/y.yaml": "1"}, "apps/web/x.yaml"},
		"gone":      {map[string]string{"apps/web/y.yaml": "1"}, map[string]string{"apps/web/x.yaml": "3", "apps/web/y.yaml": "1"}, "apps/web/x.yaml"},
		"gone_dir":  {map[string]string{"else": "1"}, map[string]string{"apps/web/x.yaml": "3", "apps/web/y.yaml": "1"}, "apps"},
		"added":     {map[string]string{"apps/web/x.yaml": "1", "apps/web/y.yaml": "1", "n": "1"}, map[string]string{"apps/web/x.yaml": "1", "apps/web/y.yaml": "1", "n": "2"}, "n"},
		"file_dir":  {map[string]string{"apps/web/x.yaml": "1", "apps/web/y.yaml": "1", "n": "1"}, map[string]string{"apps/web/x.yaml": "1", "apps/web/y.yaml": "1", "n/m": "2"}, "n"},
		"dir_files": {map[string]string{"apps/web": "1"}, map[string]string{"apps/web/x.yaml": "2", "apps/web/y.yaml": "1"}, "apps/web"},
	} {
		_, t1 := b.tree("ours", c.ours)
		_, t2 := b.tree("theirs", c.theirs)
		for _, sides := range [][2]source.ID{{t1, t2}, {t2, t1}} {
			_, err := draft.New("sha1", b.store.Entries).Merge(t0, sides[0], sides[1])
			if !errors.Is(err, draft.ErrClash) || fault.KindOf(err) != fault.Invalid || !strings.HasSuffix(err.Error(), " "+c.path) {
				t.Errorf("%s: %v does not name %s", name, err, c.path)
			}
		}
	}
}

// TestMergeAsGit: of many random merges, git makes of those that it makes without looking into files what is made here.
func TestMergeAsGit(t *testing.T) {
	b := newBench(t, "sha1")
	r := rand.New(rand.NewPCG(1, 2))
	paths := []string{"a", "b/c", "b/d", "b/e/f", "g/h", "g.x", "i"}
	change := func(of map[string]string) map[string]string {
		out := maps.Clone(of)
		for range 1 + r.IntN(3) {
			p := paths[r.IntN(len(paths))]
			if r.IntN(4) == 0 {
				delete(out, p)
			} else {
				out[p] = fmt.Sprint("one line ", r.IntN(9))
			}
		}
		return out
	}
	merged, clashes := 0, 0
	for i := range 30 {
		base := map[string]string{"always": "1"}
		for _, p := range paths {
			if r.IntN(4) > 0 {
				base[p] = "one line 0"
			}
		}
		name := func(s string) string { return fmt.Sprint(s, i) }
		c0, t0 := b.tree(name("base"), base)
		b.must(b.repo.Reset(t.Context(), name("ours"), c0))
		b.must(b.repo.Reset(t.Context(), name("theirs"), c0))
		c1, t1 := b.tree(name("ours"), change(base))
		c2, t2 := b.tree(name("theirs"), change(base))
		d := draft.New("sha1", b.store.Entries)
		tree, err := d.Merge(t0, t1, t2)
		out, clash := b.git(nil, "-c", "merge.renames=false", "-c", "merge.directoryRenames=false", "merge-tree", "--write-tree", string(c1), string(c2))
		switch {
		case err != nil && clash != nil:
			clashes++
		case err != nil || clash != nil:
			t.Errorf("%d: %v, git: %s", i, err, out)
		case string(tree) != strings.Fields(out)[0]:
			t.Errorf("%d: %s, git has %s", i, tree, out)
		default:
			merged++
		}
	}
	if merged < 5 || clashes < 5 {
		t.Errorf("%d were merged, %d clashed", merged, clashes)
	}
}

// TestPut: one path changes, be it deep, new or gone, and nothing else.
func TestPut(t *testing.T) {
	b := newBench(t, "sha1")
	then := map[string]string{"apps/web/x": "old", "apps/web/gone": "old", "apps/api/x": "old", "top": "old"}
	now := map[string]string{"apps/web/x": "new", "apps/web/more": "new", "apps/api/x": "new", "apps/new/x": "new", "top": "new"}
	c0, t0 := b.tree("then", then)
	c1, t1 := b.tree("now", now, gitserver.Link("alias", "apps"))
	for at, want := range map[string]map[string]string{
		"apps/web":     {"apps/web/x": "old", "apps/web/gone": "old", "apps/api/x": "new", "apps/new/x": "new", "top": "new"},
		"apps/new":     {"apps/web/x": "new", "apps/web/more": "new", "apps/api/x": "new", "top": "new"},
		"top":          {"apps/web/x": "new", "apps/web/more": "new", "apps/api/x": "new", "apps/new/x": "new", "top": "old"},
		"nowhere/else": now,
	} {
		d := draft.New("sha1", b.store.Entries)
		e, err := d.At(t0, at)
		b.must(err)
		tree, err := d.Put(t1, at, e)
		b.must(err)
		got := b.unpack(d, tree, c1, c0)
		id, _ := b.tree("want", want, gitserver.Link("alias", "apps"))
		expected, err := b.git(nil, "ls-tree", "-r", "--full-tree", "--format=%(objectmode) %(path) %(objectname)", string(id))
		b.must(err)
		if got != expected {
			t.Errorf("%s: got\n%s\nwant\n%s", at, got, expected)
		}
	}
	d := draft.New("sha1", b.store.Entries)
	e, err := d.At(t0, "apps/web")
	b.must(err)
	if _, err := d.Put(t1, "alias/web", e); fault.KindOf(err) != fault.Invalid {
		t.Errorf("through a symlink: %v", err)
	}
	if _, err := d.Put(t1, "top/web", e); fault.KindOf(err) != fault.Invalid {
		t.Errorf("through a file: %v", err)
	}
	if all, err := d.At(t0, "."); err != nil || all.ID != t0 {
		t.Errorf("got %v, %v", all, err)
	}
	if tree, err := d.Put(t1, ".", odb.Entry{Mode: "40000", ID: t0}); err != nil || tree != t0 {
		t.Errorf("got %v, %v", tree, err)
	}
	empty := d.Commit(draft.Commit{Message: "nothing\x00 is left"})
	if out, err := b.git(d.Pack(), "index-pack", "--stdin", "--strict"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := b.git(nil, "log", "-1", "--format=%an %s", string(empty)); err != nil || out != "Fairlead nothing is left" {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestBounds: what would never end does.
func TestBounds(t *testing.T) {
	id := func(n int) source.ID { return source.ID(fmt.Sprintf("%040x", n)) }
	n := 0
	deep := func(source.ID) ([]odb.Entry, error) {
		n++
		return []odb.Entry{{Name: "x", Mode: "40000", ID: id(n)}}, nil
	}
	if _, err := draft.New("sha1", deep).Merge(id(1<<20), id(1<<21), id(1<<22)); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "deep") {
		t.Errorf("got %v", err)
	}
	n = 0
	wide := func(source.ID) ([]odb.Entry, error) {
		var out []odb.Entry
		for i := range 40 {
			n++
			out = append(out, odb.Entry{Name: fmt.Sprint(i), Mode: "40000", ID: id(n)})
		}
		slices.SortFunc(out, func(a, b odb.Entry) int { return strings.Compare(a.Name, b.Name) })
		return out, nil
	}
	if _, err := draft.New("sha1", wide).Merge(id(1<<20), id(1<<21), id(1<<22)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}
