package verify_test

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/verify"
)

// TestLastWords says what a log ends with. That it cannot be read is not what somebody wrote.
func TestLastWords(t *testing.T) {
	for name, c := range map[string]struct {
		log  []string
		want string
	}{
		"nothing":             {nil, ""},
		"more than is told":   {[]string{"one", "two", "three", "four"}, "it wrote last: two | three | four"},
		"it cannot be read":   {verify.Unread("nobody may"), "its log cannot be read: nobody may"},
		"a reason of a novel": {verify.Unread(strings.Repeat("a", 1000)), "its log cannot be read: " + strings.Repeat("a", 173) + "…"},
	} {
		if got := verify.LastWords(c.log); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
