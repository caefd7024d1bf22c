package why

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Stage is a part of the way from Git to a healthy app.
type Stage string

// The stages, in the order of the way. Cluster is the ground under it: an API server that answers, and a controller that runs.
const (
	Cluster    Stage = "cluster"
	Source     Stage = "source"
	Signature  Stage = "signature"
	Render     Stage = "render"
	Preflight  Stage = "preflight"
	Hold       Stage = "hold"
	Dependency Stage = "dependency"
	Apply      Stage = "apply"
	Health     Stage = "health"
)

// State is the answer in one word.
type State string

// The states.
const (
	// Healthy: nothing is in the way.
	Healthy State = "Healthy"
	// Blocked: something is.
	Blocked State = "Blocked"
	// Held: what is in the way waits for a person to approve or decide something.
	Held State = "Held"
	// Unknown: nobody can tell.
	Unknown State = "Unknown"
)

// Evidence is what stands behind an answer.
type Evidence struct {
	// From says what it is, such as "Event of Pod shop/web-0".
	From string `json:"from"`
	Says string `json:"says"`
	// At is when that was, or was last; zero if it is not known.
	At *time.Time `json:"at,omitempty"`
	// Count is how often it was, if more than once.
	Count int `json:"count,omitempty"`
}

// Answer is the first thing that is in the way of an app.
type Answer struct {
	App       string `json:"app"`
	Namespace string `json:"namespace"`
	State     State  `json:"state"`
	Stage     Stage  `json:"stage,omitempty"`
	// Subject is the object that it is about, such as "Deployment shop/web".
	Subject string `json:"subject,omitempty"`
	// Says is what is wrong, in one line.
	Says string `json:"says"`
	// At is where in Git it is written, if that is known.
	At string `json:"at,omitempty"`
	// Because is what stands behind it, the most telling first.
	Because []Evidence `json:"because,omitempty"`
	// Remedy is what to do: sentences and commands.
	Remedy []string `json:"remedy,omitempty"`
	// Since is how long the app has not been further, or has been healthy; nil if it is not known.
	Since *time.Time `json:"since,omitempty"`
	// Unread is what would have made the answer better, and could not be read.
	Unread []string `json:"unread,omitempty"`

	// Asks are what to read for a better answer.
	Asks []Ask `json:"-"`
}

// Bounds of an answer.
const (
	maxSays    = 300
	maxBecause = 6
	maxRemedy  = 3
	maxUnread  = 3
)

// Text is the answer as people read it: one line, what stands behind it, and what to do.
func (a Answer) Text(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", a.headline(now))
	if len(a.Because)+len(a.Unread) > 0 || a.At != "" {
		b.WriteString("\n")
	}
	if a.At != "" {
		fmt.Fprintf(&b, "  %s\n", a.At)
	}
	for _, e := range a.Because {
		when := ""
		if e.At != nil {
			when = ", " + age(*e.At, now) + " ago"
		}
		if e.Count > 1 {
			when += fmt.Sprintf(" (%d times)", e.Count)
		}
		fmt.Fprintf(&b, "  %s%s: %s\n", e.From, when, e.Says)
	}
	for _, u := range a.Unread {
		fmt.Fprintf(&b, "  %s\n", u)
	}
	if len(a.Remedy) > 0 {
		b.WriteString("\n")
	}
	for _, r := range a.Remedy {
		fmt.Fprintf(&b, "→ %s\n", r)
	}
	return b.String()
}

func (a Answer) headline(now time.Time) string {
	since := ""
	if a.Since != nil {
		since = " since " + age(*a.Since, now)
	}
	subject := ""
	if a.Subject != "" && !strings.HasPrefix(a.Says, a.Subject) {
		subject = a.Subject + ": "
	}
	switch a.State {
	case Healthy:
		return fmt.Sprintf("%s is healthy%s: %s", a.App, since, a.Says)
	case Unknown:
		return fmt.Sprintf("%s is Unknown: %s: %s%s", a.App, a.Stage, subject, a.Says)
	case Held:
		return fmt.Sprintf("%s is held%s: %s: %s%s", a.App, since, a.Stage, subject, a.Says)
	case Blocked:
	}
	return fmt.Sprintf("%s is not further%s: %s: %s%s", a.App, since, a.Stage, subject, a.Says)
}

func age(at, now time.Time) string { return duration.HumanDuration(max(0, now.Sub(at))) }

// bound makes everything that others wrote printable and short.
func (a Answer) bound() Answer {
	a.Subject, a.Says, a.At = clip(a.Subject, maxSays), clip(a.Says, maxSays), clip(a.At, maxSays)
	a.Because = a.Because[:min(len(a.Because), maxBecause)]
	for i := range a.Because {
		e := &a.Because[i]
		e.From, e.Says = clip(e.From, maxSays), clip(e.Says, maxSays)
	}
	a.Remedy = a.Remedy[:min(len(a.Remedy), maxRemedy)]
	for i, r := range a.Remedy {
		a.Remedy[i] = clip(r, maxSays)
	}
	a.Unread = a.Unread[:min(len(a.Unread), maxUnread)]
	for i, u := range a.Unread {
		a.Unread[i] = clip(u, maxSays)
	}
	return a
}

// clip makes one printable line of at most so many bytes.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(s[:min(len(s), 4*most)], "?")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(s) <= most {
		return s
	}
	cut := most - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
