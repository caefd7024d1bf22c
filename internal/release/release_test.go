package release_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/release"
)

var began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// TestStories tells how apps are released. A line of a story is a time, and what is seen then: it stays so until a later line says otherwise. "of" is said by
// the story itself: what is released is what was looked at.
func TestStories(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		s := story{t: t}
		for line := range strings.Lines(string(ar.Files[0].Data)) {
			s.line(strings.TrimSpace(line))
		}
		golden.Set(ar, "told", s.told.String())
	})
}

type story struct {
	t      *testing.T
	policy release.Policy
	state  release.State
	seen   release.Seen
	now    time.Time
	told   strings.Builder
}

func (s *story) line(line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return
	}
	fmt.Fprintf(&s.told, "%s\n", line)
	if words[0] == "policy" {
		for _, w := range words[1:] {
			s.rule(w)
		}
		return
	}
	at, err := time.ParseDuration(words[0])
	if err != nil {
		s.t.Fatal(err)
	}
	s.now, s.seen.Asked = began.Add(at), nil
	for _, w := range words[1:] {
		s.sees(w)
	}
	s.seen.Of = s.state.Released
	d := release.Next(s.state, s.seen, s.policy, s.now)
	for _, r := range d.Records {
		fmt.Fprintf(&s.told, "\t%s\n", show(r))
	}
	c := d.State.Current
	fmt.Fprintf(&s.told, "\t= %s %s, released %s, good %s, barred %v", c.Want.Digest, c.Phase, dash(d.State.Released), strings.Join(append([]string{dash(d.State.Good)}, digests(d.State.Earlier)...), " before "), digests(d.State.Barred))
	if len(d.Records) == 0 && c.Why != "" {
		fmt.Fprintf(&s.told, ": %s", c.Why)
	}
	if !d.Again.IsZero() {
		fmt.Fprintf(&s.told, " (again at %s)", d.Again.Sub(began))
	}
	s.told.WriteByte('\n')
	s.state = d.State
}

func (s *story) rule(w string) {
	key, value, _ := strings.Cut(w, "=")
	d, _ := time.ParseDuration(value)
	switch key {
	case "deadline":
		s.policy.Deadline = d
	case "watch":
		s.policy.WatchFor = d
	case "verify":
		s.policy.Verify = true
	case "halt":
		s.policy.Halt = true
	default:
		s.t.Fatalf("unknown word %q", w)
	}
}

func (s *story) sees(w string) {
	key, value, _ := strings.Cut(w, "=")
	value = strings.ReplaceAll(value, "_", " ")
	switch key {
	case "want":
		s.seen.Hook, s.seen.Broken = "", ""
		s.seen.Want, s.seen.Ready, s.seen.Applied, s.seen.Health, s.seen.Sick = release.Want{Digest: value, Revision: "commit-" + value, None: value == "none"}, true, false, release.Moving, ""
	case "outside": // the same commit wants something else, for what it reads in the cluster
		s.seen.Want.Digest, s.seen.Want.Cause, s.seen.Applied, s.seen.Health = value, "Secret tls changed", false, release.Moving
	case "not-ready":
		s.seen.Ready, s.seen.NotReady = false, value
	case "ready":
		s.seen.Ready, s.seen.NotReady = true, ""
	case "closed":
		s.seen.Gates = []release.Gate{{Open: true}, {Waits: value}}
	case "until":
		d, _ := time.ParseDuration(value)
		s.seen.Gates = []release.Gate{{Waits: "a window", Until: began.Add(d)}}
	case "open":
		s.seen.Gates = nil
	case "applied":
		s.seen.Applied = true
	case "unapplied":
		s.seen.Applied, s.seen.Health = false, release.Moving
	case "unseen": // who looks has only begun to
		d, _ := time.ParseDuration(value)
		s.seen.Health, s.seen.Sick, s.seen.Applied, s.seen.Since = release.Unknown, "", false, began.Add(d)
	case "healthy":
		s.seen.Health, s.seen.Sick = release.Healthy, ""
	case "sick":
		s.seen.Health, s.seen.Sick = release.Moving, value
	case "doomed":
		s.seen.Health, s.seen.Sick = release.Doomed, value
	case "passed":
		s.seen.Serial, s.seen.Verdict = s.state.Current.Serial, release.Passed
	case "refuted":
		s.seen.Serial, s.seen.Verdict, s.seen.Refuted = s.state.Current.Serial, release.Refuted, value
	case "hook":
		s.seen.Hook = value
	case "broken":
		s.seen.Broken = value
	case "whole":
		s.seen.Hook, s.seen.Broken = "", ""
	case "suspended":
		s.seen.Suspended = true
	case "resumed":
		s.seen.Suspended = false
	case "back":
		s.seen.Asked = &release.Asked{By: "ann", Because: "it is slow", Back: true}
		if value != "" {
			s.seen.Asked.To = release.Want{Digest: value, Revision: "commit-" + value}
		}
	case "lift":
		s.seen.Asked = &release.Asked{By: "bob", Lift: true}
	default:
		s.t.Fatalf("unknown word %q", w)
	}
}

func show(r release.Release) string {
	text := fmt.Sprintf("%d %s %s", r.Serial, r.Want.Digest, r.Phase)
	if r.Phase == release.RollingBack || r.Phase == release.RolledBack {
		text += " to " + r.Back.Digest
	}
	if r.Broke && (r.Phase == release.Failed || r.Phase == release.RollingBack) {
		text += " (broke)"
	}
	if r.Why != "" {
		text += ": " + r.Why
	}
	return text
}

func dash(w release.Want) string {
	if w.IsZero() {
		return "-"
	}
	return w.Digest
}

func digests(wants []release.Want) []string {
	out := []string{}
	for _, w := range wants {
		out = append(out, w.Digest)
	}
	return out
}
