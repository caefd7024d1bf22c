package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/historytest"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// entered is a release of an app that entered a phase some minutes after midnight; its commit was made at midnight.
func entered(app string, serial int, phase release.Phase, minute int) history.Record {
	return history.OfRelease(history.Place{Namespace: "shop", Environment: "production", App: app},
		release.Release{Serial: serial, Phase: phase, Since: day.Add(time.Duration(minute) * time.Minute), Want: release.Want{Digest: fmt.Sprint(serial)}},
		func(w release.Want) history.Version { return history.Version{Digest: w.Digest, Committed: day} })
}

// story is a day: web is deployed twice, goes back once at once and once after it had succeeded; db fails, and is still broken; nothing is known of when
// mail was committed, and somebody supersedes a release of it.
func story() []history.Record {
	unknown := entered("mail", 1, release.Succeeded, 30)
	unknown.Want.Committed = time.Time{}
	return []history.Record{
		entered("web", 1, release.Applying, 5), entered("web", 1, release.Succeeded, 10),
		entered("web", 2, release.Applying, 20), entered("web", 2, release.RollingBack, 30), entered("web", 2, release.RolledBack, 32),
		entered("web", 3, release.Succeeded, 40), entered("web", 3, release.RollingBack, 50), entered("web", 3, release.Failed, 55),
		entered("web", 4, release.Failed, 60), entered("web", 5, release.Succeeded, 70),
		entered("db", 1, release.Failed, 100),
		unknown, entered("mail", 2, release.Superseded, 35),
	}
}

func TestDora(t *testing.T) {
	place := func(app string) history.Place {
		return history.Place{Namespace: "shop", Environment: "production", App: app}
	}
	minutes := func(of int, median, p90 float64) history.Spread {
		return history.Spread{Of: of, Median: median * 60, P90: p90 * 60}
	}
	want := []history.Delivery{
		{
			Place: place(""), Deployments: 4, PerDay: 4, Lead: minutes(3, 40, 70), Releases: 7, Failures: 4, FailureRate: 4.0 / 7,
			Restore: minutes(2, 2, 20), Broken: 1,
		},
		{Place: place("db"), Releases: 1, Failures: 1, FailureRate: 1, Broken: 1},
		{Place: place("mail"), Deployments: 1, PerDay: 1, Releases: 1},
		{
			Place: place("web"), Deployments: 3, PerDay: 3, Lead: minutes(3, 40, 70), Releases: 5, Failures: 3, FailureRate: 3.0 / 5,
			Restore: minutes(2, 2, 20),
		},
	}
	if diff := cmp.Diff(want, history.Dora(numbered(story()), day, day.AddDate(0, 0, 1))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := history.Dora(story(), day.AddDate(0, 0, 1), day.AddDate(0, 0, 2)); len(got) != 0 {
		t.Errorf("a day on which nothing happened: %+v", got)
	}
	for hours, perDay := range map[int]float64{2: 4, 48: 2} {
		if got := history.Dora(numbered(story()), day, day.Add(time.Duration(hours)*time.Hour)); got[0].PerDay != perDay {
			t.Errorf("4 deployments in %d hours are %v a day, want %v", hours, got[0].PerDay, perDay)
		}
	}
}

// TestDoraLaws: figures follow from what happened, not from the order in which it was stored; an environment has what its apps have together.
func TestDoraLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := numbered(historytest.NewDay(t).Records)
		end := historytest.Start.AddDate(0, 0, 3)
		from := historytest.Start.Add(time.Duration(rapid.IntRange(0, 24).Draw(t, "from")) * time.Hour)
		all := history.Dora(records, from, end)
		if diff := cmp.Diff(all, history.Dora(rapid.Permutation(records).Draw(t, "other order"), from, end)); diff != "" {
			t.Fatalf("in another order:\n%s", diff)
		}
		var envs, apps history.Delivery
		for _, d := range all {
			sum := &apps
			if d.App == "" {
				sum = &envs
			}
			sum.Deployments += d.Deployments
			sum.Releases += d.Releases
			sum.Failures += d.Failures
			sum.Broken += d.Broken
			sum.Lead.Of += d.Lead.Of
			sum.Restore.Of += d.Restore.Of
			if d.Failures > d.Releases || d.Deployments > d.Releases || d.Releases > d.Deployments+d.Failures || d.Lead.Median > d.Lead.P90 {
				t.Fatalf("figures that cannot be: %+v", d)
			}
		}
		if envs != apps {
			t.Fatalf("environments have\n%+v, their apps\n%+v", envs, apps)
		}
	})
}

func TestDiff(t *testing.T) {
	at := func(minute int) history.Scene {
		return history.At(numbered(story()), day.Add(time.Duration(minute)*time.Minute))
	}
	var got []string
	for _, c := range history.Diff(at(10), at(40)) {
		was, is := "nothing", "nothing"
		if c.Was != nil {
			was = c.Was.Runs.Digest
		}
		if c.Is != nil {
			is = c.Is.Runs.Digest
		}
		got = append(got, c.String()+": "+was+" → "+is)
	}
	if diff := cmp.Diff([]string{"shop/production/mail: nothing → 1", "shop/production/web: 1 → 3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if same := history.Diff(at(40), at(45)); len(same) != 0 {
		t.Errorf("nothing happened between: %+v", same)
	}
}

func TestDiffOfImagesAndMarks(t *testing.T) {
	p := history.Place{Namespace: "shop", Environment: "production", App: "web"}
	state := func(digest string, images ...string) history.State {
		return history.State{Phase: "Succeeded", Runs: history.Version{Digest: digest, Images: images}}
	}
	drifted := state("1", "a:1", "b:1")
	drifted.Drifted = &history.Note{Since: day}
	held := state("1")
	held.Held = &history.Note{Since: day}
	all := history.Place{Namespace: "shop", Environment: "production"}
	suspended := history.State{Suspended: &history.Note{Since: day, Who: "ops"}}
	for name, c := range map[string]struct {
		was, is history.Scene
		want    string
	}{
		"another image":                {history.Scene{p: state("1", "a:1", "b:1")}, history.Scene{p: state("2", "a:2", "b:1")}, "+[a:2] -[a:1]"},
		"drifted":                      {history.Scene{p: state("1", "a:1", "b:1")}, history.Scene{p: drifted}, "+[] -[]"},
		"its environment is suspended": {history.Scene{p: state("1")}, history.Scene{p: state("1"), all: suspended}, "+[] -[]"},
		"held":                         {history.Scene{p: state("1")}, history.Scene{p: held}, "+[] -[]"},
		"gone":                         {history.Scene{p: state("1", "a:1")}, history.Scene{}, "+[] -[a:1]"},
		"new":                          {history.Scene{}, history.Scene{p: state("1", "a:1")}, "+[a:1] -[]"},
		"another commit alone":         {history.Scene{p: state("1")}, history.Scene{p: {Phase: "Succeeded", Runs: history.Version{Digest: "1", Commit: "c"}}}, ""},
	} {
		got := ""
		for _, change := range history.Diff(c.was, c.is) {
			got += fmt.Sprint("+", change.Gained, " -", change.Lost)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
