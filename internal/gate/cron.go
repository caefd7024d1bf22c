package gate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Cron is a set of minutes, written in five fields as cron(8) has them.
type Cron struct {
	minute, hour, day, month, weekday uint64 // a bit for each value
}

// field is what may stand in one of the five.
type field struct {
	name      string
	low, high int
	names     string // three letters each, from low on
}

var fields = [5]field{
	{name: "minute", high: 59},
	{name: "hour", high: 23},
	{name: "day of the month", low: 1, high: 31},
	{name: "month", low: 1, high: 12, names: "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	{name: "day of the week", high: 7, names: "SUNMONTUEWEDTHUFRISAT"},
}

// longestCron bounds what is read, in bytes.
const longestCron = 256

// ParseCron reads five fields. Of each: *, values, ranges (1-5) and lists of these (1-5,7), any of them with a step (*/15, 0-30/10).
func ParseCron(text string) (Cron, error) {
	parts := strings.Fields(text)
	if len(text) > longestCron || len(parts) != len(fields) {
		return Cron{}, fmt.Errorf("cron %q: want five fields: minute, hour, day of the month, month, day of the week", text[:min(len(text), longestCron)])
	}
	var bits [5]uint64
	for i, f := range fields {
		for item := range strings.SplitSeq(parts[i], ",") {
			b, err := f.parse(item)
			if err != nil {
				return Cron{}, fmt.Errorf("cron %q: %s: %w", text, f.name, err)
			}
			bits[i] |= b
		}
	}
	bits[4] = bits[4]&^(1<<7) | bits[4]>>7 // 7 is Sunday as well
	return Cron{bits[0], bits[1], bits[2], bits[3], bits[4]}, nil
}

func (f field) parse(item string) (uint64, error) {
	span, every, stepped := strings.Cut(item, "/")
	low, high := f.low, f.high
	var err error
	if span != "*" {
		from, to, ranged := strings.Cut(span, "-")
		if low, err = f.value(from); err != nil {
			return 0, err
		}
		switch {
		case ranged:
			if high, err = f.value(to); err != nil {
				return 0, err
			}
		case !stepped:
			high = low
		}
	}
	step := 1
	if stepped {
		if step, err = number(every); err != nil || step < 1 || step > f.high {
			return 0, fmt.Errorf("step %q is no number from 1 to %d", every, f.high)
		}
	}
	if low > high {
		return 0, fmt.Errorf("%q begins after its end", span)
	}
	var bits uint64
	for v := low; v <= high; v += step {
		bits |= 1 << v
	}
	return bits, nil
}

func (f field) value(text string) (int, error) {
	if len(text) == 3 {
		if i := strings.Index(f.names, strings.ToUpper(text)); i >= 0 && i%3 == 0 {
			return f.low + i/3, nil
		}
	}
	v, err := number(text)
	if err != nil || v < f.low || v > f.high {
		return 0, fmt.Errorf("%q is not from %d to %d", text, f.low, f.high)
	}
	return v, nil
}

// number reads one or two digits, without a sign.
func number(text string) (int, error) {
	if len(text) == 0 || len(text) > 2 || strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no number", text)
	}
	return strconv.Atoi(text)
}

const (
	everyMinute  = 1<<60 - 1
	everyHour    = 1<<24 - 1
	everyDay     = 1<<32 - 2
	everyMonth   = 1<<13 - 2
	everyWeekday = 1<<7 - 1
)

// onDay reports whether some minute of a day may match.
func (c Cron) onDay(t time.Time) bool {
	day, weekday := c.day&(1<<t.Day()) != 0, c.weekday&(1<<t.Weekday()) != 0
	if c.day != everyDay && c.weekday != everyWeekday {
		return c.month&(1<<t.Month()) != 0 && (day || weekday)
	}
	return c.month&(1<<t.Month()) != 0 && day && weekday
}

// Matches reports whether a time is in the set, as the clock on the wall shows it in the time's zone. So an hour that the clock skips never matches, and one
// that it shows twice matches twice.
func (c Cron) Matches(t time.Time) bool {
	return c.onDay(t) && c.hour&(1<<t.Hour()) != 0 && c.minute&(1<<t.Minute()) != 0
}

// horizon is how far is looked ahead: further than from one 29th of February to the next, over a year such as 2100.
const horizon = 9 * 366 * 24 * time.Hour

// Next returns the first time from t on at which Matches is as wanted; zero if there is none within nine years. That is t itself, or the beginning of a minute.
func (c Cron) Next(t time.Time, matches bool) time.Time {
	end := t.Add(horizon)
	if c.Matches(t) == matches {
		return t
	}
	for t = t.Truncate(time.Minute).Add(time.Minute); t.Before(end); t = t.Add(c.leap(t, matches)) {
		if c.Matches(t) == matches {
			return t
		}
	}
	return time.Time{}
}

// leap is for how long a time stays as it is at least: at minutes on the wall where hours, days or both make no difference, until they may.
func (c Cron) leap(t time.Time, matches bool) time.Duration {
	hour := time.Duration(60-t.Minute()) * time.Minute
	// To 21:00 of the same day, or an hour beside it if the clock is changed in between. The rest of the day is gone through by the hour.
	day := max(hour, time.Duration(21-t.Hour())*time.Hour)
	switch on := c.onDay(t); {
	case matches && !on, !matches && c.hour == everyHour && c.minute == everyMinute:
		return day
	case matches && c.hour&(1<<t.Hour()) == 0, !matches && c.minute == everyMinute:
		return hour
	}
	return time.Minute
}
