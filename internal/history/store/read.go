package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/history"
)

// Find yields records in the order in which they happened. It yields an error at most once, and nothing after it: a *history.Broken if a record was changed.
func (s *Store) Find(ctx context.Context, q history.Query) iter.Seq2[history.Record, error] {
	return func(yield func(history.Record, error) bool) {
		if err := s.find(ctx, q, func(r history.Record, _ []byte) bool { return yield(r, nil) }); err != nil {
			yield(history.Record{}, err)
		}
	}
}

// FindLines is Find, as lines.
func (s *Store) FindLines(ctx context.Context, q history.Query) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := s.find(ctx, q, func(_ history.Record, line []byte) bool { return yield(line, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

func (s *Store) find(ctx context.Context, q history.Query, each func(history.Record, []byte) bool) error {
	statement, args := find(q)
	return s.say("read records", s.read(ctx, func(tx *sql.Tx) error { return s.rows(ctx, tx, statement, args, each) }))
}

// Lines yields the whole chain, as it was at one time, from its oldest record on, and in the order of the chain.
func (s *Store) Lines(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		err := s.read(ctx, func(tx *sql.Tx) error { return s.lines(ctx, tx, yield) })
		if err != nil {
			yield(nil, s.say("read records", err))
		}
	}
}

func (s *Store) lines(ctx context.Context, tx *sql.Tx, yield func([]byte, error) bool) error {
	return s.rows(ctx, tx, "SELECT "+columns+" FROM fairlead_history ORDER BY seq", nil, func(_ history.Record, line []byte) bool { return yield(line, nil) })
}

// Verify finds any change, removal, insertion or move of records: see [history.Verify].
func (s *Store) Verify(ctx context.Context, noted ...history.Link) (history.Verified, error) {
	var v history.Verified
	err := s.read(ctx, func(tx *sql.Tx) error {
		end, err := s.end(ctx, tx, "")
		if err != nil {
			return err
		}
		lines := func(yield func([]byte, error) bool) {
			if err := s.lines(ctx, tx, yield); err != nil {
				yield(nil, err)
			}
		}
		if v, err = history.Verify(lines, append(noted[:len(noted):len(noted)], end)...); err == nil && v.End != end {
			err = &history.Broken{Seq: end.Seq + 1, Why: "it is there, and the store says that the chain ends before it"}
		}
		return err
	})
	return v, s.say("verify the chain", err)
}

const columns = "seq, key, at, kind, phase, namespace, environment, app, line"

// rows reads records, and holds their columns to their lines.
func (s *Store) rows(ctx context.Context, tx *sql.Tx, statement string, args []any, each func(history.Record, []byte) bool) error {
	rows, err := tx.QueryContext(ctx, s.dialect.sql(statement), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c history.Record
		var at int64
		var line []byte
		if err := rows.Scan(&c.Seq, &c.Key, &at, &c.Kind, &c.Phase, &c.Namespace, &c.Environment, &c.App, &line); err != nil {
			return err
		}
		r, err := history.ParseLine(line)
		if err != nil {
			return &history.Broken{Seq: c.Seq, Why: err.Error()}
		}
		for _, differ := range []struct {
			column string
			is     bool
		}{
			{"seq", c.Seq != r.Seq},
			{"key", c.Key != r.Key},
			{"at", at != r.Time.UnixMicro()},
			{"kind", c.Kind != r.Kind},
			{"phase", c.Phase != r.Phase},
			{"namespace", c.Namespace != r.Namespace},
			{"environment", c.Environment != r.Environment},
			{"app", c.App != r.App},
		} {
			if differ.is {
				return &history.Broken{Seq: c.Seq, Why: fmt.Sprintf("its column %s was changed: it does not say what its line says", differ.column)}
			}
		}
		if !each(r, line) {
			return nil
		}
	}
	return rows.Err()
}

// find is the statement for a query.
func find(q history.Query) (string, []any) {
	var terms []string
	var args []any
	where := func(term string, values ...any) {
		terms, args = append(terms, term), append(args, values...)
	}
	if q.Namespaces != nil {
		where("namespace IN ("+marks(len(q.Namespaces))+")", anys(q.Namespaces)...)
	}
	if len(q.Kinds) > 0 {
		where("kind IN ("+marks(len(q.Kinds))+")", anys(q.Kinds)...)
	}
	if q.Environments != nil {
		where("environment IN ("+marks(len(q.Environments))+")", anys(q.Environments)...)
	}
	if q.App != "" {
		where("app IN (?, '')", q.App) // what happened to its environment happened to it
	}
	if !q.From.IsZero() {
		where("at >= ?", q.From.UnixMicro())
	}
	if !q.To.IsZero() {
		where("at <= ?", q.To.UnixMicro())
	}
	from := " FROM fairlead_history"
	if len(terms) > 0 {
		from += " WHERE " + strings.Join(terms, " AND ")
	}
	switch {
	case q.Latest: // two groupings that the index gives in its order, which is quicker than a window over all rows
		return "SELECT " + columns + " FROM fairlead_history WHERE seq IN (SELECT max(h.seq) FROM (SELECT " + group + ", max(at) AS at" + from + " GROUP BY " + group +
			") AS last JOIN fairlead_history AS h ON " + same + " GROUP BY last." + strings.ReplaceAll(group, ", ", ", last.") + ") ORDER BY at, seq", args
	case q.Newest > 0:
		return "SELECT " + columns + " FROM (SELECT " + columns + from + " ORDER BY at DESC, seq DESC LIMIT ?) AS newest ORDER BY at, seq", append(args, q.Newest)
	}
	return "SELECT " + columns + from + " ORDER BY at, seq", args
}

// group is what there is one latest record of, and same whether two rows are of that and of the same time.
const (
	group = "namespace, environment, app, kind, phase"
	same  = "h.namespace = last.namespace AND h.environment = last.environment AND h.app = last.app AND h.kind = last.kind AND h.phase = last.phase AND h.at = last.at"
)

func marks(n int) string {
	if n == 0 {
		return "NULL" // nothing is equal to it
	}
	return strings.TrimSuffix(strings.Repeat("?, ", n), ", ")
}

func anys[T ~string](list []T) []any {
	var out []any
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}
