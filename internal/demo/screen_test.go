package demo

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestScreenPlain(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out}
	s.head("1 of 6  All apps arrive", "Three Environments follow branch main.")
	s.doing("waiting")
	s.ok("15 apps are healthy", "1.93 s")
	s.command("git push")
	s.note("what the cluster says")
	s.fail("not within 30s")
	s.table([][2]string{{"push to applied", "142 ms"}, {"edit", "21 ms"}})
	want := `
1 of 6  All apps arrive
    Three Environments follow branch main.
  ok   15 apps are healthy` + strings.Repeat(" ", 53) + `1.93 s
    $ git push
      what the cluster says
  FAILED not within 30s
    push to applied  142 ms
    edit             21 ms
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestScreenTerminal(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, terminal: true, width: 60}
	s.doing("waiting")
	s.ok("done", "")
	got := out.String()
	if !strings.Contains(got, "⠋ waiting") || !strings.HasSuffix(got, "\r\x1b[K  ✓ done\n") {
		t.Errorf("got %q", got)
	}
	if strings.Contains(got, "\x1b[3") {
		t.Errorf("coloured, though colour is off: %q", got)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 30, []string{""}},
		{"as wide as it likes, since nobody wraps it", 0, []string{"as wide as it likes, since nobody wraps it"}},
		{"twenty wide and then more", 20, []string{"twenty wide and then", "more"}},
		{"a-word-that-is-wider-than-the-line goes", 20, []string{"a-word-that-is-wider-than-the-line", "goes"}},
	} {
		if got := wrap(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d: got %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestLogLine(t *testing.T) {
	for in, want := range map[string]string{
		"panic: no JSON": "panic: no JSON",
		`{"time":"2026-11-21T01:14:10.229179876Z","level":"INFO","msg":"app status","phase":"Synced","reason":""}`: "01:14:10.229 INFO app status phase=Synced",
	} {
		if got := logLine(in); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
