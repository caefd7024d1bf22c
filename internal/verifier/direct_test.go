package verifier_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/verifier"
)

var web = app.Name{Namespace: "teams", Environment: "production", App: "web"}

// bench is a Verifier whose answers can be waited for.
type bench struct {
	*verifier.Verifier
	changed chan app.Name
	secrets map[string]map[string][]byte
}

// newBench is a Verifier that may ask this machine, unless that is said otherwise.
func newBench(t *testing.T, o verifier.Options) *bench {
	t.Helper()
	b := &bench{changed: make(chan app.Name, 1000), secrets: map[string]map[string][]byte{}}
	o.Secret = func(_ context.Context, namespace, name string) (map[string][]byte, error) {
		data, ok := b.secrets[namespace+"/"+name]
		if !ok {
			return nil, fmt.Errorf("Secret %s/%s does not exist", namespace, name)
		}
		return data, nil
	}
	o.Changed = func(n app.Name) { b.changed <- n }
	if o.May == nil {
		o.May = func(netip.Addr) bool { return true }
	}
	b.Verifier = verifier.New(t.Context(), o)
	return b
}

// until waits for a verdict of a release, or for a reason that contains a text, and returns the reason.
func (b *bench) until(t *testing.T, serial int, want release.Verdict, contains string) string {
	t.Helper()
	late := time.After(time.Minute)
	for {
		verdict, why := b.Verdict(web, serial)
		if verdict == want && strings.Contains(why, contains) {
			return why
		}
		if verdict != release.Pending {
			t.Fatalf("%s: %s; want %q: %s", verdict, why, want, contains)
		}
		select {
		case <-b.changed:
		case <-late:
			t.Fatalf("still %q: %s; want %q: %s", verdict, why, want, contains)
		}
	}
}

func task(serial int, trials ...app.Trial) verifier.Task {
	return verifier.Task{
		App: web, Serial: serial, Revision: "main@sha1:abc", Identity: app.Identity{Namespace: "teams", ServiceAccount: "deployer"}, Namespace: "shop", Trials: trials,
	}
}

// quick is a trial that is tried again and again without waiting.
func quick(t app.Trial) app.Trial {
	t.Interval = time.Millisecond
	return t
}

// serve answers on this machine.
func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// TestURL: what is served directly passes, or is refuted; and a newer release is asked anew.
func TestURL(t *testing.T) {
	b := newBench(t, verifier.Options{})
	var asked []string
	var mu sync.Mutex
	var status atomic.Int32
	status.Store(http.StatusOK)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
		w.WriteHeader(int(status.Load()))
	})
	b.secrets["teams/probe"] = map[string][]byte{"bearerToken": []byte("hunter2\n")}
	probe := quick(app.Trial{HTTP: &app.HTTPTrial{URL: url + "/{environment}/{app}?in={namespace}", Secret: "probe"}})
	b.Begin(task(1, probe))
	b.until(t, 1, release.Passed, "")
	if mu.Lock(); !slices.Equal(asked, []string{"/production/web?in=shop Bearer hunter2"}) {
		t.Errorf("asked %q", asked)
	}
	mu.Unlock()

	status.Store(http.StatusServiceUnavailable)
	b.Begin(task(2, probe))
	why := b.until(t, 2, release.Refuted, "")
	if want := "GET " + url + "/production/web?… answered 503 (want 200 to 299), 3 of 3 times, the last at "; !strings.HasPrefix(why, want) {
		t.Errorf("got  %s\nwant %s", why, want)
	}
	if verdict, why := b.Verdict(web, 1); verdict != release.Pending || why != "" {
		t.Errorf("the release before: %s %s", verdict, why)
	}

	b.Forget(web)
	if verdict, why := b.Verdict(web, 2); verdict != release.Pending || why != "" {
		t.Errorf("after all: %s %s", verdict, why)
	}
}

// TestAgain: to begin a task that was begun already changes nothing; with other trials it begins anew.
func TestAgain(t *testing.T) {
	b := newBench(t, verifier.Options{})
	var asked atomic.Int32
	url := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	for range 10 {
		b.Begin(task(1, quick(app.Trial{HTTP: &app.HTTPTrial{URL: url}})))
	}
	b.until(t, 1, release.Passed, "")
	b.Begin(task(1, quick(app.Trial{HTTP: &app.HTTPTrial{URL: url}})))
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	b.Begin(task(1, quick(app.Trial{HTTP: &app.HTTPTrial{URL: url, Status: []int{204}}})))
	b.until(t, 1, release.Refuted, "answered 200 (want 204)")
}

// TestSuperseded: a release that hangs does not keep the next one, nor the end.
func TestSuperseded(t *testing.T) {
	b := newBench(t, verifier.Options{})
	began, ended := make(chan bool, 1), make(chan bool)
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		began <- true
		<-r.Context().Done()
		ended <- true
	})
	b.Begin(task(1, app.Trial{HTTP: &app.HTTPTrial{URL: slow, Timeout: time.Hour}}))
	<-began
	b.Begin(task(2, app.Trial{HTTP: &app.HTTPTrial{URL: serve(t, func(http.ResponseWriter, *http.Request) {})}}))
	<-ended
	b.until(t, 2, release.Passed, "")
}

// TestBounded: no answer may be large, slow, or lead elsewhere; and the machine itself is not asked.
func TestBounded(t *testing.T) {
	b := newBench(t, verifier.Options{})
	var elsewhere atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			for range 64 {
				_, _ = w.Write([]byte(strings.Repeat("x", 1<<16)))
			}
			_, _ = io.WriteString(w, "end")
		case "/slow":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/elsewhere":
			elsewhere.Add(1)
		}
	})
	none := int32(0)
	for serial, c := range []struct {
		trial app.HTTPTrial
		want  string
	}{
		{app.HTTPTrial{URL: url + "/large", Contains: "end"}, `answered without "end" within its first 1048576 bytes`},
		{app.HTTPTrial{URL: url + "/slow", Timeout: 50 * time.Millisecond}, "did not answer: nothing came within "},
		{app.HTTPTrial{URL: url + "/moved"}, "answered 302 (want 200 to 299): redirects are not followed"},
		{app.HTTPTrial{URL: "http://127.0.0.1:1/"}, "did not answer: dial tcp 127.0.0.1:1: connect: connection refused"},
	} {
		b.Begin(task(serial+1, app.Trial{HTTP: &c.trial, Forgiven: &none}))
		b.until(t, serial+1, release.Refuted, c.want)
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}

	careful := newBench(t, verifier.Options{May: verifier.Public})
	careful.Begin(task(1, app.Trial{HTTP: &app.HTTPTrial{URL: url}}))
	careful.until(t, 1, release.Pending, "cannot be asked: its address 127.0.0.1 is of the machine, its link or its cloud, which are not asked")
}

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.0.0.1": true, "192.168.1.1": true, "8.8.8.8": true, "fd12::1": true, "2001:db8::1": true,
		"127.0.0.1": false, "127.8.8.8": false, "::1": false, "::ffff:127.0.0.1": false, "169.254.169.254": false, "::ffff:169.254.169.254": false, "fe80::1": false,
		"fe80::1%eth0": false, "0.0.0.0": false, "::": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "fd00:ec2::254": false,
		"64:ff9b::a9fe:a9fe": false, "64:ff9b::808:808": true, "100.100.100.200": false, "168.63.129.16": false,
	} {
		if got := verifier.Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
	if verifier.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// TestWebhook: the request says what it is about, and who sends it can be told by the signature.
func TestWebhook(t *testing.T) {
	b := newBench(t, verifier.Options{})
	b.secrets["teams/judge"] = map[string][]byte{"hmacKey": []byte("hunter2")}
	said := make(chan error, 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("hunter2"))
		mac.Write(body)
		if got, want := r.Header.Get("X-Fairlead-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
			err = errors.Join(err, fmt.Errorf("signature %s, want %s", got, want))
		}
		var about map[string]any
		err = errors.Join(err, json.Unmarshal(body, &about))
		want := map[string]any{"app": "web", "environment": "production", "namespace": "teams", "destination": "shop", "serial": 1.0, "revision": "main@sha1:abc"}
		if fmt.Sprint(about) != fmt.Sprint(want) {
			err = errors.Join(err, fmt.Errorf("said %v", about))
		}
		said <- err
		_, _ = io.WriteString(w, `{"verdict": "Refuted", "reason": "checkout fails"}`)
	})
	b.Begin(task(1, app.Trial{Webhook: &app.WebhookTrial{URL: url, Secret: "judge"}}))
	if err := <-said; err != nil {
		t.Error(err)
	}
	b.until(t, 1, release.Refuted, "POST "+url+" refuted it: checkout fails")

	b.Begin(task(2, app.Trial{Webhook: &app.WebhookTrial{URL: url, Secret: "other"}}))
	b.until(t, 2, release.Pending, "cannot be asked: Secret teams/other does not exist")
}

// TestTLS: a server is believed that the Secret's bundle signs, and no other.
func TestTLS(t *testing.T) {
	b := newBench(t, verifier.Options{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	b.secrets["teams/ca"] = map[string][]byte{"ca.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}
	b.secrets["teams/none"] = map[string][]byte{"ca.crt": []byte("hunter2")}
	none := int32(0)
	b.Begin(task(1, app.Trial{HTTP: &app.HTTPTrial{URL: s.URL, Secret: "ca"}, Forgiven: &none}))
	b.until(t, 1, release.Passed, "")
	b.Begin(task(2, app.Trial{HTTP: &app.HTTPTrial{URL: s.URL}, Forgiven: &none}))
	b.until(t, 2, release.Refuted, "did not answer: tls: failed to verify certificate: x509: certificate signed by unknown authority")
	b.Begin(task(3, app.Trial{HTTP: &app.HTTPTrial{URL: s.URL, Secret: "none"}, Forgiven: &none}))
	b.until(t, 3, release.Pending, "cannot be asked: ca.crt of Secret teams/none holds no certificate")
}

// TestNoSecrets: whatever goes wrong, what people are shown and what is logged holds no credentials, no query, and nothing of what was answered.
func TestNoSecrets(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	b := newBench(t, verifier.Options{Log: slog.New(slog.NewJSONHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", "hunter2")
		w.Header().Set("Location", "http://hunter2@127.0.0.1/hunter2")
		status, _ := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
		if status == 0 { // it breaks off
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "hunter2")
	})
	b.secrets["teams/all"] = map[string][]byte{"bearerToken": []byte("hunter2"), "hmacKey": []byte("hunter2")}
	b.secrets["teams/lines"] = map[string][]byte{"bearerToken": []byte("hunter2\nhunter2")}
	one := 1.0
	serial := 0
	for _, at := range []string{url + "/", url + "/200", url + "/302", url + "/401", url + "/500", "http://127.0.0.1:1/", "https" + strings.TrimPrefix(url, "http") + "/"} {
		for _, secret := range []string{"all", "lines", "none"} {
			for _, trial := range []app.Trial{
				{HTTP: &app.HTTPTrial{URL: at + "?key=hunter2", Secret: secret, Headers: []app.HeaderTrial{{Name: "X-Token", Value: "other"}}}},
				{HTTP: &app.HTTPTrial{URL: at + "?key=hunter2", Secret: secret, Contains: "something else"}},
				{Webhook: &app.WebhookTrial{URL: at + "?key=hunter2", Secret: secret}},
				{Metric: &app.MetricTrial{URL: at, Query: "up", AtMost: &one, Secret: secret}},
			} {
				serial++
				b.Begin(task(serial, trial))
				why := b.first(t, serial)
				for _, r := range b.Results(web, serial) {
					why += r.Why + strings.Join(r.Log, "")
				}
				if strings.Contains(why, "hunter2") {
					t.Errorf("%+v: %s", trial, why)
				}
			}
		}
	}
	if mu.Lock(); log.Len() == 0 || strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log says %s", log.String())
	}
	mu.Unlock()
}

type writer func([]byte) (int, error)

// Write writes.
func (w writer) Write(p []byte) (int, error) { return w(p) }

// first waits until a release was tried once, and returns what is said of it.
func (b *bench) first(t *testing.T, serial int) string {
	t.Helper()
	late := time.After(time.Minute)
	for {
		if verdict, why := b.Verdict(web, serial); verdict != release.Pending || !strings.Contains(why, "is not tried yet") {
			return why
		}
		select {
		case <-b.changed:
		case <-late:
			t.Fatalf("release %d was not tried", serial)
		}
	}
}

// TestBroken: what does not compile proves nothing, and says so.
func TestBroken(t *testing.T) {
	b := newBench(t, verifier.Options{})
	b.Begin(task(1, app.Trial{HTTP: &app.HTTPTrial{URL: "http://a", Matches: "("}}))
	if verdict, why := b.Verdict(web, 1); verdict != release.Pending || why != "cannot be verified: trial 1: http.matches: error parsing regexp: missing closing ): `(`" {
		t.Errorf("%s %s", verdict, why)
	}
}

// TestAtOnce: of one environment no more is under way at once than is good.
func TestAtOnce(t *testing.T) {
	b := newBench(t, verifier.Options{})
	var mu sync.Mutex
	var now, most int
	full := make(chan bool)
	enough := sync.OnceFunc(func() { close(full) })
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		if most = max(most, now); now == 20 {
			enough()
		}
		mu.Unlock()
		select {
		case <-full:
		case <-r.Context().Done():
		}
		mu.Lock()
		now--
		mu.Unlock()
	})
	var trials []app.Trial
	for range 60 {
		trials = append(trials, app.Trial{HTTP: &app.HTTPTrial{URL: url, Timeout: time.Minute}})
	}
	b.Begin(task(1, trials...))
	b.until(t, 1, release.Passed, "")
	if mu.Lock(); most != 20 {
		t.Errorf("%d at once", most)
	}
	mu.Unlock()
}
