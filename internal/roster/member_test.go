package roster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/roster"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// short is as long as the Leases of these tests last.
const short = 3 * time.Second

// joined is a member, whose way to the API server can be cut.
type joined struct {
	*roster.Member
	cut, mild, shut atomic.Bool // all requests fail, those that delete, or those that create
}

type wire struct {
	j    *joined
	next http.RoundTripper
}

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.j.cut.Load() || w.j.mild.Load() && r.Method == http.MethodDelete || w.j.shut.Load() && r.Method == http.MethodPost {
		return nil, errors.New("cut")
	}
	return w.next.RoundTrip(r)
}

func join(t *testing.T, config *rest.Config) *joined {
	t.Helper()
	j := &joined{}
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return wire{j, next} })
	client, err := coordination.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	j.Member, err = roster.Join(t.Context(), roster.Options{Leases: client.Leases(testkit.Namespace), Lasts: short, Holder: "test", Log: log})
	if err == nil {
		err = j.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func all() (keys []string) {
	for i := range 60 {
		keys = append(keys, fmt.Sprintf("app %d", i))
	}
	return keys
}

// shared waits until each key is one member's.
func shared(t *testing.T, members ...*joined) {
	t.Helper()
	testkit.Eventually(t, func(context.Context) error {
		for _, k := range all() {
			owners := 0
			for _, m := range members {
				if _, done, mine := m.Act(t.Context(), k); mine {
					done()
					owners++
				}
			}
			if owners != 1 {
				return fmt.Errorf("%d members own %s", owners, k)
			}
		}
		for i, m := range members {
			if got := m.Size(); got != len(members) {
				return fmt.Errorf("member %d knows of %d, want %d", i, got, len(members))
			}
		}
		return nil
	})
}

// hears waits for a word.
func hears(t *testing.T, words <-chan string, want string) {
	t.Helper()
	select {
	case got := <-words:
		if got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	case <-time.After(20 * short):
		t.Fatalf("never heard %q", want)
	}
}

// TestMember shares keys between members on a real API server.
func TestMember(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	config, err := clientcmd.BuildConfigFromFlags("", plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	leases := plane.Kube.CoordinationV1().Leases(testkit.Namespace)
	held := func() (names []string) {
		list, err := leases.List(t.Context(), metav1.ListOptions{LabelSelector: roster.Label})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list.Items {
			names = append(names, l.Name)
		}
		return names
	}

	began := time.Now()
	a := join(t, config)
	if took := time.Since(began); took > time.Second {
		t.Errorf("the first member waited for %s", took)
	}
	if shared(t, a); !a.Alone() {
		t.Error("one member is not alone")
	}

	// While the first one works on everything, the second one waits; the work goes on.
	var works []func()
	for _, k := range all() {
		ctx, done, mine := a.Act(t.Context(), k)
		if !mine || ctx.Err() != nil {
			t.Fatalf("%s is not its own: %v", k, ctx.Err())
		}
		works = append(works, done)
	}
	var over atomic.Bool
	time.AfterFunc(short/3, func() {
		over.Store(true)
		for _, done := range works {
			done()
		}
	})
	b := join(t, config)
	if !over.Load() {
		t.Error("the second member did not wait for the work of the first")
	}
	shared(t, a, b)

	// Work that takes too long is told to end, if it is on what goes to the one that comes.
	var kept, ended atomic.Int64
	for _, k := range all() {
		if ctx, done, mine := a.Act(t.Context(), k); mine {
			kept.Add(1)
			go func() {
				<-ctx.Done()
				kept.Add(-1)
				ended.Add(1)
				done()
			}()
		}
	}
	c := join(t, config)
	shared(t, a, b, c)
	if kept.Load() == 0 || ended.Load() == 0 {
		t.Errorf("%d works were ended, %d go on: want some of both", ended.Load(), kept.Load())
	}

	heard := make(chan string, 9)
	b.Notify(func() {}, func(key, word string) { heard <- key + " " + word })
	a.Tell("repository shop/config", "moved")
	hears(t, heard, "repository shop/config moved")

	// One that is cut off, and finds itself expelled, tells when it is back what it had to tell meanwhile; and hears what was told in the meantime.
	b.cut.Store(true)
	testkit.Eventually(t, func(context.Context) error {
		if names := held(); len(names) != 2 {
			return fmt.Errorf("there are the Leases %v", names)
		}
		return nil
	})
	back := make(chan string, 9)
	a.Notify(func() {}, func(key, word string) { back <- key + " " + word })
	a.Tell("repository shop/config", "moved on")
	b.shut.Store(true)
	b.cut.Store(false)
	testkit.Eventually(t, func(context.Context) error {
		if n := b.Size(); n > 0 {
			return fmt.Errorf("it is one of %d members", n)
		}
		return nil
	})
	b.Tell("repository shop/base", "moved")
	b.shut.Store(false)
	hears(t, back, "repository shop/base moved")
	hears(t, heard, "repository shop/config moved on")
	shared(t, a, b, c)

	// One stops: its part is taken at once.
	began = time.Now()
	c.Leave()
	shared(t, a, b)
	if took := time.Since(began); took > short/2 {
		t.Errorf("the part of one that stopped was taken after %s", took)
	}

	// One cannot delete the Lease of another that died: it lives on.
	a.mild.Store(true)
	b.cut.Store(true)
	for began = time.Now(); time.Since(began) < 2*short; time.Sleep(10 * time.Millisecond) {
		if err := a.InTime(); err != nil {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
	}
	b.cut.Store(false)
	shared(t, a, b)
	a.mild.Store(false)

	// One is cut off: it stops acting before its part is taken.
	began = time.Now()
	b.cut.Store(true)
	var stopped time.Duration
	for !a.Alone() && time.Since(began) < 5*short {
		if b.InTime() != nil && stopped == 0 {
			stopped = time.Since(began)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	if stopped == 0 || took > short*3/2 {
		t.Errorf("one that was cut off stopped after %s, its part was taken after %s", stopped, took)
	}
	t.Logf("cut off: stopped after %s, taken over after %s", stopped, took)
	shared(t, a)
	b.cut.Store(false)
	shared(t, a, b)

	// Somebody deletes the Lease of one: it comes back as another.
	was := held()
	if len(was) != 2 {
		t.Errorf("Leases %v, want two", was)
	}
	if err := leases.Delete(t.Context(), was[0], metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(context.Context) error {
		if is := held(); len(is) != 2 || strings.Contains(fmt.Sprint(is), was[0]) {
			return fmt.Errorf("Leases %v", is)
		}
		return nil
	})
	shared(t, a, b)
	a.Leave()
	b.Leave()
	if term, mine := b.Owns(all()[0]); mine {
		t.Errorf("one that has left owns something, term %d", term)
	}
	if left := held(); len(left) > 0 {
		t.Errorf("Leases %v are left", left)
	}
}
