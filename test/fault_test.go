package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestFaults tells the story of two commits while the way to the API server is slow, loses requests and answers, cuts them, and while the API server itself is
// killed. It ends as it does without.
func TestFaults(t *testing.T) {
	t.Parallel()
	w, g, want := undisturbed(t, "fault-never")

	everything := func(*http.Request) bool { return true }
	run := func(name string, tell func(*testing.T, story)) {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(g.open)
			s := w.story(t, "fault-"+name)
			tell(t, s)
			s.end(g).same(t, want)
			s.heals("two", "a", "moved")
		})
	}
	run("slow", func(_ *testing.T, s story) {
		g.guard(everything, slow(1, 60*time.Millisecond))
		s.hook()
		testkit.Eventually(s.t, s.done)
	})
	// Of each three requests one goes wrong, until sixty have.
	for name, fault := range map[string]answer{"unsent": unsent, "unheard": unheard, "cut": cut} {
		run(name, func(t *testing.T, s story) {
			g.guard(first(60, oneOf(3, 2)), fault)
			s.hook()
			g.met(t, 4)
			testkit.Eventually(t, s.done)
		})
	}
	run("restart", func(_ *testing.T, s story) {
		s.hook()
		w.plane.APIServer(s.t, "restart")
	})

	// What a watch has missed is compacted, and remembered by nobody: it is told 410, and has to see for itself what there is. So has a controller that was
	// away meanwhile.
	run("compacted", func(t *testing.T, s story) {
		let := make(chan struct{})
		g.guard(func(r *http.Request) bool { return r.URL.Query().Get("watch") != "" }, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			select {
			case <-let:
				pass.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
		g.server.CloseClientConnections()
		s.patch("configmap/a", `{data: {of: hand}}`) // nobody sees it
		s.remove("configmap/other")
		delete(s.was, "configmap/other")
		s.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: trace}}")
		w.plane.Compact(t)
		w.plane.APIServer(t, "restart")
		close(let)
		testkit.Eventually(t, func(ctx context.Context) error { return s.Is(ctx, "configmap/a", ".data.of", "one") })
		testkit.Eventually(t, func(ctx context.Context) error { return s.Is(ctx, "configmap/other", ".data.of", "one") })
		if g.gones() == 0 {
			t.Error("no watch was told 410: the test no longer does what it says")
		}
		s.remove("configmap/trace")
		s.hook()
	})
}

// undisturbed starts a world whose controller reaches the API server through a gate, and tells its story once with the gate open.
func undisturbed(t *testing.T, namespace string) (world, *gate, storyEnd) {
	t.Helper()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t)})}
	calm := w.story(t, namespace)
	calm.hook()
	want := calm.end(g)
	want.told(t)
	return w, g, want
}

// oneOf matches requests at random, one of n, always the same ones.
func oneOf(n int, seed uint64) func(*http.Request) bool {
	r := rand.New(rand.NewPCG(seed, seed))
	return func(*http.Request) bool { return r.IntN(n) == 0 }
}

// slow lets every request wait for up to a time.
func slow(seed uint64, most time.Duration) answer {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, seed))
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		mu.Lock()
		wait := time.Duration(rnd.Int64N(int64(most)))
		mu.Unlock()
		select {
		case <-time.After(wait):
			pass.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}
}

// unsent loses a request before it is sent.
func unsent(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// unheard loses an answer: what was asked for is done. A watch has no answer to wait for.
func unheard(_ http.ResponseWriter, r *http.Request, pass http.Handler) {
	if r.URL.Query().Get("watch") == "" {
		pass.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
	}
	panic(http.ErrAbortHandler)
}

// TestGitFaults has Git servers that are slow, hang, lie about lengths and send what is no Git, while there is a commit to fetch. What is wrong is said,
// nothing is lost meanwhile, and a server that is well again is all it takes. The disk that the mirrors are on may be full as well.
func TestGitFaults(t *testing.T) {
	w, g, want := undisturbed(t, "git-never")

	answered := func(change func(w http.ResponseWriter, header http.Header, body []byte)) answer {
		return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			rec := httptest.NewRecorder()
			pass.ServeHTTP(rec, r)
			change(w, rec.Header(), rec.Body.Bytes())
		}
	}
	t.Run("each", func(t *testing.T) {
		for name, fault := range map[string]answer{
			"garbage": answered(func(w http.ResponseWriter, h http.Header, body []byte) {
				w.Header().Set("Content-Type", h.Get("Content-Type"))
				_, _ = w.Write(bytes.Repeat([]byte{0xff, 0, 'P', 'A'}, len(body)))
			}),
			"page": answered(func(w http.ResponseWriter, _ http.Header, _ []byte) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(w, "<html>Please sign in</html>")
			}),
			"more-than-sent": answered(func(w http.ResponseWriter, h http.Header, body []byte) {
				w.Header().Set("Content-Type", h.Get("Content-Type"))
				w.Header().Set("Content-Length", fmt.Sprint(len(body)+100))
				_, _ = w.Write(body)
				panic(http.ErrAbortHandler)
			}),
			"less-than-sent": answered(func(w http.ResponseWriter, h http.Header, body []byte) {
				w.Header().Set("Content-Type", h.Get("Content-Type"))
				w.Header().Set("Content-Length", fmt.Sprint(len(body)*2/3))
				_, _ = w.Write(body)
			}),
			// The first packet says that it is longer than it is: it swallows what comes after it.
			"packets": answered(func(w http.ResponseWriter, h http.Header, body []byte) {
				w.Header().Set("Content-Type", h.Get("Content-Type"))
				_, _ = w.Write(append([]byte("fff0"), body[min(4, len(body)):]...))
			}),
			// It ends where the client has had enough.
			"endless": answered(func(w http.ResponseWriter, h http.Header, _ []byte) {
				w.Header().Set("Content-Type", h.Get("Content-Type"))
				line := []byte("0044" + strings.Repeat("1", 40) + " refs/heads/aaaaaaaa\n")
				for more := bytes.Repeat(line, 1000); ; {
					if _, err := w.Write(more); err != nil {
						return
					}
				}
			}),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, front := w.behind(t, "git-"+name)
				front.guard(func(*http.Request) bool { return true }, fault)
				s.hook()
				testkit.Eventually(t, func(ctx context.Context) error {
					return s.Is(ctx, "repositories.fairlead.dev/config", `{.status.conditions[?(@.type=="Ready")].status}`, "False")
				})
				said, err := s.objs.Field(t.Context(), s.Namespace, "repositories.fairlead.dev/config", `{.status.conditions[?(@.type=="Ready")].message}`)
				if err != nil || said == "" || len(said) > 2000 {
					t.Errorf("the Repository says %q, %v", said, err)
				}
				s.heals("one", "a", "b", "moved")
				s.kept(s.was)
				front.open()
				s.hook()
				s.end(g).same(t, want)
			})
		}

		t.Run("slow", func(t *testing.T) {
			t.Parallel()
			s, front := w.behind(t, "git-slow")
			front.guard(func(*http.Request) bool { return true }, answered(func(w http.ResponseWriter, h http.Header, body []byte) {
				w.Header().Set("Content-Type", h.Get("Content-Type"))
				for piece := range bytes.SplitAfterSeq(body, []byte("e")) {
					_, _ = w.Write(piece)
					_ = http.NewResponseController(w).Flush()
					time.Sleep(5 * time.Millisecond)
				}
			}))
			s.hook()
			s.end(g).same(t, want)
		})
	})

	// It takes the request and says nothing. Others get what is new meanwhile; what is to go waits, since it may have moved to where nobody can look.
	t.Run("hanging", func(t *testing.T) {
		s, front := w.behind(t, "git-hanging")
		front.guard(func(*http.Request) bool { return true }, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
			_, _ = io.Copy(io.Discard, r.Body) // a server learns that a client went only when it waits for no more of the request
			<-r.Context().Done()
		})
		s.hook()
		front.met(t, 1)
		other := w.story(t, "git-beside")
		other.hook()
		for ref, value := range map[string]string{"configmap/a": "two", "configmap/new": "two", "configmap/moved": "two"} {
			testkit.Eventually(t, func(ctx context.Context) error { return other.Is(ctx, ref, ".data.of", value) })
		}
		s.heals("one", "a", "b", "moved")
		s.kept(s.was)
		front.open()
		front.server.CloseClientConnections()
		s.hook()
		s.end(g).same(t, want)
		other.end(g).same(t, want)
	})

	// No file in the data directory can grow: git is refused what it writes. Then there is room again.
	t.Run("disk-full", func(t *testing.T) {
		s := w.begun(t, "git-disk-full")
		noise := make([]byte, 256<<10)
		for i := range noise {
			noise[i] = byte(' ' + rand.IntN(90)) //nolint:gosec // noise, which does not shrink
		}
		s.second(gitserver.Write("noise.txt", string(noise)))
		restore := w.ctl.LimitFiles(t, 64<<10)
		s.hook()
		s.says("repositories.fairlead.dev/config", "index-pack")
		s.heals("one", "a", "b", "moved")
		s.kept(s.was)
		restore()
		s.hook()
		s.end(g).same(t, want)
	})
}

// behind is a story whose second commit is made behind a gate before the Git server.
func (w world) behind(t *testing.T, namespace string) (story, *gate) {
	t.Helper()
	s := w.begun(t, namespace)
	target, err := url.Parse(s.Git.URL())
	if err != nil {
		t.Fatal(err)
	}
	g := startGate(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host})
		r.Out.Header.Del("Accept-Encoding")
	}})
	s.patch("repositories.fairlead.dev/config", "{spec: {url: "+g.server.URL+target.Path+"}}")
	repository, err := s.objs.Get(t.Context(), s.Namespace, "repositories.fairlead.dev/config")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		return s.Is(ctx, "repositories.fairlead.dev/config", `{.status.observedGeneration} {.status.conditions[?(@.type=="Ready")].status}`, fmt.Sprint(repository.GetGeneration(), " True"))
	})
	s.second()
	return s, g
}
