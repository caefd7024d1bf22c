package golden

import (
	"flag"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what comes out to the files in testdata")

// Updating reports whether what comes out is to be written to the files, for tests of files that are run by others than Run.
func Updating() bool { return *update }

// Run has f put what comes out into each archive of a pattern, as a subtest named after the file. What f leaves out of the archive is no longer expected.
func Run(t *testing.T, pattern string, f func(t *testing.T, ar *txtar.Archive)) {
	t.Helper()
	for file, ar := range files(t, pattern) {
		t.Run(name(file), func(t *testing.T) {
			want := txtar.Format(ar)
			f(t, ar)
			got := txtar.Format(ar)
			switch d := diff.Diff("want", want, "got", got); {
			case len(d) == 0:
			case !*update:
				t.Errorf("%s: if this is as it should be, run the test with -update\n%s", file, d)
			default:
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// All are the archives of a pattern by the names of their files, without the ending.
func All(t testing.TB, pattern string) iter.Seq2[string, *txtar.Archive] {
	t.Helper()
	return func(yield func(string, *txtar.Archive) bool) {
		for file, ar := range files(t, pattern) {
			if !yield(name(file), ar) {
				return
			}
		}
	}
}

func files(t testing.TB, pattern string) iter.Seq2[string, *txtar.Archive] {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return func(yield func(string, *txtar.Archive) bool) {
		for _, file := range found {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(file, ar) {
				return
			}
		}
	}
}

func name(file string) string { return strings.TrimSuffix(filepath.Base(file), ".txtar") }

// Set makes text the content of a file of an archive: of the one that there is, or of one behind all others.
func Set(ar *txtar.Archive, name, text string) {
	for i := range ar.Files {
		if ar.Files[i].Name == name {
			ar.Files[i].Data = []byte(text)
			return
		}
	}
	ar.Files = append(ar.Files, txtar.File{Name: name, Data: []byte(text)})
}

// Drop takes files out of an archive.
func Drop(ar *txtar.Archive, names ...string) {
	ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool { return slices.Contains(names, f.Name) })
}
