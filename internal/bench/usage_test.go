package bench

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("42 (a (strange) name) S 7 42 42 0 -1 4194304 100 200 0 0 11 22 33 44 20 0 9 0 100 1000 200\n"))
	if want := (stat{id: 42, parent: 7, cpu: 1100 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, text := range []string{"", "42", "42 (a) S 1", "x (a) S 7 42 42 0 -1 4194304 100 200 0 0 11 22 33 44 20"} {
		if got, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func TestDescends(t *testing.T) {
	all := map[int]stat{1: {id: 1}, 5: {id: 5, parent: 1}, 6: {id: 6, parent: 5}, 7: {id: 7, parent: 6}, 8: {id: 8, parent: 1}}
	for id, want := range map[int]bool{5: true, 6: true, 7: true, 8: false, 1: false} {
		if got := descends(all, id, 5); got != want {
			t.Errorf("%d descends from 5: %t, want %t", id, got, want)
		}
	}
}

func TestParseBusy(t *testing.T) {
	got := parseBusy("cpu  100 1 20 5000 600 3 4 5 50 50\ncpu0 9 9 9 9 9 9 9 9 9 9\n")
	if want := 1330 * time.Millisecond; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := parseBusy(""); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
}
