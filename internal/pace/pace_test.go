package pace_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-cd/fairlead/internal/pace"
)

// server takes a millisecond for each request, and does a few at a time: more at once only wait in it. Past what it bears at all it refuses.
type server struct{ serves, bears int }

// drive sends n requests from many senders, and returns how the gate stands at the end and the most that were under way.
func drive(t *testing.T, s server, senders, n int) (end pace.State, most int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var g pace.Gate
		var mu sync.Mutex
		busy := 0
		change := func(by int) int {
			mu.Lock()
			defer mu.Unlock()
			busy += by
			most = max(most, busy)
			return busy
		}
		var all sync.WaitGroup
		for range senders {
			all.Go(func() {
				for range n / senders {
					if err := g.Enter(t.Context(), false); err != nil {
						t.Error(err)
						return
					}
					how, wait := pace.Typical, time.Millisecond
					if many := change(1); many > s.bears {
						how = pace.Refused
					} else {
						wait += time.Duration(many/s.serves) * time.Millisecond
					}
					time.Sleep(wait)
					change(-1)
					g.Leave(false, how, wait)
				}
			})
		}
		all.Wait()
		end = g.State()
	})
	return end, most
}

func TestFollowsTheServer(t *testing.T) {
	for name, x := range map[string]struct {
		server      server
		senders     int
		least, most int
	}{
		"grows while the server keeps up":           {server{serves: 1000, bears: 1000}, 200, 60, 64},
		"stops where only a queue would grow":       {server{serves: 2, bears: 1000}, 200, 4, 48},
		"shrinks where the server refuses":          {server{serves: 1000, bears: 12}, 200, 4, 16},
		"does not grow when nobody has to wait":     {server{serves: 1000, bears: 1000}, 3, 16, 16},
		"never fewer than it takes to go on at all": {server{serves: 1000, bears: 0}, 50, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			end, most := drive(t, x.server, x.senders, 6000)
			if end.Limit < x.least || end.Limit > x.most {
				t.Errorf("the limit ends at %d, want %d to %d", end.Limit, x.least, x.most)
			}
			if end.Busy != 0 || end.Waiting != 0 || most > 64 {
				t.Errorf("at the end %+v; at most %d at once", end, most)
			}
		})
	}
}

// What can wait waits for what cannot, but not for ever, and who gives up leaves no place taken.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g pace.Gate
		limit := g.State().Limit
		for range limit {
			if err := g.Enter(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		var order []bool
		enter := func(ctx context.Context, late bool) {
			if err := g.Enter(ctx, late); err == nil {
				mu.Lock()
				order = append(order, late)
				mu.Unlock()
				g.Leave(late, pace.Served, 0)
			} else if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		for range 40 {
			go enter(t.Context(), true)
			synctest.Wait()
		}
		for range 40 {
			go enter(t.Context(), false)
			synctest.Wait()
		}
		gone, cancel := context.WithCancel(t.Context())
		for i := range 20 {
			go enter(gone, i%2 == 0)
		}
		synctest.Wait()
		if got := g.State(); got.Waiting != 100 || got.Busy != limit {
			t.Fatalf("with everybody at the gate: %+v", got)
		}
		cancel()
		synctest.Wait()
		if got := g.State(); got.Waiting != 80 {
			t.Fatalf("after twenty gave up: %+v", got)
		}
		g.Leave(false, pace.Served, 0)
		synctest.Wait()
		if len(order) != 80 {
			t.Fatalf("%d were let in, want 80", len(order))
		}
		early := 0
		for i, late := range order {
			if late && i < 40 {
				early++
			}
		}
		if early < 1 || early > 6 {
			t.Errorf("%d of the first 40 could have waited, want a few", early)
		}
		for range limit - 1 {
			g.Leave(false, pace.Served, 0)
		}
		if got := g.State(); got.Busy != 0 || got.Waiting != 0 {
			t.Errorf("at the end: %+v", got)
		}
	})
}

// While much is done that cannot wait, what can goes in one by one, although there is room; and side by side when that is over.
func TestLateOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g pace.Gate
		for range 8 {
			if err := g.Enter(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		end := make(chan struct{})
		for range 6 {
			go func() {
				if err := g.Enter(t.Context(), true); err != nil {
					t.Error(err)
				}
				<-end
				g.Leave(true, pace.Served, 0)
			}()
		}
		stands := func(busy, waiting int) {
			t.Helper()
			synctest.Wait()
			if got := g.State(); got.Busy != busy || got.Waiting != waiting {
				t.Errorf("%+v, want %d busy and %d waiting", got, busy, waiting)
			}
		}
		stands(8+1, 5)
		end <- struct{}{}
		stands(8+1, 4)
		for range 4 {
			g.Leave(false, pace.Served, 0)
		}
		stands(4+5, 0)
		if got := g.State(); got.Limit != 16 {
			t.Errorf("the limit is %d, though it kept nobody waiting", got.Limit)
		}
		for range 4 {
			g.Leave(false, pace.Served, 0)
		}
		close(end)
		stands(0, 0)
	})
}
