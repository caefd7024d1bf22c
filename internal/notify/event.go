package notify

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/report"
)

// Event is an outcome of an app at a commit.
type Event struct {
	Namespace, Environment, App string
	Commit                      string // its full id
	Outcome                     v1alpha1.Outcome
	Since                       time.Time
	Why                         string // a line
	Back                        string // the commit that the app went back to
}

// Subject is the app and the commit: within a namespace no two are the same.
func (e Event) Subject() string { return e.Environment + "/" + e.App + " " + e.Commit }

// Key is the subject and the outcome: what is told once.
func (e Event) Key() string { return e.Subject() + " " + string(e.Outcome) }

// patience is how long a release waits at its gates before that is told: most open by themselves.
const patience = time.Minute

const mostWhy = 500

// Events are the outcomes that an App's status shows, and when there may be another one though nothing changes; zero: never.
func Events(a *v1alpha1.App, now time.Time) (events []Event, again time.Time) {
	st := a.Status
	add := func(o v1alpha1.Outcome, revision string, since time.Time, why, back string) {
		e := Event{
			Namespace: a.Namespace, Environment: a.Spec.Environment, App: a.Spec.Name, Commit: commitOf(revision), Outcome: o, Since: since.UTC(),
			Why: clip(why, mostWhy), Back: commitOf(back),
		}
		if e.Commit != "" && !slices.ContainsFunc(events, func(x Event) bool { return x.Key() == e.Key() }) {
			events = append(events, e)
		}
	}
	all := slices.Clone(st.Releases)
	if st.Release != nil {
		all = append([]v1alpha1.ReleaseStatus{*st.Release}, all...)
	}
	for _, r := range all {
		if o, ok := ends[release.Phase(r.Phase)]; ok {
			add(o, r.Revision, r.Since.Time, r.Why, r.Back)
		}
	}
	now0 := standing(st, len(all) == 0)
	for _, e := range now0 {
		add(e.Outcome, e.Commit, e.Since, e.Why, "")
	}
	if r := st.Release; r != nil && r.Phase == string(release.Gated) {
		if told := r.Since.Add(patience); now.Before(told) {
			again = told
		} else {
			add(v1alpha1.OutcomeHeld, r.Revision, r.Since.Time, r.Why, "")
		}
	}
	slices.SortFunc(events, byTime)
	return events, again
}

// ends are the phases of releases that are outcomes.
var ends = map[release.Phase]v1alpha1.Outcome{
	release.Succeeded: v1alpha1.OutcomeSucceeded, release.Failed: v1alpha1.OutcomeFailed, release.RolledBack: v1alpha1.OutcomeRolledBack,
}

// standing are the outcomes that no release tells of.
func standing(st v1alpha1.AppStatus, unruled bool) []Event {
	var out []Event
	wanted, v := st.Wanted.Revision, report.Verdict(st)
	back := st.Release != nil && (st.Release.Phase == string(release.RollingBack) || st.Release.Phase == string(release.RolledBack))
	switch {
	case v.State == v1alpha1.CommitSuccess && unruled:
		out = append(out, Event{Outcome: v1alpha1.OutcomeSucceeded, Commit: wanted, Since: st.Applied.At.Time, Why: v.Description})
	case v.State == v1alpha1.CommitFailure && !back:
		out = append(out, Event{Outcome: v1alpha1.OutcomeFailed, Commit: wanted, Since: turned(st, "Stalled"), Why: v.Description})
	}
	if st.HoldID != "" && st.Phase == v1alpha1.PhaseHeld {
		out = append(out, Event{Outcome: v1alpha1.OutcomeHeld, Commit: wanted, Since: turned(st, "Ready"), Why: st.Reason})
	}
	if st.Phase == v1alpha1.PhaseDrifted && st.Drift.Objects > 0 {
		e := Event{Outcome: v1alpha1.OutcomeDrift, Commit: wanted, Since: turned(st, "Ready"), Why: st.Reason}
		if len(st.Drift.Last) > 0 && st.Drift.Last[0].At.After(e.Since) {
			e.Since = st.Drift.Last[0].At.Time
		}
		out = append(out, e)
	}
	return out
}

// turned is since when a condition is as it is, and not before the wanted commit came.
func turned(st v1alpha1.AppStatus, condition string) time.Time {
	at := st.Wanted.At.Time
	if c := meta.FindStatusCondition(st.Conditions, condition); c != nil && c.LastTransitionTime.After(at) {
		at = c.LastTransitionTime.Time
	}
	return at
}

func byTime(a, b Event) int {
	return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Key(), b.Key()))
}

// commitOf is the id of the commit of a revision, such as "main@sha1:…".
func commitOf(revision string) string { return revision[strings.LastIndexByte(revision, ':')+1:] }

// of is the event that a telling is of. What is no key of an event has no outcome.
func of(namespace string, t v1alpha1.Telling) Event {
	e := Event{Namespace: namespace, Since: t.Since.UTC(), Why: t.Why, Back: t.Back}
	words := strings.Split(t.Key, " ")
	if len(words) < 3 {
		return e
	}
	n := len(words)
	e.Outcome, e.Commit = v1alpha1.Outcome(words[n-1]), words[n-2]
	e.Environment, e.App, _ = strings.Cut(strings.Join(words[:n-2], " "), "/")
	return e
}
