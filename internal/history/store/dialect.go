package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
)

// dialect is what one kind of database has different from the other.
type dialect struct {
	name     string
	numbered bool   // its parameters are $1, $2, …
	long     string // type of a whole number of 64 bits
	lock     string // ends the SELECT of a row that is locked until the transaction ends
	snapshot sql.TxOptions
	idle     int // connections that are kept open, and may be broken when they are used next
}

var (
	lite = dialect{
		name: "SQLite", long: "INTEGER", // a transaction that writes has the whole database from its BEGIN IMMEDIATE on
		snapshot: sql.TxOptions{ReadOnly: true},
	}
	postgres = dialect{
		name: "PostgreSQL", numbered: true, long: "BIGINT", lock: " FOR UPDATE",
		snapshot: sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, idle: 2,
	}
)

// sql turns a statement that is written with ? and LONG into one of the dialect. No statement has either in another meaning.
func (d dialect) sql(s string) string {
	s = strings.ReplaceAll(s, "LONG", d.long)
	if !d.numbered {
		return s
	}
	var b strings.Builder
	n := 0
	for _, c := range s {
		if c == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// connect prepares to use what an address names; it may send nothing yet. Of SQLite it makes the file only if it is to.
func connect(address string, create bool) (*sql.DB, dialect, error) {
	scheme, _, ok := strings.Cut(address, ":")
	switch {
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		config, err := pgx.ParseConfig(address)
		if err != nil {
			return nil, postgres, fault.Newf(fault.Invalid, "the address of the history store is not one of PostgreSQL: want postgres://USER@HOST/DATABASE") // the cause has the password in it
		}
		db := stdlib.OpenDB(*config)
		db.SetMaxIdleConns(postgres.idle)
		return db, postgres, nil
	case address == "" || scheme != "sqlite" && strings.Contains(address, "://"):
		return nil, dialect{}, fault.Newf(fault.Invalid, "%s: want sqlite:PATH or postgres://USER@HOST/DATABASE", Name(address))
	}
	db, err := openFile(filePath(address), create)
	return db, lite, err
}

// filePath is the path that an address of SQLite names, with or without its scheme.
func filePath(address string) string {
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		return strings.TrimPrefix(path, "//")
	}
	return address
}

// Check finds out whether an address can be one of a store. It sends nothing and opens nothing.
func Check(address string) error {
	scheme, _, ok := strings.Cut(address, ":")
	isFile := !ok || scheme == "sqlite" || !strings.Contains(address, "://") && scheme != "postgres" && scheme != "postgresql"
	if isFile && address != "" {
		return nil
	}
	db, _, err := connect(address, false)
	if err == nil {
		err = db.Close()
	}
	return err
}

// Within is an address with the path of SQLite taken from a directory, if it is not from the root.
func Within(dir, address string) string {
	path := filePath(address)
	if strings.HasPrefix(address, "postgres:") || strings.HasPrefix(address, "postgresql:") || filepath.IsAbs(path) {
		return address
	}
	return "sqlite:" + filepath.Join(dir, path)
}

func openFile(path string, create bool) (*sql.DB, error) {
	mode := "rw"
	if create {
		mode = "rwc"
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fault.Newf(fault.Transient, "open the history store: %w", err)
		}
	} else if _, err := os.Stat(path); err != nil {
		return nil, fault.Newf(fault.Invalid, "open the history store: %w", err)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Newf(fault.Transient, "open the history store: %w", err)
	}
	q := url.Values{
		"mode": {mode}, "_txlock": {"immediate"}, "_busy_timeout": {strconv.Itoa(int(busy.Milliseconds()))},
		// FULL, since a record that was confirmed must be there after the machine lost its power, too.
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)"},
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	return db, nil
}

// Name is an address without what may be a password.
func Name(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil && strings.Contains(address, "postgres"):
		return "postgres://…"
	case err != nil:
		return address
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}

// busy is how long SQLite waits for other processes.
const busy = 15 * time.Second

func isBusy(err error) bool {
	var sq *sqlite.Error
	return errors.As(err, &sq) && sq.Code()&0xff == sqlite3.SQLITE_BUSY
}

// classify says of an error of a database whether trying again may help.
func (d dialect) classify(err error) error {
	var pg *pgconn.PgError
	var sq *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.As(err, new(*fault.Error)):
		return err
	case errors.As(err, new(*history.Broken)):
		return fault.New(fault.Invalid, err)
	case errors.As(err, &pg):
		// Classes of SQLSTATE: no connection, conflict with another transaction, no resources, stopped by an operator, trouble outside, read-only after a failover.
		for _, class := range []string{"08", "40", "53", "57", "58", "25006"} {
			if strings.HasPrefix(pg.Code, class) {
				return fault.New(fault.Transient, err)
			}
		}
		if strings.HasPrefix(pg.Code, "28") || pg.Code == "42501" || pg.Code == "3D000" {
			return fault.New(fault.Denied, err)
		}
		return err
	case errors.As(err, &sq):
		if sq.Code()&0xff == sqlite3.SQLITE_CORRUPT || sq.Code()&0xff == sqlite3.SQLITE_NOTADB {
			return fault.New(fault.Invalid, err)
		}
		return fault.New(fault.Transient, err)
	}
	return fault.New(fault.Transient, err) // of the connection
}

// say names the store and what was done to it.
func (s *Store) say(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s of the history (%s): %w", what, s.dialect.name, s.dialect.classify(err))
}
