package candidate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/golden"
)

var began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// TestStories tells how candidates fare. A line of a story is a time, and what is seen from then on:
//
//	main=1                the branch's commit
//	refs a=2 b=3          all refs that name candidates
//	study 2 web,api       which apps a commit changes; also: study 2 has, study 2 apart=…, study 2 wrong=…, study 2 unknown
//	well 2 web            an app got well at a commit; also: fails 2 web=…, waits 2 web=…
//	denied 2=…            the server refuses to move the branch; also: delayed 2=…
//	ask r1 2 ann          somebody asks for a commit
func TestStories(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		s := story{t: t}
		s.seen = candidate.Seen{
			Branch: "main", Studies: map[string]candidate.Study{}, Verdicts: map[string]map[string]candidate.Verdict{},
			Denied: map[string]string{}, Delayed: map[string]string{}, Rehearsals: map[string]map[string]candidate.Verdict{}, Venues: map[string]string{},
		}
		for line := range strings.Lines(string(ar.Files[0].Data)) {
			if line = strings.TrimSpace(line); line != "" {
				s.line(line)
			}
		}
		golden.Set(ar, "told", s.told.String())
	})
}

type story struct {
	t      *testing.T
	policy candidate.Policy
	state  candidate.State
	seen   candidate.Seen
	told   strings.Builder
}

func (s *story) line(line string) {
	fmt.Fprintf(&s.told, "%s\n", line)
	time0, rest, _ := strings.Cut(line, " ")
	at, err := time.ParseDuration(time0)
	if err != nil {
		s.t.Fatal(err)
	}
	s.seen.Asked = nil
	for part := range strings.SplitSeq(rest, ";") {
		s.sees(strings.Fields(part))
	}
	now := began.Add(at)
	d := candidate.Next(s.state, s.seen, s.policy, now)
	for _, r := range d.Records {
		fmt.Fprintf(&s.told, "\t%s\n", show(r))
	}
	for _, c := range d.State.Open() {
		fmt.Fprintf(&s.told, "\t= %s\n", show(c))
	}
	if !d.Again.IsZero() {
		fmt.Fprintf(&s.told, "\t(again at %s)\n", d.Again.Sub(began))
	}
	if again := candidate.Next(d.State, s.seen, s.policy, now); len(again.Records) > 0 {
		s.t.Errorf("after %q it does not rest: %v", line, again.Records)
	}
	s.state = d.State
}

func (s *story) sees(words []string) {
	if len(words) == 0 {
		return
	}
	text := func(from int) string { return strings.ReplaceAll(strings.Join(words[from:], " "), "_", " ") }
	cut := func(i int) (string, string) {
		key, value, _ := strings.Cut(words[i], "=")
		return key, strings.ReplaceAll(value, "_", " ")
	}
	switch words[0] {
	case "deadline":
		s.policy.Deadline, _ = time.ParseDuration(words[1])
	case "rehearse":
		s.policy.Rehearse = true
		s.policy.Rehearsal, _ = time.ParseDuration(words[1])
	case "venue":
		if app, of := cut(1); of != "" {
			s.seen.Venues[app] = of
		} else {
			delete(s.seen.Venues, app)
		}
	case "suspended":
		s.seen.Suspended = true
	case "resumed":
		s.seen.Suspended = false
	case "refs":
		s.seen.Refs, s.seen.Listed = nil, true
		for i := range words[1:] {
			name, commit := cut(i + 1)
			s.seen.Refs = append(s.seen.Refs, candidate.Ref{Name: name, Commit: commit})
		}
	case "study":
		st := candidate.Study{Known: true}
		switch key, value := cut(2); key {
		case "has":
			st.Has = true
		case "apart":
			st.Apart = value
		case "wrong":
			st.Wrong = value
		case "unknown":
			st.Known = false
		case "nothing":
		default:
			st.Apps = strings.Split(key, ",")
		}
		s.seen.Studies[words[1]] = st
	case "well", "fails", "waits":
		app, why := cut(2)
		verdict(s.seen.Verdicts, words[1])[app] = candidate.Verdict{Outcome: outcomes[words[0]], Why: why}
	case "there": // there 2 well web=ClusterRole_a: where it is rehearsed
		app, text := cut(3)
		v := candidate.Verdict{Outcome: outcomes[words[2]]}
		if v.Outcome == candidate.Well && text != "" {
			v.LeftOut = strings.Split(text, ",")
		} else {
			v.Why = text
		}
		verdict(s.seen.Rehearsals, words[1])[app] = v
	case "denied":
		commit, why := cut(1)
		s.seen.Denied[commit] = why
	case "delayed":
		commit, why := cut(1)
		s.seen.Delayed[commit] = why
	case "ask":
		s.seen.Asked = &candidate.Asked{Request: words[1], Commit: words[2], By: words[3]}
	default:
		key, tip := cut(0)
		if key != "main" {
			s.t.Fatalf("nobody sees %q", text(0))
		}
		s.seen.Tip = tip
	}
}

var outcomes = map[string]candidate.Outcome{"well": candidate.Well, "fails": candidate.Failed, "waits": candidate.Pending}

func verdict(of map[string]map[string]candidate.Verdict, commit string) map[string]candidate.Verdict {
	if of[commit] == nil {
		of[commit] = map[string]candidate.Verdict{}
	}
	return of[commit]
}

func show(c candidate.Candidate) string {
	text := strings.TrimSpace(c.Ref+" "+c.Commit) + " " + string(c.Phase)
	if len(c.Apps) > 0 {
		text += " " + strings.Join(slices.Sorted(slices.Values(c.Apps)), ",")
	}
	if c.Request != "" {
		text += " for " + c.By
	}
	if len(c.LeftOut) > 0 {
		text += " without " + strings.Join(c.LeftOut, ",")
	}
	if c.Why != "" {
		text += ": " + c.Why
	}
	return text
}
