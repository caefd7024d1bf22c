// Package gate judges whether a release may be applied yet: what each gate of an environment waits for, in a sentence that says what to do, and until when.
//
//	for _, j := range gate.Judge(env.Spec.Release.Gates, subject, facts, now) {
//		if !j.Open { … j.Waits: waits for 1 approval of 2: fairlead approve production/web -n shop --commit 1a2b3c4d }
//	}
//
// What is outside (marks at a forge, metrics, services) was asked before, by package gatekeeper; what was answered is among the facts. What could not be asked
// is a closed gate with a reason.
//
// Invariants:
//   - Equal gates, facts and times give equal judgements, in the order of the gates; the order of facts makes no difference.
//   - Whatever cannot be judged is closed. A closed gate says what it waits for.
//   - An approval counts for the commit that it names, for no other; each person once.
//   - A judgement stays as it is until something of the facts changes, or until its Until.
//   - A sentence names times, never spans from now on: it changes only when there is something to say.
package gate
