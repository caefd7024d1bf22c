// Package sim runs the whole engine, unchanged, in a simulated world, and lets everything go wrong that can.
//
//	s := sim.Random(4711)        // a scenario, an order of events, a few faults: all drawn from the seed
//	if err := sim.Run(s); err != nil {
//		s, err = sim.Shrink(s)   // the fewest faults that break the same promise
//	}
//
// A world is an API server (package kube), Git repositories, a clock, people who follow a story (testdata/scenario), and controllers made of the parts that
// the real one is made of: package controller with all below it. They share one goroutine: a scheduler draws what happens next (an event is delivered, a
// reconciler runs, a timer fires, somebody acts), at rest or while a request is on its way, and a fault strikes at the n-th request. Equal schedules
// give equal runs, step by step.
//
// At every step: Fairlead deletes nothing but what a stored claim and the live owner mark agree about, as it was observed; and applies nothing that no
// stored claim covers. When all is at rest: the cluster, the claims and every status are those of the same story without faults; nothing was deleted that
// is kept there; nothing is orphaned; and nothing is written any more though everything is looked at again.
//
// It simulates no network, no disk and no race within the process: see docs/reliability.md.
package sim
