package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-cd/fairlead/internal/history"
)

// Retain drops what happened before a time, from the beginning of the chain on, and returns how many records those were. What they had said of apps is kept
// as records of kind Standing, and that they were there as one of kind Retention, so that the chain can be verified and scenes after that time are the same.
//
// What is written so is dropped itself only together with something else. Some that happened before the time stay if what was recorded before them happened after it; they go the next time.
func (s *Store) Retain(ctx context.Context, before time.Time) (int, error) {
	dropped := 0
	err := s.write(ctx, func(tx *sql.Tx) error {
		end, err := s.end(ctx, tx, s.dialect.lock)
		if err != nil {
			return err
		}
		c, err := s.cut(ctx, tx, before)
		if err != nil || c.n == 0 {
			return err
		}
		notes, err := s.notes(ctx, tx, c)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.dialect.sql(`DELETE FROM fairlead_history WHERE seq <= ?`), c.last.Seq); err != nil {
			return err
		}
		for _, r := range notes {
			if r, err = history.Fit(r); err != nil {
				return err
			}
			if r, err = history.Seal(r, end); err != nil {
				return err
			}
			if _, err := s.insert(ctx, tx, r); err != nil {
				return err
			}
			end = r.Link()
		}
		dropped = c.n
		return s.moveEnd(ctx, tx, end)
	})
	return dropped, s.say("drop old records", err)
}

// cut is where the chain is cut off.
type cut struct {
	n    int
	last history.Link
	time time.Time // at or after which all that stays happened, but for Standings
}

// cut finds the longest beginning of the chain of which all happened before a time, and not after anything that stays.
func (s *Store) cut(ctx context.Context, tx *sql.Tx, before time.Time) (cut, error) {
	var c cut
	type entry struct {
		seq  uint64
		at   int64
		kind history.Kind
	}
	rows, err := tx.QueryContext(ctx, `SELECT seq, at, kind FROM fairlead_history ORDER BY seq`)
	if err != nil {
		return c, err
	}
	defer func() { _ = rows.Close() }()
	var all []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.seq, &e.at, &e.kind); err != nil {
			return c, err
		}
		all = append(all, e)
	}
	if err := rows.Err(); err != nil {
		return c, err
	}
	// earliest[i] is the earliest time of what comes at i or later.
	earliest := make([]int64, len(all)+1)
	earliest[len(all)] = before.UnixMicro()
	for i, e := range slices.Backward(all) {
		earliest[i] = earliest[i+1]
		if e.kind != history.Standing { // the new one of the same app comes after it
			earliest[i] = min(earliest[i], e.at)
		}
	}
	latest, found, worth := int64(0), uint64(0), false
	for i, e := range all {
		latest = max(latest, e.at)
		worth = worth || e.kind != history.Standing && e.kind != history.Retention
		if worth && latest < earliest[i+1] {
			c.n, c.time, found = i+1, time.UnixMicro(latest).UTC(), e.seq
		}
	}
	if c.n == 0 {
		return c, nil
	}
	err = s.rows(ctx, tx, "SELECT "+columns+" FROM fairlead_history WHERE seq = ?", []any{found}, func(r history.Record, _ []byte) bool {
		c.last = r.Link()
		return true
	})
	return c, err
}

// notes are what is written in place of what is dropped.
func (s *Store) notes(ctx context.Context, tx *sql.Tx, c cut) ([]history.Record, error) {
	about := map[history.Place]bool{} // something of it is dropped
	statement := `SELECT DISTINCT namespace, environment, app FROM fairlead_history WHERE kind <> ? AND seq <= ?`
	rows, err := tx.QueryContext(ctx, s.dialect.sql(statement), string(history.Retention), c.last.Seq)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p history.Place
		if err := rows.Scan(&p.Namespace, &p.Environment, &p.App); err != nil {
			return nil, err
		}
		about[p] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var known []history.Record
	latest, args := find(history.Query{Latest: true, To: c.time})
	if err := s.rows(ctx, tx, latest, args, func(r history.Record, _ []byte) bool { known = append(known, r); return true }); err != nil {
		return nil, err
	}
	scene := history.At(known, c.time)
	var out []history.Record
	for p := range about {
		state := scene[p]
		out = append(out, history.Record{
			Time: c.time, Kind: history.Standing, Key: fmt.Sprintf("standing %s %d", p, c.last.Seq),
			Namespace: p.Namespace, Environment: p.Environment, App: p.App, Stands: &state,
		})
	}
	slices.SortFunc(out, func(a, b history.Record) int { return cmp.Compare(a.Key, b.Key) })
	return append(out, history.Record{
		Time: s.now(), Kind: history.Retention, Key: fmt.Sprintf("retention %d", c.last.Seq), Dropped: &c.last, Until: c.time,
		Why: fmt.Sprintf("%d records up to %s were dropped with age", c.n, c.time.Format(time.RFC3339)),
	}), nil
}

// Dropped is when the last thing happened that was dropped; zero if nothing was. Of times before, nothing complete can be said.
func (s *Store) Dropped(ctx context.Context) (time.Time, error) {
	for r, err := range s.Find(ctx, history.Query{Kinds: []history.Kind{history.Retention}, Newest: 1}) {
		return r.Until, err
	}
	return time.Time{}, nil
}
