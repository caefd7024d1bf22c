package bench_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench"
	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// progress hands each line to a function.
type progress func(string)

// Write takes whole lines.
func (p progress) Write(line []byte) (int, error) {
	p(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

func options(t *testing.T, said func(string)) bench.Options {
	t.Helper()
	return bench.Options{
		Sizes: []workload.Workload{{Apps: 3, Sets: 1}}, Samples: 3, Idle: 2 * time.Second, Dir: t.TempDir(), Progress: progress(said),
		Fairlead: testkit.Binary(t, "fairlead"), Devcluster: testkit.Binary(t, "devcluster"),
	}
}

// left fails the test if anything of a run is still there.
func left(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 0 {
		t.Errorf("left in %s: %v, %v", dir, files, err)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range commands {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), dir) {
			t.Errorf("still running: %s", strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
}

// TestRun measures the smallest workload: counts are exact, whatever the machine does.
func TestRun(t *testing.T) {
	o := options(t, func(line string) { t.Log(line) })
	runs, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	left(t, o.Dir)
	r := runs[0]
	for name, c := range map[string]struct{ got, want int }{
		"objects of an app":        {r.ObjectsPerApp, 5},
		"cold: renders":            {r.Cold.Renders, 3},
		"cold: fetches":            {r.Cold.Fetches, 1},
		"cold: dry runs":           {r.Cold.DryRuns, 15},
		"cold: applies":            {r.Cold.Applies, 15},
		"change: samples":          {r.Change.LatencyMS.Samples, 3},
		"change: renders":          {r.Change.Renders, 1},
		"change: fetches":          {r.Change.Fetches, 1},
		"change: dry runs":         {r.Change.By["dry-run configmaps"], 1},
		"change: applies":          {r.Change.By["apply configmaps"], 1},
		"idle: lists":              {r.Idle.Lists, 0},
		"idle: dry runs":           {r.Idle.DryRuns, 0},
		"idle: writes":             {r.Idle.Writes, 0},
		"drift: samples":           {r.Drift.LatencyMS.Samples, 3},
		"drift: at once":           {r.Drift.BurstMS.Samples, 3},
		"raw limit: at once":       {r.RawLimit.BurstMS.Samples, 3},
		"shared base: apps":        {r.SharedBase.Dependents, 1},
		"shared base: renders":     {r.SharedBase.Renders, 1},
		"depend: samples":          {r.Depend.LatencyMS.Samples, 3},
		"prune: samples":           {r.Prune.LatencyMS.Samples, 2},
		"restart: renders":         {r.Restart.Renders, 3},
		"restart: dry runs":        {r.Restart.DryRuns, 0},
		"restart: applies":         {applies(r.Restart.By), 0},
		"memory: peak is not zero": {min(int(r.Memory.PeakMiB), 1), 1},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
	if r.Change.Requests > 12 {
		t.Errorf("one line takes %d requests, which are %v; at most 12 are promised", r.Change.Requests, r.Change.By)
	}
	if r.RawLimit.ApplyS <= 0 || r.RawLimit.DryRunApplyS <= 0 || r.Cold.SettledS < r.Cold.AppliedS {
		t.Errorf("times that cannot be: %+v, %+v", r.RawLimit, r.Cold)
	}
}

func applies(by figures.Counts) int {
	n := 0
	for kind, k := range by {
		if strings.HasPrefix(kind, "apply ") {
			n += k
		}
	}
	return n
}

// TestInterrupted: Ctrl-C in the midst of it leaves nothing.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := options(t, func(line string) {
		if strings.HasPrefix(line, "cold sync: all objects exist") {
			cancel()
		}
	})
	o.Only = []string{bench.Cold}
	if runs, err := bench.Run(ctx, o); !errors.Is(err, context.Canceled) || len(runs) > 0 {
		t.Errorf("got %v, %v", runs, err)
	}
	left(t, o.Dir)
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*bench.Options){
		"":                                  func(*bench.Options) {},
		`there is no part "x": choose from`: func(o *bench.Options) { o.Only = []string{"x"} },
		"no size is given":                  func(o *bench.Options) { o.Sizes = nil },
		"0 samples":                         func(o *bench.Options) { o.Samples = 0 },
		"idle for 0s":                       func(o *bench.Options) { o.Idle = 0 },
	} {
		o := bench.Options{Sizes: []workload.Workload{{Apps: 1, Sets: 1}}, Samples: 1, Idle: 1}
		change(&o)
		if err := o.Check(); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
