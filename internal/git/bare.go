package git

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// bare is the bare repository of a mirror on disk. It is written without the git command: it takes four files.
type bare struct {
	dir    string
	format string // sha1 or sha256
}

// keptRefs is the directory of the refs that keep what was fetched from being collected. Names are hashes, so that a
// branch a and a branch a/b never stand in each other's way.
const keptRefs = "refs/fairlead"

// The configuration has no fsync: what a power cut damages is fetched anew. A file larger than the threshold goes
// through git in pieces, so that a small pack cannot ask for much memory.
const config = `[core]
	repositoryformatversion = %d
	bare = true
	fsync = none
	hooksPath = /dev/null
	bigFileThreshold = 16m
[gc]
	auto = 0
	packRefs = false
[maintenance]
	auto = false
[pack]
	threads = 2
`

func configFor(format string) string {
	if format == "sha256" {
		return fmt.Sprintf(config, 1) + "[extensions]\n\tobjectformat = sha256\n"
	}
	return fmt.Sprintf(config, 0)
}

// openBare opens the repository in dir, or makes an empty one there if it is not as we would have made it.
func openBare(dir string) (*bare, error) {
	text, err := os.ReadFile(filepath.Join(dir, "config"))
	if err == nil {
		for _, format := range []string{"sha1", "sha256"} {
			b := &bare{dir: dir, format: format}
			if string(text) == configFor(format) && b.whole() {
				return b, b.sweep()
			}
		}
	}
	b := &bare{dir: dir, format: "sha1"}
	return b, b.recreate("sha1")
}

// whole says whether the files are there that git wants to see. The config is written last.
func (b *bare) whole() bool {
	for _, name := range []string{"HEAD", "objects/pack", keptRefs} {
		if _, err := os.Stat(filepath.Join(b.dir, name)); err != nil {
			return false
		}
	}
	return true
}

// recreate replaces the repository by an empty one.
func (b *bare) recreate(format string) error {
	b.format = format
	if err := os.RemoveAll(b.dir); err != nil {
		return fmt.Errorf("remove mirror: %w", err)
	}
	for _, name := range []string{"objects/pack", "objects/info", keptRefs} {
		if err := os.MkdirAll(filepath.Join(b.dir, name), 0o700); err != nil {
			return fmt.Errorf("create mirror: %w", err)
		}
	}
	for _, f := range []struct{ name, text string }{{"HEAD", "ref: refs/heads/none\n"}, {"config", configFor(format)}} {
		if err := os.WriteFile(filepath.Join(b.dir, f.name), []byte(f.text), 0o600); err != nil {
			return fmt.Errorf("create mirror: %w", err)
		}
	}
	return nil
}

// sweep removes what a killed process left: lock files and half packs. The mirror's own lock says that no one else is at work.
func (b *bare) sweep() error {
	for _, pattern := range []string{"*.lock", "shallow_*", "objects/pack/tmp_*", "objects/pack/.tmp-*", keptRefs + "/*.new"} {
		names, err := filepath.Glob(filepath.Join(b.dir, pattern))
		if err != nil {
			return fmt.Errorf("sweep mirror: %w", err)
		}
		for _, name := range names {
			if err := os.RemoveAll(name); err != nil {
				return fmt.Errorf("sweep mirror: %w", err)
			}
		}
	}
	return nil
}

// kept reads what each kept ref names, by the key it was kept under. A ref that cannot be read is not kept.
func (b *bare) kept() (map[string]source.Commit, error) {
	files, err := os.ReadDir(filepath.Join(b.dir, keptRefs))
	if err != nil {
		return nil, fmt.Errorf("read mirror's refs: %w", err)
	}
	kept := map[string]source.Commit{}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(b.dir, keptRefs, f.Name()))
		id := source.Commit(strings.TrimSpace(string(data)))
		if err == nil && isCommit(id) {
			kept[f.Name()] = id
		}
	}
	return kept, nil
}

// keep makes a ref under the key: what it names stays in the repository.
func (b *bare) keep(key string, id source.Commit) error {
	return b.replace(filepath.Join(keptRefs, key), []byte(id+"\n"))
}

// keyOf is the key that a followed ref is kept under.
func keyOf(r source.Ref) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", r.Branch, r.Tag, r.SemVer, r.Commit))
	return hex.EncodeToString(sum[:16])
}

// shallow reads the commits whose parents are not in the repository.
func (b *bare) shallow() ([]string, error) {
	data, err := os.ReadFile(filepath.Join(b.dir, "shallow"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read mirror's shallow commits: %w", err)
	}
	ids := strings.Fields(string(data))
	return slices.DeleteFunc(ids, func(id string) bool { return !isCommit(source.Commit(id)) }), nil
}

func (b *bare) setShallow(ids []string) error {
	if len(ids) == 0 {
		err := os.Remove(filepath.Join(b.dir, "shallow"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return b.replace("shallow", []byte(strings.Join(ids, "\n")+"\n"))
}

// replace writes a file as a whole or not at all.
func (b *bare) replace(name string, data []byte) error {
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write mirror: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write mirror: %w", err)
	}
	return nil
}

func isCommit(id source.Commit) bool {
	return (len(id) == 40 || len(id) == 64) && strings.Trim(string(id), "0123456789abcdef") == ""
}
