package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// Subject is the release that waits: of which app, and to which commit.
type Subject struct {
	Namespace, Environment, App string
	// Destination is the namespace of those objects of the app that do not say so themselves.
	Destination string
	// Commit is the full id of the commit that the wanted objects were read from first.
	Commit string
	// Digest identifies the wanted objects.
	Digest string
	// Author is the mail address of who wrote the commit, as Git has it; empty if it has none.
	Author string
}

// Facts are what gates depend on besides the clock.
type Facts struct {
	// Approvals and Overrides are those of the subject's namespace, whatever they are for.
	Approvals []v1alpha1.Approval
	Overrides []v1alpha1.Override
	// Soaks are how the commit fares elsewhere, by what the gates call that place.
	Soaks map[string]Soak
	// Answers are what was heard from outside, by the Key of the gate.
	Answers map[string]Answer
}

// Answer is what was heard from outside, the last time it was asked.
type Answer struct {
	Open bool
	// Waits is what a closed gate waits for, or why nothing is known.
	Waits string
	// Until is when to look at it again at the latest; zero: when it is heard of.
	Until time.Time
}

// Judgement is a gate as it stands.
type Judgement struct {
	release.Gate
	// Name is what the gate is called: its own name, or its kind.
	Name string
	// Because says why it is open, where people had a hand in it: who approved, or who broke the glass and why. It belongs into the record.
	Because string
	// Broken reports that an Override opened it.
	Broken bool
}

// Judge judges all gates of a release, in their order.
func Judge(gates []v1alpha1.Gate, s Subject, f Facts, now time.Time) []Judgement {
	out := make([]Judgement, 0, len(gates))
	for _, g := range gates {
		j := Judgement{Name: Name(g)}
		if o, ok := override(f.Overrides, s, j.Name, now); ok {
			j.Open, j.Broken = true, true
			j.Because = fmt.Sprintf("gate %s opened by %s until %s: %s", j.Name, o.Spec.By.User, at(overridden(o).UTC()), o.Spec.Reason)
		} else {
			judge(&j, g, s, f, now)
		}
		out = append(out, j)
	}
	return out
}

// Gates are judgements as package release reads them.
func Gates(all []Judgement) []release.Gate {
	out := make([]release.Gate, 0, len(all))
	for _, j := range all {
		out = append(out, j.Gate)
	}
	return out
}

// Because says why gates are open in which people had a hand, for the record. It is empty if there are none.
func Because(all []Judgement) string {
	var out []string
	for _, j := range all {
		if j.Open && j.Because != "" && !slices.Contains(out, j.Because) {
			out = append(out, j.Because)
		}
	}
	return strings.Join(out, "; ")
}

// Name is what a gate is called: by its name, or by its kind.
func Name(g v1alpha1.Gate) string { return cmp.Or(g.Name, kind(g)) }

func kind(g v1alpha1.Gate) string {
	switch {
	case g.Approval != nil:
		return "approval"
	case g.Window != nil:
		return "window"
	case g.Freeze != nil:
		return "freeze"
	case g.Soak != nil:
		return "soak"
	case g.CommitStatus != nil:
		return "commitStatus"
	case g.Metric != nil:
		return "metric"
	case g.HTTP != nil:
		return "http"
	}
	return "unknown"
}

// IsOutside reports whether a gate has to be asked outside of the cluster.
func IsOutside(g v1alpha1.Gate) bool {
	return g.CommitStatus != nil || g.Metric != nil || g.HTTP != nil
}

// Key identifies what is asked by a gate, whatever the gate is called.
func Key(g v1alpha1.Gate) string {
	g.Name = ""
	data, err := json.Marshal(g)
	if err != nil {
		return "" // a Gate is texts and numbers
	}
	sum := sha256.Sum256(data)
	return kind(g) + "-" + hex.EncodeToString(sum[:8])
}

func judge(j *Judgement, g v1alpha1.Gate, s Subject, f Facts, now time.Time) {
	switch {
	case g.Approval != nil:
		approved(j, *g.Approval, s, f.Approvals, now)
	case g.Window != nil:
		j.Gate = window(*g.Window, now)
	case g.Freeze != nil:
		j.Gate = freeze(*g.Freeze, now)
	case g.Soak != nil:
		j.Gate = soak(*g.Soak, s, f.Soaks[g.Soak.Environment], now)
	case IsOutside(g):
		a, ok := f.Answers[Key(g)]
		if !ok {
			a.Open, a.Waits = false, "waits for a first answer"
		}
		if j.Gate = (release.Gate{Open: a.Open}); !a.Open {
			j.Waits, j.Until = fmt.Sprintf("gate %s: %s", j.Name, cmp.Or(a.Waits, "it is closed")), a.Until
		}
	default:
		j.Waits = "gate " + j.Name + " is of a kind that this Fairlead does not know: it stays closed"
	}
}

// short is a commit as people say it.
func short(commit string) string { return commit[:min(len(commit), 8)] }

// at is a time as people read it, in its own zone.
func at(t time.Time) string { return t.Format("2006-01-02 15:04 MST") }

func after(sep, text string) string {
	if text == "" {
		return ""
	}
	return sep + text
}

// span is a duration without the zeros that Go writes.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
