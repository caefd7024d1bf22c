package git_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

func TestLock(t *testing.T) {
	w := newWorld(t, gitserver.Options{}, "")
	dir := t.TempDir()
	m := w.mirrorIn(dir, git.Options{})
	_, err := git.Open(dir, w.url, git.Options{})
	w.wantErr(err, fault.Conflict, "another process or mirror")
	w.must(m.Close())
	w.mirrorIn(dir, git.Options{})
}

// TestDamage: what a killed process or a bad disk leaves behind never stops us.
func TestDamage(t *testing.T) {
	each := func(dir, pattern string, do func(path string) error) error {
		paths, err := filepath.Glob(filepath.Join(dir, "repo.git", pattern))
		if err == nil && len(paths) == 0 {
			err = fmt.Errorf("no file matches %s", pattern)
		}
		for _, p := range paths {
			if err == nil {
				err = do(p)
			}
		}
		return err
	}
	cut := func(path string) error {
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	}
	write := func(name, text string) func(string) error {
		return func(dir string) error {
			path := filepath.Join(dir, "repo.git", name)
			return os.WriteFile(path, []byte(text), 0o600)
		}
	}
	for name, damage := range map[string]func(dir string) error{
		"no_repository": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "repo.git")) },
		"a_file":        func(dir string) error { return replaceByFile(filepath.Join(dir, "repo.git")) },
		"no_config":     func(dir string) error { return each(dir, "config", os.Remove) },
		"half_config":   func(dir string) error { return each(dir, "config", cut) },
		"no_head":       func(dir string) error { return each(dir, "HEAD", os.Remove) },
		"empty_head":    write("HEAD", ""),
		"no_packs":      func(dir string) error { return each(dir, "objects/pack/*", os.Remove) },
		"half_pack":     func(dir string) error { return each(dir, "objects/pack/*.pack", cut) },
		"half_index":    func(dir string) error { return each(dir, "objects/pack/*.idx", cut) },
		"index_only":    func(dir string) error { return each(dir, "objects/pack/*.pack", os.Remove) },
		"no_shallow":    func(dir string) error { return each(dir, "shallow", os.Remove) },
		"bad_shallow":   write("shallow", "rubbish\n"),
		"early_shallow": func(dir string) error { return write("shallow", strings.Repeat("1", 40)+"\n")(dir) },
		"shallow_lock":  write("shallow.lock", ""),
		"half_download": write("objects/pack/tmp_pack_123456", "PACK"),
		"empty_ref": func(dir string) error {
			return each(dir, "refs/fairlead/*", func(p string) error { return os.Truncate(p, 0) })
		},
		"no_refs":        func(dir string) error { return each(dir, "refs/fairlead/*", os.Remove) },
		"half_ref":       write("refs/fairlead/0123.new", "12"),
		"evil_config":    write("config", "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch /tmp/x\n"),
		"bits_in_a_pack": func(dir string) error { return each(dir, "objects/pack/*.pack", scramble) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, gitserver.Options{}, "")
			w.commit("main", "root", gitserver.Write("a", "0"), gitserver.Write("b/c", "x"))
			w.commit("main", "one", gitserver.Write("a", "1"))
			dir := t.TempDir()
			m := w.mirrorIn(dir, git.Options{})
			w.head(m)
			w.must(m.Close())
			w.must(damage(dir))
			m = w.mirrorIn(dir, git.Options{})
			w.heals(m)
			w.commit("main", "two", gitserver.Write("a", "2"), gitserver.Write("d", "2"))
			w.heals(m)
		})
	}
}

// TestDamageWhileOpen: the objects go while the mirror is at work, or all of it does.
func TestDamageWhileOpen(t *testing.T) {
	for name, damage := range map[string]func(*world, string){
		"objects": func(w *world, dir string) {
			w.must(os.RemoveAll(filepath.Join(dir, "repo.git", "objects")))
			w.must(os.MkdirAll(filepath.Join(dir, "repo.git", "objects", "pack"), 0o700))
		},
		"all": func(w *world, dir string) { w.must(os.RemoveAll(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, gitserver.Options{}, "")
			w.commit("main", "one", gitserver.Write("a", strings.Repeat("a long line\n", 500)), gitserver.Write("b/c", "x"))
			dir := filepath.Join(t.TempDir(), "mirror")
			m := w.mirrorIn(dir, git.Options{})
			w.head(m)
			damage(w, dir)
			w.commit("main", "two", gitserver.Write("a", strings.Repeat("a long line\n", 500)+"more"))
			w.heals(m)
		})
	}
}

// heals reads main until it is right, which has to be at the third try at the latest: a damage that shows when
// something is read makes that try fail, and one that shows when a pack is added the next.
func (w *world) heals(m *git.Mirror) {
	w.Helper()
	var last error
	for range 3 {
		found, err := m.Resolve(w.Context(), w.auth, []source.Ref{main})
		w.must(err)
		fetched, err := m.Fetch(w.Context(), w.auth, []source.Resolved{found[0].Resolved})
		if err == nil {
			s, serr := m.Snapshot(w.Context(), fetched[0].Commit)
			if err = serr; err == nil {
				if _, err = s.Tree.ReadFile("b/c"); err == nil {
					w.compareWithClone(s)
					return
				}
			}
		}
		if fault.KindOf(err) != fault.Transient {
			w.Errorf("%v is of kind %s", err, fault.KindOf(err))
		}
		last = err
	}
	w.Fatalf("the mirror does not heal: %v", last)
}

func replaceByFile(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte("x"), 0o600)
}

func scramble(path string) error {
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i := 12; i < len(data)-20; i++ {
		data[i] ^= 0x55
	}
	return os.WriteFile(path, data, 0o600)
}

// TestPacksAreJoined: months of commits do not become months of packs.
func TestPacksAreJoined(t *testing.T) {
	w := newWorld(t, gitserver.Options{}, "")
	dir := t.TempDir()
	m := w.mirrorIn(dir, git.Options{})
	first := w.commit("main", "first", gitserver.Write("a", "first"), gitserver.Write("b/c", "x"))
	for i := range 40 {
		w.head(m)
		w.commit("main", "next", gitserver.Write("a", fmt.Sprint(i)))
	}
	s := w.head(m)
	m.WaitForTidy()
	packs, err := filepath.Glob(filepath.Join(dir, "repo.git/objects/pack/*.pack"))
	w.must(err)
	if len(packs) > 20 {
		t.Errorf("%d packs", len(packs))
	}
	w.compareWithClone(s)
	if is, err := m.Forced(t.Context(), first, s.Commit); err != nil || is {
		t.Errorf("Forced = %v, %v", is, err)
	}
	old, err := m.Snapshot(t.Context(), first)
	w.must(err)
	if w.read(old, "a") != "first" {
		t.Error("wrong content of the first commit")
	}
}
