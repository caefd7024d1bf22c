package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer is what came of one request.
type Answer struct {
	// Unasked says why nobody could be asked; empty if somebody was. It is no fault of the app.
	Unasked string
	// Silent says why there is no answer: a connection that was refused, a time-out; empty if there is one. It is the fault of who was asked.
	Silent string
	// From names who of several answered; empty if there is one.
	From   string
	Status int
	Header textproto.MIMEHeader
	Body   []byte
	Cut    bool // Body is only the beginning
	Took   time.Duration
}

// unasked says nothing, since nobody could be asked.
func unasked(why string) Observation {
	return Observation{Says: Unsure, What: "cannot be asked: " + why}
}

// OfHTTP judges the answers of all who were asked at once: the first that is wrong counts.
func (t Trial) OfHTTP(answers ...Answer) Observation {
	o := Observation{Says: Good}
	for _, a := range answers {
		o.Took = max(o.Took, a.Took)
	}
	if len(answers) == 0 {
		return Observation{Says: Bad, What: "reached none that is ready"}
	}
	for _, a := range answers {
		if a.Unasked != "" {
			return unasked(a.Unasked)
		}
		wrong := t.wrong(a)
		if wrong == "" {
			continue
		}
		if a.From != "" {
			wrong += " from " + a.From
		}
		return Observation{Says: Bad, What: wrong, Took: o.Took}
	}
	return o
}

// wrong says what is wrong with an answer; empty if nothing is. It repeats nothing of the answer but its status, and where it leads.
func (t Trial) wrong(a Answer) string {
	h := t.HTTP
	switch {
	case a.Silent != "":
		return "did not answer: " + a.Silent
	case len(h.Status) == 0 && (a.Status < 200 || a.Status > 299):
		return fmt.Sprintf("answered %d (want 200 to 299)%s", a.Status, leads(a))
	case len(h.Status) > 0 && !slices.Contains(h.Status, a.Status):
		return fmt.Sprintf("answered %d (want %s)%s", a.Status, numbers(h.Status), leads(a))
	}
	for _, want := range h.Headers {
		got := a.Header.Values(want.Name)
		if len(got) == 0 {
			return fmt.Sprintf("answered without the header %s", want.Name)
		}
		if want.Value != "" && !slices.Contains(got, want.Value) {
			return fmt.Sprintf("answered with another %s than %q", want.Name, want.Value)
		}
	}
	cut := ""
	if a.Cut {
		cut = fmt.Sprintf(" within its first %d bytes", len(a.Body))
	}
	switch {
	case h.Contains != "" && !bytes.Contains(a.Body, []byte(h.Contains)):
		return fmt.Sprintf("answered without %q%s", line(h.Contains, 80), cut)
	case t.matches != nil && !t.matches.Match(a.Body):
		return fmt.Sprintf("answered what does not match %q%s", line(h.Matches, 80), cut)
	case h.Each > 0 && a.Took > h.Each:
		return fmt.Sprintf("took %s (at most %s)", a.Took.Round(time.Millisecond), h.Each)
	}
	return ""
}

// leads says that an answer is a redirect.
func leads(a Answer) string {
	if a.Status < 300 || a.Status > 399 || a.Header.Get("Location") == "" {
		return ""
	}
	return ": redirects are not followed"
}

func numbers(all []int) string {
	var texts []string
	for _, n := range all {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ", ")
}

// OfWebhook judges what somebody else answered.
func (t Trial) OfWebhook(a Answer) Observation {
	if why := a.Unasked + a.Silent; why != "" {
		return unasked(why)
	}
	var told struct{ Verdict, Reason string }
	if a.Status < 300 && json.Unmarshal(a.Body, &told) == nil && told.Verdict != "" {
		reason := line(told.Reason, 200)
		switch told.Verdict {
		case "Passed":
			return Observation{Says: Good, What: reason}
		case "Refuted":
			return Observation{Says: Final, What: "refuted it" + said(reason)}
		case "Pending":
			return Observation{Says: Unsure, What: "has not decided yet" + said(reason)}
		}
		return Observation{Says: Unsure, What: fmt.Sprintf("answered the verdict %q: write Passed, Refuted or Pending", line(told.Verdict, 40))}
	}
	switch {
	case a.Status == 200, a.Status == 204:
		return Observation{Says: Good}
	case a.Status == 202:
		return Observation{Says: Unsure, What: "has not decided yet"}
	case a.Status >= 400 && a.Status < 500 && a.Status != 408 && a.Status != 429:
		return Observation{Says: Bad, What: fmt.Sprintf("answered %d", a.Status)}
	}
	return Observation{Says: Unsure, What: fmt.Sprintf("answered %d%s", a.Status, leads(a))}
}
