package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// Identity is what no other message of any Notifier has, in any cluster: by it a message is found again.
func Identity(n *v1alpha1.Notifier, m Message) string { return string(n.UID) + " " + m.ID }

// cloudEvent is a CloudEvent 1.0, in its structured JSON form.
type cloudEvent struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	Subject     string `json:"subject,omitempty"`
	Time        string `json:"time"`
	ContentType string `json:"datacontenttype"`
	Data        any    `json:"data"`
}

type eventData struct {
	Namespace   string `json:"namespace"`
	Environment string `json:"environment"`
	App         string `json:"app"`
	Commit      string `json:"commit"`
	Outcome     string `json:"outcome"`
	Since       string `json:"since"`
	Why         string `json:"why,omitempty"`
	Back        string `json:"back,omitempty"`
	Text        string `json:"text"`
}

type manyData struct {
	Text   string      `json:"text"`
	Events []eventData `json:"events"`
}

// CloudEvent is a message as a webhook gets it. Source and id are the same whenever it is sent.
func CloudEvent(n *v1alpha1.Notifier, m Message) ([]byte, error) {
	e := cloudEvent{
		SpecVersion: "1.0", ID: m.ID, Source: fmt.Sprintf("/fairlead.dev/%s/%s/%s", n.Namespace, n.Name, n.UID), ContentType: "application/json",
	}
	var all []eventData
	for _, x := range m.Events {
		all = append(all, eventData{
			Namespace: x.Namespace, Environment: x.Environment, App: x.App, Commit: x.Commit, Outcome: string(x.Outcome), Since: x.Since.Format(time.RFC3339), Why: x.Why,
			Back: x.Back, Text: Text(n.Spec.Template, x, Plain),
		})
	}
	switch {
	case m.Many:
		e.Type, e.Data = "dev.fairlead.summary", manyData{Text: title(m), Events: all}
	default:
		x := m.Events[0]
		e.Type, e.Subject, e.Data = "dev.fairlead.app."+strings.ToLower(string(x.Outcome)), x.Environment+"/"+x.App, all[0]
	}
	e.Time = m.Events[len(m.Events)-1].Since.Format(time.RFC3339)
	return json.Marshal(e)
}

// Slack is a message as Slack gets it: the text of the message in the channel, and of that in its thread; the latter is empty for one of many.
func Slack(n *v1alpha1.Notifier, m Message) (text, thread string) {
	if m.Many {
		return List(title(m), m.Events, mrkdwn), ""
	}
	return Text(n.Spec.Template, m.Events[0], mrkdwn), Details(m.Events[0], mrkdwn)
}

// title is the first line of a message of many.
func title(m Message) string {
	if len(m.Events) == 1 {
		return "One thing happened, " + m.ID
	}
	return fmt.Sprintf("%d things happened, %s", len(m.Events), m.ID)
}

// mrkdwn keeps a text from meaning something to Slack: a mention, or a link.
func mrkdwn(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
