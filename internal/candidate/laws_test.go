package candidate_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/candidate"
)

var (
	commits = []string{"2", "3", "4", "5"}
	apps    = []string{"web", "api", "db"}
)

func drawSeen(t *rapid.T, s candidate.State) candidate.Seen {
	one := func(of int, name string) bool { return rapid.IntRange(0, of).Draw(t, name) == 0 }
	seen := candidate.Seen{
		Branch: "main", Tip: rapid.SampledFrom([]string{"1", "1", "1", "9", ""}).Draw(t, "tip"), Listed: !one(5, "unlisted"), Suspended: one(8, "suspended"),
		Studies: map[string]candidate.Study{}, Verdicts: map[string]map[string]candidate.Verdict{}, Denied: map[string]string{}, Delayed: map[string]string{}, Rehearsals: map[string]map[string]candidate.Verdict{}, Venues: map[string]string{},
	}
	if one(4, "leftover") {
		seen.Venues[rapid.SampledFrom(apps).Draw(t, "app left over")] = "8"
	}
	for _, ref := range []string{"a", "b", "c"} {
		if !one(4, "no "+ref) {
			seen.Refs = append(seen.Refs, candidate.Ref{Name: ref, Commit: rapid.SampledFrom(commits).Draw(t, ref)})
		}
	}
	for _, id := range commits {
		st := candidate.Study{Known: !one(6, "unknown"), Has: one(8, "has")}
		if one(10, "wrong") {
			st.Wrong = "wrong"
		}
		if one(10, "apart") {
			st.Apart = "apart"
		}
		for _, app := range apps {
			if rapid.Bool().Draw(t, id+" changes "+app) {
				st.Apps = append(st.Apps, app)
			}
		}
		seen.Studies[id] = st
		for name, verdicts := range map[string]map[string]map[string]candidate.Verdict{"": seen.Verdicts, " rehearsed": seen.Rehearsals} {
			verdicts[id] = map[string]candidate.Verdict{}
			for _, app := range apps {
				outcome := rapid.SampledFrom([]candidate.Outcome{candidate.Pending, candidate.Well, candidate.Well, candidate.Well, candidate.Failed}).Draw(t, id+" "+app+name)
				verdicts[id][app] = candidate.Verdict{Outcome: outcome, Why: "so"}
			}
		}
		if one(10, "denied") {
			seen.Denied[id] = "denied"
		}
	}
	if one(6, "asked") {
		seen.Asked = &candidate.Asked{Request: fmt.Sprint("r", rapid.IntRange(0, 3).Draw(t, "request")), Commit: rapid.SampledFrom(commits).Draw(t, "asked for"), By: "ann"}
	}
	_ = s
	return seen
}

// TestLaws lives random lives of an environment's candidates, and holds each step to what always holds.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s candidate.State
		now := began
		p := candidate.Policy{
			Deadline: time.Duration(rapid.IntRange(0, 1).Draw(t, "deadline")) * time.Minute, Rehearse: rapid.Bool().Draw(t, "rehearse"),
			Rehearsal: time.Duration(rapid.IntRange(0, 1).Draw(t, "rehearsal")) * 30 * time.Second,
		}
		for range rapid.IntRange(0, 15).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds")) * time.Second)
			seen := drawSeen(t, s)
			before := s.List
			kept := slices.Clone(before)
			d := candidate.Next(s, seen, p, now)
			if !cmp.Equal(before, kept) {
				t.Fatal("what was recorded was changed")
			}
			check(t, s, seen, p, d)
			if again := candidate.Next(d.State, seen, p, now); len(again.Records) > 0 || !cmp.Equal(again.State, d.State) {
				t.Fatalf("it does not rest: %s", cmp.Diff(d.State, again.State))
			}
			s = d.State
		}
	})
}

func check(t *rapid.T, was candidate.State, seen candidate.Seen, p candidate.Policy, d candidate.Decision) {
	find := func(s candidate.State, id string) candidate.Candidate {
		i := slices.IndexFunc(s.List, func(c candidate.Candidate) bool { return c.Commit == id && !c.Phase.Ended() })
		if i < 0 {
			return candidate.Candidate{}
		}
		return s.List[i]
	}
	if seen.Tip == "" && !cmp.Equal(d.State, was) {
		t.Fatal("something was decided though the branch is not known")
	}
	busy, open := map[string]string{}, map[string]bool{}
	for _, c := range d.State.Open() {
		if open[c.Commit] {
			t.Fatalf("%s is there twice", c.Commit)
		}
		open[c.Commit] = true
		for _, app := range c.Apps {
			if c.Phase.Takes() && busy[app] != "" {
				t.Fatalf("%s is tried at %s and at %s", app, busy[app], c.Commit)
			} else if c.Phase.Takes() {
				busy[app] = c.Commit
			}
		}
	}
	for _, r := range d.Records {
		st := seen.Studies[r.Commit]
		switch r.Phase {
		case candidate.Moving:
			for _, app := range st.Apps {
				if v := seen.Verdicts[r.Commit][app]; v.Outcome != candidate.Well {
					t.Fatalf("the branch is to be moved to %s, and %s is %+v", r.Commit, app, v)
				}
			}
			if !st.Known || st.Wrong != "" || st.Apart != "" || r.Base != seen.Tip {
				t.Fatalf("the branch is to be moved from %s to %s: %+v", seen.Tip, r.Commit, st)
			}
		case candidate.Moved:
			if !st.Known || !st.Has {
				t.Fatalf("%s is said to be in the branch: %+v", r.Commit, st)
			}
		case candidate.Rehearsing:
			for _, app := range st.Apps {
				if of := seen.Venues[app]; of != "" {
					t.Fatalf("%s is rehearsed at %s, and the rehearsal of %s has it", app, r.Commit, of)
				}
			}
			if !p.Rehearse || seen.Suspended {
				t.Fatalf("%s is rehearsed, and nobody wants that", r.Commit)
			}
		case candidate.Trying:
			if p.Rehearse && find(was, r.Commit).Phase != candidate.Moving {
				for _, app := range st.Apps {
					if v := seen.Rehearsals[r.Commit][app]; v.Outcome != candidate.Well {
						t.Fatalf("%s is tried, and in its rehearsal %s is %+v", r.Commit, app, v)
					}
				}
			}
			if seen.Suspended && find(was, r.Commit).Phase != candidate.Moving {
				t.Fatalf("%s is tried though nothing is to be done", r.Commit)
			}
		case candidate.Waiting:
			refused := slices.ContainsFunc(was.List, func(c candidate.Candidate) bool { return c.Commit == r.Commit && c.Phase == candidate.Refused })
			if refused && (seen.Asked == nil || r.Request != seen.Asked.Request) {
				t.Fatalf("%s was refused, and nobody asked for it", r.Commit)
			}
		case candidate.Refused, candidate.Gone:
		}
	}
}
