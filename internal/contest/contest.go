// Package contest recognises a fight over an object: the same object changed and changed back again and again.
//
// It counts, it does not act: the engine asks how long to leave an object alone, and says so to the user.
package contest

import "time"

// Bounds of a fight. A handful of hand edits in a row is a person trying things; more is a program that will not stop.
const (
	window  = time.Minute
	allowed = 5
	first   = 10 * time.Second
	longest = 5 * time.Minute
)

// Record is the repairs of one object. The zero Record is an object that was never repaired.
type Record struct {
	recent []time.Time
	rounds int // how often the fight went past what is allowed
	until  time.Time
}

// Repaired notes a repair made at now, and returns the new record.
func (r Record) Repaired(now time.Time) Record {
	var recent []time.Time
	for _, t := range r.recent {
		if now.Sub(t) < window {
			recent = append(recent, t)
		}
	}
	if len(recent) == 0 && now.Sub(r.until) > longest {
		r.rounds = 0
	}
	r.recent = append(recent, now)
	if len(r.recent) > allowed {
		r.until = now.Add(min(first<<min(r.rounds, 10), longest))
		r.rounds++
		r.recent = nil
	}
	return r
}

// Until is when the object may be repaired again; zero or past: now.
func (r Record) Until() time.Time { return r.until }
