package keeper_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/keeper"
	"github.com/fairlead-cd/fairlead/internal/history/store"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

func entered(serial int, phase release.Phase, minute int) history.Record {
	return history.OfRelease(history.Place{Namespace: "shop", Environment: "production", App: "web"},
		release.Release{Serial: serial, Phase: phase, Since: noon.Add(time.Duration(minute) * time.Minute), Want: release.Want{Digest: fmt.Sprint(serial)}},
		func(w release.Want) history.Version {
			return history.Version{Digest: w.Digest, Committed: noon.Add(-time.Minute)}
		})
}

// start runs a keeper until the returned function is called, or the test ends.
func start(t *testing.T, address string) (*keeper.Keeper, prometheus.Gatherer, func()) {
	t.Helper()
	registry := prometheus.NewRegistry()
	k := keeper.New(keeper.Options{Address: address, Metrics: registry, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
	stop := func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return k, registry, stop
}

// store records, and waits until that is done.
func keep(t *testing.T, k *keeper.Keeper, records ...history.Record) {
	t.Helper()
	done := make(chan struct{}, len(records))
	for _, r := range records {
		if err := k.Record(r, func() { done <- struct{}{} }); err != nil {
			t.Fatal(err)
		}
	}
	for range records {
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("not stored within a minute: %s", k.Trouble())
		}
	}
}

// told are the figures as Prometheus is told them, those that are zero left out.
func told(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	add := func(name string, v float64) {
		if v != 0 {
			out[name] += v
		}
	}
	for _, f := range families {
		for _, m := range f.Metric {
			name := strings.TrimPrefix(f.GetName(), "fairlead_")
			switch f.GetType() {
			case dto.MetricType_HISTOGRAM:
				add(name+" count", float64(m.Histogram.GetSampleCount()))
				add(name+" sum", m.Histogram.GetSampleSum())
			case dto.MetricType_COUNTER:
				add(name, m.Counter.GetValue())
			case dto.MetricType_SUMMARY:
				add(name+" count", float64(m.Summary.GetSampleCount()))
				add(name+" sum", m.Summary.GetSampleSum())
			case dto.MetricType_GAUGE, dto.MetricType_UNTYPED, dto.MetricType_GAUGE_HISTOGRAM:
				add(name, m.Gauge.GetValue())
			}
		}
	}
	return out
}

// TestFigures: what is told Prometheus is right also if one replica saw an app fail and another one that it was well again.
func TestFigures(t *testing.T) {
	address := filepath.Join(t.TempDir(), "history.db")
	first, figures, stop := start(t, address)
	keep(t, first, entered(1, release.Applying, 1), entered(1, release.Succeeded, 2), entered(1, release.Succeeded, 2))
	keep(t, first, entered(2, release.Applying, 10), entered(2, release.RollingBack, 20))
	want := map[string]float64{
		"history_records_total": 4, "deployments_total": 1, "releases_total": 2, "release_failures_total": 1, "lead_time_seconds count": 1, "lead_time_seconds sum": 180,
		"app_lead_time_seconds count": 1, "app_lead_time_seconds sum": 180,
	}
	if diff := cmp.Diff(want, told(t, figures)); diff != "" {
		t.Errorf("the first replica (-want +got):\n%s", diff)
	}
	stop()
	second, figures, _ := start(t, address)
	keep(t, second, entered(2, release.RolledBack, 25), entered(3, release.Succeeded, 30))
	want = map[string]float64{
		"history_records_total": 2, "deployments_total": 1, "releases_total": 1, "lead_time_seconds count": 1, "lead_time_seconds sum": 31 * 60,
		"time_to_restore_seconds count": 1, "time_to_restore_seconds sum": 300, "app_lead_time_seconds count": 1, "app_lead_time_seconds sum": 31 * 60,
		"app_time_to_restore_seconds count": 1, "app_time_to_restore_seconds sum": 300,
	}
	if diff := cmp.Diff(want, told(t, figures)); diff != "" {
		t.Errorf("the second replica (-want +got):\n%s", diff)
	}
}

func TestStoreThatCannotBeOpened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	if err := os.WriteFile(filepath.Dir(dir), nil, 0o600); err != nil { // a file in the place of the directory
		t.Fatal(err)
	}
	k, figures, _ := start(t, filepath.Join(dir, "history.db"))
	done := make(chan struct{})
	if err := k.Record(entered(1, release.Succeeded, 1), func() { close(done) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.HasPrefix(k.Trouble(), "1 records wait for the history store: open") })
	if _, err := k.Store(); fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("the store: %v", err)
	}
	if got := told(t, figures); got["history_pending"] != 1 || got["history_failures_total"] == 0 {
		t.Errorf("figures: %v", got)
	}
	if err := os.Remove(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("not stored within a minute: %s", k.Trouble())
	}
	s, err := k.Store()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range s.Find(t.Context(), history.Query{}) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 1 || k.Trouble() != "" {
		t.Errorf("%d records are stored; trouble %q", n, k.Trouble())
	}
}

// TestFileTakenAway: a file that is removed while it is in use takes what it had with it, and nothing that comes afterwards; and somebody is told.
func TestFileTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	var said bytes.Buffer
	k := keeper.New(keeper.Options{Address: "sqlite:" + path, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(&said, nil)), Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
	keep(t, k, entered(1, release.Succeeded, 1))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	keep(t, k, entered(2, release.Succeeded, 2), entered(3, release.Succeeded, 3))
	cancel()
	<-ended
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var serials []int
	for r, err := range s.Find(t.Context(), history.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		serials = append(serials, r.Serial)
	}
	if diff := cmp.Diff([]int{2, 3}, serials); diff != "" {
		t.Errorf("in the new file (-want +got):\n%s", diff)
	}
	if v, err := s.Verify(t.Context()); err != nil || v.Records != 2 {
		t.Errorf("the new chain: %+v, %v", v, err)
	}
	if n := strings.Count(said.String(), "was removed or replaced while it was in use"); n != 1 {
		t.Errorf("said %d times:\n%s", n, said.String())
	}
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper.New(keeper.Options{
			Address: filepath.Join(t.TempDir(), "history.db"), Retention: 24 * time.Hour,
			Metrics: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now,
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			k.Run(ctx)
		}()
		for n := range 3 {
			r := entered(n+1, release.Succeeded, 0)
			r.Time = time.Now().Add(time.Duration(n) * -20 * time.Hour)
			r.Key = fmt.Sprint(n)
			keep(t, k, r)
		}
		time.Sleep(48 * time.Hour)
		s, err := k.Store()
		if err != nil {
			t.Fatal(err)
		}
		if v, err := s.Verify(t.Context()); err != nil || v.Dropped.Seq != 3 {
			t.Errorf("two days later: %+v, %v", v, err)
		}
		cancel()
		<-ended
	})
}

// TestStoreOff: a database that goes away while things happen, and a process that dies meanwhile, cost no record, and none is there twice.
func TestStoreOff(t *testing.T) {
	server := testkit.StartPostgres(t)
	address := server.Database(t)
	const records = 30
	mine := map[int]bool{} // what who records has not been told to be done, as it is kept with each app
	var mu sync.Mutex
	send := func(k *keeper.Keeper, from, to int) {
		for n := from; n < to; n++ {
			if err := k.Record(entered(n+1, release.Planned, n), func() {
				mu.Lock()
				defer mu.Unlock()
				delete(mine, n)
			}); err != nil {
				t.Error(err)
			}
		}
	}
	for n := range records {
		mine[n] = true
	}
	left := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(mine)
	}
	first, _, stop := start(t, address)
	send(first, 0, 10)
	eventually(t, func() bool { return left() == records-10 })
	server.Stop()
	send(first, 10, 20)
	eventually(t, func() bool { return first.Trouble() != "" })
	stop() // it parts with what it could not store
	second, figures, _ := start(t, address)
	send(second, 5, records) // it is not sure what was stored
	eventually(t, func() bool { return second.Trouble() != "" })
	if n := left(); n != records-10 {
		t.Errorf("%d records are not done while the database is away, want %d", n, records-10)
	}
	server.Start(t)
	eventually(t, func() bool { return left() == 0 && second.Trouble() == "" })
	s, err := second.Store()
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(t.Context()); err != nil || v.Records != records {
		t.Errorf("%+v, %v; want %d records", v, err, records)
	}
	if got := told(t, figures)["history_records_total"]; got != records-10 {
		t.Errorf("the second process says that it stored %g, want %d", got, records-10)
	}
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come about within two minutes")
		}
	}
}
