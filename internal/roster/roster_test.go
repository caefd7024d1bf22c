package roster_test

import (
	"fmt"
	"testing"

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
