package gate

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// Soak is how the app of the same name fares in another environment. The zero Soak is an app that is not there.
type Soak struct {
	// Commit is what is released there now, in full; empty: nothing.
	Commit string
	// Since is since when the subject's commit has been healthy there, without a break; zero: it was not, or is not any more.
	Since time.Time
	// Ended is when something newer took its place there, healthy to the end; zero: it is still there.
	Ended time.Time
	// Sick says why it is not healthy, if Commit is the subject's.
	Sick string
}

// There is the app of the same name in another environment.
type There struct {
	// Status is what its App says; nil: there is none.
	Status *v1alpha1.AppStatus
	// Follows reports that both environments follow the same ref of the same Repository. Then a commit that changes nothing of the app there has soaked once the
	// app is healthy at whatever is newest: what it is here is newest too.
	Follows bool
}

// SoakOf is how a commit fares elsewhere, which was seen first at a time.
func SoakOf(t There, commit string, seen time.Time) Soak {
	if t.Status == nil || commit == "" {
		return Soak{}
	}
	st := t.Status
	is := func(revision string) bool { return strings.HasSuffix(revision, ":"+commit) }
	at := st.Applied.Revision
	out := Soak{Commit: at[strings.LastIndex(at, ":")+1:]}
	since, well := healthy(st)
	switch {
	case is(at) && well:
		out.Since = since
	case is(at):
		out.Sick = st.Reason
	case was(st, is, &out): // and something newer has taken its place
	case t.Follows && at != "" && at == st.Wanted.Revision && !is(st.Wanted.Revision):
		out.Commit = commit
		if well {
			out.Since = later(since, seen)
		} else {
			out.Sick = st.Reason
		}
	}
	return out
}

// healthy is since when what is applied is healthy, if it is.
func healthy(st *v1alpha1.AppStatus) (time.Time, bool) {
	for _, c := range st.Conditions {
		if c.Type == "Ready" {
			return later(c.LastTransitionTime.Time, st.Applied.At.Time), c.Status == metav1.ConditionTrue
		}
	}
	return time.Time{}, false
}

// was looks for a commit among the releases that something newer followed. Only one that succeeded, and was healthy until then, has soaked.
func was(st *v1alpha1.AppStatus, is func(string) bool, out *Soak) bool {
	var next *v1alpha1.ReleaseStatus
	for i := range st.Releases {
		r := &st.Releases[i]
		if i == 0 {
			next = st.Release
		} else {
			next = &st.Releases[i-1]
		}
		switch phase := release.Phase(r.Phase); {
		case !is(r.Revision):
		case phase == release.RolledBack, phase == release.Failed: // whatever is healthy there now
			return true
		case phase == release.Succeeded && next != nil && !next.Began.IsZero():
			out.Since, out.Ended = r.Since.Time, next.Began.Time
			return true
		}
	}
	return false
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// soak waits for a commit to have been healthy for long enough.
func soak(g v1alpha1.SoakGate, s Subject, seen Soak, now time.Time) release.Gate {
	long := g.For.Duration
	wait := fmt.Sprintf("waits until commit %s was healthy for %s in %s", short(s.Commit), span(long), g.Environment)
	end := seen.Since.Add(long)
	enough := !seen.Since.IsZero() && !now.Before(end) && (seen.Ended.IsZero() || !seen.Ended.Before(end))
	switch namespace, _, far := strings.Cut(g.Environment, "/"); {
	case enough:
		return release.Gate{Open: true}
	case far && namespace != s.Namespace: // how things are there is for those to know who may look there
		if seen.Since.IsZero() || !seen.Ended.IsZero() {
			end = time.Time{}
		}
		return release.Gate{Waits: wait, Until: end}
	case seen.Since.IsZero() && seen.Commit == "":
		return release.Gate{Waits: wait + ": it is not there"}
	case seen.Since.IsZero() && seen.Commit != s.Commit:
		return release.Gate{Waits: fmt.Sprintf("%s: there it is at %s", wait, short(seen.Commit))}
	case seen.Since.IsZero():
		return release.Gate{Waits: wait + ": it is not healthy" + after(": ", seen.Sick)}
	case !seen.Ended.IsZero() && seen.Ended.Before(end):
		return release.Gate{Waits: fmt.Sprintf("%s: %s took its place there at %s, too early", wait, short(seen.Commit), at(seen.Ended.UTC()))}
	}
	return release.Gate{Waits: fmt.Sprintf("%s: that is at %s", wait, at(end.UTC())), Until: end}
}
