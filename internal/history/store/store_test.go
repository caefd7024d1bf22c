package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/historytest"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// each runs a test on a new store of each kind. Address makes the address of another one of that kind.
func each(t *testing.T, test func(t *testing.T, address func() string)) {
	t.Run("SQLite", func(t *testing.T) {
		n := 0
		test(t, func() string {
			n++
			return "sqlite:" + filepath.Join(t.TempDir(), "with space and ?", fmt.Sprint(n, ".db"))
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := testkit.StartPostgres(t)
		test(t, func() string { return server.Database(t) })
	})
}

func created(t testing.TB, address string) *Store {
	t.Helper()
	s, err := Create(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var start = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

func record(n int) history.Record {
	return history.Record{
		Time: start.Add(time.Duration(n) * time.Minute), Kind: history.Prune, Key: fmt.Sprint("prune ", n),
		Namespace: "shop", Environment: "production", App: "web", Why: "it's \"gone\"; ? $1 -- <ü>\x00",
	}
}

func records(from, to int) []history.Record {
	var out []history.Record
	for n := from; n < to; n++ {
		out = append(out, record(n))
	}
	return out
}

func add(t testing.TB, s *Store, records ...history.Record) []history.Record {
	t.Helper()
	added, err := s.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func found(t testing.TB, s *Store, q history.Query) []history.Record {
	t.Helper()
	var out []history.Record
	for r, err := range s.Find(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func verified(t testing.TB, s *Store) history.Verified {
	t.Helper()
	v, err := s.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wipe empties a store.
func wipe(t testing.TB, s *Store) {
	t.Helper()
	for _, statement := range []string{"DELETE FROM fairlead_history", "UPDATE fairlead_history_end SET seq = 0, hash = '" + (history.Hash{}).String() + "'"} {
		if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAppend(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		at := address()
		s := created(t, at)
		if v := verified(t, s); v != (history.Verified{}) {
			t.Errorf("an empty store: %+v", v)
		}
		first := add(t, s, record(0), record(1), record(0))
		if len(first) != 2 || first[1].Seq != 2 || first[1].Prev != first[0].Hash {
			t.Errorf("added %+v", first)
		}
		again := record(1)
		again.Why = "said in other words"
		if second := add(t, s, again, record(2)); len(second) != 1 || second[0].Key != "prune 2" || second[0].Seq != 3 {
			t.Errorf("of one that is known and a new one, %+v were added", second)
		}
		bad := record(4)
		bad.Environment = ""
		if _, err := s.Append(t.Context(), []history.Record{record(3), bad}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a record of nothing: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		got := found(t, s, history.Query{})
		if diff := cmp.Diff([]string{"prune 0", "prune 1", "prune 2"}, keys(got)); diff != "" {
			t.Errorf("after it was opened again (-want +got):\n%s", diff)
		}
		if end, err := s.End(t.Context()); err != nil || end != got[2].Link() || verified(t, s).End != end {
			t.Errorf("the end is %s, %v", end, err)
		}
	})
}

func keys(records []history.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, r.Key)
	}
	return out
}

// TestFind holds every query to what it says, on random days.
func TestFind(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		s := created(t, address())
		rapid.Check(t, func(r *rapid.T) {
			wipe(t, s)
			all := add(t, s, historytest.NewDay(r).Records...)
			q := history.Query{
				Namespaces:   rapid.SampledFrom([][]string{nil, {}, {"shop", "bank"}, {"bank"}}).Draw(r, "namespaces"),
				Environments: rapid.SampledFrom([][]string{nil, {}, {"production"}, {"production", "staging"}}).Draw(r, "environments"),
				App:          rapid.SampledFrom([]string{"", "web"}).Draw(r, "app"),
				Kinds:        rapid.SampledFrom([][]history.Kind{nil, {history.Release}, {history.Drift, history.Suspension}}).Draw(r, "kinds"),
				Newest:       rapid.SampledFrom([]int{0, 1, 5}).Draw(r, "newest"),
			}
			if rapid.Bool().Draw(r, "from") {
				q.From = all[rapid.IntRange(0, len(all)-1).Draw(r, "from record")].Time
			}
			if rapid.Bool().Draw(r, "to") {
				q.To = all[rapid.IntRange(0, len(all)-1).Draw(r, "to record")].Time
			}
			var want []history.Record
			for _, x := range history.InOrder(all) {
				if (q.Namespaces == nil || slices.Contains(q.Namespaces, x.Namespace)) && (q.Environments == nil || slices.Contains(q.Environments, x.Environment)) &&
					(q.App == "" || x.App == "" || q.App == x.App) && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, x.Kind)) &&
					!x.Time.Before(q.From) && (q.To.IsZero() || !x.Time.After(q.To)) {
					want = append(want, x)
				}
			}
			if q.Newest > 0 {
				want = want[max(0, len(want)-q.Newest):]
			}
			if diff := cmp.Diff(want, found(t, s, q)); diff != "" {
				r.Fatalf("%+v (-want +got):\n%s", q, diff)
			}
		})
	})
}

// some are a few moments of a day.
func some(t *rapid.T, d historytest.Day) []historytest.Moment {
	return rapid.SliceOfN(rapid.SampledFrom(d.Moments), 6, 6).Draw(t, "moments")
}

// TestLatestIsEnough: what Latest finds gives the same scene as all records, at instants of random days.
func TestLatestIsEnough(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		s := created(t, address())
		rapid.Check(t, func(r *rapid.T) {
			wipe(t, s)
			day := historytest.NewDay(r)
			all := add(t, s, day.Records...)
			for _, m := range append(some(r, day), historytest.Moment{Time: historytest.Start.Add(-time.Hour)}) {
				got := history.At(found(t, s, history.Query{Latest: true, To: m.Time}), m.Time)
				if diff := cmp.Diff(history.At(all, m.Time), got); diff != "" {
					r.Fatalf("at %s (-all +latest):\n%s", m.Time, diff)
				}
			}
		})
	})
}

// TestRetain: whatever is dropped with age, scenes after that are the same, and the chain holds.
func TestRetain(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		s := created(t, address())
		rapid.Check(t, func(r *rapid.T) {
			wipe(t, s)
			day := historytest.NewDay(r)
			all := add(t, s, day.Records...)
			s.now = func() time.Time { return historytest.Start.AddDate(1, 0, 0) }
			before, dropped := historytest.Start, 0
			for range rapid.IntRange(1, 4).Draw(r, "times") {
				before = before.Add(time.Duration(rapid.IntRange(0, 20*60).Draw(r, "minutes")) * time.Minute)
				n, err := s.Retain(t.Context(), before)
				if err != nil {
					r.Fatal(err)
				}
				dropped += n
				if again, err := s.Retain(t.Context(), before); err != nil || again != 0 {
					r.Fatalf("a second time %d were dropped: %v", again, err)
				}
				if v := verified(t, s); (v.Dropped.Seq > 0) != (dropped > 0) {
					r.Fatalf("of %d dropped it is said: %+v", dropped, v)
				}
			}
			until, err := s.Dropped(t.Context())
			if err != nil || until.IsZero() != (dropped == 0) || until.After(before) {
				r.Fatalf("%d were dropped, until %s, before %s: %v", dropped, until, before, err)
			}
			left := found(t, s, history.Query{})
			for _, m := range some(r, day) {
				if m.Time.Before(until) {
					continue
				}
				want := history.At(all, m.Time)
				if diff := cmp.Diff(want, history.At(left, m.Time)); diff != "" {
					r.Fatalf("%d dropped before %s; at %s (-want +got):\n%s", dropped, before, m.Time, diff)
				}
				if diff := cmp.Diff(want, history.At(found(t, s, history.Query{Latest: true, To: m.Time}), m.Time)); diff != "" {
					r.Fatalf("%d dropped before %s; at %s by the latest (-want +got):\n%s", dropped, before, m.Time, diff)
				}
			}
			if inOrder := day.Records; slices.IsSortedFunc(inOrder, func(a, b history.Record) int { return a.Time.Compare(b.Time) }) {
				for _, x := range left {
					if x.Kind != history.Standing && x.Time.Before(before) {
						r.Fatalf("what happened at %s is left though all before %s was to go", x.Time, before)
					}
				}
			}
		})
	})
}

// TestVerifyFindsChangesByHand does to the database what somebody could who may write it.
func TestVerifyFindsChangesByHand(t *testing.T) {
	for name, c := range map[string]struct {
		do   []string
		want string // what is found, in part
	}{
		"nothing":           {nil, ""},
		"a word":            {[]string{"UPDATE fairlead_history SET line = replace(line, 'web', 'wex') WHERE seq = 3"}, "record 3: it was changed"},
		"a hash":            {[]string{"UPDATE fairlead_history SET line = replace(line, '\"hash\":\"', '\"hash\":\"0') WHERE seq = 3"}, "record 3: it does not end in a hash"},
		"a column":          {[]string{"UPDATE fairlead_history SET app = 'db' WHERE seq = 3"}, "record 3: its column app was changed"},
		"a time":            {[]string{"UPDATE fairlead_history SET at = at + 1 WHERE seq = 3"}, "record 3: its column at was changed"},
		"a key":             {[]string{"UPDATE fairlead_history SET key = 'x' WHERE seq = 3"}, "record 3: its column key was changed"},
		"removed":           {[]string{"DELETE FROM fairlead_history WHERE seq = 3"}, "record 3: it is missing"},
		"the first":         {[]string{"DELETE FROM fairlead_history WHERE seq = 1"}, "record 1: it is missing"},
		"the last":          {[]string{"DELETE FROM fairlead_history WHERE seq = 5"}, "record 5: it is missing"},
		"all":               {[]string{"DELETE FROM fairlead_history"}, "record 1: it is missing"},
		"the last and end":  {[]string{"DELETE FROM fairlead_history WHERE seq = 5", "UPDATE fairlead_history_end SET seq = 4"}, "record 4: it is another one than was noted"},
		"the end alone":     {[]string{"UPDATE fairlead_history_end SET seq = 6"}, "record 6: it is missing"},
		"the row of end":    {[]string{"DELETE FROM fairlead_history_end"}, "the row that says where the chain ends is gone"},
		"two were swapped":  {[]string{"UPDATE fairlead_history SET seq = 9 WHERE seq = 3", "UPDATE fairlead_history SET seq = 3 WHERE seq = 4", "UPDATE fairlead_history SET seq = 4 WHERE seq = 9"}, "record 3: its column seq was changed"},
		"one more, a copy":  {[]string{"INSERT INTO fairlead_history SELECT 6, 'x', at, kind, phase, namespace, environment, app, line FROM fairlead_history WHERE seq = 5"}, "record 6: its column seq was changed"},
		"all, and made new": {[]string{"DELETE FROM fairlead_history", "UPDATE fairlead_history_end SET seq = 0, hash = '" + (history.Hash{}).String() + "'"}, "there was a record 5"},
	} {
		t.Run(name, func(t *testing.T) {
			s := created(t, filepath.Join(t.TempDir(), "h.db"))
			all := add(t, s, records(0, 5)...)
			for _, statement := range c.do {
				if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.Verify(t.Context(), all[4].Link())
			if got := fmt.Sprint(err); (err == nil) != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestManyWriters: several processes, as far as the database can tell, append the same and other things at once.
func TestManyWriters(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		const writers, rounds = 4, 25
		at := address()
		var all sync.WaitGroup
		var mu sync.Mutex
		added := 0
		for w := range writers {
			all.Go(func() {
				s, err := Create(t.Context(), at)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = s.Close() }()
				for n := range rounds {
					mine := record(1000*(w+1) + n)
					news, err := s.Append(t.Context(), []history.Record{record(n), mine})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					added += len(news)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		s := created(t, at)
		const want = (writers + 1) * rounds
		if v := verified(t, s); v.Records != want || added != want {
			t.Errorf("%d records, and %d were said to be new; want %d", v.Records, added, want)
		}
	})
}

func TestMove(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		from := created(t, filepath.Join(t.TempDir(), "from.db"))
		add(t, from, records(0, batch+10)...)
		if _, err := from.Retain(t.Context(), start.Add(4*time.Minute)); err != nil {
			t.Fatal(err)
		}
		to := created(t, address())
		n, err := Copy(t.Context(), from, to)
		if want := verified(t, from); err != nil || uint64(n) != want.Records || verified(t, to) != want {
			t.Fatalf("%d copied: %v", n, err)
		}
		add(t, from, record(batch+10))
		if n, err := Copy(t.Context(), from, to); err != nil || n != 1 || verified(t, to) != verified(t, from) {
			t.Errorf("one more was added, %d copied: %v", n, err)
		}
		back := created(t, filepath.Join(t.TempDir(), "back.db"))
		var lines bytes.Buffer
		if n, err := to.Export(t.Context(), &lines); err != nil || n != strings.Count(lines.String(), "\n") {
			t.Fatalf("%d exported: %v", n, err)
		}
		half := lines.String()[:lines.Len()/2]
		half = half[:strings.LastIndex(half, "\n")+1]
		for _, part := range []string{half, lines.String()} { // it was interrupted, and goes on
			if _, err := back.Import(t.Context(), Scan(strings.NewReader(part))); err != nil {
				t.Fatal(err)
			}
		}
		if verified(t, back) != verified(t, from) {
			t.Error("what was exported and imported is another chain")
		}
		add(t, back, record(batch+11))
		add(t, to, record(batch+12))
		if _, err := Copy(t.Context(), back, to); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "another chain") {
			t.Errorf("a chain that is continued in two ways: %v", err)
		}
	})
}

func TestImportRefuses(t *testing.T) {
	from := created(t, filepath.Join(t.TempDir(), "from.db"))
	add(t, from, records(0, 5)...)
	var out bytes.Buffer
	if _, err := from.Export(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(out.String(), "\n")
	for name, c := range map[string]struct{ text, want string }{
		"changed":      {strings.Replace(out.String(), "web", "wex", 1), "record 1: it was changed"},
		"one missing":  {lines[0] + lines[2], "record 2: record 3 does not follow record 1"},
		"swapped":      {lines[0] + lines[2] + lines[1], "record 2: record 3 does not follow record 1"},
		"cut off":      {lines[0] + lines[1][:40], "record 2: it does not end in a hash"},
		"something":    {"hello\n", "record 1: it does not end in a hash"},
		"a giant line": {strings.Repeat("x", history.MostLine+2), "too long"},
	} {
		to := created(t, filepath.Join(t.TempDir(), "to.db"))
		_, err := to.Import(t.Context(), Scan(strings.NewReader(c.text)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if n := verified(t, to).Records; n != 0 {
			t.Errorf("%s: %d records were stored", name, n)
		}
	}
}

func TestBackup(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		s := created(t, address())
		add(t, s, records(0, 20)...)
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() {
			for n := 20; ; n++ {
				select {
				case <-stop:
					stopped <- nil
					return
				default:
				}
				if _, err := s.Append(context.WithoutCancel(t.Context()), records(n, n+1)); err != nil {
					stopped <- err
					return
				}
			}
		}()
		path := filepath.Join(t.TempDir(), "it's a backup")
		err := s.Backup(t.Context(), path)
		close(stop)
		if err := errors.Join(err, <-stopped); err != nil {
			t.Fatal(err)
		}
		var there *Store
		if s.dialect.name == lite.name {
			if there, err = Open(t.Context(), path); err != nil {
				t.Fatal(err)
			}
		} else {
			there = created(t, address())
			importFile(t, there, path)
		}
		defer func() { _ = there.Close() }()
		if v := verified(t, there); v.Records < 20 {
			t.Errorf("%d records are in the backup", v.Records)
		}
		if err := s.Backup(t.Context(), path); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a backup in the place of another file: %v", err)
		}
	})
}

func TestLaterVersion(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		at := address()
		s := created(t, at)
		if _, err := s.db.ExecContext(t.Context(), "UPDATE fairlead_history_end SET version = 2"); err != nil {
			t.Fatal(err)
		}
		for _, open := range []func(context.Context, string) (*Store, error){Open, Create} {
			if _, err := open(t.Context(), at); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "version 2") {
				t.Errorf("tables of a later version: %v", err)
			}
		}
	})
}

func TestErrors(t *testing.T) {
	server := testkit.StartPostgres(t)
	there := created(t, server.Database(t))
	add(t, there, record(0))
	missing := strings.Replace(server.Database(t), "/test", "/nothing", 1)
	broken := filepath.Join(t.TempDir(), "broken.db")
	writeFile(t, broken, strings.Repeat("this is no database\n", 1000))
	for address, kind := range map[string]fault.Kind{
		filepath.Join(t.TempDir(), "no.db"): fault.Invalid,
		broken:                              fault.Invalid,
		"":                                  fault.Invalid,
		"mysql://host/db":                   fault.Invalid,
		"postgres://u:hunter2@host:port/db": fault.Invalid,
		missing:                             fault.Denied,
		"postgres://u:hunter2@127.0.0.1:1/db?sslmode=disable":  fault.Transient,
		"postgres://u:hunter2@127.0.0.1:1/db?password=hunter2": fault.Transient,
	} {
		_, err := Open(t.Context(), address)
		if err == nil || fault.KindOf(err) != kind {
			t.Errorf("%s: %v is %s, want %s", address, err, fault.KindOf(err), kind)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("the error has a password in it: %v", err)
		}
	}
	server.Stop()
	server.Start(t)
	if news, err := there.Append(t.Context(), records(0, 1)); err != nil || len(news) != 0 {
		t.Errorf("a server that was started anew: %d new, %v", len(news), err)
	}
	server.Stop()
	if _, err := there.Append(t.Context(), records(1, 2)); fault.KindOf(err) != fault.Transient {
		t.Errorf("a server that was stopped: %v", err)
	}
	server.Start(t)
	if news, err := there.Append(t.Context(), records(0, 2)); err != nil || len(news) != 1 || verified(t, there).Records != 2 {
		t.Errorf("a server that is there again: %d new, %v", len(news), err)
	}
}

func TestCheck(t *testing.T) {
	for address, ok := range map[string]bool{
		"history.db": true, "sqlite:history.db": true, "sqlite:///history.db": true, "C:/history.db": true, "postgres://u@h/db": true, "postgresql:///db?host=/run": true,
		"": false, "mysql://h/db": false, "postgres://u@h:port/db": false,
	} {
		if err := Check(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestWithin(t *testing.T) {
	for address, want := range map[string]string{
		"sqlite:history.db": "sqlite:/data/history.db", "history.db": "sqlite:/data/history.db", "sqlite://h/x.db": "sqlite:/data/h/x.db",
		"sqlite:/h.db": "sqlite:/h.db", "/h.db": "/h.db", "postgres://u@h/db": "postgres://u@h/db", "postgresql:///db": "postgresql:///db",
	} {
		if got := Within("/data", address); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
}

func TestName(t *testing.T) {
	for address, want := range map[string]string{
		"/var/lib/fairlead/history.db":       "/var/lib/fairlead/history.db",
		"sqlite:history.db":                  "sqlite:history.db",
		"postgres://u:p@db/x?sslmode=verify": "postgres://u@db/x?%E2%80%A6",
		"postgres://u:p@db:port/x":           "postgres://…",
	} {
		if got := Name(address); got != want && !strings.HasPrefix(got, strings.TrimSuffix(want, "%E2%80%A6")) {
			t.Errorf("%s is called %s, want %s", address, got, want)
		}
	}
}
