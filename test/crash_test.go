package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestKilledAtEveryWrite kills the controller, as kill -9 does, before and after each write of a sync that creates, updates, adopts and prunes in two waves, and
// hands an object over from one app to another. Whenever it dies, the controller that is started next comes to the same end: nothing is missing, nothing
// is left over, every object that carries an owner mark is claimed, what is to stay is the object that it was, and there are as many deletions as without.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t)})

	w := world{home: t, plane: plane, ctl: ctl}
	want, writes, _ := crashRun(t, w, g, "crash-never", "", false)
	want.told(t)
	if len(writes) < 14 {
		t.Fatalf("the run without a crash made the writes %q: the test no longer does what it says", writes)
	}
	for i, write := range writes {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("crash-%d-%s", i, map[bool]string{false: "before", true: "after"}[after])
			t.Run(name, func(t *testing.T) {
				end, writes, died := crashRun(t, w, g, name, write, after)
				end.same(t, want)
				// How many changes a status gathers is a matter of time, and so is how many a record does beyond the first: one app gives what another takes.
				gathers := strings.Contains(write, "/status") || strings.Contains(write, "/secrets/ledger-") && !strings.HasSuffix(write, " 1")
				if !died && !gathers {
					t.Errorf("the controller never came to %s; it made the writes %q", write, writes)
				}
			})
		}
	}
}

// crashRun tells the story to a controller that dies at one write of its second commit, as deadly names it, and is started again. It returns how that ended.
func crashRun(t *testing.T, w world, g *gate, namespace, write string, after bool) (end storyEnd, writes []string, died bool) {
	t.Helper()
	s := w.story(t, namespace)
	alive, over := g.deadly(t.Context(), w.ctl, namespace, write, after)
	if err := s.Hook(alive, w.ctl); err != nil && alive.Err() == nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		if alive.Err() != nil {
			return nil
		}
		return s.done(ctx)
	})
	if writes, died = over(); died {
		w.ctl.Start(t)
	}
	return s.end(g), writes, died
}

// deadly lets a controller die at one of the writes that it makes, before it is done or after. Alive ends when it dies. It dies no more after end, which
// returns the writes that there were, each with how many of its like came before.
func (g *gate) deadly(ctx context.Context, ctl *testkit.Controller, namespace, at string, after bool) (alive context.Context, end func() (writes []string, died bool)) {
	alive, kill := context.WithCancel(ctx)
	var mu sync.Mutex // held while the controller dies: nothing is written after that
	var writes []string
	counts := map[string]int{}
	g.guard(isWrite, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		mu.Lock()
		name := ledgerName.ReplaceAllString(strings.ReplaceAll(r.Method+" "+r.URL.Path, "/"+namespace, "/NAMESPACE"), "$1")
		if g.name != nil {
			name = g.name(name)
		}
		counts[name]++
		name += fmt.Sprintf(" %d", counts[name])
		writes = append(writes, name)
		if name != at {
			mu.Unlock()
			pass.ServeHTTP(w, r)
			return
		}
		defer mu.Unlock()
		if after {
			pass.ServeHTTP(httptest.NewRecorder(), r) // done, but nobody hears of it
		}
		ctl.Kill()
		kill()
		panic(http.ErrAbortHandler)
	})
	return alive, func() ([]string, bool) {
		g.open()
		mu.Lock()
		defer mu.Unlock()
		return writes, alive.Err() != nil
	}
}

// atWrites has run kill the controller before and after a share of the writes, each in a place of its own, or of all of them. It fails the test if fewer than half
// die: how many changes a status or a record gathers is a matter of time, so not each write comes.
func atWrites(t *testing.T, story string, writes []string, share func(n int) bool, run func(t *testing.T, name, write string, after bool) (died bool)) {
	t.Helper()
	deaths, tries := 0, 0
	for i, write := range writes {
		for _, after := range []bool{false, true} {
			if n := 2*i + map[bool]int{true: 1}[after]; !*everyWrite && !share(n) {
				continue
			}
			name := fmt.Sprintf("%s-%d-%s", story, i, map[bool]string{false: "before", true: "after"}[after])
			tries++
			t.Run(name, func(t *testing.T) {
				if run(t, name, write, after) {
					deaths++
				}
			})
		}
	}
	if t.Logf("it died %d times of %d", deaths, tries); 2*deaths < tries {
		t.Errorf("the controller died %d times, though it was to die %d times", deaths, tries)
	}
}

var ledgerName = regexp.MustCompile(`(ledger-[-a-z0-9]+)-[0-9a-f]+`)

// isWrite says whether a request writes something. Events and the Lease are no part of a sync.
func isWrite(r *http.Request) bool {
	read := r.Method == http.MethodGet || r.URL.Query().Get("dryRun") != ""
	aside := strings.Contains(r.URL.Path, "/leases") || strings.Contains(r.URL.Path, "/events") || strings.Contains(r.URL.Path, "reviews")
	return !read && !aside
}
