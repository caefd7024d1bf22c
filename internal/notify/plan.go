package notify

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// What is kept of what was told: for as long as an App may still be about to say the same, and beyond that the newest.
const (
	mostKept  = 200
	mostEver  = 1000
	keptFor   = time.Hour
	longest   = 10 * time.Minute // between two tries
	triedFor  = 24 * time.Hour
	quietName = "quiet until "
	manyName  = "many since "
	lateName  = "many until "
)

// Note is the status with what is new in it. What happened first comes first.
func Note(n *v1alpha1.Notifier, events []Event, now time.Time) v1alpha1.NotifierStatus {
	st := *n.Status.DeepCopy()
	if st.Since.IsZero() {
		st.Since = n.CreationTimestamp
	}
	known := map[string]bool{}
	for _, t := range st.Told {
		known[t.Key] = true
	}
	var fresh []v1alpha1.Telling
	for _, e := range slices.SortedFunc(slices.Values(events), byTime) {
		if known[e.Key()] || !tells(n.Spec, e) || e.Since.Before(st.Since.Time) {
			continue
		}
		known[e.Key()] = true
		t := v1alpha1.Telling{
			Key: e.Key(), Since: metav1.NewTime(e.Since), State: v1alpha1.TellingWaiting, Noted: metav1.NewTime(now.UTC().Truncate(time.Second)), Why: e.Why, Back: e.Back,
		}
		bad := e.Outcome == v1alpha1.OutcomeFailed || e.Outcome == v1alpha1.OutcomeRolledBack
		if end, quiet := quietUntil(n.Spec.Quiet, now); quiet && (!bad || !n.Spec.Quiet.ExceptFailures) {
			t.Group, t.Again = quietName+end.Format(time.RFC3339), metav1.NewTime(end)
		}
		fresh = append(fresh, t)
	}
	fresh = fresh[:min(len(fresh), max(0, mostEver-unsettled(st)))] // the others are noted when there is room
	if g := n.Spec.Group; g != nil {
		join(g, st.Told, fresh, now, n.Spec.Slack != nil)
	}
	st.Told = append(st.Told, fresh...)
	trim(&st, now)
	st.Waiting = int32(waiting(st.Told)) //nolint:gosec // bounded by mostEver
	return st
}

// tells reports whether a Notifier tells of an event.
func tells(s v1alpha1.NotifierSpec, e Event) bool {
	at := len(s.Environments) == 0 || slices.ContainsFunc(s.Environments, func(glob string) bool {
		ok, err := path.Match(glob, e.Environment)
		return err == nil && ok
	})
	return at && slices.Contains(s.Events, e.Outcome)
}

// join puts what is new into one message if there are too many. One that can be changed later is sent at once, and what comes within the window is added;
// another is sent when the window is over.
func join(g *v1alpha1.Grouping, told, fresh []v1alpha1.Telling, now time.Time, changes bool) {
	loose, group := 0, ""
	end := metav1.NewTime(now.Add(g.Window.Duration).UTC().Truncate(time.Second))
	for _, t := range told {
		if isQuiet(t) || now.Sub(t.Noted.Time) > g.Window.Duration {
			continue
		}
		loose++
		if strings.HasPrefix(t.Group, manyName) {
			group = t.Group // what is noted last is last
		}
		if at, late := lateUntil(t); late && now.Before(at) {
			group, end = t.Group, metav1.NewTime(at)
		}
	}
	for _, t := range fresh {
		if !isQuiet(t) {
			loose++
		}
	}
	if loose <= int(g.MoreThan) {
		return
	}
	for i := range fresh {
		switch {
		case isQuiet(fresh[i]):
		case changes:
			fresh[i].Group = cmp.Or(group, manyName+now.UTC().Format(time.RFC3339))
		default:
			fresh[i].Group, fresh[i].Again = cmp.Or(group, lateName+end.UTC().Format(time.RFC3339)), end
		}
	}
}

// lateUntil is when the message is sent that waits for what else happens, if it is of such a one.
func lateUntil(t v1alpha1.Telling) (time.Time, bool) {
	text, late := strings.CutPrefix(t.Group, lateName)
	at, err := time.Parse(time.RFC3339, text)
	return at, late && err == nil
}

func isQuiet(t v1alpha1.Telling) bool { return strings.HasPrefix(t.Group, quietName) }

func settled(t v1alpha1.Telling) bool {
	return t.State == v1alpha1.TellingSent || t.State == v1alpha1.TellingGivenUp
}

func waiting(all []v1alpha1.Telling) int {
	n := 0
	for _, t := range all {
		if !settled(t) {
			n++
		}
	}
	return n
}

// unsettled is how many there are that must not be forgotten.
func unsettled(st v1alpha1.NotifierStatus) int { return waiting(st.Told) }

// trim forgets the oldest of what was told. What happened when the last of them did, or before, is told no more.
func trim(st *v1alpha1.NotifierStatus, now time.Time) {
	for len(st.Told) > mostKept {
		i := slices.IndexFunc(st.Told, settled)
		if i < 0 || now.Sub(st.Told[i].Noted.Time) < keptFor && len(st.Told) <= mostEver {
			return
		}
		if after := st.Told[i].Since.Add(time.Second); after.After(st.Since.Time) {
			st.Since = metav1.NewTime(after)
		}
		st.Told = slices.Delete(st.Told, i, i+1)
	}
}

// Message is one message to be sent.
type Message struct {
	// ID is the same whenever it is sent: the key of its event, or the name of its group.
	ID string
	// Events are what it tells. A message of many has all of its group, also those that it told before.
	Events []Event
	// Keys are those of them that are told by sending it now.
	Keys []string
	// Many says that it is one message of many.
	Many bool
	// Thread is what Slack calls the message that it belongs to: the one about the release, or that of the group as it was sent before. Empty: there is none.
	Thread string
	// Unsure says that it was tried before, and may have come.
	Unsure bool
}

// Due are the messages to send now, and when there may be more; zero: when something happens.
func Due(n *v1alpha1.Notifier, now time.Time) (due []Message, again time.Time) {
	groups := map[string]int{}
	for _, t := range n.Status.Told {
		if settled(t) {
			continue
		}
		if t.Again.After(now) {
			if again.IsZero() || t.Again.Time.Before(again) {
				again = t.Again.Time
			}
			continue
		}
		if _, late := lateUntil(t); t.Group == "" || n.Spec.Slack == nil && !isQuiet(t) && !late {
			e := of(n.Namespace, t)
			due = append(due, Message{ID: t.Key, Events: []Event{e}, Keys: []string{t.Key}, Thread: threadOf(n, e), Unsure: t.Tries > 0})
			continue
		}
		i, ok := groups[t.Group]
		if !ok {
			i = len(due)
			groups[t.Group] = i
			due = append(due, group(n, t.Group))
		}
		due[i].Keys = append(due[i].Keys, t.Key)
		due[i].Unsure = due[i].Unsure || t.Tries > 0
	}
	return due, again
}

func group(n *v1alpha1.Notifier, name string) Message {
	m := Message{ID: name, Many: true}
	for _, t := range n.Status.Told {
		if t.Group == name {
			m.Events = append(m.Events, of(n.Namespace, t))
			m.Thread = cmp.Or(m.Thread, t.Thread)
		}
	}
	return m
}

// threadOf is the message about the release of an event; empty if there is none yet.
func threadOf(n *v1alpha1.Notifier, e Event) string {
	for _, t := range n.Status.Told {
		if t.Group == "" && t.Thread != "" && of(n.Namespace, t).Subject() == e.Subject() {
			return t.Thread
		}
	}
	return ""
}

// Begun is the status when a message is about to be sent.
func Begun(st v1alpha1.NotifierStatus, m Message) v1alpha1.NotifierStatus {
	return change(st, m, func(t *v1alpha1.Telling) {
		t.State, t.Tries, t.Again = v1alpha1.TellingSending, t.Tries+1, metav1.Time{}
	})
}

// Result is how sending went.
type Result struct {
	// Thread is what Slack calls the message that it belongs to, if that is known: also of a message that did not come as a whole.
	Thread string
	// Error is why it was not told; empty: it was.
	Error string
	// After is how long to wait at least before the next try.
	After time.Duration
	// Refused says that another try helps only if somebody changes something.
	Refused bool
}

// Ended is the status after a message was sent, or not.
func Ended(st v1alpha1.NotifierStatus, m Message, r Result, now time.Time) v1alpha1.NotifierStatus {
	st = change(st, m, func(t *v1alpha1.Telling) {
		t.Thread, t.Error = cmp.Or(r.Thread, t.Thread), clip(r.Error, mostWhy)
		from := t.Noted.Time
		if end, err := time.Parse(time.RFC3339, strings.TrimPrefix(t.Group, quietName)); err == nil {
			from = end
		}
		switch {
		case r.Error == "":
			t.State = v1alpha1.TellingSent
		case now.Sub(from) > triedFor:
			t.State = v1alpha1.TellingGivenUp
		default:
			wait := min(time.Second<<min(t.Tries, 10), longest)
			if r.Refused {
				wait = max(wait, time.Minute)
			}
			t.State, t.Again = v1alpha1.TellingWaiting, metav1.NewTime(now.Add(max(wait, min(r.After, time.Hour))).UTC().Truncate(time.Second))
		}
	})
	st.Waiting = int32(waiting(st.Told)) //nolint:gosec // bounded by mostEver
	return st
}

func change(st v1alpha1.NotifierStatus, m Message, f func(*v1alpha1.Telling)) v1alpha1.NotifierStatus {
	st = *st.DeepCopy()
	for i := range st.Told {
		if slices.Contains(m.Keys, st.Told[i].Key) {
			f(&st.Told[i])
		}
	}
	return st
}
