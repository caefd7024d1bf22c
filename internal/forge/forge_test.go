package forge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/forge"
	"github.com/fairlead-cd/fairlead/internal/forge/forgetest"
)

const (
	commit  = "0123456789abcdef0123456789abcdef01234567"
	unknown = "ffffffffffffffffffffffffffffffffffffffff"
	token   = "a token that only tests know"
)

// open starts a forge, and returns a client of it whose requests go there whatever the host is.
func open(t *testing.T, kind forge.Kind, tok string) (*forge.Client, *forgetest.Server) {
	t.Helper()
	s := &forgetest.Server{Kind: kind, Repo: "shop/config", Token: token, Knows: func(id string) bool { return id == commit }}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	there, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	repo := "https://git.example.com/shop/config.git"
	if kind == forge.GitLab {
		repo, s.Repo = "git@git.example.com:shop/team/config.git", "shop/team/config"
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
			if n := len(s.Asked()); n != 9 {
				t.Errorf("%d requests for 9 calls: %q", n, s.Asked())
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

			answer := s.Answer
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
