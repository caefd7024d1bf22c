package localtree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/localtree"
)

// open makes a directory of files and links, with a secret beside it, and opens it.
func open(t *testing.T) (*localtree.Tree, string) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "repo")
	for name, text := range map[string]string{
		"../secret": "s", "apps/web/web.yaml": "kind: A\n", "apps/api/web.yaml": "kind: A\n", "base/b.yaml": "kind: B\n",
		".git/config": "[core]", "apps/.git": "gitdir: elsewhere",
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"apps/web/base": "../../base", "apps/web/out": "../../../secret", "apps/web/abs": filepath.Join(top, "secret"), "apps/web/gone": "nothing",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := localtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree, dir
}

func TestSymlinks(t *testing.T) {
	tree, _ := open(t)
	if data, err := tree.ReadFile("apps/web/base/b.yaml"); string(data) != "kind: B\n" {
		t.Errorf("a link within the tree: %q, %v", data, err)
	}
	for _, name := range []string{"apps/web/out", "apps/web/abs"} {
		if data, err := tree.ReadFile(name); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s leaves the tree: %q, %v", name, data, err)
		}
		if text, err := tree.ReadLink(name); text == "" || err != nil {
			t.Errorf("the text of %s: %q, %v", name, text, err)
		}
	}
	if _, err := tree.Stat("apps/web/gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link to nothing: %v", err)
	}
}

// TestPipe: whoever read one would wait for ever.
func TestPipe(t *testing.T) {
	tree, dir := open(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "apps/web/pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.ReadFile("apps/web/pipe.yaml"); fault.KindOf(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), "apps/web/pipe.yaml: it is no file, but a pipe") {
		t.Errorf("a pipe: %v", err)
	}
}

func TestGitIsHidden(t *testing.T) {
	tree, _ := open(t)
	for _, name := range []string{".git", ".git/config", "apps/.git"} {
		if _, err := tree.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := tree.ReadDir(".")
	if err != nil || len(entries) != 2 {
		t.Errorf("the root has %v, %v", entries, err)
	}
}

// TestID holds that equal content has an equal id, and other content another.
func TestID(t *testing.T) {
	tree, dir := open(t)
	id := func(name string) string {
		t.Helper()
		id, err := tree.ID(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(id)
	}
	if id("apps/web/web.yaml") != id("apps/api/web.yaml") || id("apps/web/web.yaml") == id("base/b.yaml") || id("apps/web/base") == id("base") {
		t.Error("the id of a file does not go by its content")
	}
	before, other := id("apps/api"), id("base")
	if err := os.WriteFile(filepath.Join(dir, "apps/api/web.yaml"), []byte("kind: C\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id("apps/api") == before || id("base") != other {
		t.Error("the id of a directory does not go by what is below it")
	}
	if _, err := tree.ID("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the id of nothing: %v", err)
	}
}

// TestFS runs the checks of the standard library on a tree without links that lead nowhere.
func TestFS(t *testing.T) {
	tree, dir := open(t)
	for _, link := range []string{"out", "abs", "gone"} {
		if err := os.Remove(filepath.Join(dir, "apps/web", link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := fstest.TestFS(tree, "apps/web/web.yaml", "base/b.yaml"); err != nil {
		t.Error(err)
	}
}
