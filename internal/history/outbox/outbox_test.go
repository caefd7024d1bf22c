package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/outbox"
)

// memory is a store that can be down, and that may store and say that it did not.
type memory struct {
	mu       sync.Mutex
	down     bool
	lies     bool
	keys     []string
	attempts int
	largest  int
}

func (m *memory) set(change func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *memory) open(context.Context) (outbox.Store, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.attempts++; m.down {
		return nil, fault.Newf(fault.Transient, "no connection")
	}
	return m, nil
}

func (m *memory) Append(_ context.Context, records []history.Record) ([]history.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.attempts++; m.down {
		return nil, fault.Newf(fault.Transient, "no connection")
	}
	m.largest = max(m.largest, len(records))
	var added []history.Record
	for _, r := range records {
		if !slices.Contains(m.keys, r.Key) {
			m.keys, added = append(m.keys, r.Key), append(added, r)
		}
	}
	if m.lies {
		return nil, errors.New("connection lost while it committed")
	}
	return added, nil
}

func record(key string) history.Record {
	return history.Record{Time: time.Unix(1_800_000_000, 0), Kind: history.Prune, Key: key, Namespace: "shop", Environment: "production"}
}

// start runs an outbox before a store until the test ends.
func start(t *testing.T, m *memory, log *strings.Builder) *outbox.Outbox {
	o := outbox.New(outbox.Options{Open: m.open, Log: slog.New(slog.NewTextHandler(log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return o
}

func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		m := &memory{down: true}
		o := start(t, m, &log)
		var done []string
		send := func(key string) {
			t.Helper()
			if err := o.Record(record(key), func() { done = append(done, key) }); err != nil {
				t.Fatal(err)
			}
		}
		send("a")
		send("b")
		send("a") // not sure whether it was recorded
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if o.Pending() != 2 || len(done) != 0 || o.Trouble() != "2 records wait for the history store: no connection" {
			t.Errorf("%d wait, %v are done, trouble %q", o.Pending(), done, o.Trouble())
		}
		if m.attempts < 10 || m.attempts > 40 {
			t.Errorf("%d attempts within ten minutes", m.attempts)
		}
		m.set(func(m *memory) { m.down = false })
		time.Sleep(30 * time.Second)
		synctest.Wait()
		send("c")
		synctest.Wait()
		if diff := cmp.Diff([]string{"a", "b", "c"}, m.keys); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"a", "a", "b", "c"}, done); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
		if c := o.Counts(); o.Trouble() != "" || o.Pending() != 0 || c.Stored != 3 || c.Failures == 0 {
			t.Errorf("afterwards: %q, %d wait, %+v", o.Trouble(), o.Pending(), c)
		}
		if !strings.Contains(log.String(), `msg="history not stored" pending=2`) {
			t.Errorf("logged: %s", log.String())
		}
	})
}

// TestNotKnownWhetherStored: an attempt that stored and said that it failed is tried again, and what it stored is there once.
func TestNotKnownWhetherStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{lies: true}
		o := start(t, m, &strings.Builder{})
		done := 0
		for _, key := range []string{"a", "b"} {
			if err := o.Record(record(key), func() { done++ }); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if done != 0 || o.Pending() != 2 {
			t.Errorf("%d are done, and %d wait", done, o.Pending())
		}
		m.set(func(m *memory) { m.lies = false })
		time.Sleep(time.Minute)
		synctest.Wait()
		if done != 2 || len(m.keys) != 2 || o.Pending() != 0 {
			t.Errorf("%d are done, %d wait, stored %v", done, o.Pending(), m.keys)
		}
	})
}

func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{down: true}
		o := start(t, m, &strings.Builder{})
		synctest.Wait()
		done, taken := 0, 0
		for n := range outbox.Most + 10 {
			err := o.Record(record(fmt.Sprint(n)), func() { done++ })
			if err == nil {
				taken++
			} else if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "no connection") {
				t.Fatal(err)
			}
		}
		if taken != outbox.Most || o.Counts().Refused != 10 {
			t.Errorf("%d were taken, %d refused", taken, o.Counts().Refused)
		}
		if err := o.Record(record("0"), nil); err != nil {
			t.Errorf("one that waits already: %v", err)
		}
		m.set(func(m *memory) { m.down = false })
		time.Sleep(time.Minute)
		synctest.Wait()
		if done != outbox.Most || len(m.keys) != outbox.Most || m.largest > 200 {
			t.Errorf("%d done, %d stored, at most %d at once", done, len(m.keys), m.largest)
		}
	})
}

func TestBoundedInSize(t *testing.T) {
	o := outbox.New(outbox.Options{})
	plan := strings.Repeat("x", history.MostPlan)
	taken := 0
	for ; ; taken++ {
		r := record(fmt.Sprint(taken))
		r.Plan = plan
		if err := o.Record(r, nil); err != nil {
			break
		}
	}
	if taken < 500 || taken > 1100 {
		t.Errorf("%d records with large plans were taken", taken)
	}
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{down: true}
		var log strings.Builder
		o := outbox.New(outbox.Options{Open: m.open, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			o.Run(ctx)
		}()
		done := false
		if err := o.Record(record("a"), func() { done = true }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		m.set(func(m *memory) { m.down = false })
		cancel()
		<-ended
		if !done || len(m.keys) != 1 {
			t.Errorf("what waited when it was stopped: stored %v", m.keys)
		}
	})
}

func TestRefusesWhatSaysNothing(t *testing.T) {
	o := outbox.New(outbox.Options{})
	if err := o.Record(history.Record{Kind: history.Prune, Key: "a"}, nil); fault.KindOf(err) != fault.Invalid || o.Pending() != 0 {
		t.Errorf("a record of nothing: %v", err)
	}
}

// TestKilled: what was taken from a process that was killed while the store could not be reached is stored by the one after it, once.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := filepath.Join(t.TempDir(), "history.journal")
		m := &memory{down: true}
		run := func() (*outbox.Outbox, func()) {
			o := outbox.New(outbox.Options{Open: m.open, Journal: journal, Log: slog.New(slog.DiscardHandler)})
			ctx, stop := context.WithCancel(t.Context())
			go o.Run(ctx)
			return o, func() { stop(); synctest.Wait() }
		}
		o, stop := run()
		for _, key := range []string{"a", "b", "a"} {
			if err := o.Record(record(key), nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		stop()

		m.set(func(m *memory) { m.down = false })
		o, stop = run()
		told := false
		if err := o.Record(record("b"), func() { told = true }); err != nil { // by who keeps it as well
			t.Fatal(err)
		}
		if err := o.Record(record("c"), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"a", "b", "c"}, m.keys); diff != "" || !told || o.Pending() != 0 {
			t.Errorf("told %v, %d wait, stored (-want +got):\n%s", told, o.Pending(), diff)
		}
		if info, err := os.Stat(journal); err != nil || info.Size() != 0 {
			t.Errorf("the journal afterwards: %v, %v", info, err)
		}
		stop()
	})
}

// TestNoJournal: that there can be none is said, and stops nothing.
func TestNoJournal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	o := outbox.New(outbox.Options{Journal: filepath.Join(file, "journal"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := o.Record(record("a"), nil); err != nil || o.Pending() != 1 {
		t.Errorf("%d wait, %v", o.Pending(), err)
	}
	if !strings.Contains(log.String(), "in memory alone") {
		t.Errorf("logged: %s", log.String())
	}
}
