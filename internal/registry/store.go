package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// store keeps files in a directory, and drops those that were not used for the longest time when they get too large. Its names are digests.
type store struct {
	dir string
	max int64
	now func() time.Time
}

const tempMark = ".new-"

// put writes a file: it is there as a whole or not at all.
func (s store) put(kind, name string, data []byte) error {
	dir := filepath.Join(s.dir, kind)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep %s in %s: %w", kind, s.dir, err)
	}
	f, err := os.CreateTemp(dir, tempMark)
	if err != nil {
		return fmt.Errorf("keep %s in %s: %w", kind, s.dir, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("keep %s in %s: %w", kind, s.dir, err)
	}
	return nil
}

// read returns a file; false if there is none that can be read and is no larger than most.
func (s store) read(kind, name string, most int64) ([]byte, bool) {
	path := filepath.Join(s.dir, kind, name)
	info, err := os.Stat(path)
	if err != nil || info.Size() > most {
		return nil, false
	}
	data, err := os.ReadFile(path) //nolint:gosec // the name is a digest
	return data, err == nil
}

// touch says that a file is in use.
func (s store) touch(kind, name string) {
	now := s.now()
	_ = os.Chtimes(filepath.Join(s.dir, kind, name), now, now) // it only goes a little earlier
}

func (s store) remove(kind, name string) { _ = os.Remove(filepath.Join(s.dir, kind, name)) }

func (s store) putJSON(kind, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep %s in %s: %w", kind, s.dir, err)
	}
	return s.put(kind, name, data)
}

func (s store) readJSON(kind, name string, v any) bool {
	data, ok := s.read(kind, name, 1<<20)
	return ok && json.Unmarshal(data, v) == nil
}

// trim removes what was not used for the longest time until the rest is within the bound, and what a process that was killed left half written. Files that are
// named are kept.
func (s store) trim(keep ...string) error {
	type file struct {
		path string
		size int64
		used time.Time
	}
	var all []file
	var sum int64
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		if strings.HasPrefix(d.Name(), tempMark) {
			if s.now().Sub(info.ModTime()) > time.Hour {
				return ignoreGone(os.Remove(path))
			}
			return nil
		}
		sum += info.Size() + 4096
		all = append(all, file{path, info.Size() + 4096, info.ModTime()})
		return nil
	})
	if err != nil {
		return fmt.Errorf("tidy the cache of charts: %w", err)
	}
	slices.SortFunc(all, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range all {
		if sum <= s.max {
			break
		}
		if slices.Contains(keep, filepath.Base(f.path)) {
			continue
		}
		if err := os.Remove(f.path); ignoreGone(err) != nil {
			return fmt.Errorf("tidy the cache of charts: %w", err)
		}
		sum -= f.size
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
