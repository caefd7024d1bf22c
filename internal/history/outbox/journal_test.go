package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/history"
)

func noted(key string) history.Record {
	return history.Record{Time: time.Unix(1_800_000_000, 0).UTC(), Kind: history.Drift, Key: key, Namespace: "shop", Environment: "production", App: "web"}
}

func keysIn(t *testing.T, path string) ([]string, int) {
	t.Helper()
	j, left, skipped, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.file.Close() }()
	keys := []string{}
	for _, r := range left {
		keys = append(keys, r.Key)
	}
	return keys, skipped
}

// A journal holds what was added since it was emptied, also after what was stored was taken out of it, and more than once.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "journal")
	j, left, skipped, err := openJournal(path)
	if err != nil || len(left) != 0 || skipped != 0 {
		t.Fatal(left, skipped, err)
	}
	for i := range 3 {
		if err := j.add(noted(fmt.Sprint("a", i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		if err := j.keep([]history.Record{noted("a2")}); err != nil {
			t.Fatal(err)
		}
		if err := j.add(noted(fmt.Sprint("b", i))); err != nil {
			t.Fatal(err)
		}
	}
	if keys, skipped := keysIn(t, path); !cmp.Equal(keys, []string{"a2", "b1"}) || skipped != 0 {
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
	j, _, _, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.add(noted("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := j.file.WriteString("{\"kind\": 7}\n\x00\x01\n{\"kind\":\"Drift\",\"key\":\"to"); err != nil {
		t.Fatal(err)
	}
	j, left, skipped, err := openJournal(path)
	if err != nil || len(left) != 1 || skipped != 3 {
		t.Fatal(left, skipped, err)
	}
	if err := j.add(noted("b")); err != nil {
		t.Fatal(err)
	}
	if keys, skipped := keysIn(t, path); !cmp.Equal(keys, []string{"a", "b"}) || skipped != 3 {
		t.Errorf("it holds %v, and %d were skipped", keys, skipped)
	}
}
