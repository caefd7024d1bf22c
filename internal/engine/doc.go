// Package engine is one pass of the loop: look at an app, decide, record the claims, do the next steps, say how it stands.
//
//	observe ─▶ plan.Compute ─▶ ledger ─▶ execute plan.Next() ─▶ ledger ─▶ again, until a pass has nothing to do
//
// A pass never sleeps and never waits for health: it does what it can and returns, and the next event wakes it. It holds no operation:
// what it knows of an app is the stored record and what live shows, so that a process that dies anywhere loses nothing.
//
// The engine knows neither Git nor custom resources. It declares the interfaces that it needs; the shell provides them.
//
// Invariant: passes of one app never run at the same time (the caller's queue sees to it).
// Invariant: a claim is stored before the object it names is touched.
package engine
