package sim

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/sim/mutation"
)

// TestScenarios plays every scenario without faults, and holds its end to what the file says.
func TestScenarios(t *testing.T) {
	golden.Run(t, "testdata/scenario/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		_, name, _ := strings.Cut(t.Name(), "/")
		s, err := parse(name, ar)
		if err != nil {
			t.Fatal(err)
		}
		schedule := Schedule{Scenario: s, reference: true}
		if testing.Verbose() {
			schedule.Verbose = os.Stderr
		}
		w, err := run(schedule)
		if err != nil {
			t.Error(err)
		}
		is := w.course()
		golden.Drop(ar, "rests", "deleted", "end")
		golden.Set(ar, "rests", is.Rests)
		golden.Set(ar, "deleted", is.Deleted)
		golden.Set(ar, "end", is.End)
	})
}

// TestSame plays the same schedules twice: every step has to be the same.
func TestSame(t *testing.T) {
	for seed := range uint64(40) {
		s := Random(seed + 1)
		var first, second []string
		s.trace = &first
		_, firstErr := run(s)
		s.trace = &second
		_, secondErr := run(s)
		if (firstErr == nil) != (secondErr == nil) {
			t.Errorf("%s: %v, and again %v", s, firstErr, secondErr)
		}
		a, b := strings.Join(first, "\n")+"\n", strings.Join(second, "\n")+"\n"
		if a != b {
			t.Fatalf("%s: it went another way\n%s", s, diff.Diff("first", []byte(a), "second", []byte(b)))
		}
	}
}

// TestRandom plays a share of the random schedules.
func TestRandom(t *testing.T) {
	for seed := range uint64(300) {
		s := Random(seed + 1)
		if Run(s) == nil {
			continue
		}
		s, why := Shrink(s)
		t.Errorf("seed %d, shrunk: %s\n%v", seed+1, s, why)
	}
}

// TestSingle plays a share of the schedules of one fault.
func TestSingle(t *testing.T) {
	for _, s := range Scenarios() {
		all := Single(s)
		for i := 0; i < len(all); i += 37 {
			if err := Run(all[i]); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestKept plays the schedules that broke something once.
func TestKept(t *testing.T) {
	for s := range Kept() {
		if err := Run(s); err != nil {
			t.Error(err)
		}
	}
}

// TestHint reads where to look for a bug first: a number is how many replicas play, unless it is a kind of fault.
func TestHint(t *testing.T) {
	for text, want := range map[string]Hint{
		"life":             {},
		"life 410 2 pause": {Replicas: 2, Kinds: []Kind{Expired, Pause}},
		"life 404":         {Kinds: []Kind{Absent}},
	} {
		h, err := ParseHint(text)
		if err != nil || h.Scenario.Name != "life" || h.Replicas != want.Replicas || !slices.Equal(h.Kinds, want.Kinds) {
			t.Errorf("%s: %+v, %v", text, h, err)
		}
	}
	if h, err := ParseHint("life 409+slow"); err != nil || len(h.Kinds) > 0 || !slices.Equal(h.Pairs, [][2]Kind{{Conflict, Slow}}) {
		t.Errorf("life 409+slow: %+v, %v", h, err)
	}
	if h, err := ParseHint("any 2"); err != nil || h.Scenario.Name != "" || h.Replicas != 2 {
		t.Errorf("any 2: %+v, %v", h, err)
	}
	all, err := mutation.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, text := range m.First {
			if _, err := ParseHint(text); err != nil {
				t.Errorf("mutation %s: %v", m.Name, err)
			}
		}
	}
	for _, text := range []string{"", "nowhere", "life 2 often", "life 409+often"} {
		if _, err := ParseHint(text); err == nil {
			t.Errorf("%q is taken for a hint", text)
		}
	}
}
