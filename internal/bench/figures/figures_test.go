package figures_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/golden"
)

// read reads a file of an archive.
func read(t *testing.T, ar *txtar.Archive, name string) []figures.Run {
	t.Helper()
	i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	runs, err := figures.Decode(ar.Files[i].Data)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func TestTable(t *testing.T) {
	golden.Run(t, "testdata/table_*.txtar", func(t *testing.T, ar *txtar.Archive) {
		runs := read(t, ar, "runs.json")
		var table, missed bytes.Buffer
		if err := figures.Table(&table, runs); err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			for _, line := range r.Missed() {
				missed.WriteString(line + "\n")
			}
		}
		golden.Set(ar, "table", table.String())
		golden.Set(ar, "missed", missed.String())
	})
}

func TestCompare(t *testing.T) {
	golden.Run(t, "testdata/compare_*.txtar", func(t *testing.T, ar *txtar.Archive) {
		var b bytes.Buffer
		if err := figures.Compare(read(t, ar, "before.json"), read(t, ar, "after.json"), figures.Tolerance).Print(&b); err != nil {
			t.Fatal(err)
		}
		golden.Set(ar, "compare", b.String())
	})
}

// TestFile: other programs read these keys, where they are.
func TestFile(t *testing.T) {
	archive, err := os.ReadFile("testdata/table_all.txtar")
	if err != nil {
		t.Fatal(err)
	}
	runs := read(t, txtar.Parse(archive), "runs.json")
	data, err := figures.Encode(runs)
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]any
	if err := json.Unmarshal(data, &content); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"n", "raw_limit.apply_s", "raw_limit.dry_run_apply_s", "cold.applied_s", "cold.settled_s", "cold.requests", "cold.cpu_s", "change.latency_ms.p50",
		"change.latency_ms.p99", "change.requests", "change.renders", "change.fetches", "change.cpu_ms", "shared_base.dependents", "shared_base.renders",
		"drift.latency_ms.p50", "drift.latency_ms.p99", "drift.burst_ms.p99", "idle.seconds", "idle.lists", "idle.dry_runs", "idle.writes", "idle.git_requests",
		"idle.cpu_s_per_min", "prune.latency_ms.p50", "restart.settled_s", "restart.dry_runs", "restart.writes", "memory.peak_mib", "memory.settled_mib",
	} {
		at := any(content)
		for part := range strings.SplitSeq(key, ".") {
			inside, _ := at.(map[string]any)
			at = inside[part]
		}
		if _, ok := at.(float64); !ok {
			t.Errorf("%s is %v, want a number", key, at)
		}
	}
	for _, runs := range [][]figures.Run{runs, {runs[0], runs[0]}, {}} {
		data, err := figures.Encode(runs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := figures.Decode(data)
		if diff := cmp.Diff(runs, got); err != nil || diff != "" {
			t.Errorf("%d runs: %v (-written +read):\n%s", len(runs), err, diff)
		}
	}
	for _, text := range []string{"", "{}", `{"n": "x"}`} {
		if _, err := figures.Decode([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestSpread(t *testing.T) {
	if got := figures.SpreadOf(nil); got != (figures.Spread{}) {
		t.Errorf("of nothing: %+v", got)
	}
	times := make([]time.Duration, 0, 200)
	for i := 200; i > 0; i-- {
		times = append(times, time.Duration(i)*time.Millisecond)
	}
	if got, want := figures.SpreadOf(times), (figures.Spread{P50: 100, P99: 198, Max: 200, Samples: 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if times[0] != 200*time.Millisecond {
		t.Error("the times were sorted where they are")
	}
	if got, want := figures.SpreadOf(times[:1]), (figures.Spread{P50: 200, P99: 200, Max: 200, Samples: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
