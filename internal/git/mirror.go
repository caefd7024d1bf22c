package git

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Mirror is the bare mirror of one repository. It is safe for concurrent use: talking to the server goes one by one,
// and snapshots are read meanwhile.
type Mirror struct {
	url     string // as the user wrote it
	dir     string
	o       Options
	lock    *os.File
	store   *odb.Store
	remote  transport
	context context.Context // of what runs in the background
	cancel  context.CancelFunc
	work    sync.WaitGroup
	tidying atomic.Bool

	turn chan struct{} // holds one token: who has it talks to the server, and owns what is below

	bare     *bare
	kept     map[string]source.Commit // by keyOf the ref
	searched map[source.Commit]string // commits that were looked for in vain, and in which refs
}

// Open opens the mirror of the repository at url in dir, a directory of its own, which is made if it does not exist.
// What a killed process left there is repaired or made anew. It does not talk to the server.
// A dir that another Mirror has open is, after a second, an error of kind fault.Conflict.
func Open(dir, url string, o Options) (*Mirror, error) {
	o = o.withDefaults()
	remote, err := newTransport(dir, url, upload, o)
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open mirror: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open mirror of %s: %w", url, err)
	}
	m := &Mirror{url: url, dir: dir, o: o, lock: lock, remote: remote, turn: make(chan struct{}, 1), searched: map[source.Commit]string{}}
	m.context, m.cancel = context.WithCancel(context.Background())
	if m.bare, err = openBare(filepath.Join(dir, "repo.git")); err == nil {
		b := m.bare
		m.store = odb.Open(func() *exec.Cmd { return b.command(m.context, "cat-file", "--batch-command", "--buffer") }, o.Read)
		err = m.check()
	}
	if err != nil {
		_ = m.Close()
		return nil, fmt.Errorf("open mirror of %s: %w", url, err)
	}
	m.turn <- struct{}{}
	return m, nil
}

func newTransport(dir, url string, s service, o Options) (transport, error) {
	a, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if a.scheme == "ssh" && o.SSH != "" {
		return &sshProgram{a, s, o}, nil
	}
	if a.scheme == "ssh" {
		return newSSH(a, dir, s, o), nil
	}
	return newHTTP(a, s, o)
}

func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = lockFile(f)
	// A process that was killed while it started another one holds its files for a moment longer, through its child.
	for range 40 {
		if err == nil {
			return f, nil
		}
		time.Sleep(25 * time.Millisecond)
		err = lockFile(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, fault.Newf(fault.Conflict, "lock %s: another process or mirror uses it: %w", dir, err)
	}
	return f, nil
}

// check reads what the mirror keeps, and empties it if something of that is not there.
func (m *Mirror) check() error {
	var err error
	if m.kept, err = m.bare.kept(); err != nil {
		return err
	}
	for _, id := range m.kept {
		c, err := m.store.Commit(id)
		if err != nil {
			return m.rebuild(m.bare.format)
		}
		_, err = m.store.Tree(c.Tree).ReadDir(".")
		if err != nil && fault.KindOf(err) != fault.Invalid { // a tree that is refused is there
			return m.rebuild(m.bare.format)
		}
	}
	return m.pruneShallow()
}

// pruneShallow forgets shallow commits that never arrived: a fetch notes them before it adds the pack.
func (m *Mirror) pruneShallow() error {
	ids, err := m.bare.shallow()
	if err != nil {
		return err
	}
	var there []string
	for _, id := range ids {
		ok, err := m.store.Has(source.ID(id))
		if err != nil {
			return m.rebuild(m.bare.format)
		}
		if ok {
			there = append(there, id)
		}
	}
	if len(there) == len(ids) {
		return nil
	}
	return m.bare.setShallow(there)
}

// rebuild empties the mirror.
func (m *Mirror) rebuild(format string) error {
	if err := m.bare.recreate(format); err != nil {
		return err
	}
	m.kept = map[string]source.Commit{}
	m.searched = map[source.Commit]string{}
	m.store.Reset()
	return nil
}

// take waits for the turn to talk to the server; the caller calls give.
func (m *Mirror) take(ctx context.Context) error {
	select {
	case <-m.turn:
		return nil
	case <-ctx.Done():
		return fault.Newf(fault.Transient, "wait for another fetch: %w", ctx.Err())
	case <-m.context.Done():
		return fault.Newf(fault.Transient, "the mirror is closed")
	}
}

// bound ends an exchange that nobody else does.
func (m *Mirror) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, m.o.Timeout)
}

func (m *Mirror) give() { m.turn <- struct{}{} }

// Close ends what runs and unlocks the directory. Nothing may be called afterwards; a Snapshot's reads fail.
func (m *Mirror) Close() error {
	m.cancel()
	m.work.Wait()
	if m.store != nil {
		m.store.Close()
	}
	m.remote.close()
	if err := m.lock.Close(); err != nil {
		return fmt.Errorf("close mirror of %s: %w", m.url, err)
	}
	return nil
}
