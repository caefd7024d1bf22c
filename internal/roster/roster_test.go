package roster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/roster"
)

// TestShare says how evenly keys are shared, and how many move when a member comes.
func TestShare(t *testing.T) {
	const keys = 5000
	members := []string{"a", "b", "c"}
	owned := map[string]int{}
	moved := 0
	for i := range keys {
		key := fmt.Sprintf("app shop/prod-%d", i)
		was := roster.Owner(key, members)
		owned[was]++
		switch is := roster.Owner(key, append(members, "d")); is {
		case was:
		case "d":
			moved++
		default:
			t.Errorf("%s goes from %s to %s when d comes", key, was, is)
		}
	}
	for _, m := range members {
		if n := owned[m]; n < keys/3*9/10 || n > keys/3*11/10 {
			t.Errorf("%s has %d of %d keys, want a third", m, n, keys)
		}
	}
	if moved < keys/4*9/10 || moved > keys/4*11/10 {
		t.Errorf("%d of %d keys go to the one that comes, want a fourth", moved, keys)
	}
	if got := roster.Owner("key", nil); got != "" {
		t.Errorf("without members %q has it", got)
	}
}

// TestTerm says of which keys somebody else may have had the name in between.
func TestTerm(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := roster.New("a", 10*time.Second, now, nil, now)
	before := map[string]int{}
	for i := range 100 {
		key := fmt.Sprint(i)
		before[key] = r.Term(key)
	}
	r.See(roster.Lease{ID: "b", Version: "1", Lasts: time.Second, Knows: []string{"a", "b"}}, now)
	lost := map[string]bool{}
	for key := range before {
		lost[key] = !r.Owns(key)
	}
	r.Gone("b")
	for key, was := range before {
		if !r.Owns(key) || (r.Term(key) != was) != lost[key] {
			t.Errorf("key %s was lost: %t, its term was %d and is %d", key, lost[key], was, r.Term(key))
		}
	}
}
