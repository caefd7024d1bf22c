package cli

import (
	"fmt"
	"io"

	"golang.org/x/term"
)

// descriptor is what files have and buffers do not.
type descriptor interface{ Fd() uintptr }

// isTerminal reports whether a person sits at the other end.
func isTerminal(rw any) bool {
	f, ok := rw.(descriptor)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width is how many columns a terminal has; 0 if there is none, and nothing is to be cut off.
func width(w io.Writer) int {
	f, ok := w.(descriptor)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// colours says whether what goes to out may be coloured.
func (w IO) colours(out io.Writer) bool {
	return isTerminal(out) && w.Getenv("NO_COLOR") == "" && w.Getenv("TERM") != "dumb"
}

// progress tells what is waited for: one line written over on a terminal, else a line for each change.
type progress struct {
	out   io.Writer
	over  bool
	width int
	last  string
}

func newProgress(w IO) *progress {
	return &progress{out: w.Err, over: w.colours(w.Err), width: width(w.Err)}
}

// say shows a line, unless it is the one that is shown already.
func (p *progress) say(line string) {
	if line == p.last {
		return
	}
	p.last = line
	if p.over {
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s", clip(line, p.width-1))
		return
	}
	_, _ = fmt.Fprintln(p.out, line)
}

// done removes the line from a terminal.
func (p *progress) done() {
	if p.over && p.last != "" {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// clip shortens a line to n characters; n < 1 means that it may be of any length.
func clip(s string, n int) string {
	r := []rune(s)
	if n < 1 || len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
