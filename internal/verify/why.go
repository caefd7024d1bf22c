package verify

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/fairlead-cd/fairlead/internal/release"
)

// Bounds of what people are shown, in bytes.
const (
	mostTitle = 200
	mostLine  = 400
)

// Why says how a trial stands: one line. It changes only when there is something new to say, not with every try that goes as the one before.
func (t Trial) Why(c Course) string { return line(t.Title+" "+t.predicate(c), mostLine) }

func (t Trial) predicate(c Course) string {
	switch {
	case c.Verdict == release.Passed:
		return "passed" + said(c.Was)
	case c.Tries == 0:
		return "is not tried yet"
	case c.Decided:
		return c.Failure
	case c.Verdict == release.Refuted && c.Failures <= t.Pace.Forgiven:
		return fmt.Sprintf("took longer than %s %d of %d times, the slowest %s: of %d at most %d may", t.Pace.P95, c.Slow, c.Answers, c.Slowest.Round(time.Millisecond),
			c.expected(t.Pace), c.maySlow(t.Pace))
	case c.Verdict == release.Refuted:
		return failed(c)
	case !c.Sure:
		return c.Doubt + t.forgiven(c)
	case c.Passing.IsZero():
		return failed(c) + "; " + t.forgives()
	}
	return fmt.Sprintf("passes since %s, and has to until %s", clock(c.Passing), clock(c.Last.Add(t.Pace.For-c.Kept))) + t.forgiven(c)
}

// failed is what was wrong, how often, and when last.
func failed(c Course) string {
	if c.Failures == 1 && c.Answers == 1 {
		return c.Failure + ", at " + clock(c.Failed)
	}
	return fmt.Sprintf("%s, %d of %d times, the last at %s", c.Failure, c.Failures, c.Answers, clock(c.Failed))
}

// forgiven says of the failures that did not refute it so far.
func (t Trial) forgiven(c Course) string {
	if c.Failures == 0 {
		return ""
	}
	often := "once"
	if c.Failures > 1 {
		often = fmt.Sprintf("%d times", c.Failures)
	}
	return fmt.Sprintf(" (failed %s, %s: %s)", often, t.forgives(), c.Failure)
}

func (t Trial) forgives() string {
	if t.Pace.Forgiven == 1 {
		return "1 is forgiven"
	}
	return fmt.Sprintf("%d are forgiven", t.Pace.Forgiven)
}

func said(what string) string {
	if what == "" {
		return ""
	}
	return ": " + what
}

// clock is a time of the day, to the second.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// line makes one printable line of at most most bytes of a text.
func line(text string, most int) string {
	if len(text) > 4*most {
		text = text[:4*most]
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}

// Result is how one trial of a release stands.
type Result struct {
	Name    string // as it was declared; may be empty
	Verdict release.Verdict
	Why     string
	Log     []string // the last lines of a Job that failed
}

// Result is how the trial stands.
func (t Trial) Result(c Course) Result {
	r := Result{Name: t.Name, Verdict: c.Verdict, Why: t.Why(c)}
	if c.Verdict == release.Refuted {
		r.Log = c.Log
	}
	return r
}

// Sum is what the trials say together: refuted if one is, passed if all have. Why names the first that is not passed, and says how many more there are.
func Sum(results []Result) (release.Verdict, string) {
	count := map[release.Verdict]int{}
	for _, r := range results {
		count[r.Verdict]++
	}
	verdict := release.Passed
	for _, v := range []release.Verdict{release.Refuted, release.Pending} {
		if count[v] > 0 {
			verdict = v
			break
		}
	}
	if verdict == release.Passed {
		return verdict, ""
	}
	for _, r := range results {
		if r.Verdict == verdict && count[verdict] > 1 {
			return verdict, fmt.Sprintf("%s (and %d more)", r.Why, count[verdict]-1)
		} else if r.Verdict == verdict {
			return verdict, r.Why
		}
	}
	return verdict, ""
}
