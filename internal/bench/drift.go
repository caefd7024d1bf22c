package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
)

// burst is how many edits are made at once, or one in each set if there are fewer, and bursts how often: one alone says little.
const burst, bursts = 100, 3

// editor is the field manager of a person.
const editor = "kubectl-edit"

// drift measures how long a change by hand lives: from the API server's answer to the edit to the event that shows Git's value again. One after the other
// first, then many at once, of which the usual burst counts. No object is edited more often than a person does it: a fight over one is another matter.
func (s *stage) drift(ctx context.Context) error {
	if err := s.followSettings(ctx); err != nil {
		return err
	}
	few := s.size.Spots() // with those that are counted and those at once, five of one object
	n := min(s.Samples, few)
	var each []time.Duration
	began := time.Now()
	for i := 0; more(i, n, began); i++ {
		t, err := s.edit(ctx, i, nobody)
		if err != nil {
			return err
		}
		each = append(each, t)
	}
	one, _, err := s.countEach(ctx, min(counted, few), func(i int) error {
		_, err := s.edit(ctx, n+i, nobody)
		return err
	})
	if err != nil {
		return err
	}
	many, err := s.editOften(ctx, func(ctx context.Context) ([]time.Duration, error) {
		if _, err := s.engine.quiet(ctx); err != nil {
			return nil, err
		}
		return s.editMany(ctx, nobody)
	})
	if err != nil {
		return err
	}
	d := &figures.Drift{LatencyMS: figures.SpreadOf(each), BurstMS: many[bursts/2], Requests: one.total(), By: one.requests}
	s.run.Drift = d
	s.say("hand edit: undone after %.0f ms (p99 %.0f), %d requests; %d at once: p99 %.0f ms (%.0f to %.0f)", d.LatencyMS.P50, d.LatencyMS.P99, d.Requests,
		d.BurstMS.Samples, d.BurstMS.P99, many[0].P99, many[bursts-1].P99)
	_, err = s.engine.quiet(ctx)
	return err
}

// nobody undoes an edit but the controller.
func nobody(context.Context, int) error { return nil }

// editOften repeats a burst of edits, and returns how long each took, the quickest first.
func (s *stage) editOften(ctx context.Context, once func(ctx context.Context) ([]time.Duration, error)) ([]figures.Spread, error) {
	out := make([]figures.Spread, bursts)
	for i := range out {
		took, err := once(ctx)
		if err != nil {
			return nil, err
		}
		out[i] = figures.SpreadOf(took)
	}
	slices.SortFunc(out, func(a, b figures.Spread) int { return cmp.Compare(a.P99, b.P99) })
	return out, nil
}

// editMany changes the settings of many sets by hand at once. Undo is called when the API server has answered the edit of the i-th set.
func (s *stage) editMany(ctx context.Context, undo func(ctx context.Context, i int) error) ([]time.Duration, error) {
	many := make([]time.Duration, min(burst, s.size.Spots()))
	g, working := errgroup.WithContext(ctx)
	for i := range many {
		g.Go(func() (err error) {
			many[i], err = s.edit(working, i, undo)
			return err
		})
	}
	return many, g.Wait()
}

// edit changes the settings of the i-th set by hand, and waits until that is undone.
func (s *stage) edit(ctx context.Context, i int, undo func(ctx context.Context, i int) error) (time.Duration, error) {
	spot := s.size.Spot(i % s.size.Spots())
	key := spot.App() + "/" + spot.SettingsName()
	s.settings.mu.Lock()
	value := s.settings.seen[key].value
	s.settings.mu.Unlock()
	patch := text(map[string]any{"data": map[string]string{workload.LevelKey: "by hand"}})
	answer, err := s.kube.CoreV1().ConfigMaps(spot.App()).Patch(ctx, spot.SettingsName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: editor})
	answered := time.Now()
	if err != nil {
		return 0, fmt.Errorf("edit %s: %w", key, err)
	}
	version, err := strconv.ParseUint(answer.ResourceVersion, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("edit %s: %w", key, err)
	}
	if err := undo(ctx, i); err != nil {
		return 0, err
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	at, err := s.settings.object(ctx, key, func(x sighting) bool { return x.version > version && x.value == value })
	return at.Sub(answered), err
}
