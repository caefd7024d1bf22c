package notify

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"mime/quotedprintable"
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

// Card is a message as a workflow of Teams gets it: an Adaptive Card. Its text is shown as it is: it has no mention, and no link of its own.
func Card(n *v1alpha1.Notifier, m Message) ([]byte, error) {
	text := func(s string, more map[string]any) map[string]any {
		block := map[string]any{"type": "TextBlock", "text": s, "wrap": true}
		maps.Copy(block, more)
		return block
	}
	var body []any
	if m.Many {
		for i, line := range strings.Split(List(title(m), m.Events, unmarked), "\n") {
			body = append(body, text(line, map[string]any{"spacing": map[bool]string{true: "Default", false: "None"}[i < 2]}))
		}
	} else {
		e := m.Events[0]
		color := map[v1alpha1.Outcome]string{v1alpha1.OutcomeSucceeded: "Good", v1alpha1.OutcomeFailed: "Attention", v1alpha1.OutcomeRolledBack: "Attention"}[e.Outcome]
		body = append(body, text(Text(n.Spec.Template, e, unmarked), map[string]any{"weight": "Bolder", "color": cmp.Or(color, "Warning")}))
		for _, line := range strings.Split(Details(e, unmarked), "\n") {
			body = append(body, text(line, map[string]any{"isSubtle": true, "spacing": "None"}))
		}
	}
	return json.Marshal(map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content":     map[string]any{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body},
	}}})
}

// Mail is a message as a mail: its head and its text. Its Message-ID is the same whenever it is sent.
func Mail(n *v1alpha1.Notifier, m Message, now time.Time) []byte {
	subject, text := title(m), List(title(m), m.Events, Plain)
	if !m.Many {
		subject = clip(Text(n.Spec.Template, m.Events[0], Plain), 150)
		text = Text(n.Spec.Template, m.Events[0], Plain) + "\n\n" + Details(m.Events[0], Plain)
	}
	_, domain, _ := strings.Cut(n.Spec.Email.From, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", n.Spec.Email.From},
		{"To", strings.Join(n.Spec.Email.To, ", ")},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 +0000")},
		{"Message-ID", fmt.Sprintf("<%x@%s>", sha256.Sum256([]byte(Identity(n, m))), domain)},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	_ = w.Close()
	return b.Bytes()
}

// unmarked keeps a text from meaning something to Teams, whose cards read some Markdown.
func unmarked(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "`", "\\`").Replace(s)
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
