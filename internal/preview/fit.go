package preview

import (
	"encoding/json"
	"fmt"
)

// MostReply bounds a reply as JSON.
const MostReply = 2 << 20

// What a reply is cut down to, one after the other, until it fits.
var cuts = []struct{ changes, steps, text int }{{100, 1 << 20, 2000}, {10, 1 << 20, 500}, {0, 1000, 200}, {0, 100, 100}, {0, 10, 60}, {0, 0, 40}}

// Fit leaves out what makes a reply larger than a number of bytes, first the fields that change, then steps, and says so.
func Fit(r Reply, most int) Reply {
	out := r
	for i, c := range cuts {
		out = r
		out.Apps = make([]App, len(r.Apps))
		short := false
		for j, a := range r.Apps {
			out.Apps[j], short = cut(a, c.changes, c.steps, c.text, short)
		}
		if short {
			out.LeftOut = "the plan is too large to be shown whole: some of the fields that change are left out"
			if i > 1 {
				out.LeftOut = "the plan is too large to be shown whole: fields that change are left out, and of some apps steps"
			}
		}
		if data, err := json.Marshal(out); err == nil && len(data) <= most {
			return out
		}
	}
	n := len(out.Apps)
	for len(out.Apps) > 0 {
		out.Apps = out.Apps[:len(out.Apps)/2]
		out.LeftOut = fmt.Sprintf("the plan is too large to be shown whole: of %d apps %d are left out, and the steps of the others", n, n-len(out.Apps))
		if data, err := json.Marshal(out); err == nil && len(data) <= most {
			break
		}
	}
	return out
}

func cut(a App, changes, steps, text int, short bool) (App, bool) {
	cutSteps := func(list []Step) []Step {
		if len(list) > steps {
			a.LeftOut += len(list) - steps
			list, short = list[:steps], true
		}
		out := make([]Step, len(list))
		for i, s := range list {
			if len(s.Changes) > changes {
				s.More += len(s.Changes) - changes
				s.Changes, short = s.Changes[:changes:changes], true
			}
			s.Why = clip(s.Why, text)
			out[i] = s
		}
		return out
	}
	cutNotes := func(list []Note) []Note {
		if len(list) > steps {
			list, short = list[:steps], true
		}
		out := make([]Note, len(list))
		for i, n := range list {
			n.Text = clip(n.Text, text)
			out[i] = n
		}
		return out
	}
	a.Steps = cutSteps(a.Steps)
	gone := a.LeftOut
	a.Idle, a.Reported = cutSteps(a.Idle), cutSteps(a.Reported)
	a.LeftOut = gone // it counts what would be done
	a.Refused, a.Waiting, a.Kept, a.Contested = cutNotes(a.Refused), cutNotes(a.Waiting), cutNotes(a.Kept), cutNotes(a.Contested)
	if len(a.Held) > max(steps, 1) {
		a.Held, short = a.Held[:max(steps, 1)], true
	}
	return a, short
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xc0 == 0x80 { // not within a rune
		most--
	}
	return s[:most] + "…"
}
