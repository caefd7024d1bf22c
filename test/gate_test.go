package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// An answer is given in the API server's stead. Pass has the API server answer.
type answer func(w http.ResponseWriter, r *http.Request, pass http.Handler)

// gate is a proxy between a controller and the API server.
type gate struct {
	server *httptest.Server
	name   func(path string) string // what deadly calls a write; nil: by its path

	mu     sync.Mutex
	match  func(*http.Request) bool // nil: every request passes
	answer answer
	count  int      // how many requests have matched
	gone   []string // the paths of what was deleted through it
	lapsed int      // how many watches were told that what they have missed is forgotten: 410
}

func newGate(t *testing.T, plane *testkit.Plane) *gate {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", plane.ControllerKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	return startGate(t, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding") // rules read and change what is answered
		},
		Transport: transport,
	})
}

// startGate lets a proxy answer what nobody else does.
func startGate(t *testing.T, proxy *httputil.ReverseProxy) *gate {
	t.Helper()
	g := &gate{}
	proxy.FlushInterval, proxy.ErrorLog = -1, log.New(io.Discard, "", 0)
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	proxy.ModifyResponse = g.note
	pass := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isWrite(r) { // what is sent is noted, even if the sender dies before it is answered
			ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
			defer cancel()
			r = r.WithContext(ctx)
		}
		proxy.ServeHTTP(w, r)
	})
	g.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := g.meets(r); f != nil {
			f(w, r, pass)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	g.server.Config.ErrorLog = proxy.ErrorLog
	g.server.Start()
	t.Cleanup(g.server.Close)
	return g
}

// kubeconfig writes one that leads through the gate.
func (g *gate) kubeconfig(t *testing.T) string {
	t.Helper()
	text := "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: c}}]\nusers: [{name: c, user: {}}]\n" +
		"clusters: [{name: c, cluster: {server: \"" + g.server.URL + "\"}}]\n"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestGateNotesWhatNobodyHears has the sender of a deletion gone before the API server answers: an object that is deleted all the same was deleted by somebody.
func TestGateNotesWhatNobodyHears(t *testing.T) {
	t.Parallel()
	sent, gone := make(chan struct{}), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(sent)
		<-gone
	}))
	defer upstream.Close()
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := startGate(t, httputil.NewSingleHostReverseProxy(target))
	ctx, die := context.WithCancel(t.Context())
	go func() {
		<-sent
		die()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, g.server.URL+"/api/v1/namespaces/here/configmaps/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		_ = res.Body.Close()
		t.Fatal("the sender hears of it")
	}
	time.Sleep(50 * time.Millisecond) // until the gate, too, knows that nobody listens
	close(gone)
	testkit.Eventually(t, func(context.Context) error {
		if n := len(g.deleted("here", "configmaps")); n != 1 {
			return fmt.Errorf("%d deletions are noted, want 1", n)
		}
		return nil
	})
}

// meets returns the answer to a request; nil if it passes.
func (g *gate) meets(r *http.Request) answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.match == nil || !g.match(r) {
		return nil
	}
	g.count++
	return g.answer
}

// note remembers what was deleted, and which watches lapsed.
func (g *gate) note(res *http.Response) error {
	if res.Request.URL.Query().Get("watch") != "" {
		res.Body = &watched{ReadCloser: res.Body, g: g}
		if res.StatusCode == http.StatusGone {
			g.lapse()
		}
	}
	if r := res.Request; r.Method == http.MethodDelete && res.StatusCode/100 == 2 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.gone = append(g.gone, r.URL.Path)
	}
	return nil
}

// deleted are the paths of the objects of a kind that were deleted in a namespace: what was accepted, whether anybody heard of it or not.
func (g *gate) deleted(namespace, plural string) (paths []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, path := range g.gone {
		if strings.Contains(path, "/namespaces/"+namespace+"/"+plural+"/") {
			paths = append(paths, path)
		}
	}
	return paths
}

// watched reads the stream of a watch.
type watched struct {
	io.ReadCloser
	g *gate
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if bytes.Contains(p[:n], []byte(`"type":"ERROR"`)) && bytes.Contains(p[:n], []byte(`"code":410`)) {
		w.g.lapse()
	}
	return n, err
}

func (g *gate) lapse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lapsed++
}

// gones are how many watches have lapsed so far.
func (g *gate) gones() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lapsed
}

// guard answers the requests that match, which is asked of one at a time. A nil match ends it.
func (g *gate) guard(match func(*http.Request) bool, answer answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count, g.match, g.answer = 0, match, answer
}

// open lets everything pass.
func (g *gate) open() { g.guard(nil, nil) }

// met waits until n requests have matched.
func (g *gate) met(t *testing.T, n int) {
	t.Helper()
	testkit.Eventually(t, func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.count < n {
			return fmt.Errorf("%d requests have matched, want %d", g.count, n)
		}
		return nil
	})
}

// firsts matches the requests that begin a watch with all there is: a LIST, or a WATCH that sends the same.
func firsts(plural string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		q := r.URL.Query()
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/"+plural) && (q.Get("watch") == "" || q.Get("sendInitialEvents") == "true")
	}
}

// lines is a ResponseWriter that keeps or drops each line of a stream.
type lines struct {
	http.ResponseWriter
	keep func(line []byte) bool
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := l.rest[:i+1]
		if l.keep(line) {
			if _, err := l.ResponseWriter.Write(line); err != nil {
				return 0, err
			}
		}
		l.rest = l.rest[i+1:]
	}
}

func (l *lines) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// cut lets half of a list through, or the first event of a watch.
func cut(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	if r.URL.Query().Get("watch") != "" {
		sent := false
		pass.ServeHTTP(&lines{ResponseWriter: w, keep: func([]byte) bool {
			if sent {
				panic(http.ErrAbortHandler)
			}
			sent = true
			return true
		}}, r)
		return
	}
	rec := httptest.NewRecorder()
	pass.ServeHTTP(rec, r)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	panic(http.ErrAbortHandler)
}

// empty answers a list without its items, or the beginning of a watch without its objects.
func empty(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	if r.URL.Query().Get("watch") != "" {
		begun := false
		pass.ServeHTTP(&lines{ResponseWriter: w, keep: func(line []byte) bool {
			begun = begun || bytes.Contains(line, []byte("k8s.io/initial-events-end"))
			return begun
		}}, r)
		return
	}
	rec := httptest.NewRecorder()
	pass.ServeHTTP(rec, r)
	var list map[string]json.RawMessage
	body := rec.Body.Bytes()
	if json.Unmarshal(body, &list) == nil && list["items"] != nil {
		list["items"] = json.RawMessage("[]")
		body, _ = json.Marshal(list)
	}
	for k, v := range rec.Header() {
		if k != "Content-Length" {
			w.Header()[k] = v
		}
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

// unstreamed refuses to send a list as a watch, so that the client asks for the list.
func unstreamed(f answer) answer {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if r.URL.Query().Get("watch") != "" {
			status(http.StatusUnprocessableEntity)(w, r, pass)
			return
		}
		f(w, r, pass)
	}
}

// deaf answers a watch with what there is, and with nothing that comes after, until closed.
func deaf(closed <-chan struct{}) answer {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			select {
			case <-closed:
				cancel()
			case <-ctx.Done():
			}
		}()
		begun := r.URL.Query().Get("sendInitialEvents") != "true"
		pass.ServeHTTP(&lines{ResponseWriter: w, keep: func(line []byte) bool {
			was := begun
			begun = begun || bytes.Contains(line, []byte("k8s.io/initial-events-end"))
			return !was
		}}, r.WithContext(ctx))
	}
}

// watches matches WATCH requests of a plural.
func watches(plural string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/"+plural) && r.URL.Query().Get("watch") != ""
	}
}

// status answers with an error.
func status(code int, headers ...string) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		http.Error(w, http.StatusText(code), code)
	}
}
