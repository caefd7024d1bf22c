package git_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// answering makes a server that answers every request with one status and these headers, given in pairs.
func answering(t *testing.T, status int, body string, header ...string) *world {
	t.Helper()
	return newWorld(t, gitserver.Options{Fault: func(rw http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
		return true
	}}, "")
}

// resolveErr is the error of asking for main.
func (w *world) resolveErr(m *git.Mirror) error {
	w.Helper()
	_, err := m.Resolve(w.Context(), w.auth, []source.Ref{main})
	return err
}

func TestHTTPStatus(t *testing.T) {
	const html = "<!DOCTYPE html><html>Sign in</html>"
	for name, c := range map[string]struct {
		status int
		body   string
		header []string
		kind   fault.Kind
		says   string
		after  time.Duration
	}{
		"401":            {status: 401, kind: fault.Denied, says: "keys username and password, or bearerToken"},
		"403":            {status: 403, kind: fault.Denied, says: "may not read"},
		"404":            {status: 404, kind: fault.Denied, says: "check spec.url"},
		"400":            {status: 400, kind: fault.Invalid, says: "400"},
		"429_seconds":    {status: 429, header: []string{"Retry-After", "17"}, kind: fault.Transient, says: "429", after: 17 * time.Second},
		"429_date":       {status: 429, header: []string{"Date", "Tue, 03 Mar 2026 10:00:00 GMT", "Retry-After", "Tue, 03 Mar 2026 10:01:30 GMT"}, kind: fault.Transient, after: 90 * time.Second},
		"429_past":       {status: 429, header: []string{"Date", "Tue, 03 Mar 2026 10:00:00 GMT", "Retry-After", "Tue, 03 Mar 2026 09:00:00 GMT"}, kind: fault.Transient},
		"429_nonsense":   {status: 429, header: []string{"Retry-After", "soon"}, kind: fault.Transient},
		"429_very_long":  {status: 429, header: []string{"Retry-After", "99999999999"}, kind: fault.Transient, after: 24 * time.Hour},
		"403_rate_limit": {status: 403, header: []string{"Retry-After", "60"}, kind: fault.Transient, after: time.Minute},
		"503":            {status: 503, header: []string{"Retry-After", "5"}, kind: fault.Transient, after: 5 * time.Second},
		"500":            {status: 500, body: html, kind: fault.Transient, says: "500"},
		"html":           {status: 200, body: html, header: []string{"Content-Type", "text/html; charset=utf-8"}, kind: fault.Invalid, says: "web page"},
		"json":           {status: 200, body: "{}", header: []string{"Content-Type", "application/json"}, kind: fault.Invalid, says: "application/json"},
		"lying":          {status: 200, body: html, header: []string{"Content-Type", "application/x-git-upload-pack-advertisement"}, kind: fault.Invalid, says: "not the Git protocol"},
		"cut":            {status: 200, body: "001e# service=git-upl", header: []string{"Content-Type", "application/x-git-upload-pack-advertisement"}, kind: fault.Transient, says: "unexpected EOF"},
		"err":            {status: 200, body: "0021ERR repository is being moved", header: []string{"Content-Type", "application/x-git-upload-pack-advertisement"}, kind: fault.Invalid, says: "repository is being moved"},
		"login":          {status: 302, header: []string{"Location", "/users/sign_in"}, kind: fault.Invalid, says: "no Git repository"},
	} {
		t.Run(name, func(t *testing.T) {
			w := answering(t, c.status, c.body, c.header...)
			err := w.resolveErr(w.mirror())
			w.wantErr(err, c.kind, c.says, "resolve refs of "+w.url)
			if got := fault.After(err); got != c.after {
				t.Errorf("After is %v, want %v", got, c.after)
			}
			if w.asks["info/refs"] != 1 || w.asks["ls-refs"] != 0 {
				t.Errorf("requests: %v", w.asks)
			}
		})
	}
}

func TestHTTPCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		server gitserver.Options
		good   git.Auth
	}{
		"basic":  {gitserver.Options{Username: "ci", Password: "hunter2"}, git.Auth{Username: "ci", Password: "hunter2"}},
		"bearer": {gitserver.Options{BearerToken: "hunter2"}, git.Auth{BearerToken: "hunter2"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.server, "")
			w.commit("main", "one", gitserver.Write("a", "1"))
			m := w.mirror()
			w.wantErr(w.resolveErr(m), fault.Denied, "wants credentials")
			w.auth = git.Auth{Username: "ci", Password: "wrong-horse"}
			err := w.resolveErr(m)
			w.wantErr(err, fault.Denied, "not accepted")
			if strings.Contains(err.Error(), "wrong-horse") {
				t.Errorf("the error tells the password: %v", err)
			}
			w.auth = c.good
			if w.read(w.head(m), "a") != "1" {
				t.Error("wrong content")
			}
		})
	}
}

func TestHTTPMissingRepository(t *testing.T) {
	w := newWorld(t, gitserver.Options{}, "")
	w.url = w.srv.URL("other")
	w.wantErr(w.resolveErr(w.mirror()), fault.Denied, "404", "check spec.url")
}

func TestHTTPS(t *testing.T) {
	ts := httptest.NewUnstartedServer(nil)
	ts.StartTLS()
	defer ts.Close()
	cert := ts.TLS.Certificates[0]
	w := newWorld(t, gitserver.Options{TLS: &tls.Certificate{Certificate: cert.Certificate, PrivateKey: cert.PrivateKey}}, "")
	w.commit("main", "one", gitserver.Write("a", "1"))
	m := w.mirror()
	w.wantErr(w.resolveErr(m), fault.Denied, "ca.crt", "authority")
	w.auth.CA = []byte("not a certificate")
	w.wantErr(w.resolveErr(m), fault.Invalid, "ca.crt", "PEM")
	w.auth.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if w.read(w.head(m), "a") != "1" {
		t.Error("wrong content")
	}
	w.url = strings.Replace(w.url, "https://", "http://", 1)
	err := w.resolveErr(w.mirror())
	w.wantErr(err, fault.Invalid)
}

// TestHTTPRedirect: info/refs may be redirected; the credentials stay with the host they are for.
func TestHTTPRedirect(t *testing.T) {
	target := newWorld(t, gitserver.Options{}, "")
	target.commit("main", "one", gitserver.Write("a", "1"))
	var leaked bool
	spy := front(t, target.url, func(r *http.Request) { leaked = leaked || r.Header.Get("Authorization") != "" }, nil)
	var asked bool
	from := newWorld(t, gitserver.Options{Fault: func(rw http.ResponseWriter, r *http.Request) bool {
		asked = asked || r.Header.Get("Authorization") != ""
		http.Redirect(rw, r, spy+"/shop.git/info/refs?"+r.URL.RawQuery, http.StatusMovedPermanently)
		return true
	}}, "")
	from.auth = git.Auth{Username: "ci", Password: "hunter2"}
	if s := from.head(from.mirror()); from.read(s, "a") != "1" {
		t.Error("wrong content")
	}
	if !asked || leaked {
		t.Errorf("credentials: sent to their host %v, to another host %v", asked, leaked)
	}
}

func TestHTTPRedirectRefused(t *testing.T) {
	for name, c := range map[string]struct {
		when string // part of the path that is redirected
		to   string
		kind fault.Kind
		says string
	}{
		"loop":      {"/info/refs", "/shop.git/info/refs", fault.Invalid, "too many redirects"},
		"elsewhere": {"/info/refs", "file:///etc/info/refs", fault.Denied, "refused"},
		"post":      {"/git-upload-pack", "/other.git/git-upload-pack", fault.Invalid, "may not be redirected"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, gitserver.Options{Fault: func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, c.when) {
					return false
				}
				rw.Header().Set("Location", c.to)
				rw.WriteHeader(http.StatusTemporaryRedirect)
				return true
			}}, "")
			w.wantErr(w.resolveErr(w.mirror()), c.kind, c.says)
		})
	}
}

func TestHTTPHang(t *testing.T) {
	var cancel context.CancelFunc
	w := newWorld(t, gitserver.Options{Fault: func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	}}, "")
	ctx, stop := context.WithCancel(t.Context())
	cancel = stop
	if _, err := w.mirror().Resolve(ctx, w.auth, []source.Ref{main}); err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
	cancel = func() {}
	m := w.mirrorIn(t.TempDir(), git.Options{Timeout: 50 * time.Millisecond})
	w.wantErr(w.resolveErr(m), fault.Transient, "no answer in time")
}

func TestHTTPBounds(t *testing.T) {
	w := newWorld(t, gitserver.Options{}, "")
	id := w.commit("main", "one", gitserver.Write("a", strings.Repeat(fmt.Sprint(time.Now().UnixNano()), 5000)))
	m := w.mirrorIn(t.TempDir(), git.Options{MaxPack: 100})
	_, err := m.Fetch(t.Context(), w.auth, []source.Resolved{{Ref: main, Name: "refs/heads/main", Commit: id}})
	w.wantErr(err, fault.Invalid, "pack is larger than the limit of 100 bytes")
	m = w.mirrorIn(t.TempDir(), git.Options{MaxRefs: 10})
	w.wantErr(w.resolveErr(m), fault.Invalid, "list of refs is larger than the limit of 10 bytes")
	if _, err := git.Open(t.TempDir(), "https://ci:hunter2@git.example.com/x", git.Options{}); fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a URL with credentials: %v", err)
	}
}

// front is a server before another one. Seen is told each request; change may replace the answer to a fetch.
func front(t *testing.T, to string, seen func(*http.Request), change func(http.ResponseWriter, []byte)) string {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if seen != nil {
			seen(r)
		}
		body, _ := io.ReadAll(r.Body)
		req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+target.Host+r.URL.RequestURI(), strings.NewReader(string(body)))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header.Clone()
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		rw.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		if change != nil && (strings.Contains(string(body), "command=fetch") || strings.HasSuffix(r.URL.Path, "/git-receive-pack")) {
			change(rw, answer)
			return
		}
		rw.WriteHeader(resp.StatusCode)
		_, _ = rw.Write(answer)
	}))
	t.Cleanup(ts.Close)
	return ts.URL
}
