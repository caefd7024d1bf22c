package cli

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestHeadersFor: headers are those that git sends.
func TestHeadersFor(t *testing.T) {
	t.Parallel()
	const a, b = "X-A: 1", "X-B: 2"
	for _, x := range []struct {
		address string
		config  []string
		want    []string
	}{
		{"https://h/r.git", nil, nil},
		{"https://h/r.git", []string{"http.extraheader\n" + a, "http.extraheader\n" + b}, []string{a, b}},
		{"https://h/r.git", []string{"http.extraheader\n" + a, "http.https://h.extraheader\n" + b}, []string{a, b}},
		{"https://h/r.git", []string{"http.https://h.extraheader\n" + b, "http.extraheader\n" + a}, []string{b}},
		{"https://h/r.git", []string{"http.extraheader\n" + a, "http.https://h.extraheader\n"}, nil},
		{"https://h/r.git", []string{"http.http://h.extraheader\n" + a, "http.https://h:444.extraheader\n" + a, "http.https://hh.extraheader\n" + a, "http.https://h/r.extraheader\n" + a}, nil},
		{"https://h:443/o/r.git", []string{"http.https://H/o.extraheader\n" + a}, []string{a}},
		{"https://x.h/o/r.git", []string{"http.https://*.h/.extraheader\n" + a}, []string{a}},
		{"https://x.y.h/o/r.git", []string{"http.https://*.h/.extraheader\n" + a}, nil},
		{"https://h/r.git", []string{"http.https://ann@h.extraheader\n" + a}, nil},
		{"https://ann@h/r.git", []string{"http.https://ann@h.extraheader\n" + a}, []string{a}},
		{"https://h/o/r.git", []string{"http.https://h/o/.extraheader\n" + a, "http.https://h/.extraheader\n" + b}, []string{a}},
	} {
		at, err := url.Parse(x.address)
		if err != nil {
			t.Fatal(err)
		}
		var config strings.Builder
		for _, entry := range x.config {
			config.WriteString(entry + "\x00")
		}
		if got := headersFor(config.String(), at); !slices.Equal(got, x.want) {
			t.Errorf("%s with %q: %q, want %q", x.address, x.config, got, x.want)
		}
	}
}

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
