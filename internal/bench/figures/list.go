package figures

// figures are all figures in the order of the table. Those of the raw limit are what others are compared with, so they have neither target nor comparison.
//
// A status that changes twice at once is written once or twice, as it happens: all requests of many apps together vary from run to run, so they are amounts.
// What is exact are the requests for one commit, and the dry runs and applies of many.
func figures() []figure {
	raw := func(r Run) *RawLimit { return r.RawLimit }
	cold := func(r Run) *Cold { return r.Cold }
	change := func(r Run) *Change { return r.Change }
	shared := func(r Run) *SharedBase { return r.SharedBase }
	drift := func(r Run) *Drift { return r.Drift }
	idle := func(r Run) *Idle { return r.Idle }
	depend := func(r Run) *Depend { return r.Depend }
	prune := func(r Run) *Prune { return r.Prune }
	restart := func(r Run) *Restart { return r.Restart }
	used := func(r Run) *Memory { return r.Memory }
	rendered := func(r Run) *Render { return r.Render }
	n := func(x int) float64 { return float64(x) }
	return []figure{
		{"raw limit", "apply", "raw_limit.apply_s", duration, "s", of(raw, func(p RawLimit) float64 { return p.ApplyS }), nil},
		{"", "dry run, apply", "raw_limit.dry_run_apply_s", duration, "s", of(raw, func(p RawLimit) float64 { return p.DryRunApplyS }), nil},
		{"", "many edits at once undone, p99", "raw_limit.burst_ms.p99", duration, "ms", rawBurst, nil},

		{"cold sync", "all objects exist", "cold.applied_s", duration, "s", of(cold, func(p Cold) float64 { return p.AppliedS }), timesRaw(1.5)},
		{"", "every status written", "cold.settled_s", duration, "s", of(cold, func(p Cold) float64 { return p.SettledS }), timesRaw(2)},
		{"", "requests", "cold.requests", amount, "", of(cold, func(p Cold) float64 { return n(p.Requests) }), nil},
		{"", "dry runs", "cold.dry_runs", count, "", of(cold, func(p Cold) float64 { return n(p.DryRuns) }), nil},
		{"", "applies", "cold.applies", count, "", of(cold, func(p Cold) float64 { return n(p.Applies) }), nil},
		{"", "renders", "cold.renders", count, "", of(cold, func(p Cold) float64 { return n(p.Renders) }), func(r Run) target { return exactly(n(r.N))(r) }},
		{"", "fetches", "cold.fetches", count, "", of(cold, func(p Cold) float64 { return n(p.Fetches) }), exactly(1)},
		{"", "CPU", "cold.cpu_s", duration, "s", of(cold, func(p Cold) float64 { return p.CPUS }), nil},

		{"one-line change", "object changed, median", "change.latency_ms.p50", duration, "ms", of(change, func(p Change) float64 { return p.LatencyMS.P50 }), below(150, " ms")},
		{"", "p99", "change.latency_ms.p99", duration, "ms", of(change, func(p Change) float64 { return p.LatencyMS.P99 }), below(500, " ms")},
		{"", "every status written, median", "change.settled_ms.p50", duration, "ms", of(change, func(p Change) float64 { return p.SettledMS.P50 }), nil},
		{"", "requests", "change.requests", count, "", of(change, func(p Change) float64 { return n(p.Requests) }), atMost(12)},
		{"", "renders", "change.renders", count, "", of(change, func(p Change) float64 { return n(p.Renders) }), exactly(1)},
		{"", "fetches", "change.fetches", count, "", of(change, func(p Change) float64 { return n(p.Fetches) }), exactly(1)},
		{"", "CPU", "change.cpu_ms", duration, "ms", of(change, func(p Change) float64 { return p.CPUMS }), below(50, " ms")},

		{"shared base", "apps that use it", "shared_base.dependents", count, "", of(shared, func(p SharedBase) float64 { return n(p.Dependents) }), nil},
		{"", "renders", "shared_base.renders", count, "", of(shared, func(p SharedBase) float64 { return n(p.Renders) }), dependents},
		{"", "all objects changed", "shared_base.applied_s", duration, "s", of(shared, func(p SharedBase) float64 { return p.AppliedS }), nil},
		{"", "requests", "shared_base.requests", amount, "", of(shared, func(p SharedBase) float64 { return n(p.Requests) }), nil},

		{"hand edit", "undone, median", "drift.latency_ms.p50", duration, "ms", of(drift, func(p Drift) float64 { return p.LatencyMS.P50 }), below(30, " ms")},
		{"", "p99", "drift.latency_ms.p99", duration, "ms", of(drift, func(p Drift) float64 { return p.LatencyMS.P99 }), below(150, " ms")},
		{"", "many at once, median", "drift.burst_ms.p50", duration, "ms", of(drift, func(p Drift) float64 { return p.BurstMS.P50 }), nil},
		{"", "many at once, p99", "drift.burst_ms.p99", duration, "ms", of(drift, func(p Drift) float64 { return p.BurstMS.P99 }), below(150, " ms")},
		{"", "requests", "drift.requests", count, "", of(drift, func(p Drift) float64 { return n(p.Requests) }), nil},

		{"idle", "lists", "idle.lists", count, "", of(idle, func(p Idle) float64 { return n(p.Lists) }), exactly(0)},
		{"", "dry runs", "idle.dry_runs", count, "", of(idle, func(p Idle) float64 { return n(p.DryRuns) }), exactly(0)},
		{"", "writes but the Lease", "idle.writes", count, "", of(idle, func(p Idle) float64 { return n(p.Writes) }), exactly(0)},
		{"", "requests to Git", "idle.git_requests", count, "", of(idle, func(p Idle) float64 { return n(p.GitRequests) }), nil},
		{"", "CPU in a minute", "idle.cpu_s_per_min", duration, "s", of(idle, func(p Idle) float64 { return p.CPUSPerMin }), upTo(1000, below(0.1, " s"))},

		{"dependent app", "changed after it may, median", "depend.latency_ms.p50", duration, "ms", of(depend, func(p Depend) float64 { return p.LatencyMS.P50 }), below(100, " ms")},

		{"prune", "object gone, median", "prune.latency_ms.p50", duration, "ms", of(prune, func(p Prune) float64 { return p.LatencyMS.P50 }), nil},

		{"restart", "all apps known good", "restart.settled_s", duration, "s", of(restart, func(p Restart) float64 { return p.SettledS }), upTo(1000, below(5, " s"))},
		{"", "dry runs", "restart.dry_runs", count, "", of(restart, func(p Restart) float64 { return n(p.DryRuns) }), exactly(0)},
		{"", "writes but the Lease", "restart.writes", count, "", of(restart, func(p Restart) float64 { return n(p.Writes) }), exactly(0)},
		{"", "CPU", "restart.cpu_s", duration, "s", of(restart, func(p Restart) float64 { return p.CPUS }), nil},

		{"memory", "peak", "memory.peak_mib", amount, "MiB", of(used, func(p Memory) float64 { return p.PeakMiB }), memory},
		{"", "settled", "memory.settled_mib", amount, "MiB", of(used, func(p Memory) float64 { return p.SettledMiB }), nil},

		{"render", "overlays of Kustomize", "render.overlays.apps", count, "", of(rendered, func(p Render) float64 { return n(p.Overlays.Apps) }), nil},
		{"", "all of them", "render.overlays.cold_s", duration, "s", of(rendered, func(p Render) float64 { return p.Overlays.ColdS }), nil},
		{"", "one, median", "render.overlays.each_ms.p50", duration, "ms", of(rendered, func(p Render) float64 { return p.Overlays.EachMS.P50 }), nil},
		{"", "after a commit of one line, median", "render.overlays.change_ms.p50", duration, "ms", of(rendered, func(p Render) float64 { return p.Overlays.ChangeMS.P50 }), nil},
		{"", "… renders", "render.overlays.change_renders", count, "", of(rendered, func(p Render) float64 { return n(p.Overlays.ChangeRenders) }), exactly(1)},
		{"", "after a change of a base", "render.base.ms", duration, "ms", of(rendered, func(p Render) float64 { return p.Base.MS }), nil},
		{"", "… renders", "render.base.renders", count, "", of(rendered, func(p Render) float64 { return n(p.Base.Renders) }), baseDependents},
		{"", "charts of Helm", "render.charts.apps", count, "", of(rendered, func(p Render) float64 { return n(p.Charts.Apps) }), nil},
		{"", "all of them", "render.charts.cold_s", duration, "s", of(rendered, func(p Render) float64 { return p.Charts.ColdS }), nil},
		{"", "one, median", "render.charts.each_ms.p50", duration, "ms", of(rendered, func(p Render) float64 { return p.Charts.EachMS.P50 }), nil},
		{"", "after a commit of one line, median", "render.charts.change_ms.p50", duration, "ms", of(rendered, func(p Render) float64 { return p.Charts.ChangeMS.P50 }), nil},
		{"", "… renders", "render.charts.change_renders", count, "", of(rendered, func(p Render) float64 { return n(p.Charts.ChangeRenders) }), exactly(1)},
	}
}
