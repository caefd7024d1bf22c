package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-cd/fairlead/internal/release"
)

// What a record says of how well is delivered.
const (
	Deployed = "deployed" // a release succeeded, for the first time
	Undone   = "failed"   // a release that was applied failed or had to go back, for the first time
	Restored = "restored" // an app is well again after that: at what was good before, or with a newer release that succeeded
)

// Event is one of these.
type Event struct {
	Place
	What   string
	Time   time.Time
	Serial int
	First  bool // of what this release came to
	// Took is, of Deployed, from when the commit was made, and of Restored, from the first failure since the app was well. Known says whether it is.
	Took  time.Duration
	Known bool
}

// Observer turns records into events, one after the other in the order in which they happened. The zero Observer has seen nothing.
type Observer struct {
	seen map[Place]outcome
}

// outcome is what is known of an app.
type outcome struct {
	deployed, undone int // serials of the last releases that were
	broken           time.Time
}

// Take returns what a record says; nothing, of most.
func (o *Observer) Take(r Record) []Event {
	if r.App == "" || r.Kind != Release && (r.Kind != Prune || r.Phase != Gone) {
		return nil
	}
	if r.Kind == Prune {
		delete(o.seen, r.Place())
		return nil
	}
	if o.seen == nil {
		o.seen = map[Place]outcome{}
	}
	was := o.seen[r.Place()]
	is, events := was, []Event(nil)
	event := func(what string) Event {
		return Event{Place: r.Place(), What: what, Time: r.Time, Serial: r.Serial, First: r.Serial != was.deployed && r.Serial != was.undone}
	}
	switch release.Phase(r.Phase) {
	case release.Succeeded, release.RolledBack:
		if r.Phase == string(release.Succeeded) && r.Serial != was.deployed {
			is.deployed = r.Serial
			e := event(Deployed)
			if e.Known = !r.Want.Committed.IsZero(); e.Known {
				e.Took = max(0, r.Time.Sub(r.Want.Committed))
			}
			events = append(events, e)
		}
		if !was.broken.IsZero() {
			is.broken = time.Time{}
			e := event(Restored)
			e.Took, e.Known, e.First = max(0, r.Time.Sub(was.broken)), true, false
			events = append(events, e)
		}
	case release.Failed, release.RollingBack:
		if r.Serial != was.undone {
			is.undone = r.Serial
			events = append(events, event(Undone))
		}
		if was.broken.IsZero() {
			is.broken = r.Time
		}
	case release.Planned, release.Gated, release.Applying, release.Progressing, release.Verifying, release.Superseded:
	}
	o.seen[r.Place()] = is
	return events
}

// Broken is how many apps are not well since their last release failed.
func (o *Observer) Broken(p Place) bool { return !o.seen[p].broken.IsZero() }

// Delivery is how well is delivered to an app, or to all apps of an environment, within some time.
type Delivery struct {
	Place
	Deployments int     `json:"deployments"`
	PerDay      float64 `json:"perDay"`   // in the mean; of a time that is shorter than a day, how many there were in it
	Lead        Spread  `json:"leadTime"` // from commit to success, where the time of the commit is known
	// Releases are those that succeeded or failed, Failures those that failed, before or after they had succeeded.
	Releases    int     `json:"releases"`
	Failures    int     `json:"failures"`
	FailureRate float64 `json:"changeFailureRate"` // of 1
	Restore     Spread  `json:"timeToRestore"`
	Broken      int     `json:"broken"` // apps that are not well yet at the end
}

// Spread is how some durations are spread, in seconds.
type Spread struct {
	Of     int     `json:"of"` // how many there are
	Median float64 `json:"medianSeconds"`
	P90    float64 `json:"p90Seconds"`
}

// Dora lists the figures of each environment, and of each of its apps, from one time to before another, by their names. What began earlier does not count:
// an app that was broken at the beginning is restored by nothing.
func Dora(records []Record, from, to time.Time) []Delivery {
	var o Observer
	tallies := map[Place]*tally{}
	for _, r := range InOrder(records) {
		if r.Time.Before(from) || !r.Time.Before(to) {
			continue
		}
		for _, e := range o.Take(r) {
			for _, p := range []Place{e.Place, {e.Namespace, e.Environment, ""}} {
				if tallies[p] == nil {
					tallies[p] = &tally{}
				}
				tallies[p].take(e)
			}
		}
	}
	for p, t := range tallies {
		if o.Broken(p) {
			t.broken++
			tallies[Place{p.Namespace, p.Environment, ""}].broken++
		}
	}
	out := []Delivery{}
	for _, p := range slices.SortedFunc(maps.Keys(tallies), Place.Compare) {
		out = append(out, tallies[p].figures(p, to.Sub(from)))
	}
	return out
}

// tally counts events.
type tally struct {
	releases, deployments, failures, broken int
	leads, restores                         []time.Duration
}

func (t *tally) take(e Event) {
	if e.First {
		t.releases++
	}
	switch e.What {
	case Deployed:
		t.deployments++
		if e.Known {
			t.leads = append(t.leads, e.Took)
		}
	case Undone:
		t.failures++
	case Restored:
		t.restores = append(t.restores, e.Took)
	}
}

func (t *tally) figures(p Place, within time.Duration) Delivery {
	d := Delivery{
		Place: p, Deployments: t.deployments, Releases: t.releases, Failures: t.failures,
		Lead: spread(t.leads), Restore: spread(t.restores), Broken: t.broken,
		PerDay: float64(t.deployments) / max(1, within.Hours()/24), // a minute with one release is no day with a thousand
	}
	if d.Releases > 0 {
		d.FailureRate = float64(d.Failures) / float64(d.Releases)
	}
	return d
}

// spread takes of the durations those that are there: a median of two is the lesser one.
func spread(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	slices.SortFunc(all, cmp.Compare[time.Duration])
	rank := func(percent int) float64 { return all[(len(all)*percent+99)/100-1].Seconds() }
	return Spread{Of: len(all), Median: rank(50), P90: rank(90)}
}
