// Package gatekeeper asks what gates want to know of the world outside: marks beside a commit at its forge, a Prometheus, a service. What is made of the answers
// is for package gate to say.
//
//	k := gatekeeper.New(ctx, gatekeeper.Options{Secret: …, Mark: …, May: …, Changed: wake})
//	facts := gate.Facts{Approvals: approvals, Overrides: overrides, Soaks: soaks, Answers: k.Answers(subject, "config", gates)} // at once, whatever is known by now
//	seen.Gates = gate.Gates(gate.Judge(gates, subject, facts, now))
//
// Asking for answers is what keeps the asking going: what nobody wanted to know for [Idle] is asked no more, and begins anew when it is wanted again. The same
// question of several apps is asked once.
//
// Invariants:
//   - Answers never waits for anything outside.
//   - What is not known, or was last heard too long ago, is closed, and the answer says so.
//   - Every question is bounded in time and in what is read; one namespace has at most 10 under way; who fails is asked less and less, every ten minutes at last.
//   - No answer holds anything of a Secret, or of the query of a URL.
//
// Nothing of it is stored: another process asks anew.
package gatekeeper
