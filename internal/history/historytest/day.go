// Package historytest makes random days of releases, and holds stores to what is expected of all of them.
package historytest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// Start is when each random day begins.
var Start = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

// Moment is how everything was from a time on, as who did it knows.
type Moment struct {
	Time  time.Time
	Scene history.Scene
}

// Day is what happened, in the order in which it was recorded, and how everything was at each time at which something did.
type Day struct {
	Records []history.Record
	Moments []Moment
}

// world is a few apps that are released, drift, are suspended and removed. What it knows it does not know from records.
type world struct {
	t       *rapid.T
	now     time.Time
	scene   history.Scene
	apps    map[history.Place]*running
	records []history.Record
}

type running struct {
	state release.State
	seen  release.Seen
}

// NewDay makes up a day.
func NewDay(t *rapid.T) Day {
	w := &world{t: t, now: Start, scene: history.Scene{}, apps: map[history.Place]*running{}}
	var day Day
	for range rapid.IntRange(1, 200).Draw(t, "events") {
		w.now = w.now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "minutes")) * time.Minute)
		place := history.Place{
			Namespace:   "shop",
			Environment: rapid.SampledFrom([]string{"production", "staging"}).Draw(t, "environment"),
			App:         rapid.SampledFrom([]string{"web", "db"}).Draw(t, "app"),
		}
		w.event(place)
		day.Moments = append(day.Moments, Moment{Time: w.now, Scene: maps.Clone(w.scene)})
	}
	day.Records = late(t, w.records)
	return day
}

// event lets something happen to an app, or to its environment.
func (w *world) event(p history.Place) {
	all := history.Place{Namespace: p.Namespace, Environment: p.Environment}
	switch rapid.IntRange(0, 15).Draw(w.t, "what") {
	case 0:
		w.note(p, history.Drift, history.Found, func(s *history.State, n *history.Note) { s.Drifted = n })
	case 1:
		w.note(p, history.Drift, history.Gone, func(s *history.State, _ *history.Note) { s.Drifted = nil })
	case 2:
		w.note(rapid.SampledFrom([]history.Place{p, all}).Draw(w.t, "where"), history.Suspension, "", func(s *history.State, n *history.Note) { s.Suspended = n })
	case 3:
		w.note(rapid.SampledFrom([]history.Place{p, all}).Draw(w.t, "where"), history.Resumption, "", func(s *history.State, _ *history.Note) { s.Suspended = nil })
	case 4:
		w.note(p, history.Hold, history.Held, func(s *history.State, n *history.Note) { s.Held = n })
	case 5:
		w.note(p, history.Hold, history.Gone, func(s *history.State, _ *history.Note) { s.Held = nil })
	case 6:
		delete(w.apps, p)
		w.note(p, history.Prune, history.Gone, func(s *history.State, _ *history.Note) { *s = history.State{} })
	default:
		w.pass(p)
	}
}

// note lets something happen that is no release.
func (w *world) note(p history.Place, kind history.Kind, phase string, change func(*history.State, *history.Note)) {
	n := history.Note{Since: w.now, Who: "somebody", Why: fmt.Sprint("reason ", len(w.records))}
	w.records = append(w.records, history.Record{
		Time: w.now, Kind: kind, Key: fmt.Sprint(kind, " ", len(w.records)), Phase: phase,
		Namespace: p.Namespace, Environment: p.Environment, App: p.App, Who: n.Who, Why: n.Why,
	})
	s := w.scene[p]
	change(&s, &n)
	w.put(p, s)
}

// put remembers how a place is; nothing, if there is nothing to say.
func (w *world) put(p history.Place, s history.State) {
	if s.Phase == "" && s.Runs.IsZero() && s.Drifted == nil && s.Suspended == nil && s.Held == nil {
		delete(w.scene, p)
		return
	}
	w.scene[p] = s
}

// pass lets package release decide what follows from something that is seen of an app.
func (w *world) pass(p history.Place) {
	app := w.apps[p]
	if app == nil {
		app = &running{}
		w.apps[p] = app
	}
	draw := func(label string) bool { return rapid.IntRange(0, 3).Draw(w.t, label) > 0 }
	if !draw("same want") || app.seen.Want.IsZero() {
		app.seen.Want = release.Want{Digest: rapid.SampledFrom([]string{"d1", "d2", "d3", "d4"}).Draw(w.t, "want"), Revision: fmt.Sprint("c", len(w.records))}
	}
	app.seen.Ready, app.seen.Of, app.seen.Applied = draw("ready"), app.state.Released, draw("applied")
	app.seen.Health = rapid.SampledFrom([]release.Health{release.Healthy, release.Healthy, release.Moving, release.Doomed}).Draw(w.t, "health")
	app.seen.Sick = map[release.Health]string{release.Moving: "not ready", release.Doomed: "a Job failed"}[app.seen.Health]
	app.seen.Serial, app.seen.Verdict = app.state.Current.Serial, rapid.SampledFrom([]release.Verdict{release.Passed, release.Passed, release.Pending, release.Refuted}).Draw(w.t, "verdict")
	app.seen.Asked = nil
	if !draw("nobody asks") {
		app.seen.Asked = &release.Asked{By: "somebody", Back: draw("back"), Lift: !draw("no lift")}
	}
	policy := release.Policy{Deadline: time.Hour, Verify: draw("verify"), Halt: !draw("go back"), WatchFor: 2 * time.Hour}
	d := release.Next(app.state, app.seen, policy, w.now)
	app.state = d.State
	s := w.scene[p]
	for _, r := range d.Records {
		w.records = append(w.records, history.OfRelease(p, r, version))
		if slices.Contains(applied, r.Phase) {
			s.Drifted = nil
		}
		s.Since = r.Since
	}
	if now := app.state.Current; now.Phase != "" {
		s.Serial, s.Phase, s.Want = now.Serial, string(now.Phase), version(now.Want)
		s.Runs, s.Pinned = version(app.state.Released), app.state.IsPinned(now.Want)
	}
	w.put(p, s)
}

// applied are the phases in which all of it has been applied.
var applied = []release.Phase{release.Progressing, release.Verifying, release.Succeeded, release.RolledBack}

// version says of a want what is known of it.
func version(w release.Want) history.Version {
	if w.IsZero() {
		return history.Version{}
	}
	return history.Version{Commit: w.Revision, Author: "somebody", Digest: w.Digest, Images: []string{"web:" + w.Digest}, Committed: Start.Add(-time.Hour)}
}

// late moves some of what one environment recorded behind what came later: its replica could not reach the store for a while, and another one took over.
func late(t *rapid.T, records []history.Record) []history.Record {
	from := rapid.IntRange(0, len(records)).Draw(t, "away from")
	to := rapid.IntRange(from, len(records)).Draw(t, "stored late at")
	if from == to {
		return records
	}
	until := records[rapid.IntRange(from, to-1).Draw(t, "away until")].Time // what happened at one time stays in its order
	var in, behind []history.Record
	for _, r := range records[from:to] {
		if r.Environment == "staging" && r.Time.Before(until) {
			behind = append(behind, r)
		} else {
			in = append(in, r)
		}
	}
	return slices.Concat(records[:from], in, behind, records[to:])
}
