// Package bench measures Fairlead: how long a sync, a change, a repair, a deletion and a restart take, what they cost, and how that compares with the raw limit
// of the machine.
//
//	runs, err := bench.Run(ctx, bench.Options{Sizes: sizes, Fairlead: "bin/fairlead", Devcluster: "bin/devcluster", Progress: os.Stderr})
//	figures.Table(os.Stdout, runs)
//
// Each run has a control plane of its own, a Git server on loopback and the real controller as a process of its own, whose CPU and memory the kernel counts:
//
//	bench ── raw loop ──▶ API server ◀── requests, counted by itself ── fairlead controller
//	   └──── one watch a kind ──┘                                           │ ▲
//	   └──── Git server, requests counted ◀──────── ls-refs, fetch ─────────┘ │
//	   └──── webhook ─────────────────────────────────────────────────────────┘
//
// A run measures one thing after the other, and waits before each until nothing happens any more. What is measured is the time between two things that were
// seen: a request of its own and the event of a watch. No audit log is kept, since that would slow the API server: the controller counts its requests in its
// transport, and that count is read before and after, never during what is timed.
//
// Everything that it starts and all that it writes is gone when it ends, also when it is killed.
package bench
