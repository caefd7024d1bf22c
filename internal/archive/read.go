package archive

import (
	"archive/tar"
	"bufio"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Options are the bounds of an archive, and what it may hold. A zero bound stands for its default.
type Options struct {
	Bytes int64 // of all files together, unpacked: 64 MiB
	Files int   // files and directories: 20,000
	Links bool  // it may hold symlinks
	Strip bool  // all of it is below one directory, which is not part of the paths
}

// Bounds of a path. What Git, a file system or Kubernetes can hold is shorter.
const (
	maxPath  = 1024
	maxDepth = 64
)

// Read reads an archive to its end.
func Read(r io.Reader, o Options) (*Tree, error) {
	o.Bytes, o.Files = cmp.Or(o.Bytes, 64<<20), cmp.Or(o.Files, 20_000)
	plain, err := unzipped(r)
	if err != nil {
		return nil, err
	}
	u := unpacker{o: o, build: newBuilder()}
	// The headers of a tar are read besides the files: they are bounded as well, since a small archive can unpack to headers without end.
	in := &bounded{r: plain, left: o.Bytes + int64(o.Files)*1024 + 1<<20, max: o.Bytes}
	files := tar.NewReader(in)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return u.build.tree(), nil
		}
		if err == nil {
			err = u.add(h, files)
		}
		if err != nil {
			return nil, malformed(err)
		}
	}
}

// unzipped looks at the first bytes: a gzip, or the tar itself.
func unzipped(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	magic, err := b.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if string(magic) != "\x1f\x8b" {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, malformed(err)
	}
	return z, nil
}

func malformed(err error) error {
	if fault.KindOf(err) == fault.Invalid {
		return fmt.Errorf("read archive: %w", err)
	}
	return fault.Newf(fault.Invalid, "read archive: it is no tar, or damaged: %w", err)
}

// bounded ends with an error where more comes than may.
type bounded struct {
	r         io.Reader
	left, max int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, tooLarge(b.max)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func tooLarge(most int64) error {
	return fault.Newf(fault.Invalid, "it is larger than %d MiB when it is unpacked", most>>20)
}

type unpacker struct {
	o     Options
	build *builder
	bytes int64
	count int
	top   string // the directory that is stripped
}

func (u *unpacker) add(h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := u.name(h.Name, h.Typeflag == tar.TypeDir)
	if err != nil || name == "" {
		return err
	}
	if u.count++; u.count > u.o.Files {
		return fault.Newf(fault.Invalid, "it holds more than %d files and directories", u.o.Files)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return nil // as in Git, a directory is there if something is in it
	case tar.TypeReg:
	case tar.TypeSymlink:
		if !u.o.Links {
			return fault.Newf(fault.Invalid, "%s is a symlink, which is refused here", name)
		}
		if len(h.Linkname) > maxPath || h.Linkname == "" {
			return fault.Newf(fault.Invalid, "the symlink %s leads to no path", name)
		}
		return u.build.add(name, fs.ModeSymlink|0o777, []byte(h.Linkname))
	default:
		return fault.Newf(fault.Invalid, "%s is neither a file nor a directory", name)
	}
	if u.bytes += h.Size; h.Size < 0 || u.bytes > u.o.Bytes {
		return tooLarge(u.o.Bytes)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if h.FileInfo().Mode()&0o111 != 0 {
		mode = 0o755
	}
	return u.build.add(name, mode, data)
}

// name is the path of an entry in the tree; empty if it is the root, or the directory that is stripped.
func (u *unpacker) name(text string, dir bool) (string, error) {
	name := strings.TrimPrefix(text, "./")
	if dir {
		name = strings.TrimSuffix(name, "/")
	}
	if (name == "" || name == ".") && dir {
		return "", nil
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
		return "", fault.Newf(fault.Invalid, "%q is no path within the archive", clip(text))
	}
	if len(name) > maxPath || strings.Count(name, "/") >= maxDepth {
		return "", fault.Newf(fault.Invalid, "the path %q is too long", clip(name))
	}
	if !u.o.Strip {
		return name, nil
	}
	top, rest, below := strings.Cut(name, "/")
	if u.top = cmp.Or(u.top, top); u.top != top || !below && !dir {
		return "", fault.Newf(fault.Invalid, "%s is not below the one directory %s, as all files of such an archive are", clip(name), clip(u.top))
	}
	return rest, nil
}

func clip(text string) string {
	if len(text) > 100 {
		return strings.ToValidUTF8(text[:100], "") + "…"
	}
	return text
}

// File is one file of [New].
type File struct {
	Mode fs.FileMode // zero: a plain file; with fs.ModeSymlink, Data is where it leads
	Data []byte
}

// New makes a tree of files, by their paths. The data is not copied.
func New(files map[string]File) (*Tree, error) {
	b := newBuilder()
	for name, f := range files {
		if !fs.ValidPath(name) || name == "." || len(name) > maxPath || strings.Count(name, "/") >= maxDepth {
			return nil, fault.Newf(fault.Invalid, "%q is no path of a file", clip(name))
		}
		if err := b.add(name, cmp.Or(f.Mode, 0o644), f.Data); err != nil {
			return nil, err
		}
	}
	return b.tree(), nil
}

// Overlay adds the files of other trees to those of the first; a path that is in two of them is an error.
func Overlay(trees ...*Tree) (*Tree, error) {
	files := map[string]File{}
	for _, t := range trees {
		for p, n := range t.nodes {
			if n.mode.IsDir() {
				continue
			}
			if _, twice := files[p]; twice {
				return nil, fault.Newf(fault.Invalid, "%s is there twice", p)
			}
			files[p] = File{Mode: n.mode, Data: n.data}
		}
	}
	return New(files)
}

// At moves all files of a tree below a directory.
func (t *Tree) At(dir string) (*Tree, error) {
	files := map[string]File{}
	for p, n := range t.nodes {
		if !n.mode.IsDir() {
			files[path.Join(dir, p)] = File{Mode: n.mode, Data: n.data}
		}
	}
	return New(files)
}
