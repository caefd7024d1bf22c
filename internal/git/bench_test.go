package git_test

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
)

// benchmarks run on the workload of 5,000 apps of four files each.
func workload() map[string]string {
	files := map[string]string{}
	for i := range 5000 {
		for _, name := range []string{"kustomization", "config", "service", "deployment"} {
			files[fmt.Sprintf("apps/app-%04d/%s.yaml", i, name)] = fmt.Sprintf("kind: %s\nname: app-%d\n", name, i)
		}
	}
	return files
}

func BenchmarkOneLine(b *testing.B) {
	w, m := benchWorld(b)
	w.head(m)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		path := fmt.Sprintf("apps/app-%04d/config.yaml", i%5000)
		w.commit("main", "next", gitserver.Write(path, fmt.Sprint("changed ", i)))
		b.StartTimer()
		s := w.head(m)
		w.read(s, path)
		if _, err := s.Tree.ReadDir("apps"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadAll(b *testing.B) {
	w, m := benchWorld(b)
	w.head(m)
	for b.Loop() {
		fresh := w.mirrorIn(b.TempDir(), git.Options{})
		s := w.head(fresh)
		n := 0
		w.must(fs.WalkDir(s.Tree, ".", func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = s.Tree.ReadFile(path)
				n++
			}
			return err
		}))
		if n != 20000 {
			b.Fatal(n)
		}
	}
}

func benchWorld(b *testing.B) (*world, *git.Mirror) {
	w := newWorld(b, gitserver.Options{}, "")
	w.commit("main", "all", gitserver.Files(workload()))
	w.git(w.repo.Dir, "repack", "-adq")
	return w, w.mirror()
}
