package forge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/forge"
)

const (
	commit  = "0123456789abcdef0123456789abcdef01234567"
	unknown = "ffffffffffffffffffffffffffffffffffffffff"
	token   = "a token that only tests know"
)

// server answers as the forge of a kind is documented to: paths, the header of the token, names of states, what is refused, in which order lists are.
type server struct {
	kind forge.Kind

	mu      sync.Mutex
	entries []map[string]any // oldest first
	asked   []string
	answer  http.HandlerFunc // instead, if set
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.EscapedPath())
	if s.answer != nil {
		s.answer(w, r)
		return
	}
	auth, api := map[forge.Kind][2]string{
		forge.GitHub: {"Authorization", "Bearer "}, forge.GitLab: {"Private-Token", ""}, forge.Gitea: {"Authorization", "token "},
	}[s.kind], map[forge.Kind]string{
		forge.GitHub: "/api/v3/repos/shop/config", forge.GitLab: "/api/v4/projects/shop%2Fteam%2Fconfig", forge.Gitea: "/api/v1/repos/shop/config",
	}[s.kind]
	if r.Header.Get(auth[0]) != auth[1]+token {
		s.say(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
		return
	}
	path, ours := strings.CutPrefix(r.URL.EscapedPath(), api)
	list := map[bool]string{true: "/repository/commits/" + commit + "/statuses", false: "/commits/" + commit + "/statuses"}[s.kind == forge.GitLab]
	switch {
	case ours && r.Method == http.MethodPost && path == "/statuses/"+commit:
		s.post(w, r)
	case ours && r.Method == http.MethodGet && path == list:
		s.list(w, r)
	default:
		s.say(w, http.StatusNotFound, map[string]any{"message": "404 Not Found"})
	}
}

func (s *server) post(w http.ResponseWriter, r *http.Request) {
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("Content-Type") != "application/json" {
		s.say(w, http.StatusBadRequest, map[string]any{"message": "Problems parsing JSON"})
		return
	}
	states := []string{"pending", "success", "failure", "error"}
	name, state, longest := "context", "state", 140
	switch s.kind {
	case forge.GitHub:
	case forge.GitLab:
		states, name, state, longest = []string{"pending", "running", "success", "failed", "canceled"}, "name", "status", 255
	case forge.Gitea:
		state, longest = "status", 255
	}
	about, _ := in["description"].(string)
	if is, _ := in["state"].(string); !slices.Contains(states, is) || utf8.RuneCountInString(about) > longest {
		s.say(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed"})
		return
	}
	if s.kind == forge.GitLab {
		for _, e := range s.entries {
			if e[name] == in[name] && e[state] == in["state"] {
				via := map[any]string{"pending": "enqueue", "success": "succeed", "failed": "drop"}[in["state"]]
				s.say(w, http.StatusBadRequest, map[string]any{"message": fmt.Sprintf("Cannot transition status via :%s from :%v (Reason(s): …)", via, in["state"])})
				return
			}
		}
		s.entries = slices.DeleteFunc(s.entries, func(e map[string]any) bool { return e[name] == in[name] })
	}
	s.entries = append(s.entries, map[string]any{
		"id": len(s.asked), name: in[name], state: in["state"], "description": about, "target_url": in["target_url"], "creator": map[string]any{"login": "robot"},
	})
	s.say(w, http.StatusCreated, s.entries[len(s.entries)-1])
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	out := slices.Clone(s.entries)
	if s.kind == forge.GitLab {
		out = slices.DeleteFunc(out, func(e map[string]any) bool { return e["name"] != r.URL.Query().Get("name") })
	} else {
		slices.Reverse(out)
	}
	s.say(w, http.StatusOK, out)
}

func (s *server) say(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// open starts a forge, and returns a client of it whose requests go there whatever the host is.
func open(t *testing.T, kind forge.Kind, tok string) (*forge.Client, *server) {
	t.Helper()
	s := &server{kind: kind}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	there, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	repo := "https://git.example.com/shop/config.git"
	if kind == forge.GitLab {
		repo = "git@git.example.com:shop/team/config.git"
	}
	c, err := forge.Open(forge.Options{Kind: kind, Repository: repo, Token: tok, Transport: to(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme != "https" || r.URL.Host != "git.example.com" {
			return nil, fmt.Errorf("asked %s", r.URL)
		}
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = "http", there.Host
		return http.DefaultTransport.RoundTrip(r)
	})})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

type to func(*http.Request) (*http.Response, error)

func (f to) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var kinds = []forge.Kind{forge.GitHub, forge.GitLab, forge.Gitea}

func TestStatuses(t *testing.T) {
	const web, api = "fairlead/prod/web", "fairlead/prod/api"
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			c, s := open(t, kind, token)
			tell := func(x forge.Status) {
				t.Helper()
				if err := c.Tell(t.Context(), commit, x); err != nil {
					t.Fatal(err)
				}
			}
			told := func(context string) forge.Status {
				t.Helper()
				x, ok, err := c.Told(t.Context(), commit, context)
				if err != nil || ok != (x.State != "") {
					t.Fatalf("told %+v, %v, %v", x, ok, err)
				}
				return x
			}
			if x := told(web); x.State != "" {
				t.Errorf("told before anything was said: %+v", x)
			}
			tell(forge.Status{Context: web, State: forge.Pending})
			tell(forge.Status{Context: api, State: forge.Pending})
			bad := forge.Status{Context: web, State: forge.Failure, Description: "apps/web/a.yaml:3: unknown field", Link: "https://example.com/web"}
			tell(bad)
			if x := told(web); x != bad {
				t.Errorf("told %+v, want %+v", x, bad)
			}
			if x := told(api); x.State != forge.Pending {
				t.Errorf("another context has %+v", x)
			}
			tell(forge.Status{Context: api, State: forge.Success, Description: strings.Repeat("ä", 1000)})
			if x := told(api); x.State != forge.Success || !strings.HasSuffix(x.Description, "ä…") {
				t.Errorf("told %+v", x)
			}
			tell(forge.Status{Context: api, State: forge.Success}) // again does no harm
			if n := len(s.asked); n != 9 {
				t.Errorf("%d requests for 9 calls: %q", n, s.asked)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			c, s := open(t, kind, token)
			want := func(err error, kind fault.Kind, words ...string) {
				t.Helper()
				if err == nil || fault.KindOf(err) != kind || strings.Contains(err.Error(), token) {
					t.Fatalf("%v (%v), want it to be %v", err, fault.KindOf(err), kind)
				}
				for _, w := range words {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("%v, want %q", err, w)
					}
				}
			}
			tell := func() error {
				return c.Tell(t.Context(), commit, forge.Status{Context: "x", State: forge.Pending})
			}
			want(c.Tell(t.Context(), unknown, forge.Status{Context: "x", State: forge.Pending}), fault.Invalid, "tell "+string(kind)+" of commit ffffffff", "knows no such repository or commit")
			stranger, _ := open(t, kind, "wrong")
			_, _, err := stranger.Told(t.Context(), commit, "x")
			want(err, fault.Denied, "git.example.com does not accept the token (401): Bad credentials")

			answer := func(f http.HandlerFunc) { s.mu.Lock(); s.answer = f; s.mu.Unlock() }
			code := func(n int, header ...string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					for i := 0; i < len(header); i += 2 {
						w.Header().Set(header[i], header[i+1])
					}
					w.WriteHeader(n)
					_, _ = fmt.Fprintf(w, `{"message":"%s, said %s"}`, http.StatusText(n), token) // a forge that repeats what it was sent
				}
			}
			answer(code(http.StatusForbidden))
			want(tell(), fault.Denied, "the token may not set statuses of shop/")
			answer(code(http.StatusInternalServerError))
			want(tell(), fault.Transient, "answers 500")
			answer(code(http.StatusFound, "Location", "https://elsewhere.example.com/"))
			want(tell(), fault.Invalid, "is elsewhere (302)")
			answer(code(http.StatusTooManyRequests, "Retry-After", "90"))
			want(tell(), fault.Transient, "asks to be left alone")
			if wait := fault.After(tell()); wait != 90*time.Second {
				t.Errorf("waits %v", wait)
			}
			reset := time.Now().Add(10 * time.Minute)
			answer(code(http.StatusForbidden, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(reset.Unix())))
			if wait := fault.After(tell()); wait < 9*time.Minute || wait > 11*time.Minute {
				t.Errorf("waits %v", wait)
			}
			answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
			_, _, err = c.Told(t.Context(), commit, "x")
			want(err, fault.Transient, "the answer is not what "+string(kind)+" answers")
			answer(func(w http.ResponseWriter, _ *http.Request) {
				for range 6 << 10 {
					_, _ = w.Write(make([]byte, 1<<10))
				}
			})
			want(tell(), fault.Invalid, "larger than 4 MiB")
			answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			want(tell(), fault.Transient, "git.example.com cannot be reached")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.Tell(ctx, commit, forge.Status{}); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	good := forge.Options{Repository: "https://github.com/shop/config", Token: token}
	for says, change := range map[string]func(*forge.Options){
		"":                          func(*forge.Options) {},
		"which forge is at git.exa": func(o *forge.Options) { o.Repository = "https://git.example.com/shop/config" },
		"which forge is at github.": func(o *forge.Options) { o.Kind = "SourceForge" },
		"no path of the form owner": func(o *forge.Options) { o.Repository = "https://github.com/config" },
		"names no host":             func(o *forge.Options) { o.Repository = "shop/config" },
		"there is no token":         func(o *forge.Options) { o.Token = "" },
		"no token for GitHub":       func(o *forge.Options) { o.Token = "a\r\nHost: evil" },
		"not of the form https":     func(o *forge.Options) { o.API = "https://robot:secret@example.com" },
		"holds no certificate":      func(o *forge.Options) { o.CA = []byte("x") },
	} {
		o := good
		change(&o)
		_, err := forge.Open(o)
		if (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%v; want %q", err, says)
		}
	}
}
