package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
)

// counted is how many commits are counted one by one: their requests should be equal.
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
	var changed, settled []time.Duration
	for i := range s.Samples {
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
	cpu := float64((after.cpu - before.cpu).Microseconds()) / 1000 / float64(s.Samples)
	c := &figures.Change{LatencyMS: figures.SpreadOf(changed), SettledMS: figures.SpreadOf(settled), CPUMS: figures.Round(cpu)}
	if err := s.countChanges(ctx, c); err != nil {
		return err
	}
	s.run.Change = c
	s.say("one-line change: changed after %.0f ms (p99 %.0f); %d requests, %d render, %.1f CPU ms", c.LatencyMS.P50, c.LatencyMS.P99, c.Requests, c.Renders, c.CPUMS)
	return nil
}

// countChanges counts what a few commits cause, each from rest to rest.
func (s *stage) countChanges(ctx context.Context, c *figures.Change) error {
	before, err := s.engine.quiet(ctx)
	if err != nil {
		return err
	}
	var all []count
	for i := range counted {
		if _, err := s.oneLine(ctx, s.Samples+1+i); err != nil {
			return err
		}
		now, err := s.engine.quiet(ctx)
		if err != nil {
			return err
		}
		all = append(all, now.minus(before))
		before = now
	}
	// The interval of the Repository may have come up meanwhile: the median is of a commit alone.
	of := func(what func(count) int) int {
		var each []int
		for _, x := range all {
			each = append(each, what(x))
		}
		return figures.Median(each)
	}
	requests := func(x count) int { return x.total() }
	c.Requests, c.Renders, c.Fetches = of(requests), of(func(x count) int { return x.renders }), of(func(x count) int { return x.fetches })
	for _, x := range all {
		c.RequestsMost = max(c.RequestsMost, x.total())
		if x.total() == c.Requests && c.By == nil {
			c.By = maps.Clone(x.requests)
		}
	}
	return nil
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

// seconds sorts the times of several events from one on, and returns the last.
func latest(times []time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}
