package form

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/check"
)

var colours = map[check.Severity]string{check.Error: "31", check.Warning: "33", check.Note: "90"}

// writeText writes a paragraph for each file, and a line that sums up.
func writeText(w io.Writer, r Result) error {
	var b strings.Builder
	for rest := r.Findings; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Place.File == rest[0].Place.File {
			n++
		}
		r.paragraph(&b, rest[:n])
		b.WriteByte('\n')
		rest = rest[n:]
	}
	for _, a := range r.Asides {
		fmt.Fprintln(&b, a)
	}
	fmt.Fprintln(&b, r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Result) paragraph(b *strings.Builder, findings []check.Finding) {
	var place, severity, rule int
	places := make([]string, len(findings))
	for i, f := range findings {
		at := f.Place
		if r.Shown != nil {
			at.File = r.Shown(at.File)
		}
		places[i] = at.String()
		place = max(place, utf8.RuneCountInString(places[i]))
		severity, rule = max(severity, len(f.Severity.String())), max(rule, len(f.Rule))
	}
	for i, f := range findings {
		word := f.Severity.String() + strings.Repeat(" ", severity-len(f.Severity.String()))
		fmt.Fprintf(b, "%s%s  %s  %-*s  %s\n", places[i], strings.Repeat(" ", place-utf8.RuneCountInString(places[i])),
			r.paint(colours[f.Severity], word), rule, f.Rule, oneLine(sentence(f)))
		if f.Remedy != "" {
			fmt.Fprintf(b, "    %s\n", r.paint("90", oneLine(f.Remedy)))
		}
	}
}

func (r Result) paint(colour, text string) string {
	if !r.Colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// oneLine keeps what others have written from breaking lines or commanding a terminal.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || 0x80 <= c && c < 0xa0 {
			return ' '
		}
		return c
	}, text)
}

// writeGitHub writes commands of GitHub Actions, which become annotations of the lines of a pull request.
func writeGitHub(w io.Writer, r Result) error {
	words := map[check.Severity]string{check.Error: "error", check.Warning: "warning", check.Note: "notice"}
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "::%s file=%s", words[f.Severity], property(f.Place.File))
		if f.Place.Line > 0 {
			fmt.Fprintf(&b, ",line=%d", f.Place.Line)
		}
		if f.Place.Column > 0 {
			fmt.Fprintf(&b, ",col=%d", f.Place.Column)
		}
		text := sentence(f)
		if f.Remedy != "" {
			text += "\n" + f.Remedy
		}
		fmt.Fprintf(&b, ",title=%s::%s\n", property(f.Rule), data.Replace(text))
	}
	for _, a := range r.Asides {
		fmt.Fprintln(&b, oneLine(a))
	}
	fmt.Fprintln(&b, r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

var (
	data       = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	properties = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func property(text string) string { return properties.Replace(text) }
