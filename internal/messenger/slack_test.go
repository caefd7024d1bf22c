package messenger_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	channel = "C0123456789"
	token   = "a-token-that-only-tests-know"
)

// workspace is a Slack with one channel, as far as Fairlead speaks with it: what it takes and what it says is as in Slack's documentation of these methods.
type workspace struct {
	t *testing.T
	// around is called before and after each request is carried out; it may answer instead by returning false.
	around func(w http.ResponseWriter, when, method string) bool

	mu       sync.Mutex
	messages []message
	secret   bool // nobody may read the channel
}

type message struct {
	TS       string `json:"ts"`
	Thread   string `json:"thread_ts,omitempty"`
	Text     string `json:"text"`
	Metadata struct {
		Type    string         `json:"event_type"`
		Payload map[string]any `json:"event_payload"`
	} `json:"metadata"`
	edits int
}

func (s *workspace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	if s.around != nil && !s.around(w, "before", method) {
		return
	}
	said := s.does(method, r)
	if s.around != nil && !s.around(w, "after", method) {
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(said)
}

func refuse(why string) map[string]any { return map[string]any{"ok": false, "error": why} }

func (s *workspace) does(method string, r *http.Request) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+token {
		return refuse("invalid_auth")
	}
	switch method {
	case "chat.postMessage", "chat.update":
		return s.write(method, r)
	case "conversations.history", "conversations.replies":
		return s.read(method, r)
	}
	return refuse("unknown_method")
}

func (s *workspace) write(method string, r *http.Request) map[string]any {
	var in struct {
		Channel string `json:"channel"`
		message
		TS string `json:"ts"`
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || json.NewDecoder(r.Body).Decode(&in) != nil {
		return refuse("invalid_json")
	}
	if in.Channel != channel {
		return refuse("channel_not_found")
	}
	if in.Text == "" {
		return refuse("no_text")
	}
	if method == "chat.update" {
		i := slices.IndexFunc(s.messages, func(m message) bool { return m.TS == in.TS })
		if i < 0 {
			return refuse("message_not_found")
		}
		s.messages[i].Text, s.messages[i].Metadata = in.Text, in.Metadata
		s.messages[i].edits++
		return map[string]any{"ok": true, "channel": channel, "ts": in.TS, "text": in.Text}
	}
	m := in.message
	m.TS = fmt.Sprintf("2000000000.%06d", len(s.messages)+1)
	s.messages = append(s.messages, m)
	return map[string]any{"ok": true, "channel": channel, "ts": m.TS}
}

// read has pages of two messages, the newest first in a channel, the oldest first in a thread.
func (s *workspace) read(method string, r *http.Request) map[string]any {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("channel") != channel {
		return refuse("channel_not_found")
	}
	if s.secret {
		return refuse("missing_scope")
	}
	var all []map[string]any
	for _, m := range s.messages {
		thread := r.PostForm.Get("ts")
		if method == "conversations.history" && m.Thread != "" || method == "conversations.replies" && m.TS != thread && m.Thread != thread {
			continue
		}
		out := map[string]any{"type": "message", "ts": m.TS, "text": m.Text}
		if r.PostForm.Get("include_all_metadata") == "true" {
			out["metadata"] = m.Metadata
		}
		all = append(all, out)
	}
	if method == "conversations.history" {
		slices.Reverse(all)
	}
	from, _ := strconv.Atoi(r.PostForm.Get("cursor"))
	to := min(from+2, len(all))
	said := map[string]any{"ok": true, "messages": all[min(from, to):to], "has_more": to < len(all)}
	if to < len(all) {
		said["response_metadata"] = map[string]any{"next_cursor": strconv.Itoa(to)}
	}
	return said
}

// shows is what people see: each message, and indented what is in its thread.
func (s *workspace) shows() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, m := range s.messages {
		if m.Thread != "" {
			continue
		}
		fmt.Fprintf(&b, "%s\n", m.Text)
		for _, x := range s.messages {
			if x.Thread == m.TS {
				first, _, _ := strings.Cut(x.Text, "\n")
				fmt.Fprintf(&b, "  %s\n", first)
			}
		}
	}
	return b.String()
}
