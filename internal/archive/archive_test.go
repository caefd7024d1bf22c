package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// packed makes an archive of headers; of a file, Linkname is what is in it.
func packed(t testing.TB, zip bool, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	if !zip {
		w = tar.NewWriter(&out)
	}
	for _, h := range headers {
		data := ""
		if h.Typeflag == tar.TypeReg {
			data, h.Linkname = h.Linkname, ""
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if zip {
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func file(name, data string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: data, Mode: 0o644}
}

// headersOf are the files of a test as entries of an archive.
func headersOf(files sourcetest.Files) []tar.Header {
	var all []tar.Header
	for _, name := range slices.Sorted(maps.Keys(files)) {
		tree := sourcetest.New(sourcetest.Files{name: files[name]})
		info, _ := tree.Lstat(name)
		h := tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm())}
		if info.Mode()&fs.ModeSymlink != 0 {
			h.Typeflag = tar.TypeSymlink
			h.Linkname, _ = tree.ReadLink(name)
		} else {
			data, _ := tree.ReadFile(name)
			h.Linkname = string(data)
		}
		all = append(all, h)
	}
	return all
}

func TestTree(t *testing.T) {
	for _, zip := range []bool{false, true} {
		t.Run(fmt.Sprintf("zipped %t", zip), func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T, files sourcetest.Files) source.Tree {
				tree, err := archive.Read(bytes.NewReader(packed(t, zip, headersOf(files)...)), archive.Options{Links: true})
				if err != nil {
					t.Fatal(err)
				}
				return tree
			})
		})
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat("a/", 100) + "b"
	for says, c := range map[string]struct {
		headers []tar.Header
		o       archive.Options
	}{
		`"../b" is no path within`:           {headers: []tar.Header{file("../b", "")}},
		`"a/../../b" is no path within`:      {headers: []tar.Header{file("a/../../b", "")}},
		`"/etc/passwd" is no path within`:    {headers: []tar.Header{file("/etc/passwd", "")}},
		`"a\\..\\b" is no path`:              {headers: []tar.Header{file(`a\..\b`, "")}},
		`a is there twice`:                   {headers: []tar.Header{file("a", "1"), file("a", "2")}},
		`a/b lies within a, which is a file`: {headers: []tar.Header{file("a", "1"), file("a/b", "2")}},
		`a is there twice `:                  {headers: []tar.Header{file("a/b", "1"), file("a", "2")}},
		`link is a symlink`:                  {headers: []tar.Header{{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "a"}}},
		`hard is neither a file`:             {headers: []tar.Header{file("a", ""), {Typeflag: tar.TypeLink, Name: "hard", Linkname: "a"}}},
		`null is neither a file`:             {headers: []tar.Header{{Typeflag: tar.TypeChar, Name: "null"}}},
		`is too long`:                        {headers: []tar.Header{file(deep, "")}},
		`it is larger than 1 MiB`:            {headers: []tar.Header{file("a", strings.Repeat("0", 1<<20)), file("b", "1")}, o: archive.Options{Bytes: 1 << 20}},
		`more than 2 files and directories`:  {headers: []tar.Header{file("a", ""), file("b", ""), file("c", "")}, o: archive.Options{Files: 2}},
		`other/b is not below the one`:       {headers: []tar.Header{file("web/a", ""), file("other/b", "")}, o: archive.Options{Strip: true}},
		`a is not below the one directory a`: {headers: []tar.Header{file("a", "")}, o: archive.Options{Strip: true}},
	} {
		_, err := archive.Read(bytes.NewReader(packed(t, true, c.headers...)), c.o)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(says)) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v; want %q", err, says)
		}
	}
	whole := packed(t, true, file("a", strings.Repeat("text", 1000)))
	for _, bad := range [][]byte{whole[:len(whole)/2], []byte("\x1f\x8b"), []byte("<html>"), append([]byte{}, whole[2:]...)} {
		if _, err := archive.Read(bytes.NewReader(bad), archive.Options{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
}

// A few bytes that say that they are a gigabyte cost no gigabyte.
func TestBomb(t *testing.T) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bomb", Size: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	_ = z.Close()
	_, err := archive.Read(bytes.NewReader(out.Bytes()), archive.Options{})
	if err == nil || !strings.Contains(err.Error(), "larger than 64 MiB when it is unpacked") {
		t.Error(err)
	}
}

func TestStrip(t *testing.T) {
	tree, err := archive.Read(bytes.NewReader(packed(t, true,
		tar.Header{Typeflag: tar.TypeDir, Name: "./"}, tar.Header{Typeflag: tar.TypeDir, Name: "web/"}, file("web/Chart.yaml", "name: web"), file("./web/templates/a.yaml", "a"),
	)), archive.Options{Strip: true})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := tree.ReadFile("templates/a.yaml"); string(data) != "a" || err != nil || tree.Files() != 2 || tree.Bytes() != 10 {
		t.Errorf("%q, %v, %d files, %d bytes", data, err, tree.Files(), tree.Bytes())
	}
}

func TestOverlay(t *testing.T) {
	a, errA := archive.New(map[string]archive.File{"x": {Data: []byte("1")}})
	b, errB := archive.New(map[string]archive.File{"y": {Data: []byte("2")}})
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	moved, err := b.At("deep/er")
	if err != nil {
		t.Fatal(err)
	}
	both, err := archive.Overlay(a, moved)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := both.ReadFile("deep/er/y"); string(data) != "2" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := archive.Overlay(a, a); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// FuzzRead: whatever the bytes are, they are a tree within its bounds or an error of kind invalid, and no path leads out of the tree.
func FuzzRead(f *testing.F) {
	f.Add(packed(f, false, file("web/Chart.yaml", "name: web")))
	f.Add(packed(f, true, file("web/Chart.yaml", "name: web"), tar.Header{Typeflag: tar.TypeSymlink, Name: "web/x", Linkname: "../../y"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := archive.Options{Bytes: 1 << 16, Files: 50, Links: true}
		tree, err := archive.Read(bytes.NewReader(data), o)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%v is of kind %s", err, fault.KindOf(err))
			}
			return
		}
		if tree.Bytes() > 1<<16+50*1024 || tree.Files() > 50 {
			t.Fatalf("%d bytes in %d files", tree.Bytes(), tree.Files())
		}
		_ = fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || !fs.ValidPath(p) {
				t.Fatal(p, err)
			}
			_, _ = tree.ReadFile(p)
			return nil
		})
	})
}
