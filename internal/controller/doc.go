// Package controller watches the custom resources and Git, and wakes the engine: the way in for everything that happens by itself.
//
//	Repository ──poll, webhook──▶ heads ──moved──▶ Environment ──found──▶ App ──pass──▶ engine ──▶ status, events
//	                                                                       ▲
//	                               live change, dependency, request ───────┘
//
// It holds what was read (heads, snapshots, renders) in memory: all of it can be had again. It decides when to look, never what to do.
package controller
