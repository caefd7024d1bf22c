package cli

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// TestAsking: an empty answer is what was proposed, and so is none.
func TestAsking(t *testing.T) {
	var out bytes.Buffer
	a := asking{in: bufio.NewReader(strings.NewReader(" shop \n\n")), out: &out}
	for _, want := range []string{"shop", "production", "production"} {
		if got := a.about("Namespace", "production"); got != want {
			t.Errorf("the answer is %q, want %q", got, want)
		}
	}
	if got := (asking{}).about("Namespace", "production"); got != "production" {
		t.Errorf("with nobody there the answer is %q", got)
	}
	if want := strings.Repeat("Namespace [production]: ", 3); out.String() != want {
		t.Errorf("asked %q, want %q", out.String(), want)
	}
}
