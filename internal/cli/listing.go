package cli

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/candidate"
)

// listing is how environments and apps are shown.
type listing struct {
	style
	wide, namespaces bool
	now              time.Time
}

func (l listing) print(w io.Writer, s selection) error {
	if len(s.envs) > 0 {
		if err := l.environments(s.envs).print(w, l.style); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	if t := l.candidates(s.envs); len(t.rows) > 0 {
		if err := t.print(w, l.style); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	if len(s.apps) > 0 {
		if err := l.apps(s.apps).print(w, l.style); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, summary(s.apps))
	return err
}

func (l listing) environments(envs []v1alpha1.Environment) *table {
	t := &table{header: l.header("NAME", "READY", "HELD", "FAILED", "COMMIT", "AGE", "REASON")}
	for i := range envs {
		e := &envs[i]
		n := e.Status.Apps
		reason := environmentReason(e)
		if ofEnvironment(e) == ready && n.Ready == n.Total {
			reason = ""
		}
		t.add(l.row(e.Namespace,
			plain(e.Name),
			cell{fmt.Sprintf("%d/%d", n.Ready, n.Total), pick(n.Total > 0 && n.Ready == n.Total, green, "")},
			cell{strconv.Itoa(int(n.Held)), pick(n.Held > 0, yellow, "")},
			cell{strconv.Itoa(int(n.Failed)), pick(n.Failed > 0, red, "")},
			plain(e.Status.Commit), plain(l.age(e.CreationTimestamp)),
			cell{reason, pick(ofEnvironment(e) == ready, "", colourOf(ofEnvironment(e)))},
		)...)
	}
	return t
}

// oldCandidate is how long ago a candidate ended that is not shown any more.
const oldCandidate = 24 * time.Hour

// candidates are those of the environments that are on their way, and the one of each that ended last, if that is not long ago.
func (l listing) candidates(envs []v1alpha1.Environment) *table {
	t := &table{header: l.header("CANDIDATE", "ENVIRONMENT", "COMMIT", "PHASE", "APPS", "SINCE", "REASON")}
	for i := range envs {
		e := &envs[i]
		last := -1
		for j, c := range e.Status.Candidates {
			if candidate.Phase(c.Phase).Ended() && (last < 0 || !c.Since.Time.Before(e.Status.Candidates[last].Since.Time)) {
				last = j
			}
		}
		for j, c := range e.Status.Candidates {
			phase := candidate.Phase(c.Phase)
			if phase.Ended() && (j != last || l.now.Sub(c.Since.Time) > oldCandidate) {
				continue
			}
			colour := ""
			switch phase {
			case candidate.Moved:
				colour = green
			case candidate.Refused:
				colour = red
			case candidate.Waiting, candidate.Rehearsing, candidate.Trying, candidate.Moving, candidate.Gone:
			}
			t.add(l.row(e.Namespace,
				plain(cmp.Or(c.Ref, c.By)), plain(e.Name), plain(c.Commit[:min(len(c.Commit), 8)]), cell{c.Phase, colour},
				plain(strconv.Itoa(len(c.Apps))), plain(l.age(c.Since)), plain(c.Why),
			)...)
		}
	}
	return t
}

func (l listing) apps(apps []v1alpha1.App) *table {
	columns := []string{"NAME", "PHASE", "HEALTH", "WANTED", "APPLIED", "DRIFT", "AGE"}
	if l.wide {
		columns = append(columns, "OBJECTS", "REPOSITORY", "PATH", "AUTHOR")
	}
	t := &table{header: l.header(append(columns, "REASON")...)}
	for i := range apps {
		a := &apps[i]
		st := &a.Status
		cells := []cell{
			plain(appName(a)),
			{string(orPending(st.Phase)), colourOf(ofApp(a))},
			plain(st.Health), plain(st.Wanted.Short), plain(st.Applied.Short),
			{strconv.Itoa(int(st.Drift.Objects)), pick(st.Drift.Objects > 0, yellow, "")},
			plain(l.age(a.CreationTimestamp)),
		}
		if l.wide {
			cells = append(cells, plain(strconv.Itoa(int(st.Objects))), plain(a.Spec.Repository), plain(a.Spec.Path), plain(st.Wanted.Author))
		}
		t.add(l.row(a.Namespace, append(cells, plain(st.Reason))...)...)
	}
	return t
}

func (l listing) header(columns ...string) []string {
	if l.namespaces {
		return append([]string{"NAMESPACE"}, columns...)
	}
	return columns
}

func (l listing) row(namespace string, cells ...cell) []cell {
	if l.namespaces {
		return append([]cell{plain(namespace)}, cells...)
	}
	return cells
}

func (l listing) age(since metav1.Time) string {
	if since.IsZero() {
		return ""
	}
	return duration.HumanDuration(l.now.Sub(since.Time))
}

func orPending(p v1alpha1.Phase) v1alpha1.Phase {
	if p == "" {
		return v1alpha1.PhasePending
	}
	return p
}

func colourOf(s standing) string {
	switch s {
	case ready:
		return green
	case failed:
		return red
	case held:
		return yellow
	case suspended:
		return grey
	case underway:
	}
	return ""
}

func pick(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// summary counts the apps in one line.
func summary(apps []v1alpha1.App) string {
	n := selection{apps: apps}.standings()
	text := plural(len(apps), "app")
	var parts []string
	for _, s := range []standing{ready, underway, held, failed, suspended} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	if len(parts) == 0 {
		return text
	}
	return text + ": " + strings.Join(parts, ", ")
}

// progress is the summary, and what is in the way of the first that is not ready: who waits wants to know whether it is worth while.
func (s selection) progress() string {
	text := summary(s.apps)
	for i := range s.envs {
		if e := &s.envs[i]; ofEnvironment(e) != ready {
			return text + "; environment " + e.Name + ": " + oneLine(environmentReason(e))
		}
	}
	for _, least := range []standing{failed, held, suspended, underway} {
		for i := range s.apps {
			if a := &s.apps[i]; ofApp(a) == least {
				return text + "; " + appName(a) + ": " + oneLine(appReason(a))
			}
		}
	}
	return text
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
