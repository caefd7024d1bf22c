package verify_test

import (
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

func drawTrial(t *rapid.T) verify.Trial {
	forgiven := int32(rapid.IntRange(0, 3).Draw(t, "forgiven"))
	d := app.Trial{
		Interval: time.Duration(rapid.IntRange(1, 20).Draw(t, "interval")) * time.Second, Forgiven: &forgiven,
		For:  time.Duration(rapid.SampledFrom([]int{0, 5, 60, 600}).Draw(t, "for")) * time.Second,
		HTTP: &app.HTTPTrial{URL: "http://{app}.{namespace}/healthz"},
	}
	if d.For > 0 && rapid.Bool().Draw(t, "p95") {
		d.HTTP.P95 = time.Second
	}
	all, err := verify.Compile([]app.Trial{d}, place)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

func drawObservation(t *rapid.T, says ...verify.Says) verify.Observation {
	return verify.Observation{
		Says: rapid.SampledFrom(says).Draw(t, "says"),
		What: rapid.SampledFrom([]string{"answered 503 (want 200)", "", "a\nb", string(make([]byte, 2000))}).Draw(t, "what"),
		Took: time.Duration(rapid.IntRange(0, 1500).Draw(t, "took")) * time.Millisecond,
	}
}

// TestLaws holds what is true of every course.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trial := drawTrial(t)
		p := trial.Pace
		var c verify.Course
		now, sure := began, time.Duration(0)
		bads, finals, slow := 0, 0, 0
		for range rapid.IntRange(0, 40).Draw(t, "tries") {
			step := time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second
			now, sure = now.Add(step), sure+step
			o := drawObservation(t, verify.Unsure, verify.Good, verify.Good, verify.Good, verify.Bad, verify.Final)
			o.At = now
			was := c
			c = c.Observe(p, o)
			if was.Verdict != release.Pending && !cmp.Equal(was, c) {
				t.Fatalf("after %s it changed: %+v", was.Verdict, c)
			}
			if was.Verdict != release.Pending {
				break
			}
			switch o.Says {
			case verify.Bad:
				bads++
			case verify.Final:
				finals++
			case verify.Good, verify.Unsure:
			}
			if o.Says != verify.Unsure && o.Took > time.Second {
				slow++
			}
			if c.Verdict == release.Refuted && finals == 0 && bads <= p.Forgiven && (p.P95 == 0 || slow == 0) {
				t.Fatalf("refuted without reason: %+v", c)
			}
			if c.Verdict == release.Passed && (sure < p.For || o.Says != verify.Good || bads > p.Forgiven || finals > 0) {
				t.Fatalf("passed too easily after %s: %+v", sure, c)
			}
			if again := c.Again(p); c.Verdict == release.Pending && !again.After(now) {
				t.Fatalf("again at %s, at %s", again, now)
			}
			if why := trial.Why(c); len(why) > 400 || why == "" || !printable(why) {
				t.Fatalf("not one line: %q", why)
			}
		}
	})
}

func printable(text string) bool {
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// TestEnds: who always answers, and always the same, is judged, and in time.
func TestEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trial := drawTrial(t)
		p := trial.Pace
		o := drawObservation(t, verify.Good, verify.Bad)
		var c verify.Course
		now := began
		for c.Verdict == release.Pending {
			if late := p.For + time.Duration(p.Forgiven+2)*p.Interval; now.Sub(began) > late {
				t.Fatalf("not judged after %s: %+v", late, c)
			}
			o.At = now
			c = c.Observe(p, o)
			now = c.Again(p)
		}
		if (c.Verdict == release.Passed) != (o.Says == verify.Good && (p.P95 == 0 || o.Took <= p.P95)) {
			t.Fatalf("%s of %+v", c.Verdict, o)
		}
	})
}

// TestUnsure: time in which nobody could be asked changes nothing but when there is a verdict.
func TestUnsure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trial := drawTrial(t)
		var c verify.Course
		now := began
		for range rapid.IntRange(1, 40).Draw(t, "tries") {
			now = now.Add(trial.Pace.Interval)
			c = c.Observe(trial.Pace, verify.Observation{At: now, Says: verify.Unsure, What: "no route"})
		}
		if c.Verdict != release.Pending || c.Answers > 0 || c.Kept > 0 {
			t.Fatalf("it says something: %+v", c)
		}
		if why := trial.Why(c); why != "GET http://web.shop/healthz no route" {
			t.Fatal(why)
		}
	})
}
