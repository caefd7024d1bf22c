package notify

import (
	"fmt"
	"time"
	_ "time/tzdata" // where Fairlead runs there may be no time zones

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

// quietUntil is when the quiet hours end that now is in; false if it is in none.
func quietUntil(q *v1alpha1.QuietHours, now time.Time) (time.Time, bool) {
	if q == nil {
		return time.Time{}, false
	}
	zone, from, until, err := hours(q)
	if err != nil {
		return time.Time{}, false
	}
	y, m, d := now.In(zone).Date()
	for _, day := range []int{d - 1, d} { // those that began yesterday may not be over
		start := time.Date(y, m, day, from/60, from%60, 0, 0, zone)
		if until <= from {
			day++
		}
		end := time.Date(y, m, day, until/60, until%60, 0, 0, zone)
		if !now.Before(start) && now.Before(end) {
			return end.UTC(), true
		}
	}
	return time.Time{}, false
}

// hours are the first and the last minute of the day, in a time zone.
func hours(q *v1alpha1.QuietHours) (zone *time.Location, from, until int, err error) {
	name := q.TimeZone
	if name == "" {
		name = "UTC"
	}
	if zone, err = time.LoadLocation(name); err != nil || name == "Local" {
		return nil, 0, 0, fault.Newf(fault.Invalid, "spec.quiet.timeZone: %q is no time zone", name)
	}
	for _, x := range []struct {
		text string
		to   *int
	}{{q.From, &from}, {q.Until, &until}} {
		at, err := time.Parse("15:04", x.text)
		if err != nil {
			return nil, 0, 0, fault.Newf(fault.Invalid, "spec.quiet: %q is no time of the day", x.text)
		}
		*x.to = at.Hour()*60 + at.Minute()
	}
	return zone, from, until, nil
}

// Check says what is wrong with a Notifier, of kind Invalid; nil if nothing is. What is wrong is left out: without its quiet hours or its template a Notifier tells
// all the same.
func Check(s v1alpha1.NotifierSpec) error {
	if s.Quiet != nil {
		if _, _, _, err := hours(s.Quiet); err != nil {
			return err
		}
	}
	if s.Template == "" {
		return nil
	}
	if _, err := parse(s.Template); err != nil {
		return fault.Newf(fault.Invalid, "spec.template: %w", err)
	}
	if _, err := fill(s.Template, Event{}); err != nil {
		return fault.New(fault.Invalid, fmt.Errorf("spec.template: %w", err))
	}
	return nil
}
