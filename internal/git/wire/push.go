package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Push asks for one ref to be moved. Versions 0 and 1 alone have it.
type Push struct {
	Ref      string
	From, To string // full ids; a From of zeros alone asks for a ref that is not there yet
}

// Encode writes the request. A pack has to follow it, be it an empty one.
func (p Push) Encode(a Advert) []byte {
	var caps []string
	for _, c := range []string{"report-status", "side-band-64k", "quiet"} {
		if a.Has(c) {
			caps = append(caps, c)
		}
	}
	if a.Has("object-format") {
		caps = append(caps, "object-format="+a.Format())
	}
	if a.Has("agent") {
		caps = append(caps, "agent="+agent)
	}
	var m message
	m.linef("%s %s %s\x00 %s", p.From, p.To, p.Ref, strings.Join(caps, " "))
	m.flush()
	return m.b
}

// Report is what a server says of a [Push].
type Report struct {
	Done bool
	// Why is why not, as the server says it, in one line: the reason, and what its hooks had to say. Empty if it is Done.
	Why string
}

// errNoReport is an answer after which nobody knows whether the ref was moved.
var errNoReport = errors.New("the answer does not say what became of the ref")

// ReadReport reads the answer to p to its end: a server that is cut off earlier may end its hooks. After an error it is not known whether the ref was moved.
func ReadReport(r *Reader, a Advert, p Push) (Report, error) {
	if !a.Has("report-status") {
		return Report{}, errNoReport
	}
	var told told
	lines, rest := r, io.Reader(nil)
	if a.Has("side-band-64k") {
		rest = &sideband{r: r, told: told.add}
		lines = NewReader(rest)
	}
	rep, err := readReport(lines, p.Ref)
	if err != nil {
		return Report{}, fmt.Errorf("read report: %w", told.with(err))
	}
	if rest != nil {
		_, _ = io.Copy(io.Discard, rest) // what was reported is true, however the rest ends
	}
	if !rep.Done {
		rep.Why = told.behind(rep.Why)
	}
	return rep, nil
}

func readReport(r *Reader, ref string) (Report, error) {
	kind, text, err := r.line()
	if err != nil {
		return Report{}, err
	}
	unpacked, ok := strings.CutPrefix(text, "unpack ")
	if kind != Data || !ok {
		return Report{}, fmt.Errorf("%w: it starts with %q", errNoReport, clean(text))
	}
	var rep Report
	for known := false; ; {
		kind, text, err := r.line()
		if err != nil {
			return Report{}, err
		}
		if kind != Data {
			if !known {
				return Report{}, errNoReport
			}
			return rep, nil
		}
		word, rest, _ := strings.Cut(text, " ")
		name, why, _ := strings.Cut(rest, " ")
		if name != ref {
			continue
		}
		switch {
		case known:
			return Report{}, fmt.Errorf("%w: it says it twice", errNoReport)
		case word == "ok" && unpacked == "ok":
			known, rep = true, Report{Done: true}
		case word == "ng":
			known, rep = true, Report{Why: why}
			if unpacked != "ok" {
				rep.Why = "unpack: " + unpacked
			}
		}
	}
}

// told is what a server writes for a person to read: the words of its hooks.
type told struct{ text []byte }

func (t *told) add(b []byte) {
	const most = 4 << 10
	t.text = append(t.text, b[:min(len(b), most-len(t.text))]...)
}

// behind puts what was told behind a reason.
func (t *told) behind(why string) string {
	why = strings.Join(strings.Fields(clean(why)), " ")
	text := strings.Join(strings.Fields(clean(string(t.text))), " ")
	switch {
	case why == "" && text == "":
		return "it gave no reason"
	case why == "" || text == "":
		return why + text
	}
	return why + ": " + text
}

func (t *told) with(err error) error {
	if len(t.text) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, t.behind(""))
}
