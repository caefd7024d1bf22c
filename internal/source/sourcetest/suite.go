package sourcetest

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Run checks that what open makes of files is a source.Tree as its contract says.
func Run(t *testing.T, open func(*testing.T, Files) source.Tree) {
	t.Helper()
	t.Run("io_fs", func(t *testing.T) { ioFS(t, open) })
	t.Run("symlinks", func(t *testing.T) { symlinks(t, open) })
	t.Run("refused", func(t *testing.T) { refused(t, open) })
	t.Run("ids", func(t *testing.T) { ids(t, open) })
	t.Run("absent", func(t *testing.T) { absent(t, open) })
	t.Run("diff", func(t *testing.T) { diff(t, open) })
}

func ioFS(t *testing.T, open func(*testing.T, Files) source.Tree) {
	files := Files{
		"a.yaml": "a", "empty": "", "apps/web/kustomization.yaml": "k", "apps/web/run": Executable("#!"),
		"apps-2/x": "x", "apps/link": Link("web/kustomization.yaml"), "dirlink": Link("apps/web"), "ünï code/ä b": "u",
	}
	tree := open(t, files)
	if err := fstest.TestFS(tree, slices.Collect(maps.Keys(files))...); err != nil {
		t.Error(err)
	}
	if info, err := tree.Stat("apps/web/run"); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("an executable: %v, %v", info, err)
	}
	if info, err := tree.Stat("."); err != nil || !info.IsDir() {
		t.Errorf("the root: %v, %v", info, err)
	}
}

func symlinks(t *testing.T, open func(*testing.T, Files) source.Tree) {
	tree := open(t, Files{
		"base/a": "content", "deep/er/link": Link("../../base/a"), "deep/dir": Link("er"), "chain": Link("deep/dir/link"),
		"base/self": Link("."), "up": Link("deep/dir/../er/link"),
	})
	for _, p := range []string{"base/a", "deep/er/link", "deep/dir/link", "chain", "base/self/self/a", "up"} {
		if b, err := tree.ReadFile(p); err != nil || string(b) != "content" {
			t.Errorf("ReadFile %s: %q, %v", p, b, err)
		}
		if info, err := tree.Stat(p); err != nil || !info.Mode().IsRegular() || info.Size() != 7 {
			t.Errorf("Stat %s: %v, %v", p, info, err)
		}
	}
	if info, err := tree.Lstat("chain"); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("Lstat of a symlink: %v, %v", info, err)
	}
	if info, err := tree.Lstat("deep/dir/link"); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("Lstat of a symlink through a symlink: %v, %v", info, err)
	}
	if target, err := tree.ReadLink("deep/dir/link"); err != nil || target != "../../base/a" {
		t.Errorf("ReadLink: %q, %v", target, err)
	}
	if _, err := tree.ReadLink("base/a"); err == nil {
		t.Error("ReadLink of a file succeeded")
	}
	entries, err := tree.ReadDir("deep/dir")
	if err != nil || len(entries) != 1 || entries[0].Type() != fs.ModeSymlink {
		t.Errorf("ReadDir through a symlink: %v, %v", entries, err)
	}
}

func refused(t *testing.T, open func(*testing.T, Files) source.Tree) {
	tree := open(t, Files{
		"a": "a", "dir/abs": Link("/etc/passwd"), "dir/out": Link("../../outside"), "dir/back": Link("../../repo/a"),
		"loop": Link("loop"), "l1": Link("l2"), "l2": Link("l1"), "dir/outdir": Link("../.."),
	})
	for _, p := range []string{"dir/abs", "dir/out", "dir/back", "loop", "l1", "dir/outdir/a"} {
		if b, err := tree.ReadFile(p); fault.KindOf(err) != fault.Invalid {
			t.Errorf("ReadFile %s: %q, %v; want an error of kind invalid", p, b, err)
		}
		if _, err := tree.Stat(p); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Stat %s: %v; want an error of kind invalid", p, err)
		}
	}
	for _, p := range []string{"/a", "../a", "a/", "", "./a", "dir//abs"} {
		if _, err := tree.ReadFile(p); err == nil {
			t.Errorf("ReadFile %q succeeded", p)
		}
		if _, err := tree.ID(p); err == nil {
			t.Errorf("ID %q succeeded", p)
		}
	}
}

func ids(t *testing.T, open func(*testing.T, Files) source.Tree) {
	files := Files{"a/x": "1", "b/x": "1", "c/x": "2", "d": "1", "link": Link("a"), "e/x": Executable("1")}
	tree := open(t, files)
	id := func(p string) source.ID {
		t.Helper()
		got, err := tree.ID(p)
		if err != nil || got == "" {
			t.Errorf("ID %s: %q, %v", p, got, err)
		}
		return got
	}
	if id("a/x") != id("b/x") || id("a") != id("b") || id("d") != id("a/x") {
		t.Error("equal content has different ids")
	}
	if id("a") == id("c") || id("a/x") == id("c/x") {
		t.Error("different content has equal ids")
	}
	if id("a") == id("e") {
		t.Error("an executable bit does not change the id of the directory")
	}
	if id("link") == id("a") {
		t.Error("ID follows a symlink in the last element")
	}
	if id("link/x") != id("a/x") {
		t.Error("ID does not follow a symlink on the way")
	}
	root := id(".")
	if same, _ := open(t, maps.Clone(files)).ID("."); same != root {
		t.Error("the same files have another id")
	}
	files["c/x"] = "3"
	if other, _ := open(t, files).ID("."); other == root {
		t.Error("other files have the same id")
	}
}

func absent(t *testing.T, open func(*testing.T, Files) source.Tree) {
	tree := open(t, Files{"a/x": "1", "dangling": Link("nowhere"), "dir": Link("a")})
	for _, p := range []string{"b", "a/y", "a/x/y", "dangling", "dangling/x", "dir/y"} {
		_, readErr := tree.ReadFile(p)
		_, statErr := tree.Stat(p)
		_, dirErr := tree.ReadDir(p)
		_, openErr := tree.Open(p)
		for _, err := range []error{readErr, statErr, dirErr, openErr} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v; want fs.ErrNotExist", p, err)
			}
		}
		if strings.HasSuffix(p, "dangling") {
			continue
		}
		if _, err := tree.ID(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ID %s: %v; want fs.ErrNotExist", p, err)
		}
		if _, err := tree.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Lstat %s: %v; want fs.ErrNotExist", p, err)
		}
	}
	if _, err := tree.ReadDir("a/x"); err == nil {
		t.Error("ReadDir of a file succeeded")
	}
}

// diff compares trees by all that they say of every path, and by source.Diff.
func diff(t *testing.T, open func(*testing.T, Files) source.Tree) {
	files := Files{"a/x": "1", "a/deep/er/y": "1", "b/x": "1", "b-c": "1", "b.d/z": "1", "c": "1", "link": Link("a"), "same/one/two": "1"}
	before := open(t, files)
	for name, edit := range map[string]func(Files){
		"nothing":                 func(Files) {},
		"content":                 func(f Files) { f["a/deep/er/y"] = "2" },
		"executable":              func(f Files) { f["b/x"] = Executable("1") },
		"a file for a directory":  func(f Files) { delete(f, "b/x"); f["b"] = "1" },
		"a directory for a file":  func(f Files) { delete(f, "c"); f["c/x"] = "1" },
		"a link for a directory":  func(f Files) { delete(f, "b/x"); f["b"] = Link("a") },
		"a file with a link's id": func(f Files) { f["link"] = "a" },
		"gone":                    func(f Files) { delete(f, "a/x"); delete(f, "a/deep/er/y") },
		"new":                     func(f Files) { f["a-b/new/er"], f["z"] = "1", "1" },
		"moved":                   func(f Files) { delete(f, "b-c"); f["b/c"] = "1" },
	} {
		edited := maps.Clone(files)
		edit(edited)
		after := open(t, edited)
		want := compared(t, before, after)
		for _, b := range []source.Tree{before, struct{ source.Tree }{before}} { // the second does not tell all at once
			got, err := source.Diff(b, after)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			slices.Sort(got.Dirs)
			slices.Sort(got.Names)
			if !slices.Equal(got.Dirs, want.Dirs) || !slices.Equal(got.Names, want.Names) {
				t.Errorf("%s: got\n%q, want\n%q", name, got, want)
			}
		}
	}
}

// compared finds out slowly what source.Diff says.
func compared(t *testing.T, before, after source.Tree) (want source.Difference) {
	walk := func(tree source.Tree) (kinds map[string]fs.FileMode, ids map[string]source.ID) {
		kinds, ids = map[string]fs.FileMode{}, map[string]source.ID{}
		err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
			if err == nil {
				kinds[p] = d.Type()
				ids[p], err = tree.ID(p)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return kinds, ids
	}
	kindsA, idsA := walk(before)
	kindsB, idsB := walk(after)
	isDir := func(kinds map[string]fs.FileMode, p string) bool { kind, ok := kinds[p]; return ok && kind.IsDir() }
	for p := range kindsA {
		if kindsA[p].IsDir() && (idsA[p] != idsB[p] || !isDir(kindsB, p)) {
			want.Dirs = append(want.Dirs, p)
		}
	}
	all := maps.Clone(kindsA)
	maps.Copy(all, kindsB)
	for p := range all {
		a, inA := kindsA[p]
		b, inB := kindsB[p]
		if dir := path.Dir(p); (inA != inB || a != b) && isDir(kindsA, dir) && isDir(kindsB, dir) {
			want.Names = append(want.Names, p)
		}
	}
	slices.Sort(want.Dirs)
	slices.Sort(want.Names)
	return want
}
