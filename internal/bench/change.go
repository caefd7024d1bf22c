package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
)

// counted is how many commits or edits are counted one by one: their requests should be equal.
const counted = 5

// change measures a commit that changes one line of one app. Time and CPU are measured first, over many commits and without asking the controller anything; then
// a few are counted.
func (s *stage) change(ctx context.Context) error {
	if err := s.followSettings(ctx); err != nil {
		return err
	}
	if _, err := s.oneLine(ctx, 0); err != nil { // the first opens connections
		return err
	}
	if _, err := s.engine.quiet(ctx); err != nil {
		return err
	}
	before, err := used(s.engine.process.ID())
	if err != nil {
		return err
	}
	began := time.Now()
	var changed, settled []time.Duration
	for i := 0; more(i, s.Samples, began); i++ {
		t, err := s.oneLine(ctx, i+1)
		if err != nil {
			return err
		}
		changed, settled = append(changed, t.changed), append(settled, t.settled)
	}
	after, err := used(s.engine.process.ID())
	if err != nil {
		return err
	}
	cpu := float64((after.cpu - before.cpu).Microseconds()) / 1000 / float64(len(changed))
	c := &figures.Change{LatencyMS: figures.SpreadOf(changed), SettledMS: figures.SpreadOf(settled), CPUMS: figures.Round(cpu)}
	if err := s.countChanges(ctx, c); err != nil {
		return err
	}
	s.run.Change = c
	s.say("one-line change: changed after %.0f ms (p99 %.0f); %d requests, %d render, %.1f CPU ms", c.LatencyMS.P50, c.LatencyMS.P99, c.Requests, c.Renders, c.CPUMS)
	return nil
}

// enough is how long samples are taken of one thing, and fewest how many are taken however long that takes.
const enough, fewest = time.Minute, 10

// more reports whether another sample is to be taken after i of most.
func more(i, most int, began time.Time) bool {
	return i < most && (i < fewest || time.Since(began) < enough)
}

// countChanges counts what a few commits cause.
func (s *stage) countChanges(ctx context.Context, c *figures.Change) error {
	usual, most, err := s.countEach(ctx, counted, func(i int) error {
		_, err := s.oneLine(ctx, s.Samples+1+i)
		return err
	})
	c.Requests, c.RequestsMost, c.By, c.Renders, c.Fetches = usual.total(), most, usual.requests, usual.renders, usual.fetches
	return err
}

// countEach does something some times, each from rest to rest, and returns what the controller did for one of them: for the one with the median of requests,
// since the interval of the Repository may come up meanwhile. most is how many requests there were at most.
func (s *stage) countEach(ctx context.Context, times int, act func(i int) error) (usual count, most int, err error) {
	before, err := s.engine.quiet(ctx)
	if err != nil {
		return count{}, 0, err
	}
	all := make([]count, times)
	for i := range all {
		if err := act(i); err != nil {
			return count{}, 0, err
		}
		now, err := s.engine.quiet(ctx)
		if err != nil {
			return count{}, 0, err
		}
		all[i], before = now.minus(before), now
	}
	slices.SortFunc(all, func(a, b count) int { return cmp.Compare(a.total(), b.total()) })
	return all[times/2], all[times-1].total(), nil
}

// took is how long something took, from the sending of the webhook.
type took struct{ changed, settled time.Duration }

// oneLine commits a new value for the i-th set, tells the controller, and waits for the object and for every status.
func (s *stage) oneLine(ctx context.Context, i int) (took, error) {
	spot := s.size.Spot(i % s.size.Spots())
	value := s.value()
	file, text := spot.Settings(value)
	ctx, cancel := s.patience(ctx)
	defer cancel()
	sent, err := s.push(ctx, "one line", gitserver.Write(file, text))
	if err != nil {
		return took{}, err
	}
	at, err := s.settings.object(ctx, spot.App()+"/"+spot.SettingsName(), is(value))
	if err != nil {
		return took{}, err
	}
	settled, err := s.settled(ctx)
	return took{at.Sub(sent), settled.Sub(sent)}, err
}

// value is one that no object has had yet.
func (s *stage) value() string {
	s.commits++
	return fmt.Sprintf("v%d", s.commits)
}

// push commits, tells the controller, and returns when the webhook was about to be sent.
func (s *stage) push(ctx context.Context, message string, changes ...gitserver.Change) (time.Time, error) {
	var err error
	if s.head, err = s.repo.Commit(ctx, "main", message, changes...); err != nil {
		return time.Time{}, err
	}
	return s.engine.hook(ctx)
}

// rewrite is the change of an app's kustomization.yaml that makes the pages of one set come from elsewhere.
func (s *stage) rewrite(spot int, from workload.Source) gitserver.Change {
	app, set := spot%s.size.Apps, spot/s.size.Apps
	if s.from[app] == nil {
		s.from[app] = map[int]workload.Source{}
	}
	s.from[app][set] = from
	file, text := s.size.Kustomization(app, s.from[app])
	return gitserver.Write(file, text)
}

// latest is the last of several times.
func latest(times []time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}
