package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
)

// Store is a database with a chain of records. It may be used by several goroutines, and the database by several processes.
type Store struct {
	db      *sql.DB
	dialect dialect
	file    os.FileInfo // of SQLite, as it was opened
	path    string
	now     func() time.Time
}

// version is that of the tables. A store that a later one made is not touched.
const version = 1

// schema is what a store has. Times are microseconds since 1970.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS fairlead_history (
		seq LONG PRIMARY KEY, key TEXT NOT NULL UNIQUE, at LONG NOT NULL, kind TEXT NOT NULL, phase TEXT NOT NULL,
		namespace TEXT NOT NULL, environment TEXT NOT NULL, app TEXT NOT NULL, line TEXT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS fairlead_history_last ON fairlead_history (namespace, environment, app, kind, phase, at, seq)`,
	`CREATE INDEX IF NOT EXISTS fairlead_history_at ON fairlead_history (at, seq)`,
	`CREATE TABLE IF NOT EXISTS fairlead_history_end (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, seq LONG NOT NULL, hash TEXT NOT NULL)`,
}

// Create opens the store at an address, and makes what it lacks: the file of SQLite, and the tables. The database of PostgreSQL has to be there.
func Create(ctx context.Context, address string) (*Store, error) { return open(ctx, address, true) }

// Open opens a store that is there.
func Open(ctx context.Context, address string) (*Store, error) { return open(ctx, address, false) }

func open(ctx context.Context, address string, create bool) (*Store, error) {
	db, d, err := connect(address, create)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, dialect: d, now: time.Now}
	if create {
		err = s.write(ctx, func(tx *sql.Tx) error { return s.prepare(ctx, tx) })
	} else {
		err = s.read(ctx, func(tx *sql.Tx) error { return s.known(ctx, tx) })
	}
	if err != nil {
		_ = db.Close()
		return nil, s.say("open the store at "+Name(address), err)
	}
	if d.name == lite.name {
		s.path = filePath(address)
		if s.file, err = os.Stat(s.path); err != nil {
			_ = db.Close()
			return nil, s.say("open the store at "+Name(address), err)
		}
	}
	return s, nil
}

// Moved reports whether the file of SQLite is not the one any more that was opened: somebody removed it, or put another one in its place. What is appended then is
// nowhere. A file that cannot be looked at for another reason counts as the same.
func (s *Store) Moved() bool {
	if s.path == "" {
		return false
	}
	is, err := os.Stat(s.path)
	return err == nil && !os.SameFile(is, s.file) || errors.Is(err, os.ErrNotExist)
}

// Close lets the database go.
func (s *Store) Close() error { return s.db.Close() }

// prepare makes the tables that are missing.
func (s *Store) prepare(ctx context.Context, tx *sql.Tx) error {
	if s.dialect.numbered {
		// Two that make tables at once would get in each other's way. The number is a name for this lock.
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7305790181)"); err != nil {
			return err
		}
	}
	for _, statement := range schema {
		if _, err := tx.ExecContext(ctx, s.dialect.sql(statement)); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, s.dialect.sql(`INSERT INTO fairlead_history_end VALUES (1, ?, 0, ?) ON CONFLICT (one) DO NOTHING`), version, history.Hash{}.String()); err != nil {
		return err
	}
	return s.known(ctx, tx)
}

// known refuses tables of a later version.
func (s *Store) known(ctx context.Context, tx *sql.Tx) error {
	var found int
	if err := tx.QueryRowContext(ctx, `SELECT version FROM fairlead_history_end WHERE one = 1`).Scan(&found); err != nil {
		return err
	}
	if found != version {
		return fault.Newf(fault.Invalid, "its tables have version %d, and this Fairlead knows version %d", found, version)
	}
	return nil
}

// begin begins a transaction. That it could not be begun says that nothing was done, so it is tried again: a server that was restarted leaves connections behind
// that fail when they are used first; and two that make a file at once are told that it is busy, without the wait that was asked for.
func (s *Store) begin(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	tries := 1 + s.dialect.idle
	for end := time.Now().Add(busy); ; {
		tx, err := s.db.BeginTx(ctx, o)
		if err == nil || ctx.Err() != nil {
			return tx, err
		}
		if isBusy(err) && time.Now().Before(end) {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if tries--; tries <= 0 {
			return nil, err
		}
	}
}

// write runs f in a transaction that may write.
func (s *Store) write(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.begin(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// read runs f in a transaction that sees one state of the store, and no later one.
func (s *Store) read(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.begin(ctx, &s.dialect.snapshot)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return f(tx)
}

// Append puts records at the end of the chain, all or none, and returns those that were not stored yet, as they are now. If it fails, they may have been
// stored all the same: append them again. A record that can never be stored is an error of kind Invalid; find it with [history.Fit].
func (s *Store) Append(ctx context.Context, records []history.Record) ([]history.Record, error) {
	var added []history.Record
	err := s.write(ctx, func(tx *sql.Tx) error {
		end, err := s.end(ctx, tx, s.dialect.lock)
		if err != nil {
			return err
		}
		for _, r := range records {
			if r, err = history.Fit(r); err != nil {
				return err
			}
			if r, err = history.Seal(r, end); err != nil {
				return err
			}
			isNew, err := s.insert(ctx, tx, r)
			if err != nil {
				return err
			}
			if isNew {
				end, added = r.Link(), append(added, r)
			}
		}
		return s.moveEnd(ctx, tx, end)
	})
	if err != nil {
		return nil, s.say("append to the store", err)
	}
	return added, nil
}

// end is the end of the chain. With a lock nobody else moves it until the transaction ends.
func (s *Store) end(ctx context.Context, tx *sql.Tx, lock string) (history.Link, error) {
	var end history.Link
	var hash string
	err := tx.QueryRowContext(ctx, `SELECT seq, hash FROM fairlead_history_end WHERE one = 1`+lock).Scan(&end.Seq, &hash)
	if err == nil {
		err = end.Hash.UnmarshalText([]byte(hash))
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = fault.Newf(fault.Invalid, "the row that says where the chain ends is gone")
	}
	return end, err
}

func (s *Store) moveEnd(ctx context.Context, tx *sql.Tx, end history.Link) error {
	_, err := tx.ExecContext(ctx, s.dialect.sql(`UPDATE fairlead_history_end SET seq = ?, hash = ? WHERE one = 1`), end.Seq, end.Hash.String())
	return err
}

// insert stores a sealed record, unless its key is stored already.
func (s *Store) insert(ctx context.Context, tx *sql.Tx, r history.Record) (bool, error) {
	line, err := r.Line()
	if err != nil {
		return false, err
	}
	return s.insertLine(ctx, tx, r, line)
}

func (s *Store) insertLine(ctx context.Context, tx *sql.Tx, r history.Record, line []byte) (bool, error) {
	res, err := tx.ExecContext(ctx, s.dialect.sql(
		`INSERT INTO fairlead_history (seq, key, at, kind, phase, namespace, environment, app, line) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`),
		r.Seq, r.Key, r.Time.UnixMicro(), string(r.Kind), r.Phase, r.Namespace, r.Environment, r.App, string(line))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// End is the end of the chain: what may be noted somewhere else, so that a chain that was cut off, or made anew, is found.
func (s *Store) End(ctx context.Context) (history.Link, error) {
	var end history.Link
	err := s.read(ctx, func(tx *sql.Tx) (err error) {
		end, err = s.end(ctx, tx, "")
		return err
	})
	return end, s.say("read the end", err)
}
