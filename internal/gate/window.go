package gate

import (
	"fmt"
	"time"
	_ "time/tzdata" // where Fairlead runs there may be no time zones

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// window is open in the minutes of a cron expression, or in all others.
func window(g v1alpha1.WindowGate, now time.Time) release.Gate {
	c, err := ParseCron(g.Cron)
	if err != nil {
		return release.Gate{Waits: "the window cannot be read: " + err.Error()}
	}
	zone, err := zoneOf(g.TimeZone)
	if err != nil {
		return release.Gate{Waits: "the window cannot be read: " + err.Error()}
	}
	now = now.In(zone)
	next := c.Next(now, !g.Deny)
	what := "window"
	if g.Deny {
		what = "end of the closed window"
	}
	switch {
	case next.IsZero():
		return release.Gate{Waits: fmt.Sprintf("waits for the %s %q (%s), which does not come within nine years: change it", what, g.Cron, zone)}
	case next.Equal(now):
		return release.Gate{Open: true}
	}
	return release.Gate{Waits: fmt.Sprintf("waits for the %s %q (%s): it opens %s", what, g.Cron, zone, next.Format("Mon 2006-01-02 15:04 MST")), Until: next.UTC()}
}

// freeze is closed between two dates.
func freeze(g v1alpha1.FreezeGate, now time.Time) release.Gate {
	zone, err := zoneOf(g.TimeZone)
	var from, until time.Time
	if err == nil {
		from, err = instant(g.From, zone)
	}
	if err == nil {
		until, err = instant(g.Until, zone)
	}
	switch {
	case err != nil:
		return release.Gate{Waits: "the freeze cannot be read: " + err.Error()}
	case now.Before(from) || !now.Before(until):
		return release.Gate{Open: true}
	}
	return release.Gate{Waits: fmt.Sprintf("waits for the end of the freeze at %s%s", at(until), after(": ", g.Reason)), Until: until.UTC()}
}

// zoneOf finds a time zone. Empty is UTC; that of the machine is none.
func zoneOf(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("time zone %q depends on the machine: say one such as Europe/Berlin", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %q: say one such as Europe/Berlin", name)
	}
	return zone, nil
}

// instant is the first moment at which clocks in a zone show a date, or later if they skip it.
func instant(text string, zone *time.Location) (time.Time, error) {
	layout := "2006-01-02T15:04"
	if len(text) == len("2006-01-02") {
		layout = "2006-01-02"
	}
	wall, err := time.Parse(layout, text) // as if it were UTC
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no date such as 2026-12-20 or 2026-12-20T18:00", text)
	}
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	// The clocks are changed once within these two days at most. With the larger of the offsets they show it first.
	t := wall.Add(-max(offset(wall.Add(-24*time.Hour)), offset(wall.Add(24*time.Hour))))
	for t.Add(offset(t)).Before(wall) {
		t = t.Add(time.Minute)
	}
	return t.In(zone), nil
}
