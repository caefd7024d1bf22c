package verify

import (
	"fmt"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// OfJob judges the Job that was made for the release, with the last lines that it wrote.
func (t Trial) OfJob(live object.Object, log []string) Observation {
	v := health.Rules{}.Assess(live)
	switch v.Status {
	case health.Healthy:
		return Observation{Says: Good}
	case health.Degraded:
		what := "failed: " + v.Message
		if len(log) > 0 {
			what += "; " + LastWords(log)
		}
		return Observation{Says: Final, What: what, Log: log}
	case health.Missing:
		return Observation{Says: Unsure, What: "was deleted by somebody else, and is made again"}
	case health.Progressing, health.Suspended, health.Unknown:
	}
	return Observation{Says: Unsure, What: "is not done: " + v.Message}
}

// Unread stands for a log that cannot be read, and says why.
func Unread(why string) []string { return []string{"(" + unread + why + ")"} }

const unread = "its log cannot be read: "

// LastWords says in one line what the last lines of a log are, or why it cannot be read; empty: there is none.
func LastWords(log []string) string {
	text := strings.Join(log[max(0, len(log)-3):], " | ")
	if why, is := strings.CutPrefix(text, "("+unread); is {
		return line(unread+strings.TrimSuffix(why, ")"), 200)
	}
	if text = line(text, 200); text != "" {
		text = "it wrote last: " + text
	}
	return text
}

// OfObjects judges live objects of the app. One that is wanted and not there is the zero Object. That the app wants none of a kind is no failure by itself.
func (t Trial) OfObjects(objs []object.Object) Observation {
	if len(objs) == 0 && t.CEL.Name != "" {
		return Observation{Says: Final, What: "is not in the app, as " + t.CEL.APIVersion}
	}
	for _, o := range objs {
		if o.IsZero() {
			return Observation{Says: Bad, What: "is not in the cluster"}
		}
	}
	for _, c := range t.conditions {
		switch yes, err := c.Holds(objs); {
		case err != nil:
			return Observation{Says: Bad, What: fmt.Sprintf("is not to be judged by %s: %s", line(c.String(), 120), err)}
		case !yes:
			return Observation{Says: Bad, What: "does not fulfil " + line(c.String(), 160)}
		}
	}
	return Observation{Says: Good}
}
