package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/notify"
)

// TestMessages plays stories: a notifier.yaml, and Apps as they are at the times that the files are named after. What is sent then, and when it is looked at
// again, is in the file says.
func TestMessages(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		var n v1alpha1.Notifier
		var out strings.Builder
		for _, f := range ar.Files {
			at, err := time.Parse(time.RFC3339, strings.TrimSuffix(f.Name, ".yaml"))
			switch {
			case f.Name == "notifier.yaml":
				if err := yaml.UnmarshalStrict(f.Data, &n); err != nil {
					t.Fatal(err)
				}
				if err := notify.Check(n.Spec); err != nil {
					fmt.Fprintf(&out, "wrong: %v\n", err)
				}
			case err == nil:
				fmt.Fprintf(&out, "# %s\n", at.Format(time.RFC3339))
				play(t, &n, f.Data, at, &out)
			}
		}
		golden.Set(ar, "says", out.String())
	})
}

func play(t *testing.T, n *v1alpha1.Notifier, data []byte, now time.Time, out *strings.Builder) {
	t.Helper()
	var events []notify.Event
	for _, doc := range strings.Split(string(data), "---\n") {
		var a v1alpha1.App
		if err := yaml.UnmarshalStrict([]byte(doc), &a); err != nil {
			t.Fatal(err)
		}
		found, again := notify.Events(&a, now)
		events = append(events, found...)
		if !again.IsZero() {
			fmt.Fprintf(out, "app again at %s\n", again.UTC().Format(time.RFC3339))
		}
	}
	n.Status = notify.Note(n, events, now)
	due, again := notify.Due(n, now)
	for i := range due {
		fresh, _ := notify.Due(n, now)
		m := fresh[0]
		n.Status = notify.Begun(n.Status, m)
		if n.Spec.Teams != nil {
			card, err := notify.Card(n, m)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(out, "teams: %s\n", card)
		} else if n.Spec.Email != nil {
			fmt.Fprintf(out, "mail:\n%s\n", strings.ReplaceAll(string(notify.Mail(n, m, now)), "\r\n", "\n"))
		} else if n.Spec.Slack != nil {
			text, thread := notify.Slack(n, m)
			fmt.Fprintf(out, "slack, thread %q: %s\n", m.Thread, text)
			if thread != "" {
				fmt.Fprintf(out, "  in its thread: %s\n", strings.ReplaceAll(thread, "\n", " | "))
			}
		} else {
			body, err := notify.CloudEvent(n, m)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(out, "webhook: %s\n", body)
		}
		r := notify.Result{}
		if n.Spec.Slack != nil {
			if r.Thread = m.Thread; r.Thread == "" {
				r.Thread = fmt.Sprintf("ts%d", i+1)
			}
		}
		n.Status = notify.Ended(n.Status, m, r, now)
	}
	if !again.IsZero() {
		fmt.Fprintf(out, "again at %s\n", again.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(out, "waiting %d, kept %d\n", n.Status.Waiting, len(n.Status.Told))
}
