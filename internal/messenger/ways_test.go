package messenger_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/messenger"
)

// webhooks: an event that is not known to have come is posted again with the same id, signed; an answer that takes it ends that.
func webhooks(t *testing.T, l *land) {
	var ids, types []string
	answers := []int{http.StatusBadGateway, http.StatusTooManyRequests, http.StatusNoContent}
	var times []time.Time
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e struct{ SpecVersion, ID, Source, Type, Subject, Time string }
		if err := json.Unmarshal(body, &e); err != nil || e.SpecVersion != "1.0" || e.Source == "" {
			t.Errorf("no CloudEvent: %s: %v", body, err)
		}
		mac := hmac.New(sha256.New, []byte("a key"))
		mac.Write(body)
		if got := r.Header.Get("X-Fairlead-Signature"); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("the signature is %q", got)
		}
		if got := r.Header.Get("Content-Type") + r.Header.Get("Authorization"); got != "application/cloudevents+json; charset=utf-8Bearer "+token {
			t.Errorf("the headers are %q", got)
		}
		ids, types, times = append(ids, e.ID), append(types, e.Type), append(times, l.now)
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(answers[min(len(ids), len(answers))-1])
		_, _ = io.WriteString(w, token)
	}))
	defer srv.Close()
	name := l.place(t, "webhook", v1alpha1.NotifierSpec{
		Webhook: &v1alpha1.EventWebhook{URL: srv.URL + "/?key=hidden", SecretRef: &v1alpha1.LocalReference{Name: "hook"}}, Events: []v1alpha1.Outcome{v1alpha1.OutcomeFailed},
	})
	l.stands(t, name.Namespace, "web", l.release(1, bad, "Failed", "it is slow"))
	if _, err := l.messenger(nil).Look(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	st := l.status(t, name)
	if said := fmt.Sprintf("%+v", st); strings.Contains(said, "hidden") || strings.Contains(said, token) || st.Waiting != 1 ||
		!strings.Contains(st.Conditions[0].Message, "answered 502") {
		t.Errorf("the status is %s", said)
	}
	st = l.settles(t, l.messenger(nil), name)
	key := "production/web " + bad + " Failed"
	if !slices.Equal(ids, []string{key, key, key}) || types[0] != "dev.fairlead.app.failed" || st.Told[0].State != v1alpha1.TellingSent || st.Conditions[0].Status != "True" {
		t.Errorf("ids %q, types %q, status %+v", ids, types, st)
	}
	if wait := times[2].Sub(times[1]); wait < 2*time.Minute {
		t.Errorf("it came again after %s, though asked to wait for 2m", wait)
	}
}

// teams: a workflow gets a card for each outcome; its address is in no status.
func teams(t *testing.T, l *land) {
	var cards []string
	code := http.StatusBadGateway
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Type        string
			Attachments []struct {
				ContentType string
				Content     struct {
					Type, Version string
					Body          []struct{ Type, Text string }
				}
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Type != "message" || len(in.Attachments) != 1 ||
			in.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" || in.Attachments[0].Content.Type != "AdaptiveCard" {
			t.Errorf("no card: %+v, %v", in, err)
			return
		}
		if got := r.URL.Query().Get("sig"); got != "hidden" || r.Header.Get("Authorization") != "" {
			t.Errorf("it was posted to %s", r.URL)
		}
		cards = append(cards, in.Attachments[0].Content.Body[0].Text)
		w.WriteHeader(code)
	}))
	defer srv.Close()
	l.secrets["url"] = []byte(srv.URL + "/workflows/1?sig=hidden\n")
	name := l.place(t, "teams", v1alpha1.NotifierSpec{
		Teams: &v1alpha1.TeamsChannel{SecretRef: v1alpha1.LocalReference{Name: "teams"}}, Events: []v1alpha1.Outcome{v1alpha1.OutcomeFailed},
	})
	l.stands(t, name.Namespace, "web", l.release(1, bad, "Failed", "it is *slow*"))
	if _, err := l.messenger(nil).Look(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if st := l.status(t, name); st.Waiting != 1 || strings.Contains(fmt.Sprintf("%+v", st), "hidden") {
		t.Errorf("the status is %+v", st)
	}
	code = http.StatusAccepted
	st := l.settles(t, l.messenger(nil), name)
	want := `production/web failed: commit bbbbbbbb: it is \*slow\*`
	if !slices.Equal(cards, []string{want, want}) || st.Waiting != 0 {
		t.Errorf("the cards %q came, and the status is %+v", cards, st)
	}

	l.secrets["url"] = []byte("nowhere")
	l.now = l.now.Add(time.Minute)
	l.stands(t, name.Namespace, "api", l.release(1, bad, "Failed", ""))
	if _, err := l.messenger(nil).Look(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if st := l.status(t, name); !strings.Contains(st.Conditions[0].Message, "is not the address of a workflow") || strings.Contains(st.Conditions[0].Message, "nowhere") {
		t.Errorf("the status is %+v", st)
	}
}

// patience: what is refused is tried for a day, says so meanwhile, and what happens then is told all the same; a channel that may not be read is written to; no
// address is asked that may not be.
func patience(t *testing.T, l *land) {
	ws := &workspace{t: t, secret: true}
	srv := httptest.NewServer(ws)
	defer srv.Close()
	name := l.place(t, "patience", inSlack(srv.URL))
	l.stands(t, name.Namespace, "web", l.release(1, bad, "Failed", ""))
	l.secrets["token"] = []byte("wrong")
	for range 3 {
		again, err := l.messenger(nil).Look(t.Context(), name)
		if err != nil || again < 30*time.Second {
			t.Fatalf("again after %s, %v", again, err)
		}
		l.now = l.now.Add(again)
	}
	if st := l.status(t, name); st.Waiting != 1 || st.Conditions[0].Message != `refused by Slack: "invalid_auth"` || st.Told[0].Tries != 3 {
		t.Errorf("the status is %+v", st)
	}
	l.secrets["token"] = []byte(token)
	l.settles(t, l.messenger(nil), name)
	if got := headless(ws.shows()); got != "production/web failed: commit bbbbbbbb\n  Failed\n" {
		t.Errorf("people see %s", got)
	}

	l.now = l.now.Add(time.Minute)
	l.stands(t, name.Namespace, "api", l.release(1, bad, "Failed", ""))
	shut := messenger.New(func() messenger.Options {
		o := l.messenger(nil).Options
		o.May = func(netip.Addr) bool { return false }
		return o
	}())
	if _, err := shut.Look(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if st := l.status(t, name); !strings.Contains(st.Conditions[0].Message, "which are not asked") {
		t.Errorf("the status is %+v", st)
	}
	l.secrets["token"] = []byte("wrong")
	l.now = l.now.Add(25 * time.Hour)
	if st := l.settles(t, l.messenger(nil), name); st.Told[1].State != v1alpha1.TellingGivenUp || st.Waiting != 0 {
		t.Errorf("the status is %+v", st)
	}
	l.secrets["token"] = []byte(token)
}

// two processes that both think that the Notifier is theirs: of what one wrote the other hears by a conflict, and nothing comes twice.
func two(t *testing.T, l *land) {
	ws := &workspace{t: t}
	srv := httptest.NewServer(ws)
	defer srv.Close()
	name := l.place(t, "two", inSlack(srv.URL))
	l.stands(t, name.Namespace, "web", l.release(1, bad, "Failed", ""))
	between := l.messenger(func(do func() error) error {
		l.settles(t, l.messenger(nil), name)
		return do()
	})
	again, err := between.Look(t.Context(), name)
	if err != nil || again != time.Second {
		t.Errorf("again after %s, %v", again, err)
	}
	if got := headless(ws.shows()); got != "production/web failed: commit bbbbbbbb\n  Failed\n" {
		t.Errorf("people see %s", got)
	}

	// People who change the Notifier while it is told change nothing of what was told.
	l.now = l.now.Add(time.Minute)
	l.stands(t, name.Namespace, "web", l.release(2, old, "Failed", ""))
	ws.around = func(_ http.ResponseWriter, when, method string) bool {
		if when == "after" && method == "chat.postMessage" {
			is := &v1alpha1.Notifier{}
			if err := l.admin.Get(t.Context(), name, is); err != nil {
				t.Error(err)
			}
			was := is.DeepCopy()
			is.Annotations = map[string]string{"note": l.now.String()}
			if err := l.admin.Patch(t.Context(), is, client.MergeFrom(was)); err != nil {
				t.Error(err)
			}
		}
		return true
	}
	if st := l.settles(t, l.messenger(nil), name); st.Waiting != 0 || st.Told[1].Tries != 1 {
		t.Errorf("the status is %+v", st)
	}
}
