package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// screen prints the tour: on a terminal with colour and a line that shows what is being waited for, elsewhere as plain lines.
type screen struct {
	out      io.Writer
	terminal bool
	colour   bool
	width    int // of a terminal; 0 elsewhere: lines are not wrapped

	mu   sync.Mutex
	wait chan struct{} // closed to end the line that moves; nil if there is none
	done chan struct{}
}

// Marks and their colours.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s *screen) paint(code, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) mark(sign, word, code string) string {
	if s.terminal {
		return s.paint(code, sign)
	}
	return s.paint(code, word)
}

// print prints one line, wrapped below its own indent on a terminal.
func (s *screen) print(indent, text string, paint func(string) string) {
	s.rest()
	for _, line := range wrap(text, s.width-len(indent)) {
		_, _ = fmt.Fprintln(s.out, strings.TrimRight(indent+paint(line), " "))
	}
}

func plain(text string) string { return text }

// head begins a part.
func (s *screen) head(title, about string) {
	s.print("", "", plain)
	s.print("", title, func(t string) string { return s.paint(bold, t) })
	if about != "" {
		s.print("    ", about, func(t string) string { return s.paint(dim, t) })
	}
}

// doing shows, on a terminal, what is being waited for.
func (s *screen) doing(what string) {
	s.rest()
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait, s.done = make(chan struct{}), make(chan struct{})
	go s.spin(clip(what, max(20, s.width-20)), s.wait, s.done)
}

func (s *screen) spin(what string, end, done chan struct{}) {
	defer close(done)
	began := time.Now()
	tick := time.NewTicker(90 * time.Millisecond)
	defer tick.Stop()
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	for i := 0; ; i++ {
		_, _ = fmt.Fprintf(s.out, "\r  %s %s %s\x1b[K", s.paint(cyan, string(frames[i%len(frames)])), what,
			s.paint(dim, fmt.Sprintf("%.1f s", time.Since(began).Seconds())))
		select {
		case <-end:
			_, _ = fmt.Fprint(s.out, "\r\x1b[K")
			return
		case <-tick.C:
		}
	}
}

// rest ends the line that moves.
func (s *screen) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wait != nil {
		close(s.wait)
		<-s.done
		s.wait = nil
	}
}

// ok says what was seen, and what was measured.
func (s *screen) ok(what, measured string) {
	s.rest()
	if measured != "" {
		measured = s.paint(cyan, measured)
		if len(what) < 70 {
			what += strings.Repeat(" ", 70-len([]rune(what)))
		}
		what += "  "
	}
	_, _ = fmt.Fprintf(s.out, "  %s %s%s\n", s.mark("✓", "ok  ", green), what, measured)
}

// command shows what a person would type.
func (s *screen) command(text string) {
	s.print("    ", "$ "+text, func(t string) string { return s.paint(yellow, t) })
}

// note shows what the cluster says.
func (s *screen) note(text string) {
	s.print("      ", text, func(t string) string { return s.paint(dim, t) })
}

// fail says what did not work.
func (s *screen) fail(text string) {
	s.rest()
	_, _ = fmt.Fprintf(s.out, "  %s %s\n", s.mark("✗", "FAILED", red), text)
}

// wrap breaks a text at spaces into lines of at most width characters where it can; below 20 it leaves the text whole.
func wrap(text string, width int) []string {
	if width < 20 {
		return []string{text}
	}
	var lines []string
	var line []rune
	for _, word := range strings.Split(text, " ") {
		w := []rune(word)
		if len(line) > 0 && len(line)+1+len(w) > width {
			lines = append(lines, string(line))
			line = nil
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		line = append(line, w...)
	}
	return append(lines, string(line))
}

// clip shortens a text to at most most characters.
func clip(text string, most int) string {
	r := []rune(text)
	if len(r) <= most {
		return text
	}
	return string(r[:most-1]) + "…"
}

// table prints rows of a name and a text.
func (s *screen) table(rows [][2]string) {
	s.rest()
	wide := 0
	for _, row := range rows {
		wide = max(wide, len(row[0]))
	}
	for _, row := range rows {
		_, _ = fmt.Fprintf(s.out, "    %s  %s\n", s.paint(dim, fmt.Sprintf("%-*s", wide, row[0])), row[1])
	}
}
