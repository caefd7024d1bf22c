package gatekeeper_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/forge"
	"github.com/fairlead-cd/fairlead/internal/forge/forgetest"
	"github.com/fairlead-cd/fairlead/internal/gate"
	"github.com/fairlead-cd/fairlead/internal/gatekeeper"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	token  = "a-token-that-only-tests-know"
	key    = "a key that only tests know"
)

var web = gate.Subject{Namespace: "shop", Environment: "production", App: "web", Destination: "shop-web", Commit: commit, Digest: "d1", Author: "ann@example.com"}

// desk is a Keeper, and who is told of it.
type desk struct {
	*gatekeeper.Keeper
	t *testing.T

	mu   sync.Mutex
	told map[gatekeeper.App]int
}

func open(t *testing.T, o gatekeeper.Options) *desk {
	t.Helper()
	d := &desk{t: t, told: map[gatekeeper.App]int{}}
	if o.Secret == nil {
		o.Secret = func(_ context.Context, namespace, name string) (map[string][]byte, error) {
			if namespace != "shop" || name != "outside" {
				return nil, fmt.Errorf("Secret %s/%s does not exist", namespace, name)
			}
			return map[string][]byte{"bearerToken": []byte(token + "\n"), "hmacKey": []byte(key)}, nil
		}
	}
	if o.May == nil {
		o.May = func(netip.Addr) bool { return true }
	}
	if o.Every == 0 {
		o.Every = 5 * time.Millisecond
	}
	o.Changed = func(a gatekeeper.App) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.told[a]++
	}
	d.Keeper = gatekeeper.New(t.Context(), o)
	return d
}

// judged is what a gate says once it says that.
func (d *desk) judged(s gate.Subject, g v1alpha1.Gate, want string) {
	d.t.Helper()
	testkit.Eventually(d.t, func(context.Context) error {
		f := gate.Facts{Answers: d.Answers(s, "config", []v1alpha1.Gate{g})}
		j := gate.Judge([]v1alpha1.Gate{g}, s, f, time.Now())[0]
		if got := map[bool]string{true: "open", false: j.Waits}[j.Open]; got != want {
			return fmt.Errorf("%q, want %q", got, want)
		}
		if strings.Contains(j.Waits, token) || strings.Contains(j.Waits, key) {
			d.t.Fatalf("a secret is in %q", j.Waits)
		}
		return nil
	})
}

// service answers as it is told to.
type service struct {
	mu      sync.Mutex
	answer  http.HandlerFunc
	asked   int
	body    string
	headers http.Header
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.asked, s.body, s.headers = s.asked+1, string(data), r.Header
	answer := s.answer
	s.mu.Unlock()
	answer(w, r)
}

func (s *service) says(code int, body string) {
	s.does(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	})
}

func (s *service) does(f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func serve(t *testing.T) (*service, string, string) {
	t.Helper()
	s := &service{}
	s.says(http.StatusOK, `{"open": false}`)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return s, server.URL, u.Host
}

// TestService asks a service that answers in every way.
func TestService(t *testing.T) {
	s, at, host := serve(t)
	d := open(t, gatekeeper.Options{})
	g := v1alpha1.Gate{Name: "board", HTTP: &v1alpha1.HTTPGate{URL: at + "/{environment}/{app}?key=hidden", SecretRef: &v1alpha1.LocalReference{Name: "outside"}}}
	d.judged(web, g, "gate board: "+host+" keeps it closed")
	s.says(http.StatusOK, `{"open": true}`)
	d.judged(web, g, "open")

	s.mu.Lock()
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(s.body))
	var said map[string]string
	if err := json.Unmarshal([]byte(s.body), &said); err != nil || said["commit"] != commit || said["author"] != "ann@example.com" || said["destination"] != "shop-web" {
		t.Errorf("it is asked %q: %v", s.body, err)
	}
	if s.headers.Get("X-Fairlead-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) || s.headers.Get("Authorization") != "Bearer "+token {
		t.Errorf("it is asked with %v", s.headers)
	}
	s.mu.Unlock()

	for _, c := range []struct {
		answer http.HandlerFunc
		want   string
	}{
		{says(503, ""), host + " answered 503"},
		{says(200, "<html>"), `the answer of ` + host + ` is not {"open": true} or {"open": false, "waits": "…"}`},
		{says(200, `{}`), `the answer of ` + host + ` is not {"open": true} or {"open": false, "waits": "…"}`},
		{says(201, `{"open": true}`), host + " answered 201"},
		{says(200, strings.Repeat(" ", 2<<20)+`{"open": true}`), "the answer of " + host + " is larger than 1 MiB"},
		{func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/open", http.StatusFound) }, host + " answered 302"},
		{says(200, `{"open": false, "waits": "the board,\nwhich was sent `+token+`"}`), host + " waits: the board, which was sent …"},
		{says(200, `{"open": false, "waits": "CAB on Tuesday", "until": "2026-03-03T15:00:00+01:00"}`), host + " waits: CAB on Tuesday, until 2026-03-03 14:00 UTC"},
		{says(200, `{"open": false, "until": "2026-03-03T14:00:00Z"}`), host + " keeps it closed, until 2026-03-03 14:00 UTC"},
		{says(200, `{"open": false, "waits": "`+strings.Repeat("x", 1000)+`"}`), host + " waits: " + strings.Repeat("x", 200-len(host)-len(" waits: ")-1) + "…"},
	} {
		s, at, its := serve(t)
		s.does(c.answer)
		g := v1alpha1.Gate{Name: "board", HTTP: &v1alpha1.HTTPGate{URL: at, SecretRef: &v1alpha1.LocalReference{Name: "outside"}}}
		d.judged(web, g, "gate board: "+strings.ReplaceAll(c.want, host, its))
	}
}

func says(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// TestUnreachable asks who cannot be asked, and who must not be.
func TestUnreachable(t *testing.T) {
	d := open(t, gatekeeper.Options{May: func(a netip.Addr) bool { return !a.IsLoopback() }})
	s, at, host := serve(t)
	d.judged(web, v1alpha1.Gate{HTTP: &v1alpha1.HTTPGate{URL: at + "?key=hidden"}},
		"gate http: "+host+" cannot be reached: dial tcp "+host+": its address 127.0.0.1 is of the machine, its link or its cloud, which are not asked")
	if n := s.count(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
	d.judged(web, v1alpha1.Gate{Name: "secret", HTTP: &v1alpha1.HTTPGate{URL: at, SecretRef: &v1alpha1.LocalReference{Name: "none"}}},
		"gate secret: Secret shop/none does not exist")
	d.judged(web, v1alpha1.Gate{Name: "url", HTTP: &v1alpha1.HTTPGate{URL: "http://a b/"}}, "gate url: its URL is not valid")
}

// TestNeverWaits asks somebody who does not answer, and about whom other answers do not wait.
func TestNeverWaits(t *testing.T) {
	hang := make(chan struct{})
	s, at, _ := serve(t)
	s.does(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(hang) })
	ok, fine, host := serve(t)
	d := open(t, gatekeeper.Options{})
	for range 1000 {
		d.judged(web, v1alpha1.Gate{HTTP: &v1alpha1.HTTPGate{URL: at}}, "gate http: waits for a first answer")
	}
	ok.says(http.StatusOK, `{"open": false, "waits": "you"}`)
	d.judged(web, v1alpha1.Gate{HTTP: &v1alpha1.HTTPGate{URL: fine}}, "gate http: "+host+" waits: you")
}

// TestOnce has many apps ask the same, which is asked once for all; each is told.
func TestOnce(t *testing.T) {
	var mu sync.Mutex
	asked, state := 0, gatekeeper.MarkPending
	d := open(t, gatekeeper.Options{Every: time.Hour, Mark: func(context.Context, string, string, string, string) (gatekeeper.Mark, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return gatekeeper.Mark{State: state, Says: "3 of 5"}, nil
	}})
	g := v1alpha1.Gate{CommitStatus: &v1alpha1.CommitStatusGate{Context: "ci/build"}}
	apps := map[gatekeeper.App]bool{}
	for i := range 100 {
		s := web
		s.App = fmt.Sprintf("app%d", i)
		apps[gatekeeper.App{Namespace: "shop", Environment: "production", App: s.App}] = true
		d.Answers(s, "config", []v1alpha1.Gate{g})
	}
	for who := range apps {
		s := web
		s.App = who.App
		d.judged(s, g, "gate commitStatus: ci/build is under way: 3 of 5")
	}
	mu.Lock()
	defer mu.Unlock()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// TestTold tells who waits when the answer turns, in both directions, and nobody else.
func TestTold(t *testing.T) {
	s, at, host := serve(t)
	d := open(t, gatekeeper.Options{})
	g := v1alpha1.Gate{HTTP: &v1alpha1.HTTPGate{URL: at}}
	wait := func(n int) {
		t.Helper()
		testkit.Eventually(t, func(context.Context) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.told[gatekeeper.App{Namespace: "shop", Environment: "production", App: "web"}] < n || len(d.told) != 1 {
				return fmt.Errorf("told %v, want %d", d.told, n)
			}
			return nil
		})
	}
	d.judged(web, g, "gate http: "+host+" keeps it closed")
	wait(1)
	s.says(http.StatusOK, `{"open": true}`)
	wait(2)
	d.judged(web, g, "open")
	s.says(http.StatusInternalServerError, "")
	wait(3)
	d.judged(web, g, "gate http: "+host+" answered 500")
	before := s.count()
	d.Forget(gatekeeper.App{Namespace: "shop", Environment: "production", App: "web"})
	s.says(http.StatusOK, `{"open": true}`)
	d.mu.Lock()
	told := d.told[gatekeeper.App{Namespace: "shop", Environment: "production", App: "web"}]
	d.mu.Unlock()
	d.judged(web, g, "open") // it begins anew
	if s.count() == before || told != 3 {
		t.Errorf("asked %d times, then %d; told %d times", before, s.count(), told)
	}
}

// TestStale lets an answer grow old: what was open once is not open for ever.
func TestStale(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	d := open(t, gatekeeper.Options{Every: time.Hour, Now: clock, Mark: func(context.Context, string, string, string, string) (gatekeeper.Mark, error) {
		return gatekeeper.Mark{State: gatekeeper.MarkSuccess}, nil
	}})
	g := v1alpha1.Gate{CommitStatus: &v1alpha1.CommitStatusGate{Context: "ci/build"}}
	d.judged(web, g, "open")
	mu.Lock()
	now = now.Add(3 * time.Hour)
	mu.Unlock()
	d.judged(web, g, "gate commitStatus: was open at 09:00:00 UTC, and did not answer since")
}

// TestForge waits for a mark at each kind of forge.
func TestForge(t *testing.T) {
	for _, kind := range []forge.Kind{forge.GitHub, forge.GitLab, forge.Gitea} {
		t.Run(string(kind), func(t *testing.T) {
			s := &forgetest.Server{Kind: kind, Repo: "shop/config", Token: token, Knows: func(id string) bool { return id == commit }}
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			api := map[forge.Kind]string{forge.GitHub: "/api/v3", forge.GitLab: "/api/v4", forge.Gitea: "/api/v1"}[kind]
			c, err := forge.Open(forge.Options{Kind: kind, Repository: "https://git.example.com/shop/config.git", API: server.URL + api, Token: token})
			if err != nil {
				t.Fatal(err)
			}
			d := open(t, gatekeeper.Options{Mark: func(ctx context.Context, namespace, repository, commit, name string) (gatekeeper.Mark, error) {
				if namespace != "shop" || repository != "config" {
					return gatekeeper.Mark{}, fault.Newf(fault.Invalid, "there is no Repository %s/%s", namespace, repository)
				}
				m, _, err := c.Marked(ctx, commit, name)
				return gatekeeper.Mark{State: gatekeeper.MarkState(m.State), Says: m.Description}, err
			}})
			tell := func(state forge.State, about string) {
				t.Helper()
				if err := c.Tell(t.Context(), commit, forge.Status{Context: "ci/build", State: state, Description: about}); err != nil {
					t.Fatal(err)
				}
			}
			g := v1alpha1.Gate{CommitStatus: &v1alpha1.CommitStatusGate{Context: "ci/build"}}
			d.judged(web, g, "gate commitStatus: the forge shows no ci/build beside commit 01234567 yet")
			tell(forge.Success, "")
			d.judged(web, g, "open")
			tell(forge.Failure, "2 tests fail")
			d.judged(web, g, "gate commitStatus: ci/build failed: 2 tests fail")
			d.judged(gate.Subject{Namespace: "shop", Environment: "production", App: "other", Commit: strings.Repeat("9", 40)}, g,
				fmt.Sprintf("gate commitStatus: ask %s about commit 99999999: %s knows no such repository or commit, or the token may not see it (404): 404 Not Found", kind, strings.TrimPrefix(server.URL, "http://")))
		})
	}
}

// TestPrometheus asks a real one.
func TestPrometheus(t *testing.T) {
	var mu sync.Mutex
	value := "7"
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(w, "# TYPE errors gauge\nerrors{app=\"web\",namespace=\"shop-web\"} %s\nerrors{app=\"api\"} 100\n", value)
	}))
	t.Cleanup(target.Close)
	prom := testkit.StartPrometheus(t, `
global: {scrape_interval: 100ms}
scrape_configs:
- job_name: shop
  static_configs: [{targets: ["`+strings.TrimPrefix(target.URL, "http://")+`"]}]
`)
	d := open(t, gatekeeper.Options{Every: 50 * time.Millisecond})
	most := v1alpha1.Number("5")
	g := func(query string) v1alpha1.Gate {
		return v1alpha1.Gate{Metric: &v1alpha1.MetricGate{Prometheus: prom.URL() + "/", Query: query, AtMost: &most}}
	}
	errorsOfApp := g(`errors{app="{app}",namespace="{namespace}"}`)
	d.judged(web, errorsOfApp, "gate metric: the metric is 7 (at most 5)")
	mu.Lock()
	value = "5"
	mu.Unlock()
	d.judged(web, errorsOfApp, "open")
	d.judged(web, g("errors"), "gate metric: the metric is 100 (at most 5)")
	d.judged(web, g("errors > 1000"), "gate metric: the metric has no data")
	d.judged(web, g("vector(0)/0"), "gate metric: the metric is NaN, not a number")
	d.judged(web, g("errors[5m]"), "gate metric: the query yields a matrix, not numbers")
	d.judged(web, g("errors{"), "gate metric: Prometheus says: 1:8: parse error: unexpected end of input inside braces")
}

// TestPatience has somebody fail: he is asked less and less, and as late as he wishes.
func TestPatience(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	answered := make(chan struct{}, 100)
	d := open(t, gatekeeper.Options{Every: time.Millisecond, Mark: func(context.Context, string, string, string, string) (gatekeeper.Mark, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		answered <- struct{}{}
		if asked < 5 {
			return gatekeeper.Mark{}, errors.New("it does not answer")
		}
		return gatekeeper.Mark{}, &fault.Error{Kind: fault.Transient, Err: errors.New("it asks to be left alone"), After: time.Hour}
	}})
	g := v1alpha1.Gate{CommitStatus: &v1alpha1.CommitStatusGate{Context: "ci/build"}}
	d.judged(web, g, "gate commitStatus: it does not answer")
	for range 5 {
		<-answered
	}
	select {
	case <-answered:
		t.Error("it is asked though it asked to be left alone")
	case <-time.After(50 * time.Millisecond):
	}
}
