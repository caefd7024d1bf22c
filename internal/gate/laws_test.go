package gate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gate"
)

// FuzzCron holds what is true of every expression that can be read: the next time of either kind is one of that kind, and nothing before it is.
func FuzzCron(f *testing.F) {
	for _, text := range []string{"* * * * *", "*/15 9-17 * * MON-FRI", "0 0 29 2 *", "30 2 * * *", "* * 1-7 * 1", "59 23 31 12 7", "* * * * 8", "1--1 * * * *", "*/0 * * * *"} {
		f.Add(text, int64(1774746000), "Europe/Berlin")
	}
	f.Add("* 0 * 11 *", int64(1541300000), "America/Sao_Paulo") // whose midnight was skipped
	f.Add("15 1-2 * 4,10 *", int64(1775314800), "Australia/Lord_Howe")
	f.Fuzz(func(t *testing.T, text string, at int64, name string) {
		zone, err := time.LoadLocation(name)
		c, bad := gate.ParseCron(text)
		if err != nil || bad != nil || at < 0 || at > 1<<33 {
			return // nothing is promised of these but that they do no harm
		}
		now := time.Unix(at, 0).In(zone)
		for _, matches := range []bool{true, false} {
			next := c.Next(now, matches)
			if next.IsZero() {
				next = now.Add(72 * time.Hour)
			} else if c.Matches(next) != matches || next.Before(now) {
				t.Fatalf("%q after %s: %s", text, now, next)
			}
			for m := now; m.Before(next) && m.Before(now.Add(72*time.Hour)); m = m.Add(time.Minute) {
				if m = m.Truncate(time.Minute); m.Before(now) {
					m = now
				}
				if c.Matches(m) == matches {
					t.Fatalf("%q after %s: %s is before %s", text, now, m, next)
				}
			}
		}
	})
}

func draw(t *rapid.T) ([]v1alpha1.Gate, gate.Subject, gate.Facts, time.Time) {
	began := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	of := func(name string, choices ...string) string { return rapid.SampledFrom(choices).Draw(t, name) }
	when := func(name string) time.Time {
		return began.Add(time.Duration(rapid.IntRange(0, 60*48).Draw(t, name)) * time.Minute)
	}
	users := []string{"ann@example.com", "bob", "carl", "system:serviceaccount:shop:robot"}
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: of("namespace", "shop", "other"), Name: name, CreationTimestamp: metav1.NewTime(when("made"))}
	}
	by := func() v1alpha1.Signatory {
		return v1alpha1.Signatory{User: of("user", users...), Groups: []string{of("group", "leads", "devs")}}
	}
	gates := []v1alpha1.Gate{
		{Approval: &v1alpha1.ApprovalGate{Required: int32(rapid.IntRange(1, 3).Draw(t, "required")), NotAuthor: rapid.Bool().Draw(t, "not author")}},
		{Name: "leads", Approval: &v1alpha1.ApprovalGate{Groups: []string{"leads"}, ValidFor: &metav1.Duration{Duration: time.Hour}}},
		{Window: &v1alpha1.WindowGate{Cron: of("cron", "* 9-16 * * *", "30 2 * * *", "x"), TimeZone: of("zone", "", "Europe/Berlin"), Deny: rapid.Bool().Draw(t, "deny")}},
		{Freeze: &v1alpha1.FreezeGate{From: "2026-03-28", Until: of("until", "2026-03-29T02:30", "2026-04-01"), TimeZone: "Europe/Berlin"}},
		{Soak: &v1alpha1.SoakGate{Environment: "staging", For: metav1.Duration{Duration: time.Hour}}},
		{CommitStatus: &v1alpha1.CommitStatusGate{Context: "ci"}},
	}
	f := gate.Facts{Soaks: map[string]gate.Soak{}, Answers: map[string]gate.Answer{}}
	for i := range rapid.IntRange(0, 4).Draw(t, "approvals") {
		f.Approvals = append(f.Approvals, v1alpha1.Approval{ObjectMeta: meta("a" + string(rune('0'+i))), Spec: v1alpha1.ApprovalSpec{
			Environment: of("environment", "production", "staging"), App: of("app", "", "web", "api"), Commit: commit(of("commit", "1a2b", "9f9f")),
			Author: of("author", "", "ann@example.com", "bob@example.com"), By: by(), Expires: metav1.NewTime(when("expires")),
		}})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "overrides") {
		f.Overrides = append(f.Overrides, v1alpha1.Override{ObjectMeta: meta("o" + string(rune('0'+i))), Spec: v1alpha1.OverrideSpec{
			Environment: of("environment", "production", "staging"), Commit: commit(of("commit", "1a2b", "9f9f")), Gates: []string{of("gate", "window", "leads", "soak")},
			By: by(), Reason: "INC", Expires: metav1.NewTime(when("expires")),
		}})
	}
	if rapid.Bool().Draw(t, "soaked") {
		f.Soaks["staging"] = gate.Soak{Commit: commit(of("commit", "1a2b", "9f9f")), Since: when("since")}
	}
	if rapid.Bool().Draw(t, "heard") {
		f.Answers[gate.Key(gates[5])] = gate.Answer{Open: rapid.Bool().Draw(t, "answer")}
	}
	return gates, web, f, when("now")
}

// TestLaws holds what is true of every judgement.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gates, s, f, now := draw(t)
		all := gate.Judge(gates, s, f, now)
		for i, j := range all {
			if j.Open == (j.Waits != "") {
				t.Fatalf("it is open and waits, or is closed and says nothing: %+v", j)
			}
			if !j.Until.IsZero() && !j.Until.After(now) {
				t.Fatalf("it is to be looked at again in the past: %+v", j)
			}
			if j.Broken && j.Because == "" {
				t.Fatalf("the glass is broken without a reason: %+v", j)
			}
			if one := gate.Judge(gates[i:i+1], s, f, now); !cmp.Equal(one[0], j) {
				t.Fatalf("one gate judges another: %+v, alone %+v", j, one[0])
			}
			if alone := gates[i].Window != nil || gates[i].Freeze != nil || gates[i].Soak != nil; alone && !j.Until.IsZero() {
				if then := gate.Judge(gates[i:i+1], s, f, j.Until)[0]; !then.Open {
					t.Fatalf("it said that it opens at %s: %+v", j.Until, then)
				}
				f := f
				f.Overrides = nil
				if before := gate.Judge(gates[i:i+1], s, f, j.Until.Add(-time.Second))[0]; before.Open {
					t.Fatalf("it opens before %s", j.Until)
				}
			}
		}
		slices.Reverse(f.Approvals)
		slices.Reverse(f.Overrides)
		if again := gate.Judge(gates, s, f, now); !cmp.Equal(all, again) {
			t.Fatalf("the order makes a difference:\n%s", cmp.Diff(all, again))
		}
	})
}

// TestForAnother gives every word of people to another commit, app, environment or namespace: none of it counts.
func TestForAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gates, s, f, now := draw(t)
		change := rapid.SampledFrom([]func(*gate.Subject){
			func(s *gate.Subject) { s.Commit = commit("7777") },
			func(s *gate.Subject) { s.Environment = "third" },
			func(s *gate.Subject) { s.Namespace = "third" },
		}).Draw(t, "change")
		change(&s)
		for i, j := range gate.Judge(gates, s, f, now) {
			if gates[i].Approval != nil && j.Open || j.Broken {
				t.Fatalf("what was said of %+v opens %+v for %+v", f, j, s)
			}
		}
	})
}

// TestNobodyTwice has one person approve as often as he likes, under each of his groups.
func TestNobodyTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gates, s, f, now := draw(t)
		for i := range f.Approvals {
			f.Approvals[i].Spec.By.User = "bob"
		}
		f.Overrides = nil
		j := gate.Judge(gates[:1], s, f, now)[0]
		if j.Open && gates[0].Approval.Required > 1 || strings.Count(j.Because, "bob") > 1 {
			t.Fatalf("one person is %d: %+v", gates[0].Approval.Required, j)
		}
	})
}
