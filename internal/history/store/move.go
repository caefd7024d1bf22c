package store

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
)

// batch is how many records are imported in one transaction.
const batch = 500

// Import puts lines of another chain into a store, as they are, and returns how many were not there yet. The store has to be empty, or to hold the beginning of
// that chain: an import that was interrupted goes on. What is wrong with a line is a *history.Broken.
func (s *Store) Import(ctx context.Context, lines iter.Seq2[[]byte, error]) (int, error) {
	next, stop := iter.Pull2(lines)
	defer stop()
	n := 0
	for {
		added, more, err := s.importSome(ctx, next)
		if n += added; err != nil || !more {
			return n, s.say("import into the store", err)
		}
	}
}

func (s *Store) importSome(ctx context.Context, next func() ([]byte, error, bool)) (n int, more bool, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		end, err := s.end(ctx, tx, s.dialect.lock)
		if err != nil {
			return err
		}
		for range batch {
			line, err, ok := next()
			if more = ok; !ok {
				break
			}
			if err != nil {
				return err
			}
			r, err := history.ParseLine(line)
			if err != nil {
				return &history.Broken{Seq: end.Seq + 1, Why: err.Error()}
			}
			isNew, err := s.importOne(ctx, tx, r, line, end)
			if err != nil {
				return err
			}
			if isNew {
				end = r.Link()
				n++
			}
		}
		return s.moveEnd(ctx, tx, end)
	})
	if err != nil {
		n = 0
	}
	return n, more, err
}

// importOne stores a record that is the next one; one that is there already is left alone.
func (s *Store) importOne(ctx context.Context, tx *sql.Tx, r history.Record, line []byte, end history.Link) (bool, error) {
	if r.Seq <= end.Seq {
		known := false
		err := s.rows(ctx, tx, "SELECT "+columns+" FROM fairlead_history WHERE seq = ?", []any{r.Seq}, func(here history.Record, _ []byte) bool {
			known = here.Hash == r.Hash
			return true
		})
		if err == nil && !known {
			err = fault.Newf(fault.Invalid, "record %d is another one in the store: it holds another chain; import into one that is empty", r.Seq)
		}
		return false, err
	}
	if follows := (history.Link{Seq: r.Seq - 1, Hash: r.Prev}); follows != end && end.Seq > 0 {
		return false, &history.Broken{Seq: end.Seq + 1, Why: fmt.Sprintf("record %d does not follow record %d", r.Seq, end.Seq)}
	}
	isNew, err := s.insertLine(ctx, tx, r, line)
	if err == nil && !isNew {
		err = &history.Broken{Seq: r.Seq, Why: "its key is that of an earlier record: " + r.Key}
	}
	return true, err
}

// Copy moves what one store has to another one, which has to be empty or to hold the beginning of it, and returns how many records were not there yet.
func Copy(ctx context.Context, from, to *Store) (int, error) {
	n, err := to.Import(ctx, from.Lines(ctx))
	if err != nil {
		return n, err
	}
	want, err := from.End(ctx)
	if err != nil {
		return n, err
	}
	got, err := to.End(ctx)
	if err == nil && got.Seq < want.Seq {
		err = fault.Newf(fault.Conflict, "records were added meanwhile: %s has %d, and %s has %d; copy again", from.dialect.name, want.Seq, to.dialect.name, got.Seq)
	}
	return n, err
}

// Export writes the whole chain as lines of JSON, as it is at one time, and returns how many there are.
func (s *Store) Export(ctx context.Context, w io.Writer) (int, error) {
	b := bufio.NewWriter(w)
	n := 0
	for line, err := range s.Lines(ctx) {
		if err == nil {
			_, err = b.Write(append(line[:len(line):len(line)], '\n'))
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, b.Flush()
}

// Scan yields the lines of an export. It yields an error at most once, and nothing after it.
func Scan(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, history.MostLine+1)
		for lines.Scan() && lines.Err() == nil { // what was read before an error need not be a whole line
			if line := lines.Bytes(); len(line) > 0 && !yield(line, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// Backup writes all there is, as it is at one time, into a new file, while others go on to append. Of SQLite that file is a store; of PostgreSQL it is an
// export, for Import.
func (s *Store) Backup(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // VACUUM INTO takes a file that is empty
	if err != nil {
		return fault.New(fault.Invalid, err)
	}
	if s.dialect.name == lite.name {
		_, err = s.db.ExecContext(ctx, "VACUUM INTO ?", path)
		err = s.say("back up the store", err)
	} else {
		_, err = s.Export(ctx, f)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}
