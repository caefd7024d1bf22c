package odb

import (
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// ErrMissing says that an object is not in the repository, or cannot be read from it.
var ErrMissing = errors.New("object is missing from the mirror")

// Store reads objects by id. It is safe for concurrent use; its methods block on a local process only.
type Store struct {
	command func() *exec.Cmd
	limits  Limits
	cache   *cache
	damaged atomic.Bool

	mu     sync.Mutex // held while the process is talked to
	proc   *process
	closed bool
}

// Open returns a store that reads through the process that command describes: git cat-file --batch-command --buffer.
// It is started at the first read, and again should it die.
func Open(command func() *exec.Cmd, l Limits) *Store {
	l = l.withDefaults()
	return &Store{command: command, limits: l, cache: newCache(l.Cache)}
}

// Close stops the process. Reads of what is not cached fail from then on.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.drop()
}

// Reset makes the next read start a new process: the repository was replaced.
func (s *Store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged.Store(false)
	s.drop()
}

// Damaged says whether an object was missing that another object of the repository needs.
func (s *Store) Damaged() bool { return s.damaged.Load() }

func (s *Store) drop() {
	if s.proc != nil {
		s.proc.stop()
		s.proc = nil
	}
}

// with runs f against a running process. A process that died is replaced once: it may have met an object that is
// broken on disk, and then the second dies too.
func (s *Store) with(f func(*process) error) error {
	var err error
	for range 2 {
		if s.closed {
			return errors.New("read object: the mirror is closed")
		}
		if s.proc == nil {
			if s.proc, err = start(s.command()); err != nil {
				return err
			}
		}
		if err = f(s.proc); err == nil || !s.proc.broken {
			return err
		}
		s.drop()
	}
	return err
}

// load returns the bytes of an object that is needed by something else: that it is missing is damage.
func (s *Store) load(id source.ID, kind string, limit int64) ([]byte, error) {
	data, err := s.read(id, kind, limit)
	if errors.Is(err, ErrMissing) {
		s.damaged.Store(true)
	}
	return data, err
}

// read returns the bytes of the object, or ErrMissing, or why it is refused.
func (s *Store) read(id source.ID, kind string, limit int64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var data []byte
	var refused error
	err := s.with(func(p *process) error {
		heads, err := p.infos([]source.ID{id})
		if err != nil {
			return err
		}
		if refused = check(heads[0], kind, limit); refused != nil {
			return nil
		}
		all, err := p.contents([]source.ID{id}, limit)
		if err != nil {
			return err
		}
		if data = all[0]; data == nil {
			refused = ErrMissing
		}
		return nil
	})
	if err == nil {
		err = refused
	} else {
		err = fmt.Errorf("%w: %w", ErrMissing, err)
	}
	if err != nil {
		return nil, fault.New(kindOf(err), fmt.Errorf("read %s %s: %w", kind, id, err))
	}
	return data, nil
}

// check says why an object with that header cannot be used as kind.
func check(h header, kind string, limit int64) error {
	switch {
	case h.kind == "":
		return ErrMissing
	case h.kind != kind:
		return fault.Newf(fault.Invalid, "it is a %s", h.kind)
	case h.size > limit:
		return fault.Newf(fault.Invalid, "%d bytes are more than the limit of %d", h.size, limit)
	}
	return nil
}

// kindOf makes a missing object transient: the mirror fetches it anew.
func kindOf(err error) fault.Kind {
	if errors.Is(err, ErrMissing) {
		return fault.Transient
	}
	return fault.KindOf(err)
}

// Has says whether the repository holds the object.
func (s *Store) Has(id source.ID) (bool, error) {
	h, err := s.info(id)
	return h.kind != "", err
}

func (s *Store) info(id source.ID) (header, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var h header
	err := s.with(func(p *process) error {
		heads, err := p.infos([]source.ID{id})
		if err == nil {
			h = heads[0]
		}
		return err
	})
	return h, err
}

// maxSaid bounds what a commit or a tag says, in bytes.
const maxSaid = 1 << 20

// Said returns a commit or a tag as it is stored. It is ErrMissing if the repository does not hold it.
func (s *Store) Said(kind string, id source.ID) ([]byte, error) { return s.read(id, kind, maxSaid) }

// Commit returns the commit. It is ErrMissing if the repository does not hold it. Commits are not cached.
func (s *Store) Commit(id source.Commit) (Commit, error) {
	data, err := s.Said("commit", source.ID(id))
	if err != nil {
		return Commit{}, err
	}
	c, err := parseCommit(data)
	if err != nil {
		return Commit{}, fault.Newf(fault.Invalid, "read commit %s: %w", id, err)
	}
	return c, nil
}

// Tree returns the tree with that id. It reads nothing yet.
func (s *Store) Tree(root source.ID) source.Tree { return &Tree{store: s, root: root} }
