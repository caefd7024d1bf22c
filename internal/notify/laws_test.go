package notify_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/notify"
)

var began = time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC) // the next night has an hour less in Berlin

func drawNotifier(t *rapid.T) *v1alpha1.Notifier {
	n := &v1alpha1.Notifier{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "people", UID: "u", CreationTimestamp: metav1.NewTime(began)}}
	n.Spec.Events = []v1alpha1.Outcome{v1alpha1.OutcomeSucceeded, v1alpha1.OutcomeFailed, v1alpha1.OutcomeRolledBack}
	if rapid.Bool().Draw(t, "webhook") {
		n.Spec.Webhook = &v1alpha1.EventWebhook{URL: "https://example.com"}
	} else {
		n.Spec.Slack = &v1alpha1.SlackChannel{Channel: "C0"}
	}
	if rapid.Bool().Draw(t, "group") {
		n.Spec.Group = &v1alpha1.Grouping{MoreThan: 2, Window: metav1.Duration{Duration: time.Minute}}
	}
	if rapid.Bool().Draw(t, "quiet") {
		n.Spec.Quiet = &v1alpha1.QuietHours{From: "22:00", Until: "07:00", TimeZone: "Europe/Berlin", ExceptFailures: rapid.Bool().Draw(t, "failures")}
	}
	return n
}

// other is where messages arrive: it knows those that came by their ids.
type other struct {
	came   map[string]int      // how often a message of an id was taken as new
	told   map[string]string   // by the key of an event: the id of the message that told it
	listed map[string][]string // what a message shows, as it was updated last
}

func (o *other) takes(t *rapid.T, n *v1alpha1.Notifier, m notify.Message, now time.Time) {
	if o.came[m.ID] == 0 {
		o.came[m.ID] = 1
	}
	o.listed[m.ID] = nil
	for _, e := range m.Events {
		o.listed[m.ID] = append(o.listed[m.ID], e.Key())
		bad := e.Outcome != v1alpha1.OutcomeSucceeded
		local, _ := time.LoadLocation("Europe/Berlin")
		if h := now.In(local).Hour(); n.Spec.Quiet != nil && (h >= 22 || h < 7) && (!bad || !n.Spec.Quiet.ExceptFailures) && o.told[e.Key()] == "" && now.Sub(e.Since) < time.Minute {
			t.Fatalf("%s was told at %s", e.Key(), now.In(local))
		}
	}
	for _, k := range m.Keys {
		if id := o.told[k]; id != "" && id != m.ID {
			t.Fatalf("%s was told in %q and in %q", k, id, m.ID)
		}
		o.told[k] = m.ID
	}
}

// step is one look at what there is, by a process that may end at any point: then what it did not write is lost.
func step(t *rapid.T, n *v1alpha1.Notifier, events []notify.Event, now time.Time, o *other) {
	dies := func(name string) bool { return rapid.IntRange(0, 9).Draw(t, name) == 0 }
	shuffled := slices.Clone(events)
	rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	st := notify.Note(n, events, now)
	if d := cmp.Diff(st, notify.Note(n, shuffled, now)); d != "" {
		t.Fatalf("the order makes a difference: %s", d)
	}
	next := *n
	next.Status = st
	if d := cmp.Diff(st, notify.Note(&next, events, now)); d != "" {
		t.Fatalf("to look twice makes a difference: %s", d)
	}
	if len(st.Told) > 1000 {
		t.Fatalf("%d are kept", len(st.Told))
	}
	n.Status = st
	due, _ := notify.Due(n, now)
	for range due {
		again, _ := notify.Due(n, now)
		if len(again) == 0 {
			break
		}
		m := again[0]
		if dies("before it begins") {
			return
		}
		n.Status = notify.Begun(n.Status, m)
		if dies("before it sends") {
			return
		}
		fails := rapid.IntRange(0, 3).Draw(t, "fails") == 0
		if !fails || rapid.Bool().Draw(t, "but comes") {
			o.takes(t, n, m, now)
		}
		if dies("after it sent") {
			return
		}
		r := notify.Result{}
		if fails {
			r = notify.Result{Error: "lost", After: time.Duration(rapid.IntRange(0, 60).Draw(t, "after")) * time.Second}
		}
		n.Status = notify.Ended(n.Status, m, r, now)
	}
}

// TestOnce: whatever happens, and whenever processes end, everything that happens is told, in one message, as long as somebody goes on.
func TestOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawNotifier(t)
		o := &other{map[string]int{}, map[string]string{}, map[string][]string{}}
		now := began.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "hour")) * time.Hour)
		var events []notify.Event
		for i := range rapid.IntRange(1, 15).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(1, 4000).Draw(t, "seconds")) * time.Second)
			for range rapid.IntRange(0, 4).Draw(t, "new") {
				events = append(events, notify.Event{
					Namespace: "shop", Environment: "production", App: fmt.Sprintf("app%d", rapid.IntRange(0, 3).Draw(t, "app")), Commit: fmt.Sprintf("%040d", i),
					Outcome: rapid.SampledFrom(n.Spec.Events).Draw(t, "outcome"), Since: now,
				})
			}
			step(t, n, events, now, o)
		}
		for range 60 { // the network is well at last, but for the dying
			_, again := notify.Due(n, now)
			if now = now.Add(time.Second); again.After(now) {
				now = again
			}
			step(t, n, events, now, o)
		}
		for _, e := range events {
			if id := o.told[e.Key()]; id == "" || !slices.Contains(o.listed[id], e.Key()) {
				t.Fatalf("%s was never told: %+v", e.Key(), n.Status)
			}
		}
		if n.Status.Waiting > 0 {
			t.Fatalf("%d wait in the end", n.Status.Waiting)
		}
	})
}

// TestFlood: of more than are kept nothing is told twice, and nothing is lost.
func TestFlood(t *testing.T) {
	n := &v1alpha1.Notifier{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", CreationTimestamp: metav1.NewTime(began)}}
	n.Spec = v1alpha1.NotifierSpec{Webhook: &v1alpha1.EventWebhook{}, Events: []v1alpha1.Outcome{v1alpha1.OutcomeFailed}}
	told := map[string]int{}
	var events []notify.Event
	now := began
	for round := range 40 {
		for i := range 100 {
			events = append(events, notify.Event{Namespace: "shop", Environment: "e", App: fmt.Sprintf("a%d-%d", round, i), Commit: "c", Outcome: v1alpha1.OutcomeFailed, Since: now})
		}
		now = now.Add(10 * time.Minute)
		n.Status = notify.Note(n, events, now)
		for _, m := range first(notify.Due(n, now)) {
			told[m.ID]++
			n.Status = notify.Ended(notify.Begun(n.Status, m), m, notify.Result{}, now)
		}
		if len(n.Status.Told) > 1000 {
			t.Fatalf("%d are kept", len(n.Status.Told))
		}
	}
	for _, e := range events {
		if told[e.Key()] != 1 {
			t.Fatalf("%s was told %d times", e.Key(), told[e.Key()])
		}
	}
}

func first[A, B any](a A, _ B) A { return a }

// TestTemplates: what could go on for ever, or grow, is refused; a message is bounded.
func TestTemplates(t *testing.T) {
	e := notify.Event{Namespace: "shop", Environment: "production", App: "web", Commit: strings.Repeat("c", 40), Outcome: v1alpha1.OutcomeFailed, Why: "<!here>"}
	for pattern, want := range map[string]string{
		"{{.App}}: {{.Why}}": "web: <!here>",
		"{{if and .Why (ne .Outcome \"Held\")}}{{.Short}}{{else}}no{{end}}": "cccccccc",
		"{{with .Back}}back at {{.}}{{else}}{{.Outcome}}{{end}}":            "Failed",
		"{{.Secret}}":            "",
		"{{":                     "",
		"{{range 10}}x{{end}}":   "",
		`{{define "x"}}{{end}}`:  "",
		`{{printf "%99999d" 1}}`: "",
		"{{$x := .App}}{{$x}}":   "",
		"{{.App | html}}":        "",
		`{{template "message"}}`: "",
		"{{call .App}}":          "",
	} {
		err := notify.Check(v1alpha1.NotifierSpec{Template: pattern})
		if (err == nil) != (want != "") {
			t.Errorf("%s: %v", pattern, err)
		}
		if want == "" {
			want = "production/web failed: commit cccccccc: <!here>"
		}
		if got := notify.Text(pattern, e, notify.Plain); got != want {
			t.Errorf("%s makes %q, want %q", pattern, got, want)
		}
	}
	if got := notify.Text(strings.Repeat("{{.Commit}}", 200), e, notify.Plain); len(got) != 3000 {
		t.Errorf("a message has %d characters", len(got))
	}
}
