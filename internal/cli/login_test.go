package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// TestNetrc: the entry of the host counts, else the default behind all others, and nothing that is of another host.
func TestNetrc(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      ":",
		"machine":                               ":",
		"machine h login a":                     "a:",
		"machine h login a password":            "a:",
		"machine h login a password b":          "a:b",
		"machine\nh\n\tlogin a\n\tpassword b\n": "a:b",
		"machine other login a password b":      ":",
		"machine o login x password y machine h login a account z password b machine p login u password v": "a:b",
		"machine h login a password b default login x password y":                                          "a:b",
		"machine o login x password y default login a password b":                                          "a:b",
		"machine o login x password y\nmacdef init\nmachine h login a password b":                          ":",
	} {
		file := filepath.Join(t.TempDir(), "netrc")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l := logins{w: IO{Getenv: func(name string) string { return map[string]string{"NETRC": file}[name] }}}
		a, err := l.netrc("h")
		if got := a.Username + ":" + a.Password; err != nil || got != want || (a.Field == "") != (want == ":") {
			t.Errorf("%q: got %q (%q), %v, want %q", text, got, a.Field, err, want)
		}
	}
}
