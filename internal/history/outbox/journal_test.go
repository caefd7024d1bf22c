package outbox

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
)

func noted(key string) history.Record {
	return history.Record{Time: time.Unix(1_800_000_000, 0).UTC(), Kind: history.Drift, Key: key, Namespace: "shop", Environment: "production", App: "web"}
}

func keysIn(t *testing.T, path string) ([]string, int) {
	t.Helper()
	j, left, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.file.Close() }()
	keys := []string{}
	for _, r := range left.records {
		keys = append(keys, r.Key)
	}
	for _, i := range left.intents {
		keys = append(keys, "intent "+i.Record.Key)
	}
	return keys, left.skipped
}

// A journal holds what was added since it was emptied, also after what was stored was taken out of it, and more than once.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "journal")
	j, left, err := openJournal(path)
	if err != nil || len(left.records)+len(left.intents)+left.skipped != 0 {
		t.Fatal(left, err)
	}
	for i := range 3 {
		if err := j.add(noted(fmt.Sprint("a", i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		if err := j.keep([]history.Record{noted("a2")}, []history.Intent{{Record: noted("i")}}); err != nil {
			t.Fatal(err)
		}
		if err := j.add(noted(fmt.Sprint("b", i))); err != nil {
			t.Fatal(err)
		}
	}
	if keys, skipped := keysIn(t, path); !cmp.Equal(keys, []string{"a2", "b1", "intent i"}) || skipped != 0 {
		t.Errorf("it holds %v, and %d were skipped", keys, skipped)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != j.size || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, taken for %d bytes", info, err, j.size)
	}
	if err := j.clear(); err != nil {
		t.Fatal(err)
	}
	if err := j.add(noted("c")); err != nil {
		t.Fatal(err)
	}
	if keys, _ := keysIn(t, path); !cmp.Equal(keys, []string{"c"}) {
		t.Errorf("emptied, it holds %v", keys)
	}
}

// A line that a process died while it wrote costs that line alone, and what is no record costs nothing else.
func TestJournalTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.add(noted("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := j.file.WriteString("{\"kind\": 7}\n\x00\x01\n{\"kind\":\"Drift\",\"key\":\"to"); err != nil {
		t.Fatal(err)
	}
	j, left, err := openJournal(path)
	if err != nil || len(left.records) != 1 || left.skipped != 3 {
		t.Fatal(left, err)
	}
	if err := j.add(noted("b")); err != nil {
		t.Fatal(err)
	}
	if keys, skipped := keysIn(t, path); !cmp.Equal(keys, []string{"a", "b"}) || skipped != 3 {
		t.Errorf("it holds %v, and %d were skipped", keys, skipped)
	}
}

// TestJournalOfIntents: what was about to be done is there until it was done or withdrawn, whichever way that is written.
func TestJournalOfIntents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	run := func() *Outbox { return New(Options{Journal: path, Log: slog.New(slog.DiscardHandler)}) }
	left := func(o *Outbox) []string {
		keys := []string{}
		for _, i := range o.Intended() {
			keys = append(keys, i.Record.Key+" "+i.Proof)
		}
		return keys
	}
	o := run()
	for _, key := range []string{"a", "b", "c"} {
		if err := o.Intend(history.Intent{Record: noted(key), Proof: "uid of " + key}); err != nil {
			t.Fatal(err)
		}
	}
	if got := left(o); len(got) != 0 {
		t.Errorf("a process before this one intended %q", got)
	}
	if err := o.Record(noted("a"), nil); err != nil {
		t.Fatal(err)
	}
	o.Withdraw("b")
	o.Withdraw("never")
	o = run()
	if got := left(o); !cmp.Equal(got, []string{"c uid of c"}) || o.Pending() != 1 {
		t.Errorf("left is %q, and %d records wait", got, o.Pending())
	}
	o.mu.Lock()
	o.queue = nil
	o.shorten() // the store has everything
	o.mu.Unlock()
	if o = run(); !cmp.Equal(left(o), []string{"c uid of c"}) {
		t.Errorf("when the store has everything, left is %q", left(o))
	}
	if err := o.Record(noted("c"), nil); err != nil || len(left(o)) != 0 {
		t.Errorf("%v, left is %q", err, left(o))
	}
	if o = run(); len(left(o)) != 0 || o.Pending() != 2 {
		t.Errorf("left is %q, and %d records wait", left(o), o.Pending())
	}
	if err := o.Intend(history.Intent{Record: noted("d"), Proof: strings.Repeat("x", mostProof+1)}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a proof that is too long: %v", err)
	}
	for n := range mostIntents {
		if err := o.Intend(history.Intent{Record: noted(fmt.Sprint("e", n))}); err != nil {
			t.Fatal(n, err)
		}
	}
	if err := o.Intend(history.Intent{Record: noted("f")}); fault.KindOf(err) != fault.Transient {
		t.Errorf("one too many: %v", err)
	}
}
