package release_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/release"
)

var wants = []release.Want{{}, {Digest: "a", Revision: "1"}, {Digest: "b", Revision: "2"}, {Digest: "c", Revision: "3"}, {Digest: "a", Revision: "4"}, {Digest: "none", Revision: "5", None: true}, {Digest: "d", Revision: "2", Cause: "Secret tls changed"}}

func drawSeen(t *rapid.T, s release.State) release.Seen {
	one := func(name string) bool { return rapid.Bool().Draw(t, name) }
	seen := release.Seen{
		Want: rapid.SampledFrom(wants).Draw(t, "want"), Ready: one("ready"), NotReady: "not ready", Applied: one("applied"),
		Of:     rapid.SampledFrom(append(slices.Clone(wants), s.Released, s.Released, s.Released)).Draw(t, "of"),
		Health: rapid.SampledFrom([]release.Health{release.Unknown, release.Moving, release.Healthy, release.Healthy, release.Doomed}).Draw(t, "health"),
		Serial: s.Current.Serial - rapid.IntRange(0, 1).Draw(t, "older"), Suspended: rapid.IntRange(0, 9).Draw(t, "suspended") == 0,
		Verdict: rapid.SampledFrom([]release.Verdict{release.Pending, release.Passed, release.Refuted}).Draw(t, "verdict"),
	}
	if rapid.IntRange(0, 4).Draw(t, "hook") == 0 {
		seen.Hook = "hook is running"
	}
	if rapid.IntRange(0, 9).Draw(t, "broken") == 0 {
		seen.Broken = "hook failed"
	}
	if one("sick") {
		seen.Sick = "sick"
	}
	if one("gate") {
		seen.Gates = []release.Gate{{Open: one("open"), Waits: "a gate"}}
	}
	switch rapid.IntRange(0, 20).Draw(t, "asked") {
	case 2:
		seen.Asked = &release.Asked{By: "ann", Again: true}
	case 0:
		seen.Asked = &release.Asked{By: "ann", Back: true, To: rapid.SampledFrom(wants).Draw(t, "to")}
	case 1:
		seen.Asked = &release.Asked{By: "ann", Lift: true}
	}
	return seen
}

func drawPolicy(t *rapid.T) release.Policy {
	return release.Policy{
		Deadline: time.Minute, Verify: rapid.Bool().Draw(t, "verify"), Halt: rapid.IntRange(0, 3).Draw(t, "halt") == 0,
		WatchFor: time.Duration(rapid.IntRange(0, 1).Draw(t, "watch")) * time.Minute,
	}
}

// life is a random history of an app, checked at each step.
func life(t *rapid.T, p release.Policy) (release.State, time.Time) {
	var s release.State
	now := began
	for range rapid.IntRange(0, 12).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
		seen := drawSeen(t, s)
		d := release.Next(s, seen, p, now)
		check(t, s, seen, p, now, d)
		s = d.State
	}
	return s, now
}

func check(t *rapid.T, was release.State, seen release.Seen, p release.Policy, now time.Time, d release.Decision) {
	s := d.State
	fail := func(law string, args ...any) {
		t.Helper()
		t.Fatalf("%s\nwas  %+v\nseen %+v\nis   %+v", fmt.Sprintf(law, args...), was, seen, s)
	}
	again := seen
	again.Asked = nil
	if seen.Of.Digest != s.Released.Digest { // it was looked at before it was released: nothing else was seen since
		again.Of = release.Want{}
	}
	if next := release.Next(s, again, p, now); !cmp.Equal(next.State, s) || len(next.Records) > 0 {
		fail("it is not at rest: next %+v", next)
	}
	if w := seen.Want; !w.IsZero() && s.Current.Want.Digest != w.Digest {
		fail("what Git wants has not superseded what it wanted before")
	}
	if s.IsPinned(s.Released) && s.Released != was.Released {
		fail("what was rolled back is released again")
	}
	if w := was.Current.Want; was.IsPinned(w) && s.Released.Revision == w.Revision && s.Released.Digest != was.Released.Digest && seen.Asked == nil {
		fail("the commit that was rolled back is released again, for what it reads outside")
	}
	from := append(was.Kept(), seen.Want, was.Released, was.Current.Want) // what Git wants, or wanted last, was read
	if seen.Asked != nil {
		from = append(from, seen.Asked.To)
	}
	if !slices.Contains(from, s.Released) {
		fail("nobody wanted %v", s.Released)
	}
	if n := len(s.Kept()); n > 6 {
		fail("%d are kept", n)
	}
	for _, w := range s.Kept() {
		if w.Digest != s.Released.Digest && !w.None && !slices.ContainsFunc(append(from, release.Want{}), func(o release.Want) bool { return o.Digest == w.Digest }) {
			fail("%s is to be kept, and is not at hand", w.Digest)
		}
	}
	good := append([]release.Want{s.Good}, s.Earlier...)
	for i, w := range good {
		switch {
		case i > 0 && (w.IsZero() || s.Good.IsZero()):
			fail("there was something good before nothing")
		case w.None:
			fail("what has no objects is good")
		case !w.IsZero() && s.IsPinned(w):
			fail("what is good is barred")
		case slices.ContainsFunc(good[:i], func(o release.Want) bool { return o.Digest == w.Digest }):
			fail("%s is good twice", w.Digest)
		}
	}
	if len(good) > 3 {
		fail("%d are good", len(good))
	}
	if b := s.Before(); !b.IsZero() && (b.Digest == s.Released.Digest || b.None || s.IsPinned(b)) {
		fail("%s was good before", b.Digest)
	}
	if s.Current.Back.None && !was.Current.Back.None && !was.Released.None {
		fail("what has no objects is gone back to")
	}
	if len(s.Barred) > 10 {
		fail("%d are barred", len(s.Barred))
	}
	at := was.Current.Serial
	for _, r := range d.Records {
		if r.Serial != at && r.Serial != at+1 {
			fail("release %d follows %d", r.Serial, at)
		}
		at = r.Serial
	}
	if n := len(d.Records); n > 0 && !cmp.Equal(d.Records[n-1].Phase, s.Current.Phase) {
		fail("the last that is told is not how it is: %+v", d.Records)
	}
}

// TestLaws holds what is true of every decision.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { life(t, drawPolicy(t)) })
}

// TestEnds lets time pass while nothing gets better: whatever was applied ends.
func TestEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		s, now := life(t, p)
		stuck := drawSeen(t, s)
		stuck.Want, stuck.Asked, stuck.Suspended = release.Want{}, nil, false
		for range 6 { // an app may go through its deadline, a way back and the watch after a success
			now = now.Add(time.Minute)
			s = release.Next(s, stuck, p, now).State
		}
		if ph := s.Current.Phase; ph != "" && ph != release.Planned && ph != release.Gated && !ph.Ended() {
			t.Fatalf("it has not ended: %+v, seeing %+v", s.Current, stuck)
		}
	})
}

// TestSettles lets all be well in the end: the app is at what Git wants, or that was rolled back and it says so.
func TestSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		s, now := life(t, p)
		w := rapid.SampledFrom(wants[1:]).Draw(t, "wanted")
		for range 6 {
			now = now.Add(time.Second)
			s = release.Next(s, release.Seen{
				Want: w, Ready: true, Of: s.Released, Applied: true, Health: release.Healthy, Serial: s.Current.Serial, Verdict: release.Passed,
			}, p, now).State
		}
		if s.Released.Digest != w.Digest && (!s.IsPinned(w) || s.Current.Want.Digest != w.Digest || s.Current.Back.Digest != s.Released.Digest) {
			t.Fatalf("Git wants %v: %+v", w, s)
		}
		if !s.Current.Phase.Ended() {
			t.Fatalf("it has not ended: %+v", s)
		}
	})
}
