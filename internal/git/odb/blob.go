package odb

import (
	"bytes"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Reading ahead: who opens a file of a directory opens most of them, and one question for thirty costs what one for
// one does.
const (
	aheadFiles = 64
	aheadBytes = 256 << 10 // of one file; a larger one is read when it is asked for
)

// blob returns the content of a file, never to be changed. The siblings are read with it while Git is asked anyway.
func (s *Store) blob(id source.ID, siblings *dir) ([]byte, error) {
	if data, ok := s.cachedBlob(id); ok {
		return data, nil
	}
	if ahead := s.uncached(id, siblings); len(ahead) > 1 {
		s.readAhead(ahead)
		if data, ok := s.cachedBlob(id); ok {
			return data, nil
		}
	}
	data, err := s.load(id, "blob", s.limits.Blob)
	if err != nil {
		return nil, err
	}
	s.cache.put(id, data, int64(len(data)))
	return data, nil
}

// uncached lists id and those files beside it that are not in the cache.
func (s *Store) uncached(id source.ID, siblings *dir) []source.ID {
	ids := []source.ID{id}
	if siblings == nil {
		return ids
	}
	for i, p := range siblings.places {
		if len(ids) == aheadFiles {
			break
		}
		if p.mode == modeTree || p.mode == modeSubmodule {
			continue
		}
		sibling := siblings.id(i)
		if _, ok := s.cache.get(sibling); !ok && sibling != id {
			ids = append(ids, sibling)
		}
	}
	return ids
}

// readAhead puts those of the blobs into the cache that are small. An error is left to who asks for the one blob.
func (s *Store) readAhead(ids []source.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.with(func(p *process) error {
		heads, err := p.infos(ids)
		if err != nil {
			return err
		}
		small, most := ids[:0:0], min(aheadBytes, s.limits.Blob)
		for i, h := range heads {
			if h.kind == "blob" && h.size <= most {
				small = append(small, ids[i])
			}
		}
		all, err := p.contents(small, most)
		for i, data := range all {
			if data != nil && err == nil {
				s.cache.put(small[i], data, int64(len(data)))
			}
		}
		return err
	})
}

// size returns the size of a file without reading it; 0 if it is missing.
func (s *Store) size(id source.ID) int64 {
	if data, ok := s.cachedBlob(id); ok {
		return int64(len(data))
	}
	h, err := s.info(id)
	if err != nil || h.kind == "" {
		s.damaged.Store(true)
	}
	return h.size
}

func (s *Store) cachedBlob(id source.ID) ([]byte, bool) {
	v, _ := s.cache.get(id)
	data, ok := v.([]byte)
	return data, ok
}

// refusePointer says that a file holds a Git LFS pointer where its content should be.
func refusePointer(data []byte) error {
	const maxPointer = 1024
	if len(data) > maxPointer || !bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/spec/")) {
		return nil
	}
	return fault.Newf(fault.Invalid, "the file is a Git LFS pointer, and Fairlead does not fetch from LFS: store the file itself in Git")
}
