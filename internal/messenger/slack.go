package messenger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/notify"
)

// eventType is what Fairlead's messages are called in their metadata, in which each has its identity.
const eventType = "fairlead_message"

// How many pages of messages are searched for one that may have come, and how long before it was noted they begin: clocks differ.
const (
	mostPages = 10
	skew      = 5 * time.Minute
)

// room is a channel of Slack's, for one Notifier.
type room struct {
	*Messenger
	api, channel string
	credentials  credentials
}

// said is what Slack answers.
type said struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	TS       string `json:"ts"`
	Messages []struct {
		TS       string   `json:"ts"`
		Metadata metadata `json:"metadata"`
	} `json:"messages"`
	HasMore bool `json:"has_more"`
	Next    struct {
		Cursor string `json:"next_cursor"`
	} `json:"response_metadata"`
}

type metadata struct {
	Type    string `json:"event_type"`
	Payload struct {
		ID string `json:"id"`
	} `json:"event_payload"`
}

// slack writes a message. It returns what the first message of its thread is called, also with an error if that one came.
func (m *Messenger) slack(ctx context.Context, n *v1alpha1.Notifier, msg notify.Message) (string, error) {
	s := n.Spec.Slack
	c, err := m.credentials(ctx, n, &s.SecretRef, "token")
	if err != nil {
		return msg.Thread, err
	}
	if c.bearer == "" {
		return msg.Thread, fault.Newf(fault.Invalid, "Secret %s/%s has no key token", n.Namespace, s.SecretRef.Name)
	}
	r := room{m, strings.TrimSuffix(s.API, "/"), s.Channel, c}
	text, details := notify.Slack(n, msg)
	id := notify.Identity(n, msg)
	head := id // of the message in the channel: the same for all outcomes of a release
	if !msg.Many {
		head = notify.Identity(n, notify.Message{ID: msg.Events[0].Subject()})
	}
	since := noted(n, msg).Add(-skew)
	ts := msg.Thread
	if ts == "" && msg.Unsure {
		if ts, err = r.find(ctx, head, since, ""); err != nil {
			return "", err
		}
	}
	if ts != "" {
		var a said
		a, err = r.call(ctx, "chat.update", map[string]any{"channel": r.channel, "ts": ts, "text": text, "metadata": marked(head)})
		if a.Error == "message_not_found" { // somebody deleted it
			ts, err = "", nil
		}
	}
	if ts == "" {
		ts, err = r.say(ctx, head, text, "")
	}
	if err != nil || details == "" {
		return ts, err
	}
	if msg.Unsure {
		if there, err := r.find(ctx, id, since, ts); err != nil || there != "" {
			return ts, err
		}
	}
	_, err = r.say(ctx, id, details, ts)
	return ts, err
}

// noted is when the first of what a message tells was noted: it was not sent before.
func noted(n *v1alpha1.Notifier, msg notify.Message) time.Time {
	var first time.Time
	for _, t := range n.Status.Told {
		if slices.Contains(msg.Keys, t.Key) && (first.IsZero() || t.Noted.Time.Before(first)) {
			first = t.Noted.Time
		}
	}
	return first
}

func marked(id string) map[string]any {
	return map[string]any{"event_type": eventType, "event_payload": map[string]any{"id": id}}
}

// say posts a message, into a thread if one is named.
func (r room) say(ctx context.Context, id, text, thread string) (string, error) {
	body := map[string]any{"channel": r.channel, "text": text, "metadata": marked(id), "unfurl_links": false, "unfurl_media": false}
	if thread != "" {
		body["thread_ts"] = thread
	}
	a, err := r.call(ctx, "chat.postMessage", body)
	return a.TS, err
}

// find looks for a message of ours that came since, in a thread if one is named; empty: it did not come, or Slack does not let us look.
func (r room) find(ctx context.Context, id string, since time.Time, thread string) (string, error) {
	method := "conversations.history"
	form := url.Values{"channel": {r.channel}, "oldest": {strconv.FormatInt(since.Unix(), 10)}, "include_all_metadata": {"true"}, "limit": {"200"}}
	if thread != "" {
		method = "conversations.replies"
		form.Set("ts", thread)
	}
	for range mostPages {
		a, err := r.ask(ctx, method, form)
		if slices.Contains([]string{"missing_scope", "not_allowed_token_type", "no_permission"}, a.Error) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		for _, x := range a.Messages {
			if x.Metadata.Type == eventType && x.Metadata.Payload.ID == id {
				return x.TS, nil
			}
		}
		if !a.HasMore || a.Next.Cursor == "" {
			return "", nil
		}
		form.Set("cursor", a.Next.Cursor)
	}
	return "", nil
}

func (r room) call(ctx context.Context, method string, body map[string]any) (said, error) {
	var data bytes.Buffer
	e := json.NewEncoder(&data)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return said{}, fault.New(fault.Internal, err)
	}
	return r.heard(r.post(ctx, credentials{bearer: r.credentials.bearer, roots: r.credentials.roots}, r.api+"/"+method, "application/json; charset=utf-8", data.Bytes()))
}

func (r room) ask(ctx context.Context, method string, form url.Values) (said, error) {
	c := credentials{bearer: r.credentials.bearer, roots: r.credentials.roots}
	return r.heard(r.post(ctx, c, r.api+"/"+method, "application/x-www-form-urlencoded", []byte(form.Encode())))
}

// mended are the errors of Slack's that pass by themselves.
var mended = []string{"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}

// heard reads an answer of Slack's, which says 200 also if something is wrong.
func (r room) heard(a answer, err error) (said, error) {
	if err != nil {
		return said{}, err
	}
	var s said
	if err := json.Unmarshal(a.body, &s); err != nil {
		return said{}, fault.New(fault.Transient, errors.New("the answer is none of Slack's"))
	}
	if s.OK {
		return s, nil
	}
	kind := fault.Denied
	if slices.Contains(mended, s.Error) {
		kind = fault.Transient
	}
	return s, fault.New(kind, fmt.Errorf("refused by Slack: %.60q", s.Error))
}
