package health

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Status is what we say of an object. The order of the constants is the order from best to worst.
type Status string

// The statuses, from best to worst.
const (
	// Healthy does its work.
	Healthy Status = "Healthy"
	// Suspended does nothing because somebody said so.
	Suspended Status = "Suspended"
	// Progressing is on its way and may get there by itself.
	Progressing Status = "Progressing"
	// Missing is not in the cluster.
	Missing Status = "Missing"
	// Degraded will not become healthy by itself, or took too long.
	Degraded Status = "Degraded"
	// Unknown could not be judged.
	Unknown Status = "Unknown"
)

var worsening = []Status{Healthy, Suspended, Progressing, Missing, Degraded, Unknown}

// rank is the place in worsening; what is no status counts as Unknown.
func (s Status) rank() int {
	if i := slices.Index(worsening, s); i >= 0 {
		return i
	}
	return len(worsening) - 1
}

// Worse reports whether s is worse than o.
func (s Status) Worse(o Status) bool { return s.rank() > o.rank() }

// Worst returns the worst of the statuses; Healthy if there are none.
func Worst(statuses ...Status) Status {
	worst := Healthy
	for _, s := range statuses {
		if s.Worse(worst) {
			worst = s
		}
	}
	return worst
}

// Verdict is the status of one object and one line that says what it waits for or what is wrong. The message is empty where the status
// says it all; it is at most 300 bytes of printable text and never holds the content of a Secret.
type Verdict struct {
	Status  Status
	Message string
}

// String is "Status: message".
func (v Verdict) String() string {
	if v.Message == "" {
		return string(v.Status)
	}
	return string(v.Status) + ": " + v.Message
}

// At is the verdict at a time: what has been Progressing since longer than deadline is Degraded. A zero since (not known) or a deadline
// that is not positive changes nothing.
func (v Verdict) At(since, now time.Time, deadline time.Duration) Verdict {
	if v.Status != Progressing || since.IsZero() || deadline <= 0 || now.Sub(since) <= deadline {
		return v
	}
	message := fmt.Sprintf("not ready after %s", deadline)
	if v.Message != "" {
		message += ": " + v.Message
	}
	return say(Degraded, message)
}

func say(s Status, message string) Verdict {
	if message = line(message); message == "" && s != Healthy {
		message = "no reason given"
	}
	return Verdict{s, message}
}

func sayf(s Status, format string, args ...any) Verdict { return say(s, fmt.Sprintf(format, args...)) }

const longest = 300

// line makes one printable line of bounded length of what a controller or a user wrote.
func line(text string) string {
	if len(text) > 4*longest {
		text = text[:4*longest]
	}
	if strings.Contains(text, "  ") || strings.HasSuffix(text, " ") || strings.ContainsFunc(text, unprintable) {
		text = strings.Join(strings.FieldsFunc(text, gap), " ")
	}
	if len(text) <= longest {
		return text
	}
	cut := longest - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func gap(r rune) bool { return r == ' ' || unprintable(r) }

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
